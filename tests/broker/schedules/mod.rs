//! Schedules.
//!
//! - this file: schedules of a test, and what a worker makes of them
//! - `keeping`: what is kept of them, and whose they are
//! - `firing`: each time once
//! - `waiting`: fires that wait for the end of a job, or for a completion

mod firing;
mod keeping;
mod waiting;

use std::time::Duration;

use lovage_queue::broker::{
    BrokerError, Declared, DueSchedule, FIRES_HELD, FIRES_KEPT, Fire, FireOutcome, Firing, Owner,
    Planned, Signal, Turn,
};
use lovage_queue::clock::Millis;
use lovage_queue::job::{Conflict, Key, State, Unique, Until};
use lovage_queue::limits::Limit;
use lovage_queue::schedule::{CatchUp, Overlap, Schedule, ScheduledCall, Trigger};

use super::harness::signals::{hears, listen};
use super::harness::{BEGIN, Bench, TENANT, Worker, complete, discard, secs};

const MINUTE: Duration = secs(60);

/// One that calls `basics.add` every minute.
fn schedule(name: &str) -> Schedule {
    let every = Trigger::Every {
        period: MINUTE,
        from: None,
    };
    let call = ScheduledCall::new("basics", "add", vec![0x80]);
    Schedule::new(name, every, call)
}

fn overlapping(name: &str, overlap: Overlap) -> Schedule {
    Schedule {
        overlap,
        ..schedule(name)
    }
}

/// Another that goes by the completions of `basics.add`.
fn needy(name: &str) -> Schedule {
    let needs = Trigger::Completed {
        module: "basics".into(),
        task: "add".into(),
        zone: "UTC".into(),
    };
    let every = schedule(name).trigger;
    Schedule {
        trigger: Trigger::All(vec![every, needs]),
        ..schedule(name)
    }
}

async fn declare(b: &Bench, owner: &Owner, schedules: &[Schedule], whole: bool) {
    let first = Some(b.now().after(MINUTE));
    let declared = schedules.iter().map(|schedule| Declared {
        schedule: schedule.clone(),
        first,
    });
    let declared: Vec<_> = declared.collect();
    b.declare(TENANT, owner, &declared, whole).await.unwrap();
}

async fn add(b: &Bench, schedule: Schedule) {
    declare(b, &Owner::Operator, &[schedule], false).await;
}

async fn names(b: &Bench) -> Vec<String> {
    let all = b.schedules(TENANT, None, 1_000).await.unwrap();
    all.into_iter().map(|it| it.schedule.name).collect()
}

async fn planned(b: &Bench, name: &str) -> Planned {
    b.schedule(TENANT, name).await.unwrap().unwrap().0
}

async fn history(b: &Bench, name: &str) -> Vec<FireOutcome> {
    let (_, fires) = b.schedule(TENANT, name).await.unwrap().unwrap();
    fires.into_iter().map(|it| it.outcome).collect()
}

async fn due(b: &Bench) -> Vec<DueSchedule> {
    b.due(b.home(), 100).await.unwrap().schedules
}

/// What a worker makes of a look: the held time first, then the due one.
fn firing(b: &Bench, looked: &DueSchedule) -> Firing {
    let planned = &looked.planned;
    let held = planned.held.first().map(|at| (*at, true));
    let due = planned.due.filter(|at| *at <= b.now());
    let fire = |(at, held)| Fire {
        at,
        held,
        job: Ok(b.job()),
    };
    Firing {
        tenant: TENANT.into(),
        name: planned.schedule.name.clone(),
        turn: Some(Turn {
            revision: planned.revision,
            looked: b.now(),
            next: due.map_or(planned.due, |at| Some(at.after(MINUTE))),
            waiting: None,
            missed: 0,
        }),
        fires: held
            .into_iter()
            .chain(due.map(|at| (at, false)))
            .map(fire)
            .collect(),
    }
}

/// Lets a minute pass and fires all that is due.
async fn tick(b: &Bench) -> Vec<FireOutcome> {
    b.pass(MINUTE);
    fire_all(b).await
}

async fn fire_all(b: &Bench) -> Vec<FireOutcome> {
    let mut outcomes = Vec::new();
    for looked in due(b).await {
        let fired = b.fire(&firing(b, &looked)).await.unwrap();
        outcomes.extend(fired.expect("nobody else fires"));
    }
    outcomes
}
