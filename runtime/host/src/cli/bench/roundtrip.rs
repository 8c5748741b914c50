//! From a call to its result, at a fixed offered load.

use std::time::{Duration, Instant};

use clap::Args;
use lovage_queue::client::Client;
use lovage_queue::job::State;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::figures::{Percentiles, Report, Spans, Spread, whole};
use super::load::{Busy, Queues, Spinning};
use super::rig::{Rig, failed, noop};
use super::worker::{Apart, Worker};
use super::{Context, Repeats};
use crate::cli::output::table;

/// How long a call may take before it counts as lost.
const LOST: Duration = Duration::from_secs(60);
/// Calls before those that count.
const WARM_UP: u32 = 50;

/// Measure the time from a call to its result
///
/// Open loop: call number i is due at i/rate seconds, whatever became of those before
/// it, and its time counts from the moment it was due and not from when it was sent.
/// So a stall shows in all calls that it delayed, where a loop that waits for each
/// answer would hide it (Gil Tene's "coordinated omission"). `--closed` makes one call
/// after the other instead: the time on an idle worker.
///
/// The worker runs in this process, or `--apart` in one of its own. `--busy` has it
/// drain a backlog of another queue meanwhile, and `--spinning` run guests that do
/// nothing but burn the processor. How late calls were sent is told too: where that is
/// much, the machine had no time for us, and the rate is too high for it.
#[derive(Debug, Args)]
pub(super) struct Roundtrip {
    /// How many calls a repeat
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) calls: u32,
    /// How many calls are due each second
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) rate: u32,
    /// Make one call after the other, whatever the rate
    #[arg(long, conflicts_with = "rate")]
    pub(super) closed: bool,
    /// Run the worker in a process of its own
    #[arg(long)]
    pub(super) apart: bool,
    /// Keep the worker busy with a backlog of another queue
    #[arg(long)]
    pub(super) busy: bool,
    /// How many guests burn the processor meanwhile
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) spinning: u32,
    #[command(flatten)]
    pub(super) repeats: Repeats,
}

/// What became of one call, all from the moment when it was due.
struct Called {
    sent: Duration,
    enqueued: Duration,
    ended: Duration,
    /// When that was.
    at: Instant,
}

/// All calls of one repeat.
struct Repeat {
    calls: Vec<Called>,
    per_second: f64,
}

impl Roundtrip {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Report> {
        let rig = Rig::new(context).await?;
        Spinning::check(&rig, self.spinning)?;
        let queues = Queues::new();
        let names = queues.names();
        let here = match self.apart {
            false => Some(Worker::start(&rig, &names)?),
            true => None,
        };
        let there = match self.apart {
            true => Some(Apart::start(context, &names)?),
            false => None,
        };
        self.one_by_one(&rig, &queues.calls, WARM_UP).await?;
        let spinning = match self.spinning {
            0 => None,
            count => Some(Spinning::start(&rig, &queues.spinning, count).await?),
        };
        let busy = self.busy.then(|| Busy::start(&rig, &queues.busy));
        let mut repeats = Vec::new();
        for _ in 0..self.repeats.repeats {
            repeats.push(self.repeat(&rig, &queues.calls).await?);
        }
        drop(busy);
        if let Some(spinning) = spinning {
            spinning.stop(&rig).await?;
        }
        if let Some(worker) = here {
            worker.stop().await?;
        }
        if let Some(worker) = there {
            worker.stop().await?;
        }
        super::bare::empty(&rig, &queues.busy).await?;
        Ok(self.report(&repeats))
    }

    async fn repeat(&self, rig: &Rig<'_>, queue: &str) -> anyhow::Result<Repeat> {
        let begun = Instant::now();
        let calls = match self.closed {
            true => self.one_by_one(rig, queue, self.calls).await?,
            false => self.as_due(rig, queue).await?,
        };
        let last = calls.iter().map(|it| it.at).max().unwrap_or(begun);
        let span = last.saturating_duration_since(begun).as_secs_f64();
        let per_second = calls.len() as f64 / span.max(f64::EPSILON);
        Ok(Repeat { calls, per_second })
    }

    /// Each call is due when the one before it has ended.
    async fn one_by_one(
        &self,
        rig: &Rig<'_>,
        queue: &str,
        count: u32,
    ) -> anyhow::Result<Vec<Called>> {
        let bar = rig.context.out.bar(count.into(), "calls");
        let mut calls = Vec::new();
        for _ in 0..count {
            calls.push(call(&rig.client, queue, Instant::now()).await?);
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(calls)
    }

    /// Each call is due at its time.
    async fn as_due(&self, rig: &Rig<'_>, queue: &str) -> anyhow::Result<Vec<Called>> {
        let bar = rig.context.out.bar(self.calls.into(), "calls");
        let (answers, mut answered) = mpsc::unbounded_channel();
        let (client, queue) = (rig.client.clone(), queue.to_owned());
        let (count, rate, calls) = (self.calls, self.rate, Handle::current());
        // A thread of its own: a timer of the executor's has but milliseconds, and
        // would be as late as what is measured.
        let clock = std::thread::spawn(move || {
            let begun = Instant::now();
            for n in 0..count {
                let due = begun + Duration::from_secs(1) * n / rate;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let (client, queue, answers) = (client.clone(), queue.clone(), answers.clone());
                calls.spawn(async move {
                    // Nobody listens any more once one call has failed.
                    let _ = answers.send(call(&client, &queue, due).await);
                });
            }
        });
        let mut calls = Vec::new();
        while let Some(answer) = answered.recv().await {
            calls.push(answer?);
            bar.inc(1);
        }
        bar.finish_and_clear();
        let joined = clock.join();
        anyhow::ensure!(joined.is_ok(), "the thread that times the calls is gone");
        Ok(calls)
    }

    fn report(&self, repeats: &[Repeat]) -> Report {
        let of = |what: fn(&Called) -> Duration| {
            let spans = |it: &Repeat| Spans::new(it.calls.iter().map(what).collect());
            Percentiles::of(&repeats.iter().map(spans).collect::<Vec<_>>())
        };
        let (sent, enqueue, all) = (of(|it| it.sent), of(|it| it.enqueued), of(|it| it.ended));
        let achieved: Spread = repeats.iter().map(|it| it.per_second).collect();
        let offered = (!self.closed).then_some(self.rate);
        let json = json!({
            "calls": self.calls, "closed": self.closed, "apart": self.apart, "busy": self.busy,
            "spinning": self.spinning, "offered_per_second": offered,
            "achieved_per_second": achieved.json(), "sent_late_ms": sent.json(),
            "enqueue_ms": enqueue.json(), "roundtrip_ms": all.json(),
        });
        let row = |word: &str, it: &Percentiles| {
            let [p, q, r, s] = it.cells();
            [word.to_owned(), p, q, r, s]
        };
        let [a, b, c, d] = Percentiles::names();
        let rows = [
            row("sent late", &sent),
            row("enqueued", &enqueue),
            row("result", &all),
        ];
        let text = table(["after it was due, ms", a, b, c, d], rows);
        let offered = offered.map_or("one after the other".to_owned(), |rate| {
            format!("offered {rate} calls a second")
        });
        let achieved = achieved.show(whole);
        let text = format!("{text}\n{offered}, achieved {achieved}");
        Report { json, text }
    }
}

async fn call(client: &Client, queue: &str, due: Instant) -> anyhow::Result<Called> {
    let job = noop(client, queue);
    let (id, sent) = (job.id, due.elapsed());
    client.broker().enqueue(client.tenant(), &[job]).await?;
    let enqueued = due.elapsed();
    let job = client.wait(id, LOST).await?;
    let at = Instant::now();
    match job.state {
        State::Completed => {}
        state if state.is_final() => return Err(failed()),
        state => anyhow::bail!("a call was still {state} after {LOST:?}: the load is too high"),
    }
    let ended = at.saturating_duration_since(due);
    Ok(Called {
        sent,
        enqueued,
        ended,
        at,
    })
}
