//! A task that sends mail, from the push to the mailbox: connections by TCP in a worker, and
//! in a process of its own.

use crate::support::peer::Peer;
use crate::support::site::{Ran, Site, text};
use crate::support::until;
use crate::support::wasm::Examples;

/// What the example wants to reach, and a port of as many digits takes its place.
const WANTED: &[u8] = b"127.0.0.1:47125";

async fn module(peer: &Peer) -> Vec<u8> {
    let built = tokio::task::spawn_blocking(Examples::build).await.unwrap();
    let mut module = std::fs::read(built.component("mail")).unwrap();
    let place = format!("127.0.0.1:{:05}", peer.port());
    let at = module.windows(WANTED.len()).position(|it| it == WANTED);
    let at = at.expect("the module says what it wants");
    module[at..at + WANTED.len()].copy_from_slice(place.as_bytes());
    module
}

async fn send(site: &Site, to: &str) -> Ran {
    let to = format!("to:=[\"{to}\"]");
    let args = [
        "call",
        "mail.send",
        &to,
        "subject=hello",
        "text=how are you?",
    ];
    site.lovage(&[&args[..], &["--wait", "--json"]].concat())
        .await
}

async fn mail_is_sent(site: Site) {
    let (peer, stranger) = (Peer::mail().await, Peer::mail().await);
    let file = site.write("mail.wasm", module(&peer).await);
    let _worker = site.worker(&[]).await;
    site.lovage(&["push", text(&file), "--name", "mail", "--grant"])
        .await
        .ok();
    let unset = send(&site, "you@example.com").await.fails(1, &[]).json();
    assert!(
        unset.to_string().contains("lovage config set smtp-server"),
        "{unset}"
    );
    let server = peer.address().to_string();
    site.lovage(&["config", "set", "smtp-server", &server])
        .await
        .ok();
    site.lovage(&["config", "set", "mail-from", "me@example.com"])
        .await
        .ok();
    let sent = send(&site, "you@example.com").await.ok().json();
    let id = sent["id"].as_str().expect("a job's id");
    assert_eq!(sent["result"], format!("<{id}@lovage>"), "{sent}");
    // The task need not have waited for the server to see the end.
    until("the server has it all", || async {
        (peer.connections() == (1, 1)).then_some(())
    })
    .await;
    let mailbox = peer.said();
    assert_eq!(mailbox.len(), 1, "{mailbox:?}");
    for line in [
        "RCPT TO:<you@example.com>",
        "Subject: hello",
        "how are you?",
    ] {
        assert!(
            mailbox[0].lines().any(|it| it == line),
            "{line}: {mailbox:?}"
        );
    }
    assert!(mailbox[0].contains(id), "{mailbox:?}");
    // What is refused for good is not tried again.
    let refused = send(&site, "nobody@example.com").await.fails(1, &[]).json();
    assert_eq!(refused["state"], "discarded", "{refused}");
    assert!(
        refused.to_string().contains("550 nobody of that name"),
        "{refused}"
    );
    until("that one has ended as well", || async {
        (peer.connections().1 == 2).then_some(())
    })
    .await;
    assert_eq!(peer.connections(), (2, 2));
    // Another door was not granted, whatever the configuration says.
    let address = format!("address={}", stranger.address());
    let denied = site
        .lovage(&["call", "mail.ask", &address, "text=a", "--wait", "--json"])
        .await;
    let denied = denied.fails(1, &[]).json();
    assert!(denied.to_string().contains("permission-denied"), "{denied}");
    assert_eq!(stranger.connections(), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_sends_mail_to_the_server_that_it_was_granted() {
    mail_is_sent(Site::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_in_a_process_of_its_own_does_so_too() {
    mail_is_sent(Site::sqlite().apart()).await;
}
