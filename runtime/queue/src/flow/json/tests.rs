use std::time::Duration;

use serde_json::{Value, json};

use super::super::*;

fn read(json: Value) -> Flow {
    Flow::from_json(json, "unnamed").unwrap()
}

fn only_call(flow: &Flow) -> &Call {
    match &flow.step {
        Step::Call(call) => call,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_says_all_that_a_call_may() {
    let flow = read(json!({
        "name": "report", "keep": "7d", "on_failure": "wait",
        "task": "m.t", "args": {"n": 1}, "delay": "5s", "queue": "high", "lane": "k",
        "priority": 9, "release": 3, "expires": "1h", "retries": 2, "retry_exhausted": true,
        "backoff": {"base": "1s", "factor": 2, "max": "1m"}, "max_age": "2h", "timeout": "30s",
        "soft_timeout": "20s", "fuel": 1000, "memory": "64MiB", "headers": {"a": "b"},
    }));
    let span = Duration::from_secs;
    assert_eq!((&*flow.name, flow.keep), ("report", Some(span(604_800))));
    assert_eq!(flow.on_failure, OnFailure::Wait);
    let call = only_call(&flow);
    assert_eq!(call.arguments.to_json(), json!({"n": 1}));
    assert_eq!((call.delay, call.expiry), (Some(span(5)), Some(span(3600))));
    assert_eq!((call.queue.as_deref(), &*call.lane), (Some("high"), "k"));
    assert_eq!((call.priority, call.pin), (Some(9), Pin::Release(3)));
    let options = &call.options;
    assert_eq!((options.max_attempts, options.fuel), (Some(3), Some(1000)));
    assert_eq!(options.memory, Some(64 << 20));
    assert_eq!(options.backoff.unwrap().max, span(60));
    assert_eq!(options.headers["a"], "b");
    assert_eq!(options.retry_exhausted, Some(true));

    let flow = read(json!({"task": "m.t", "backoff": "2h", "memory": 17, "lane": null}));
    assert_eq!(
        (&*flow.name, &flow.on_failure),
        ("unnamed", &OnFailure::Stop)
    );
    let options = &only_call(&flow).options;
    assert_eq!(options.backoff.unwrap().max, span(7200));
    assert_eq!(options.memory, Some(17));
}

#[test]
fn a_file_and_a_program_say_the_same() {
    let it = |task: &str| call(task).unwrap();
    let told = || it("m.told").failures("what");
    let map_base = it("m.a").arg("n", &1).unwrap();
    let starmap_args = |x: i64| Arguments::from_json(json!({ "x": x })).unwrap();
    for (json, step) in [
        (json!({"task": "m.a"}), it("m.a").into()),
        (
            json!({"chain": [{"task": "m.a"}, {"task": "m.b", "results": {"x": "previous"}}]}),
            chain([it("m.a"), it("m.b").previous("x")]),
        ),
        (
            json!({"chord": {"group": [{"task": "m.a"}, {"group": [{"task": "m.b"}]}],
                "then": {"task": "m.c", "results": {"all": "previous"}}}}),
            chord((it("m.a"), group([it("m.b")])), it("m.c").previous("all")),
        ),
        (
            json!({"map": {"task": "m.a", "args": {"n": 1}, "over": "x", "values": [1, "b"]}}),
            map(&map_base, "x", [json!(1), json!("b")]).unwrap(),
        ),
        (
            json!({"starmap": {"task": "m.a", "args": {"n": 1}, "values": [{"x": 1}, {"x": 2}]}}),
            starmap(&map_base, [starmap_args(1), starmap_args(2)]),
        ),
        (
            json!({"chunks": {"task": "m.a", "args": {"n": 1}, "over": "x", "values": [1, 2, 3], "size": 2}}),
            chunks(&map_base, "x", [1, 2, 3], 2).unwrap(),
        ),
        (
            json!({"graph": {
                "a": {"task": "m.a"},
                "b": {"after": ["a"], "task": "m.b", "results": {"x": {"step": "a"}}},
            }}),
            graph([
                vertex("a", it("m.a")),
                vertex("b", it("m.b").result_of("x", "a")).after(["a"]),
            ]),
        ),
        (
            json!({"group": [{"task": "m.a", "on_failure": {"default": [null]}}],
                "on_error": {"task": "m.told", "results": {"what": "failures"}}}),
            group([it("m.a").or_default(&[()]).unwrap()]).on_error(told()),
        ),
    ] {
        assert_eq!(read(json.clone()).step, step, "{json}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_its_path() {
    let a = || json!({"task": "m.a"});
    for (json, said) in [
        (json!([]), "flow: it takes an object, and not a list"),
        (json!({}), "flow: say what it is by one of `task`, `chain`"),
        (
            json!({"task": "m.a", "chain": []}),
            "flow: say what it is by one of",
        ),
        (json!({"task": "m"}), "task: `m` is no task"),
        (json!({"task": 7}), "task: it takes a text, and not `7`"),
        (
            json!({"task": "m.a", "arg": {}}),
            "arg: no such field is known here",
        ),
        (
            json!({"task": "m.a", "args": [1]}),
            "args: the arguments must be one object",
        ),
        (
            json!({"task": "m.a", "delay": "soon"}),
            "delay: `soon` is no span",
        ),
        (
            json!({"task": "m.a", "priority": 10}),
            "priority: it takes a whole number of at most 9",
        ),
        (
            json!({"task": "m.a", "memory": "3MB"}),
            "memory: `3MB` is no size",
        ),
        (
            json!({"task": "m.a", "headers": {"x": 1}}),
            "headers.x: it takes a text",
        ),
        (
            json!({"task": "m.a", "backoff": {"base": "1h", "max": "1s"}}),
            "backoff.max: it is less",
        ),
        (
            json!({"task": "m.a", "backoff": {"factor": 0.5}}),
            "backoff.factor: it takes a number from 1",
        ),
        (
            json!({"task": "m.a", "backoff": {"bas": "1s"}}),
            "backoff.bas: no such field",
        ),
        (json!({"task": "m.a", "keep": 7}), "keep: it takes a text"),
        (
            json!({"task": "m.a", "name": "x", "retry": 3}),
            "retry: no such field",
        ),
        (
            json!({"chain": a()}),
            "chain: it takes a list, and not an object",
        ),
        (
            json!({"chain": [a(), 7]}),
            "chain[1]: it takes an object, and not `7`",
        ),
        (
            json!({"chain": [a(), {"group": [a(), {"task": "m.a", "x": 1}]}]}),
            "chain[1].group[1].x: no such field",
        ),
        (json!({"chain": [a()], "then": a()}), "then: no such field"),
        (
            json!({"chain": [{"task": "m.a", "name": "x"}]}),
            "chain[0].name: no such field",
        ),
        (
            json!({"task": "m.a", "results": {"x": "next"}}),
            "results.x: it takes `previous`",
        ),
        (
            json!({"task": "m.a", "results": {"x": {"step": "a", "y": 1}}}),
            "results.x.y: no such",
        ),
        (
            json!({"task": "m.a", "results": {"x": {}}}),
            "results.x.step: name the step",
        ),
        (
            json!({"task": "m.a", "on_failure": "ignore"}),
            "on_failure: it takes `stop`, `wait`",
        ),
        (
            json!({"task": "m.a", "on_failure": {}}),
            "on_failure: it lacks `default`",
        ),
        (
            json!({"task": "m.a", "on_error": {"chain": [a()]}}),
            "on_error.task: name the task",
        ),
        (json!({"chord": {"group": [a()]}}), "chord: it lacks `then`"),
        (
            json!({"chord": {"group": [{"task": "x"}], "then": a()}}),
            "chord.group[0].task: `x`",
        ),
        (
            json!({"chord": {"group": [a()], "then": {"x": 1}}}),
            "chord.then: say what it is",
        ),
        (
            json!({"map": {"task": "m.a", "values": []}}),
            "map.over: name the argument",
        ),
        (
            json!({"map": {"task": "m.a", "over": "x"}}),
            "map: it lacks `values`",
        ),
        (
            json!({"map": {"task": "m.a", "over": "x", "values": [], "size": 3}}),
            "map.size: no such",
        ),
        (
            json!({"map": {"task": "m.a", "over": "x", "values": [1], "args": {"x": 1}}}),
            "map.over: argument `x`",
        ),
        (
            json!({"chunks": {"task": "m.a", "over": "x", "values": [], "size": 0}}),
            "chunks.size: say how many",
        ),
        (
            json!({"starmap": {"task": "m.a", "values": [{}, 3]}}),
            "starmap.values[1]: the arguments",
        ),
        (
            json!({"graph": [a()]}),
            "graph: it takes an object of steps by name",
        ),
        (
            json!({"graph": {"b": {"task": "m.a", "after": "a"}}}),
            "graph[b].after: it takes a list",
        ),
        (
            json!({"graph": {"b": {"task": "m.a", "after": [1]}}}),
            "graph[b].after[0]: it takes a text",
        ),
        (
            json!({"graph": {"b": {"task": "m.a", "befor": []}}}),
            "graph[b].befor: no such field",
        ),
    ] {
        let e = Flow::from_json(json.clone(), "x").unwrap_err().to_string();
        assert!(e.starts_with(said), "{json}: {e}");
    }
}

#[test]
fn a_flow_of_too_many_calls_or_copies_is_refused_before_they_are_made() {
    let ten = || json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let map = || json!({"map": {"task": "m.a", "over": "x", "values": ten()}});
    let chunks = || json!({"chunks": {"task": "m.a", "over": "x", "values": ten(), "size": 3}});
    let a = || json!({"task": "m.a"});
    for (json, calls, path) in [
        (map(), 10, "map.values"),
        (chunks(), 4, "chunks.values"),
        (json!({"chain": [map(), a()]}), 11, "chain[1]"),
        (json!({"group": [a()], "on_error": a()}), 2, "on_error"),
        (
            json!({"starmap": {"task": "m.a", "values": [{}, {}]}}),
            2,
            "starmap.values",
        ),
    ] {
        assert!(Flow::from_json_within(json.clone(), "x", calls).is_ok());
        let e = Flow::from_json_within(json, "x", calls - 1).unwrap_err();
        assert_eq!(e.path, path);
        assert!(e.said.contains(&format!("more than {} calls", calls - 1)));
    }
    // Either is little to write, and much in memory.
    for args in [
        json!({"y": "y".repeat(1 << 20)}),
        json!({"y": vec![0; 1 << 15]}),
    ] {
        let values = vec![0; 300];
        let json = json!({"map": {"task": "m.a", "args": args, "over": "x", "values": values}});
        let e = Flow::from_json(json!({"chain": [json]}), "x").unwrap_err();
        assert_eq!(e.path, "chain[0].map.values");
        assert!(e.said.contains("256 MiB"), "{e}");
    }
}

#[test]
fn a_name_that_stands_twice_is_refused_with_its_line() {
    let text = r#"{"graph": {"a": {"task": "m.a"}, "b": [1, -2, 0.5, true, null, "x"]}}"#;
    assert_eq!(
        read_json(text).unwrap(),
        serde_json::from_str::<Value>(text).unwrap()
    );
    let e = read_json("{\"graph\": {\n\"a\": 1,\n\"a\": 2}}")
        .unwrap_err()
        .to_string();
    assert!(e.contains("`a` stands here twice at line 3"), "{e}");
    assert!(read_json("{} x").is_err());
}
