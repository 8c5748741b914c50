//! All measurements, each in a short form.

use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value};

use super::breadth::Breadth;
use super::drain::Drain;
use super::enqueue::Enqueue;
use super::fairness::Fairness;
use super::figures::Report;
use super::flows::Flows;
use super::idle::Idle;
use super::memory::Memory;
use super::roundtrip::Roundtrip;
use super::scheduled::Scheduled;
use super::start::Start;
use super::{Context, Repeats};
use crate::units::Span;

#[derive(Debug, Args)]
pub(super) struct Suite {
    #[command(flatten)]
    repeats: Repeats,
    /// How much of the short form's jobs to run, in percent
    #[arg(long, default_value_t = 100, value_name = "PERCENT", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    size: u64,
}

impl Suite {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Report> {
        let mut found = Found {
            context,
            json: Map::new(),
            last: String::new(),
        };
        found.add("drain", self.drain().run(context).await?)?;
        found.add("enqueue", self.enqueue().run(context).await?)?;
        found.add("roundtrip", self.roundtrip(false).run(context).await?)?;
        found.add("roundtrip_closed", self.roundtrip(true).run(context).await?)?;
        found.add("start", self.start().run(context).await?)?;
        found.add("memory", self.memory().run(context).await?)?;
        found.add("scheduled", self.scheduled().run(context).await?)?;
        found.add("fairness", self.fairness().run(context).await?)?;
        found.add("breadth", self.breadth().run(context).await?)?;
        found.add("idle", self.idle().run(context).await?)?;
        found.add("flows", self.flows().run(context).await?)?;
        Ok(Report {
            json: Value::Object(found.json),
            text: found.last,
        })
    }

    fn of(&self, jobs: u64) -> u64 {
        (jobs * self.size / 100).max(100)
    }

    fn drain(&self) -> Drain {
        Drain {
            jobs: self.of(20_000),
            lanes: 1,
            concurrency: None,
            repeats: self.repeats,
        }
    }

    fn enqueue(&self) -> Enqueue {
        Enqueue {
            jobs: self.of(20_000),
            batch: 1000,
            repeats: self.repeats,
        }
    }

    fn roundtrip(&self, closed: bool) -> Roundtrip {
        Roundtrip {
            calls: self.of(500) as u32,
            rate: 200,
            closed,
            apart: false,
            busy: false,
            spinning: 0,
            repeats: self.repeats,
        }
    }

    fn start(&self) -> Start {
        Start {
            module: None,
            task: None,
            input: None,
            repeats: self.repeats,
        }
    }

    fn memory(&self) -> Memory {
        Memory {
            sample: self.of(10_000),
            jobs: self.of(20_000),
            repeats: self.repeats,
        }
    }

    fn scheduled(&self) -> Scheduled {
        Scheduled {
            jobs: self.of(1000).min(10_000) as u32,
            repeats: self.repeats,
        }
    }

    fn fairness(&self) -> Fairness {
        Fairness {
            backlog: self.of(20_000),
            lanes: self.of(500),
            repeats: self.repeats,
        }
    }

    fn idle(&self) -> Idle {
        Idle {
            schedules: self.of(1000).min(100_000) as u32,
            span: Span(Duration::from_secs(1)),
            repeats: self.repeats,
        }
    }

    fn flows(&self) -> Flows {
        Flows {
            jobs: self.of(20_000).max(1000),
            wide: self.of(10_000).min(100_000) as u32,
            repeats: self.repeats,
        }
    }

    fn breadth(&self) -> Breadth {
        Breadth {
            jobs: self.of(10_000),
            kept: self.of(20_000),
            lanes: self.of(500),
            queued: self.of(50_000),
            modules: self.of(100).min(1000),
            repeats: self.repeats,
        }
    }
}

/// What was found so far. People see each report as soon as it is there.
struct Found<'a> {
    context: &'a Context,
    json: Map<String, Value>,
    last: String,
}

impl Found<'_> {
    fn add(&mut self, name: &str, report: Report) -> anyhow::Result<()> {
        if !self.last.is_empty() {
            let text = format!("{}\n\n", self.last);
            self.context.out.stream(text.as_bytes())?;
        }
        self.json.insert(name.to_owned(), report.json);
        self.last = report.text;
        Ok(())
    }
}
