//! How fast the HTTP API enqueues, and what those who listen cost it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use lovage_queue::client::Client;
use lovage_queue::event::Event;
use serde_json::json;
use tokio::task::JoinSet;

use super::bare;
use super::figures::{Percentiles, Report, Spans, Spread, whole};
use super::rig::{MODULE, Rig, own_queue};
use super::wire::Wire;
use super::worker::Apart;
use super::{Context, Repeats};
use crate::api::token::{NewToken, Role, Token};
use crate::cli::output::table;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(30);
/// How long events may take to reach all who listen.
const HEARD: Duration = Duration::from_secs(30);
/// How often there is something to hear: as often as a worker tells of its jobs, and more.
const TOLD: Duration = Duration::from_millis(100);
/// What they hear at last.
const OVER: &str = "bench-is-over";

/// Measure how fast the HTTP API enqueues single jobs
///
/// A server in a process of its own gets requests, each of which enqueues one no-op:
/// first as fast as its connections go, then at an even rate, where a request's time
/// counts from when it was due, whoever kept it waiting. Both again while listeners hear
/// of ten events a second, one of whom never reads what it is sent.
#[derive(Debug, Args)]
pub(super) struct Http {
    /// Requests a second, where the rate is even
    #[arg(long, default_value_t = 5_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    /// For how long
    #[arg(long, default_value_t = 5, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    connections: u64,
    /// Who listens, in the second half
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    listeners: u64,
    #[command(flatten)]
    repeats: Repeats,
}

/// A server, and what it is sent.
struct Front {
    address: SocketAddr,
    token: String,
}

/// What was measured of one of the two halves.
#[derive(Default)]
struct Half {
    rates: Spread,
    spans: Vec<Spans>,
}

impl Http {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Report> {
        let rig = Rig::new(context).await?;
        let (front, server) = start(&rig).await?;
        let front = Arc::new(front);
        let mut halves = [Half::default(), Half::default()];
        for repeat in 0..=self.repeats.repeats {
            for (with, half) in halves.iter_mut().enumerate() {
                let listeners = match with {
                    0 => Listeners::default(),
                    _ => Listeners::start(&rig, &front, self.listeners).await?,
                };
                let (rate, spans) = self.measure(&rig, &front).await?;
                listeners.end(&rig).await?;
                // The first one warms everything up and does not count.
                if repeat > 0 {
                    half.rates.add(rate);
                    half.spans.push(spans);
                }
            }
        }
        server.stop().await?;
        Ok(self.report(&halves))
    }

    async fn measure(&self, rig: &Rig<'_>, front: &Arc<Front>) -> anyhow::Result<(f64, Spans)> {
        let queue = own_queue();
        let span = Duration::from_secs(self.seconds);
        let (begun, fast) = (Instant::now(), self.load(front, &queue, None, span).await?);
        let rate = fast.len() as f64 / begun.elapsed().as_secs_f64();
        bare::empty(rig, &queue).await?;
        let spans = self.load(front, &queue, Some(self.rate), span).await?;
        bare::empty(rig, &queue).await?;
        rig.prune().await?;
        Ok((rate, Spans::new(spans)))
    }

    /// Sends requests over all connections, at an even rate or as fast as they go: how
    /// long each took.
    async fn load(
        &self,
        front: &Arc<Front>,
        queue: &str,
        rate: Option<u64>,
        span: Duration,
    ) -> anyhow::Result<Vec<Duration>> {
        let request: Arc<[u8]> = front.enqueue(queue).into();
        let next = Arc::new(AtomicU64::new(0));
        let begun = Instant::now();
        let mut connections = JoinSet::new();
        for _ in 0..self.connections {
            let mut wire = Wire::to(front.address).await?;
            let (request, next) = (request.clone(), next.clone());
            connections.spawn(async move {
                let mut spans = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let due = match rate {
                        Some(rate) => {
                            begun + Duration::from_secs(1).mul_f64(number as f64 / rate as f64)
                        }
                        None => Instant::now(),
                    };
                    if due.duration_since(begun) >= span {
                        return anyhow::Ok(spans);
                    }
                    tokio::time::sleep_until(due.into()).await;
                    wire.send(&request).await?;
                    let status = wire.status().await?;
                    ensure!(status == 201, "the server answers {status}");
                    spans.push(due.elapsed());
                }
            });
        }
        let mut spans = Vec::new();
        while let Some(ended) = connections.join_next().await {
            spans.extend(ended??);
        }
        Ok(spans)
    }

    fn report(&self, [alone, with]: &[Half; 2]) -> Report {
        let half = |half: &Half| {
            let spans = Percentiles::of(&half.spans);
            json!({"requests_per_second": half.rates.json(), "milliseconds": spans.json()})
        };
        let json = json!({
            "rate": self.rate, "seconds": self.seconds, "connections": self.connections,
            "listeners": self.listeners, "alone": half(alone), "with_listeners": half(with),
        });
        let [p50, p99, p999, max] = Percentiles::names();
        let row = |name: &str, half: &Half| {
            let [a, b, c, d] = Percentiles::of(&half.spans).cells();
            [name.to_owned(), half.rates.show(whole), a, b, c, d]
        };
        let rows = [
            row("alone", alone),
            row(&format!("{} listen", self.listeners), with),
        ];
        let text = table(["enqueue", "requests/s", p50, p99, p999, max], rows);
        let text = format!(
            "{text}\nrequests/s: as fast as {} connections go; the rest: milliseconds of a request at {} a second",
            self.connections, self.rate
        );
        Report { json, text }
    }
}

/// Starts a server on a free port, and waits until it is ready.
async fn start(rig: &Rig<'_>) -> anyhow::Result<(Front, Apart)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    drop(listener);
    let new = NewToken {
        name: "bench".into(),
        role: Role::Producer,
        expires: None,
        rate: None,
        body: None,
    };
    let broker = &**rig.client.broker();
    let (_, token) = Token::create(broker, rig.client.tenant(), new).await?;
    let args = ["serve", "--listen", &address.to_string()];
    let server = Apart::run(rig.context, &args)?;
    let ready = async {
        loop {
            if let Ok(mut wire) = Wire::to(address).await {
                wire.send(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
                    .await?;
                if wire.status().await? == 200 {
                    return anyhow::Ok(());
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(START, ready)
        .await
        .context("the server does not start")??;
    Ok((Front { address, token }, server))
}

impl Front {
    fn enqueue(&self, queue: &str) -> Vec<u8> {
        let body = format!(r#"{{"task":"{MODULE}.noop","queue":"{queue}"}}"#);
        let (token, length) = (&self.token, body.len());
        format!(
            "POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    fn listen(&self) -> Vec<u8> {
        let token = &self.token;
        format!(
            "GET /v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n"
        )
        .into_bytes()
    }
}

/// Connections that hear of events; and one that never reads.
#[derive(Default)]
struct Listeners {
    hearing: JoinSet<anyhow::Result<()>>,
    deaf: Option<Wire>,
    /// Who sees to it that there is something to hear.
    teller: JoinSet<anyhow::Result<()>>,
}

impl Listeners {
    async fn start(rig: &Rig<'_>, front: &Front, count: u64) -> anyhow::Result<Self> {
        let request = front.listen();
        let mut deaf = Wire::to(front.address).await?;
        deaf.send(&request).await?;
        let mut hearing = JoinSet::new();
        for _ in 0..count {
            let mut wire = Wire::to(front.address).await?;
            wire.send(&request).await?;
            wire.until("text/event-stream").await?;
            hearing.spawn(async move { wire.until(OVER).await });
        }
        let client = rig.client.clone();
        let mut teller = JoinSet::new();
        teller.spawn(async move {
            loop {
                tell(&client, "bench").await?;
                tokio::time::sleep(TOLD).await;
            }
        });
        Ok(Listeners {
            hearing,
            deaf: Some(deaf),
            teller,
        })
    }

    /// Tells them that it is over, and waits until each of them has heard it.
    async fn end(mut self, rig: &Rig<'_>) -> anyhow::Result<()> {
        if self.deaf.is_none() {
            return Ok(());
        }
        self.teller.abort_all();
        tell(&rig.client, OVER).await?;
        let all = async {
            while let Some(heard) = self.hearing.join_next().await {
                heard??;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(HEARD, all)
            .await
            .context("some who listen have not heard what they were told")?
    }
}

/// Lets all who listen hear a word.
async fn tell(client: &Client, word: &str) -> anyhow::Result<()> {
    let event = Event::Schedule {
        name: word.into(),
        what: "told".into(),
    };
    let told = [event.encode()];
    Ok(client.broker().tell(client.tenant(), &[], &told).await?)
}
