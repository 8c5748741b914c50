//! Schedules, and their fires.

use lovage_queue::broker::{FireOutcome, Fired, Planned};
use lovage_queue::clock::Millis;
use lovage_queue::schedule::CatchUp;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{decoded, moment};
use crate::units::exact;

/// A schedule.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
pub struct ScheduleView {
    /// Its name.
    pub name: String,
    /// `module.task`
    pub task: String,
    /// When it fires, for people.
    pub when: String,
    /// The same for programs.
    pub trigger: Value,
    /// `operator`, `config` or `module:NAME`.
    pub owner: String,
    /// Whether it makes no jobs.
    pub paused: bool,
    /// When it fires next.
    pub next: Option<String>,
    /// The time that waits for a condition.
    pub waiting: Option<String>,
    /// Times that wait for the last job's end.
    pub held: Vec<String>,
    /// The job that it made last.
    pub last_job: Option<String>,
    /// How often it has fired.
    pub fired: u64,
    /// How many times it has passed over.
    pub missed: u64,
    /// The arguments of its jobs.
    pub input: Value,
    /// Their queue, where it is not the task's own.
    pub queue: Option<String>,
    /// Their lane.
    pub lane: String,
    /// Their priority, where it is not the task's own.
    pub priority: Option<u8>,
    /// When it begins.
    pub start: Option<String>,
    /// When it is over.
    pub end: Option<String>,
    /// How much later than its time it may fire, by chance.
    pub jitter: String,
    /// What becomes of times that nobody was there for: `none`, `last`, or how many.
    pub catch_up: Value,
    /// What becomes of a time while the last job has not ended.
    pub overlap: Value,
}

/// A time of a schedule, and what became of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ScheduleFire)]
pub struct FireView {
    /// The time.
    pub at: String,
    /// When that was looked at.
    pub when: String,
    /// Whether somebody fired it.
    pub by_hand: bool,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: OutcomeView,
}

/// What became of a time of a schedule.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = FireOutcome)]
pub struct OutcomeView {
    /// `job`, `skipped`, `held` or `refused`.
    pub outcome: &'static str,
    /// The job that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Why none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ScheduleView {
    /// What is shown of a schedule.
    pub fn of(planned: &Planned) -> Self {
        let it = &planned.schedule;
        ScheduleView {
            name: it.name.clone(),
            task: format!("{}.{}", it.call.module, it.call.task),
            when: it.trigger.to_string(),
            trigger: json!(it.trigger),
            owner: planned.owner.to_string(),
            paused: planned.paused,
            next: upcoming(planned).map(moment),
            waiting: planned.waiting.map(moment),
            held: planned.held.iter().map(|at| moment(*at)).collect(),
            last_job: planned.last.map(|it| it.to_string()),
            fired: planned.fired,
            missed: planned.missed,
            input: decoded(&it.call.input),
            queue: it.call.queue.clone(),
            lane: it.call.lane.clone(),
            priority: it.call.priority,
            start: it.start.map(moment),
            end: it.end.map(moment),
            jitter: exact(it.jitter),
            catch_up: catch_up(it.catch_up),
            overlap: json!(it.overlap),
        }
    }
}

impl FireView {
    /// What is shown of a fire.
    pub fn of(it: &Fired) -> Self {
        FireView {
            at: moment(it.at),
            when: moment(it.when),
            by_hand: it.by_hand,
            outcome: OutcomeView::of(&it.outcome),
        }
    }
}

impl OutcomeView {
    /// What is shown of an outcome.
    pub fn of(it: &FireOutcome) -> Self {
        let (outcome, job, reason) = match it {
            FireOutcome::Job(id) => ("job", Some(id.to_string()), None),
            FireOutcome::Skipped => ("skipped", None, None),
            FireOutcome::Held => ("held", None, None),
            FireOutcome::Refused(reason) => ("refused", None, Some(reason.clone())),
        };
        OutcomeView {
            outcome,
            job,
            reason,
        }
    }
}

/// When it fires next, if it does.
pub fn upcoming(planned: &Planned) -> Option<Millis> {
    planned.due.filter(|_| !planned.paused)
}

/// Its next times, at most so many, whether it is paused or not.
pub fn fires(planned: &Planned, count: usize) -> impl Iterator<Item = Millis> {
    let schedule = &planned.schedule;
    std::iter::successors(planned.due, |at| schedule.first(Millis(at.0 + 1))).take(count)
}

/// What becomes of missed times, as it is written.
pub fn catch_up(it: CatchUp) -> Value {
    match it {
        CatchUp::None => json!("none"),
        CatchUp::Last => json!("last"),
        CatchUp::All(n) => json!(n),
    }
}
