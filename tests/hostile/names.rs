//! Names that want to be paths, keys, or somebody else's name.

use serde_json::json;

use crate::api::door::Door;
use crate::api::visitor::Answer;
use crate::support::guests::answering;
use crate::support::site::Site;

/// What no name is, and how it is written in a path.
const NAMES: [(&str, &str); 20] = [
    ("../app", "%2e%2e%2fapp"),
    ("..", "%2e%2e"),
    (".", "%2e"),
    ("app/../../etc", "app%2f..%2f..%2fetc"),
    ("/etc/passwd", "%2fetc%2fpasswd"),
    ("%2e%2e", "%252e%252e"),
    ("app\0", "app%00"),
    ("\u{1}lane", "%01lane"),
    ("app\n", "app%0a"),
    ("a b", "a%20b"),
    ("app.go", "app.go.go"),
    ("App", "App"),
    ("äpp", "%c3%a4pp"),
    // Cyrillic, and a letter of full width.
    ("аpp", "%d0%b0pp"),
    ("ａpp", "%ef%bd%81pp"),
    // A zero width joiner, and a direction that is turned round.
    ("app\u{200d}", "app%e2%80%8d"),
    ("\u{202e}ppa", "%e2%80%aeppa"),
    ("*", "*"),
    ("{0}:app", "%7b0%7d:app"),
    ("-app", "-app"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_url_leads_anywhere_by_its_names() {
    let door = Door::with_app().await;
    // What a client would tidy away is asked below, as it is.
    for (name, encoded) in NAMES
        .iter()
        .filter(|it| !it.1.starts_with("%2e%2e") && it.1 != "%2e")
    {
        for (method, path) in [
            ("GET", "/v1/modules/{}"),
            ("POST", "/v1/modules/{}/rollback"),
            ("POST", "/v1/modules/{}/releases/1/activate"),
            ("GET", "/v1/tasks/{}"),
            ("GET", "/v1/tasks/{}.go"),
            ("GET", "/v1/queues/{}"),
            ("POST", "/v1/queues/{}/pause"),
            ("POST", "/v1/queues/{}/purge"),
            ("GET", "/v1/queues/{}/lanes"),
            ("GET", "/v1/schedules/{}"),
            ("DELETE", "/v1/schedules/{}"),
            ("POST", "/v1/limits/queue:{}/pause"),
            ("DELETE", "/v1/hooks/{}"),
            ("DELETE", "/v1/tokens/{}"),
            ("GET", "/v1/jobs/{}"),
            ("GET", "/v1/flows/{}"),
            ("POST", "/v1/broker/{}"),
            ("GET", "/assets/{}"),
        ] {
            let path = path.replace("{}", encoded);
            let answer = Answer::to(door.ask(method, &path)).await;
            assert!(
                (400..500).contains(&answer.status),
                "{method} {path}: {answer:?}"
            );
            let text = answer.text();
            assert!(!text.contains("root:"), "{name:?}: {text}");
        }
    }
    for path in [
        "/../../etc/passwd",
        "//etc/passwd",
        "/v1/../healthz",
        "/v1/./whoami",
        "/v1//whoami",
        "/v1/queues/%2e%2e",
        "/v1/modules/%2e%2e%2f%2e%2e",
        "/assets/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    ] {
        let said = raw(&door, path).await;
        let status = said.split(' ').nth(1).unwrap_or_default();
        assert!(["400", "404"].contains(&status), "{path}: {said}");
        assert!(!said.contains("root:"), "{path}: {said}");
    }
}

/// A request whose path nobody has tidied.
async fn raw(door: &Door, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let host = door.base.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_body_has_a_name_that_is_none() {
    let door = Door::with_app().await;
    let long = "a".repeat(65);
    let huge = "a".repeat(500_000);
    let names = NAMES.iter().map(|it| it.0).chain(["", &long, &huge]);
    for name in names {
        for (method, path, body) in [
            (
                "POST",
                "/v1/jobs",
                json!({"task": format!("{name}.go"), "args": {"side": 1}}),
            ),
            (
                "POST",
                "/v1/jobs",
                json!({"task": format!("app.{name}"), "args": {"side": 1}}),
            ),
            (
                "POST",
                "/v1/jobs",
                json!({"task": "app.go", "args": {"side": 1}, "queue": name}),
            ),
            (
                "PUT",
                "/v1/schedules/x",
                json!({"task": "app.go", "when": {"every": "1h"}, "queue": name}),
            ),
            (
                "POST",
                "/v1/tokens",
                json!({"name": name, "role": "viewer"}),
            ),
        ] {
            let answer = door
                .send(method, path, "application/json", body.to_string())
                .await;
            assert!(
                [400, 404, 422].contains(&answer.status),
                "{name:?} {path}: {answer:?}"
            );
            // What is wrong is told in a line, however long it is.
            assert!(answer.body.len() < 2_000, "{path}: {}", answer.body.len());
        }
    }
    let queues = door.get("/v1/queues").await.ok();
    assert_eq!(queues["queues"], json!([]), "nothing was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_argument_of_a_command_leads_anywhere() {
    let site = Site::sqlite();
    let file = site.write("app.wasm", answering(7));
    let file = file.to_str().unwrap();
    for (name, _) in NAMES.iter().filter(|it| !it.0.contains('\0')) {
        if name.starts_with('-') || *name == "app.go" {
            continue;
        }
        for args in [
            &["push", file, "--name", name][..],
            &["--tenant", name, "queues"],
            &["rollback", name],
            &["pause", &format!("queue:{name}")],
            &["job", name],
            &["token", "create", "--name", name, "--role", "viewer"],
        ] {
            let ran = site.lovage(args).await;
            assert!(ran.code.is_some_and(|it| it != 0), "{args:?}: {ran:#?}");
            assert!(!ran.err.contains("panicked"), "{args:?}: {ran:#?}");
        }
    }
    let there: Vec<_> = std::fs::read_dir(site.work())
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(there, ["app.wasm"], "nothing else was made");
}
