//! One chord, as wide as it gets.

use std::time::{Duration, Instant};

use lovage_queue::broker::LongStep;
use serde_json::{Value, json};

use super::figures::{Spread, hundredths, whole};
use super::net;
use super::rig::{Rig, failed, own_queue};
use super::worker::Worker;

/// How long it may take.
const LOST: Duration = Duration::from_secs(600);

/// What was found of it.
#[derive(Default)]
pub(super) struct Wide {
    pub(super) members: u64,
    /// Jobs a second.
    pub(super) built: Spread,
    pub(super) ran: Spread,
    /// Seconds.
    took: Spread,
    /// The longest step of each repeat, where the store tells.
    longest: Vec<LongStep>,
    tells: bool,
}

impl Wide {
    pub(super) fn of(members: u64) -> Self {
        Wide {
            members,
            ..Wide::default()
        }
    }

    /// Builds one and has it run; that counts, or warms up.
    pub(super) async fn once(
        &mut self,
        rig: &Rig<'_>,
        members: u64,
        counts: bool,
    ) -> anyhow::Result<()> {
        let broker = rig.client.broker();
        let watch = broker.watch_steps().await?;
        let spinner = rig.context.out.spinner("a wide chord");
        let ran = run(rig, members).await;
        spinner.finish_and_clear();
        // Whatever became of the chord: the server is as it was.
        let longest = match watch {
            Some(watch) => Some(broker.longest_step(watch).await?),
            None => None,
        };
        let [built, took] = ran?;
        rig.prune().await?;
        if counts {
            let rate = |span: Duration| (members + 1) as f64 / span.as_secs_f64();
            self.built.add(rate(built));
            self.ran.add(rate(took));
            self.took.add(took.as_secs_f64());
            self.tells = longest.is_some();
            self.longest.extend(longest.flatten());
        }
        Ok(())
    }

    pub(super) fn json(&self) -> Value {
        let micros: Spread = self.longest.iter().map(ms).collect();
        let worst = self.longest.iter().max_by_key(|it| it.took);
        json!({
            "members": self.members, "built_per_second": self.built.json(),
            "per_second": self.ran.json(), "seconds": self.took.json(),
            "longest_step_ms": (!self.longest.is_empty()).then(|| micros.json()),
            "longest_step": worst.map(|it| &it.name),
        })
    }

    pub(super) fn show(&self) -> String {
        let chord = format!(
            "a chord of {}: {} s from its start to the end of its callback",
            whole(self.members as f64),
            self.took.show(hundredths),
        );
        let worst = self.longest.iter().max_by_key(|it| it.took);
        let longest: Spread = self.longest.iter().map(ms).collect();
        match worst {
            Some(worst) => format!(
                "{chord}\nthe store's longest step: {} ms; the longest of all was `{}`",
                longest.show(hundredths),
                worst.name
            ),
            None if self.tells => format!("{chord}\nno step of the store took a millisecond"),
            None => chord,
        }
    }
}

fn ms(step: &LongStep) -> f64 {
    super::figures::ms(step.took)
}

/// How long it took to build, and from its start to the end of its callback.
async fn run(rig: &Rig<'_>, members: u64) -> anyhow::Result<[Duration; 2]> {
    let (client, queue) = (&rig.client, own_queue());
    let worker = Worker::start(rig, &[&queue])?;
    let since = Instant::now();
    let flow = client
        .prepare_flow(&net::flow(net::wide(&queue, members)))
        .await?;
    let id = client.send_flow(&flow).await?;
    // Its start was the last step of that.
    let (built, since) = (since.elapsed(), Instant::now());
    // There may be nothing of it to be read: it leaves with the first prune.
    client.broker().wait(client.tenant(), &[id], LOST).await?;
    let took = since.elapsed();
    worker.stop().await?;
    match rig.left(&queue).await? {
        0 => Ok([built, took]),
        _ => Err(failed()),
    }
}
