//! What may happen, at random. Jobs and workers are named by a number, so that a
//! sequence can be made shorter and still means something.

use std::time::Duration;

use lovage_queue::job::{Conflict, Key, NewJob, Unique, Until, When};
use lovage_queue::limits::{Limit, Order};
use lovage_queue::task::Rate;
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// How many workers there are.
pub(super) const WORKERS: usize = 3;
/// The queues, by what a job may be in.
pub(super) const QUEUES: [&str; 2] = ["one", "two"];
/// What may be limited or paused.
pub(super) const SCOPES: [&str; 8] = [
    "tenant",
    "queue:one",
    "queue:two",
    "lane:one/a",
    "lanes:one",
    "task:red.add",
    "task:blue.sum",
    "module:red",
];

/// What a job is to be.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    queue: &'static str,
    lane: &'static str,
    task: (&'static str, &'static str),
    priority: u8,
    crash_limit: u8,
    delay: Option<u64>,
    expiry: Option<u64>,
    key: Option<u8>,
    unique: Option<(u8, Until, Conflict)>,
}

impl Wish {
    pub(super) fn fill(&self, job: NewJob) -> NewJob {
        NewJob {
            queue: self.queue.into(),
            lane: self.lane.into(),
            module: self.task.0.into(),
            task: self.task.1.into(),
            priority: self.priority,
            crash_limit: self.crash_limit,
            eta: self
                .delay
                .map_or(When::Now, |it| When::In(Duration::from_secs(it))),
            expiry: self.expiry.map(|it| When::In(Duration::from_secs(it))),
            key: self.key.map(|it| Key::idempotency(&it.to_string())),
            unique: self.unique.map(|(key, until, conflict)| Unique {
                key: Key::unique(&key.to_string()),
                until,
                conflict,
            }),
            ..job
        }
    }
}

/// How a delivery ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Complete,
    Retry(u64),
    Discard,
    Cancel,
    GiveBack(u64),
    /// It is a source, and has made a page of so many jobs.
    Page(usize),
}

/// How many jobs of its pages a source may have open.
pub(super) const OPEN: u32 = 4;

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Enqueue(Vec<Wish>),
    /// A job that was enqueued before, once more.
    Again(Index),
    Claim(usize, u32),
    /// The worker's last claim, once more.
    Repeat(usize),
    /// Claims until nothing more may start.
    Drain(usize),
    Settle(Index, End),
    /// A settlement of a delivery that is over.
    Late(Index, End),
    Cancel(Vec<Index>),
    Requeue(Vec<Index>),
    Delete(Vec<Index>),
    Promote,
    Reclaim,
    Retire(usize),
    Beat(usize),
    Pause(&'static str, bool),
    Limit(&'static str, Limit),
    /// So many milliseconds.
    Pass(u64),
}

fn wish() -> impl Strategy<Value = Wish> {
    let until = prop_oneof![
        Just(Until::Start),
        Just(Until::Done),
        Just(Until::For(Duration::from_secs(4))),
    ];
    let conflict = select(vec![
        Conflict::Existing,
        Conflict::Reject,
        Conflict::Replace,
    ]);
    (
        select(QUEUES.to_vec()),
        select(vec!["", "", "a", "b"]),
        select(vec![("red", "add"), ("red", "sum"), ("blue", "sum")]),
        select(vec![5, 5, 0, 9]),
        1..=3_u8,
        weighted(0.25, 1..=5_u64),
        weighted(0.15, 1..=6_u64),
        weighted(0.25, 0..3_u8),
        weighted(0.2, (0..2_u8, until, conflict)),
    )
        .prop_map(
            |(queue, lane, task, priority, crash_limit, delay, expiry, key, unique)| Wish {
                queue,
                lane,
                task,
                priority,
                crash_limit,
                delay,
                expiry,
                key,
                unique,
            },
        )
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        3 => Just(End::Complete),
        2 => select(vec![0, 2]).prop_map(End::Retry),
        1 => Just(End::Discard),
        1 => Just(End::Cancel),
        2 => select(vec![0, 2]).prop_map(End::GiveBack),
        3 => (0..=2_usize).prop_map(End::Page),
    ]
}

/// A limit that makes sense of its scope.
fn limit() -> impl Strategy<Value = Operation> {
    let concurrency = weighted(0.6, 1..=3_u32);
    let rate = weighted(0.25, 1..=2_u32);
    (select(SCOPES.to_vec()), concurrency, rate, any::<bool>()).prop_filter_map(
        "a module has no limits",
        |(scope, concurrency, rate, strict)| {
            if scope.starts_with("module:") {
                return None;
            }
            // Whose rate a lane has that has a concurrency of its own, is open.
            let rate = rate.filter(|_| !scope.starts_with("lane"));
            let strict = strict && scope.starts_with("queue:");
            let limit = Limit {
                concurrency,
                rate: rate.map(|count| Rate {
                    count,
                    period: Duration::from_secs(2),
                }),
                depth: None,
                order: if strict { Order::Strict } else { Order::Aging },
            };
            Some(Operation::Limit(scope, limit))
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    let worker = || 0..WORKERS;
    let some = || vec(any::<Index>(), 1..=2);
    let pausable: Vec<_> = SCOPES
        .into_iter()
        .filter(|it| !it.starts_with("lanes:"))
        .collect();
    prop_oneof![
        8 => vec(wish(), 1..=5).prop_map(Operation::Enqueue),
        1 => any::<Index>().prop_map(Operation::Again),
        8 => (worker(), 1..=6_u32).prop_map(|(worker, max)| Operation::Claim(worker, max)),
        1 => worker().prop_map(Operation::Repeat),
        2 => worker().prop_map(Operation::Drain),
        9 => (any::<Index>(), end()).prop_map(|(job, end)| Operation::Settle(job, end)),
        2 => (any::<Index>(), end()).prop_map(|(job, end)| Operation::Late(job, end)),
        3 => some().prop_map(Operation::Cancel),
        3 => some().prop_map(Operation::Requeue),
        3 => some().prop_map(Operation::Delete),
        3 => Just(Operation::Promote),
        2 => Just(Operation::Reclaim),
        1 => worker().prop_map(Operation::Retire),
        1 => worker().prop_map(Operation::Beat),
        4 => (select(pausable), prop::bool::weighted(0.4))
            .prop_map(|(scope, paused)| Operation::Pause(scope, paused)),
        4 => limit(),
        4 => select(vec![1, 500, 1_000, 2_500, 6_000, 11_000]).prop_map(Operation::Pass),
    ]
}

pub(super) fn operations(most: usize) -> impl Strategy<Value = Vec<Operation>> {
    vec(operation(), 1..=most)
}
