//! Schemas that a module brings along for others to be checked by.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Stage;
use crate::api::door::Door;
use crate::fixtures::{ECHO, Guest};
use crate::support::site_test;

fn module(schema: &Value) -> Vec<u8> {
    Guest::new(ECHO)
        .tasks(&[("go", &schema.to_string())])
        .pages(4)
        .build()
}

fn doubling(levels: usize) -> Value {
    let next = |n: usize| json!({"$ref": format!("#/$defs/{}", n + 1)});
    let defs = (0..levels).map(|n| (n.to_string(), json!({"anyOf": [next(n), next(n)]})));
    let mut defs: serde_json::Map<String, Value> = defs.collect();
    defs.insert(
        levels.to_string(),
        json!({"type": "string", "contentEncoding": "base64"}),
    );
    json!({"properties": {"x": {"$ref": "#/$defs/0"}}, "$defs": defs})
}

site_test!(
    no_schema_leads_out_of_itself_or_has_no_end,
    |site| async move {
        let mut stage = Stage::set(site).await;
        let long_chain: serde_json::Map<String, Value> = (0..1_000)
            .map(|n| {
                (
                    n.to_string(),
                    json!({"items": {"$ref": format!("#/$defs/{}", (n + 1) % 1_000)}}),
                )
            })
            .collect();
        for (name, schema, says) in [
            (
                "fetched",
                json!({"$ref": "http://169.254.169.254/latest"}),
                "nothing is fetched",
            ),
            (
                "read",
                json!({"properties": {"x": {"$ref": "file:///etc/passwd"}}}),
                "nothing is fetched",
            ),
            (
                "metaschema",
                json!({"$schema": "http://127.0.0.1:1/schema"}),
                "no JSON Schema",
            ),
            ("endless", json!({"$ref": "#"}), "without end"),
            (
                "endless-by-two",
                json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
                "without end",
            ),
            ("doubling", doubling(40), "more than 100000 schemas"),
            (
                "chain",
                json!({"$ref": "#/$defs/0", "$defs": long_chain}),
                "200 deep",
            ),
            ("wide", json!({"enum": vec![0; 25_000]}), "20000 values"),
            (
                "repeats",
                json!({"properties": {"x": {"pattern": "((a{100}){100}){100}"}}}),
                "no JSON Schema",
            ),
            (
                "tracks-back",
                json!({"properties": {"x": {"pattern": "(a+)+\\1$"}}}),
                "no JSON Schema",
            ),
            ("no-type", json!({"type": "nonsense"}), "no JSON Schema"),
        ] {
            let since = Instant::now();
            stage
                .push(name, &module(&schema))
                .await
                .fails(5, &["`go`", says]);
            assert!(
                since.elapsed() < Duration::from_secs(20),
                "{name}: {:?}",
                since.elapsed()
            );
            stage.lives(name).await;
        }
        stage.over_and_well().await;
    }
);

/// What passes at push is bounded where arguments come: a server's thread is not its
/// tenant's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_check_of_arguments_takes_long() {
    let door = Door::open().await;
    let both = json!({"$ref": "#/$defs/x"});
    let twice = json!({"properties": {"x": both}, "$defs": {"x": {
        "anyOf": [{"properties": {"x": both}}, {"properties": {"x": both}}, {"type": "null"},
            {"type": "string", "contentEncoding": "base64"}]}}});
    let pattern = json!({"properties": {"x": {"pattern": "^(a|a)*(a+)+$"}}});
    let many =
        json!({"properties": {"x": {"items": {"allOf": vec![json!({"type": "integer"}); 3_000]}}}});
    let deep = (0..90).fold(json!(1), |inner, _| json!({"x": inner}));
    for (name, schema, sound, hostile) in [
        ("twice", twice, json!({"x": {"x": null}}), deep),
        (
            "pattern",
            pattern,
            json!({"x": "aa"}),
            json!({"x": "a".repeat(400_000) + "b"}),
        ),
        (
            "many",
            many,
            json!({"x": [1, 2]}),
            json!({"x": vec![1; 20_000]}),
        ),
    ] {
        door.push(name, module(&schema)).await;
        let task = format!("{name}.go");
        door.post("/v1/jobs", json!({"task": task, "args": sound}))
            .await
            .made();
        let since = Instant::now();
        let answer = door
            .post("/v1/jobs", json!({"task": task, "args": hostile}))
            .await;
        let problem = answer.problem(422, "invalid-arguments");
        assert!(
            problem.to_string().contains("too many steps"),
            "{name}: {problem}"
        );
        assert!(
            since.elapsed() < Duration::from_secs(10),
            "{name}: {:?}",
            since.elapsed()
        );
    }
}
