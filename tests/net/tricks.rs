//! Ways to have a host ask for what its own network shows it alone, and what comes of each.

use std::time::Duration;

use lovage::net::Bounds;

use super::{Told, gate, get, name};
use crate::support::web::Web;

/// Public, and nobody is there.
const ELSEWHERE: &str = "192.0.1.1";

#[tokio::test]
async fn each_known_trick_has_its_refusal() {
    let web = Web::start().await;
    let names = Told::of(&[
        ("evil.test", &["127.0.0.1"]),
        ("meta.evil.test", &["169.254.169.254"]),
        ("mapped.evil.test", &["::ffff:127.0.0.1"]),
        ("nat.evil.test", &["64:ff9b::7f00:1"]),
        ("six.evil.test", &["::1 fe80::1 fc00::1"]),
        ("localhost", &["127.0.0.1"]),
        ("localhost.", &["127.0.0.1"]),
        ("trusted.test", &["127.0.0.1"]),
    ]);
    let port = web.port();
    let of = |host: &str| format!("http {host}:{port}");
    let granted = [
        of("evil.test"),
        of("*.evil.test"),
        of("localhost"),
        of("127.0.0.1"),
        of("[::1]"),
        of("169.254.169.254"),
        of("private 169.254.169.254"),
        format!("http GET private.test:{port}"),
        "http private trusted.test:80".to_owned(),
    ];
    let granted: Vec<&str> = granted.iter().map(String::as_str).collect();
    let gate = gate(names, &granted, Bounds::default());
    for (host, expected) in [
        // Names that lead inside, whoever they are.
        ("evil.test", "prohibited"),
        ("meta.evil.test", "prohibited"),
        ("mapped.evil.test", "prohibited"),
        ("nat.evil.test", "prohibited"),
        ("six.evil.test", "prohibited"),
        ("localhost", "prohibited"),
        ("localhost.", "prohibited"),
        ("LOCALHOST", "prohibited"),
        // Addresses, as they are and as they may be written.
        ("127.0.0.1", "prohibited"),
        ("2130706433", "prohibited"),
        ("0177.0.0.1", "prohibited"),
        ("0x7f000001", "prohibited"),
        ("0x7f.1", "prohibited"),
        ("127.1", "prohibited"),
        ("127.0.0.1.", "prohibited"),
        ("%31%32%37.0.0.1", "prohibited"),
        ("[::1]", "prohibited"),
        ("[::ffff:127.0.0.1]", "prohibited"),
        ("[::ffff:7f00:1]", "prohibited"),
        ("169.254.169.254", "prohibited"),
        ("[::ffff:a9fe:a9fe]", "prohibited"),
        ("2852039166", "prohibited"),
        // What only looks like something that was granted.
        ("127.0.0.2", "denied"),
        ("0", "denied"),
        ("evil.test.other.test", "denied"),
        ("notevil.test", "denied"),
        ("user@evil.test", "invalid"),
        ("evil.test:80@127.0.0.1", "invalid"),
        // The right name at another port: that of a grant for private addresses.
        ("trusted.test", "denied"),
        ("no.evil.test", "unknown"),
    ] {
        let answered = gate.http(get(&web.url(host, "/"))).await;
        assert_eq!(name(&answered), expected, "{host}: {answered:?}");
    }
    let mut post = get(&web.url("private.test", "/"));
    post.method = "POST".into();
    assert_eq!(name(&gate.http(post).await), "denied", "another method");
    assert_eq!(web.connections(), 0, "{:?}", web.requests());
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_cannot_say_something_else_then() {
    let web = Web::start().await;
    let rebinding: &[&str] = &[ELSEWHERE, "127.0.0.1"];
    let names = Told::of(&[
        ("evil.test", rebinding),
        ("both.test", &["127.0.0.1 192.0.1.1"]),
    ]);
    let to = |host: &str| format!("http {host}:{}", web.port());
    let bounds = Bounds {
        time: Duration::from_secs(2),
        ..Bounds::default()
    };
    let gate = gate(names.clone(), &[&to("evil.test"), &to("both.test")], bounds);
    let answered = gate.http(get(&web.url("evil.test", "/"))).await;
    let failed = name(&answered);
    assert!(matches!(failed, "timeout" | "connect"), "{answered:?}");
    assert_eq!(names.asked(), ["evil.test"]);
    // The next request looks again, and what is judged is what it finds.
    let answered = gate.http(get(&web.url("evil.test", "/"))).await;
    assert_eq!(name(&answered), "prohibited");
    // Of two addresses the one that may not be is as if it were not there.
    let answered = gate.http(get(&web.url("both.test", "/"))).await;
    let failed = name(&answered);
    assert!(matches!(failed, "timeout" | "connect"), "{answered:?}");
    assert_eq!(web.connections(), 0);
}

#[tokio::test]
async fn private_is_what_a_grant_says_and_for_that_grant_alone() {
    let web = Web::start().await;
    let names = Told::of(&[
        ("inside.test", &["127.0.0.1"]),
        ("evil.test", &["127.0.0.1"]),
    ]);
    let port = web.port();
    let gate = gate(
        names,
        &[
            &format!("http private GET inside.test:{port}"),
            &format!("http inside.test:{port}"),
            &format!("http evil.test:{port}"),
            &format!("http private 127.0.0.1:{port}"),
        ],
        Bounds::default(),
    );
    for host in ["inside.test", "INSIDE.Test", "127.0.0.1", "0x7f.1"] {
        let answer = gate.http(get(&web.url(host, "/"))).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
    }
    assert_eq!(web.connections(), 4, "none is kept for the next");
    let mut post = get(&web.url("inside.test", "/"));
    post.method = "POST".into();
    // Granted too, but by a line that does not say `private`.
    assert_eq!(name(&gate.http(post).await), "prohibited");
    let other = gate.http(get(&web.url("evil.test", "/"))).await;
    assert_eq!(name(&other), "prohibited");
    assert_eq!(web.connections(), 4);
}

#[tokio::test]
async fn a_redirect_is_shown_and_not_followed() {
    let web = Web::start().await;
    let names = Told::of(&[("inside.test", &["127.0.0.1"])]);
    let granted = format!("http private inside.test:{}", web.port());
    let gate = gate(names, &[&granted], Bounds::default());
    let to = "http://169.254.169.254/latest/meta-data/";
    let url = web.url("inside.test", &format!("/redirect?{to}"));
    let answer = gate.http(get(&url)).await.unwrap();
    assert_eq!(answer.status, 302);
    let location = answer.headers.iter().find(|it| it.0 == "location");
    assert_eq!(location.unwrap().1, to.as_bytes());
    assert_eq!(name(&gate.http(get(to)).await), "denied");
    assert_eq!(web.requests().len(), 1);
}
