//! What dies, goes away or dawdles: clear answers, and nothing lost.

use std::time::{Duration, Instant};

use lovage::api::token::Role;
use lovage::api::{Patience, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::app;
use super::door::{Door, Serve, settings};
use super::visitor::Answer;
use crate::support::guests::beginning;
use crate::support::redis::Server;
use crate::support::site::Site;
use crate::support::until;

/// Longer than the servers of these tests are patient, and shorter than anybody else.
const SOON: Duration = Duration::from_secs(30);

/// A client that waits for a job that takes a while, with the job's id: it runs.
async fn waits(
    site: &Site,
    serve: &Serve,
) -> (
    tokio::task::JoinHandle<reqwest::Result<(u16, Value)>>,
    String,
) {
    let request = serve.visitor.ask("POST", "/v1/jobs?wait=60s");
    let request = request
        .header("content-type", "application/json")
        .header("idempotency-key", "k")
        .body(json!({"task": "long.go"}).to_string());
    let waiting = tokio::spawn(async move {
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    });
    let job = until("the job runs", || async {
        let jobs = site.list(lovage_queue::job::State::Running).await;
        jobs.first().map(|it| it.call.id)
    })
    .await;
    site.begun(&[job]).await;
    (waiting, job.to_string())
}

/// Whoever comes to a new server with the same request gets the job's result.
async fn nothing_is_lost(site: &Site, id: &str) {
    let serve = Serve::start(site, &[]).await;
    let request = serve.visitor.ask("POST", "/v1/jobs?wait=60s");
    let request = request
        .header("content-type", "application/json")
        .header("idempotency-key", "k");
    let body = json!({"task": "long.go"}).to_string();
    let job = Answer::to(request.body(body)).await.ok();
    assert_eq!(
        json!([job["id"], job["state"], job["result"]]),
        json!([id, "completed", 7])
    );
    assert_eq!(job["attempts"].as_array().unwrap().len(), 1, "{job:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_told_to_stop_answers_who_waits() {
    let site = Site::sqlite();
    site.push("long", &beginning(8_000)).await;
    let _worker = site.worker(&[]).await;
    let mut serve = Serve::start(&site, &[]).await;
    let (waiting, id) = waits(&site, &serve).await;
    serve.process.signal("TERM");
    let (status, job) = waiting.await.unwrap().expect("an answer");
    assert_eq!(status, 200);
    assert_eq!(json!([job["id"], job["state"]]), json!([id, "running"]));
    assert!(serve.process.ended().await.success());
    nothing_is_lost(&site, &id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_takes_no_job_with_it() {
    let site = Site::sqlite();
    site.push("long", &beginning(8_000)).await;
    let _worker = site.worker(&[]).await;
    let mut serve = Serve::start(&site, &[]).await;
    let (waiting, id) = waits(&site, &serve).await;
    serve.process.kill();
    assert!(waiting.await.unwrap().is_err(), "the line is dead");
    nothing_is_lost(&site, &id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_is_said_to_be() {
    let locked = Settings {
        authentication: true,
        ..settings()
    };
    let mut door = Door::on(Site::on(Server::durable()), locked).await;
    door.push("app", app()).await;
    let admin = door.as_a(Role::Admin).await;
    let call = json!({"task": "app.go", "args": {"side": 1}, "key": "k"});
    let id = admin.post("/v1/jobs", call.clone()).await.made()["id"].clone();
    admin.get("/readyz").await.ok();
    door.site.server().kill();
    let path = format!("/v1/jobs/{}", id.as_str().unwrap());
    // Also once nobody remembers the token any more: it is not the token's fault.
    let since = Instant::now();
    loop {
        for answer in [
            admin.get(&path).await,
            admin.get("/v1/queues").await,
            admin.get("/v1/tokens").await,
            admin.get("/v1/events").await,
            admin.post("/v1/jobs", call.clone()).await,
            admin.post("/v1/jobs?wait=5s", call.clone()).await,
            admin.get("/metrics").await,
        ] {
            let problem = answer.later(503, "unavailable");
            let detail = problem["detail"].as_str().unwrap();
            assert!(
                !detail.contains("127.0.0.1"),
                "where it lies is nobody's business: {detail}"
            );
        }
        if since.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    admin.get("/readyz").await.later(503, "unavailable");
    admin.get("/healthz").await.ok();
    door.site.server().restart();
    until("it is ready", || async {
        (admin.get("/readyz").await.status == 200).then_some(())
    })
    .await;
    let again = admin.post("/v1/jobs", call).await.made();
    assert_eq!(again["id"], id, "what was acknowledged is there");
    let _worker = door.site.worker(&[]).await;
    let job = admin.get(&format!("{path}?wait=30s")).await.ok();
    assert_eq!(job["state"], "completed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_outlives_a_broker_that_was_away() {
    let mut door = Door::on(Site::on(Server::durable()), settings()).await;
    let mut request = door.ask("GET", "/v1/events").send().await.unwrap();
    door.poke("/v1/queues/a/pause").await.ok();
    let mut text = String::new();
    while !text.contains("queue:a") {
        let chunk = request.chunk().await.unwrap().expect("more");
        text += std::str::from_utf8(&chunk).unwrap();
    }
    door.site.server().kill();
    door.poke("/v1/queues/b/pause")
        .await
        .later(503, "unavailable");
    door.site.server().restart();
    until("it is back", || async {
        (door.poke("/v1/queues/c/pause").await.status == 200).then_some(())
    })
    .await;
    while !text.contains("queue:c") {
        let chunk = request.chunk().await.unwrap().expect("more");
        text += std::str::from_utf8(&chunk).unwrap();
    }
    assert_eq!(text.matches("queue:a").count(), 1);
}

/// A server that is soon out of patience.
async fn impatient() -> (Door, String) {
    let settings = Settings {
        patience: Patience {
            // Long enough for whoever does not dawdle on a busy machine.
            head: Duration::from_secs(4),
            body: Duration::from_secs(4),
        },
        ..settings()
    };
    let door = Door::on(Site::sqlite(), settings).await;
    door.push("app", app()).await;
    let address = door.base.strip_prefix("http://").unwrap().to_owned();
    (door, address)
}

/// What the server says until it hangs up; a byte of this is sent now and then meanwhile.
async fn until_cut(mut socket: TcpStream, mut drip: &[u8]) -> String {
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    let reading = async {
        loop {
            tokio::select! {
                // What it has said counts, also where there is more to drip.
                biased;
                read = socket.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(length) => said.extend_from_slice(&buffer[..length]),
                },
                () = tokio::time::sleep(Duration::from_millis(100)), if !drip.is_empty() => {
                    let (first, rest) = drip.split_at(1);
                    drip = rest;
                    if socket.write_all(first).await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    tokio::time::timeout(SOON, reading)
        .await
        .expect("it is cut");
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_dawdles_with_a_request_is_cut_while_others_are_served() {
    let (door, address) = impatient().await;
    let endless = format!(
        "GET /v1/queues HTTP/1.1\r\nhost: {address}\r\nx: {}",
        "y".repeat(1_000)
    );
    let openings: [&[u8]; 5] = [
        // Nothing at all, and what may yet become either version of the protocol.
        b"",
        b"P",
        b"PRI * HTTP/2.0\r\n\r\nSM",
        b"GET /v1/queues HTTP/1.1\r\nhost",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    let mut slow = Vec::new();
    for opening in openings {
        for _ in 0..20 {
            let mut socket = TcpStream::connect(&address).await.unwrap();
            socket.write_all(opening).await.unwrap();
            slow.push(tokio::spawn(until_cut(socket, b"")));
        }
    }
    for _ in 0..20 {
        let socket = TcpStream::connect(&address).await.unwrap();
        let endless = endless.clone().into_bytes();
        slow.push(tokio::spawn(
            async move { until_cut(socket, &endless).await },
        ));
    }
    for _ in 0..20 {
        door.get("/v1/queues").await.ok();
    }
    for it in slow {
        it.await.unwrap();
    }
    door.get("/v1/queues").await.ok();
    door.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_stalls_or_breaks_off_is_no_job() {
    let (door, address) = impatient().await;
    let body = json!({"task": "app.go", "args": {"side": 1}}).to_string();
    let head = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let half = format!("{head}{}", &body[..10]);
    let mut socket = TcpStream::connect(&address).await.unwrap();
    socket.write_all(half.as_bytes()).await.unwrap();
    let said = until_cut(socket, b"").await;
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    assert!(said.contains("urn:lovage:problem:timeout"), "{said}");
    // One that drips is no better.
    let mut socket = TcpStream::connect(&address).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
    let said = until_cut(socket, &body.as_bytes()[..30]).await;
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
    // One whose client is gone.
    let mut socket = TcpStream::connect(&address).await.unwrap();
    socket.write_all(half.as_bytes()).await.unwrap();
    drop(socket);
    assert_eq!(door.get("/v1/jobs").await.ok()["jobs"], json!([]));
    door.post("/v1/jobs", json!({"task": "app.go", "args": {"side": 1}}))
        .await
        .made();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_too_large_is_refused() {
    let door = Door::open().await;
    let address = door.base.strip_prefix("http://").unwrap().to_owned();
    let mut socket = TcpStream::connect(&address).await.unwrap();
    let head = format!("GET /v1/queues HTTP/1.1\r\nhost: {address}\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let line = format!("x-y: {}\r\n", "z".repeat(8_000));
    let mut said = Vec::new();
    for _ in 0..200 {
        if socket.write_all(line.as_bytes()).await.is_err() {
            break;
        }
    }
    let read = socket.read_to_end(&mut said);
    let _ = tokio::time::timeout(SOON, read).await.expect("it is cut");
    let said = String::from_utf8_lossy(&said);
    // Whoever still writes may not get to read it.
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 431 "),
        "{said}"
    );
    door.get("/v1/queues").await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_in_mid_wait_loses_no_job() {
    let door = Door::with_app().await;
    let request = door.ask("POST", "/v1/jobs?wait=60s");
    let request = request
        .header("content-type", "application/json")
        .body(json!({"task": "app.go", "args": {"side": 1}}).to_string());
    let waiting = tokio::spawn(request.send());
    until("the job is there", || async {
        (door.site.counts().await.available == 1).then_some(())
    })
    .await;
    waiting.abort();
    assert!(waiting.await.is_err());
    let _worker = door.site.worker(&[]).await;
    until("it has completed", || async {
        (door.site.counts().await.completed == 1).then_some(())
    })
    .await;
    door.stopped().await;
}
