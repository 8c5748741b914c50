//! What is due: which fires go now, which were too late, and which waits for a
//! task.

use std::collections::VecDeque;
use std::time::Duration;

use super::times::{Known, Times, Work};
use super::{CatchUp, Schedule};
use crate::clock::{Millis, millis};
use crate::task::TaskName;

/// A fire that is no later than this is on time.
pub const TOLERANCE: Duration = Duration::from_secs(10);
/// How many late fires are counted one by one. Of more, the newest are looked
/// for from the end, and those between are not counted.
const STEPS: usize = 10_000;
/// A walk over many fires may do as much as so many searches for one.
const WALK: u32 = 4;
/// No day lasts until then: what has not completed on the day of a fire that is
/// so late, never will have.
const DAY_IS_OVER: Duration = Duration::from_secs(2 * 86_400);

/// What is to be done about a schedule now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The fires that go, oldest first.
    pub fires: Vec<Millis>,
    /// How many never will: they were late, or what they waited for did not come.
    /// At least so many, where there are thousands of them.
    pub missed: u64,
    /// A fire that was due and waits for a task to complete.
    pub waiting: Option<Millis>,
    /// The first fire after now. A schedule with neither this nor one that waits
    /// has come to its end.
    pub next: Option<Millis>,
}

impl Schedule {
    /// What is to be done now. `due` is the first fire that was not yet seen to,
    /// `waiting` an earlier one that waits for a task, and `completed` knows when
    /// a task last completed.
    ///
    /// A fire that waits is dropped when a later one is due; if it holds by then,
    /// it still goes.
    pub fn plan(
        &self,
        due: Millis,
        now: Millis,
        waiting: Option<Millis>,
        completed: &dyn Fn(&TaskName) -> Option<Millis>,
    ) -> Plan {
        let Some(times) = Times::of(&self.trigger) else {
            return Plan::default();
        };
        let conditional = !self.trigger.requires().is_empty();
        let known = Known { now, completed };
        let allows = |at| !conditional || times.allows(at, &known);
        let due = self.due(&times, due, now);
        let mut plan = Plan {
            missed: due.dropped,
            waiting,
            ..Plan::default()
        };
        if let Some(at) = waiting.filter(|at| allows(*at)) {
            plan.fires.push(at);
            plan.waiting = None;
        }
        let is_over = |at: Millis| now.since(at) > DAY_IS_OVER;
        let superseded = due.dropped > 0 || !due.fires.is_empty();
        if superseded || plan.waiting.is_some_and(is_over) {
            plan.missed += u64::from(plan.waiting.take().is_some());
        }
        for at in due.fires {
            let earlier = if allows(at) {
                plan.fires.push(at);
                plan.waiting.take()
            } else {
                plan.waiting.replace(at)
            };
            plan.missed += u64::from(earlier.is_some());
        }
        if plan.waiting.is_some_and(is_over) {
            plan.missed += 1;
            plan.waiting = None;
        }
        plan.next = self.next_from(&times, Millis(now.0.saturating_add(1)));
        plan
    }

    /// The fires from `due` to `now` that the catch-up policy keeps.
    fn due(&self, times: &Times, due: Millis, now: Millis) -> Due {
        let from = due.max(self.start.unwrap_or_default());
        let until = now.min(self.end.unwrap_or(now));
        let on_time = Millis(now.0.saturating_sub(millis(TOLERANCE)));
        let keep = match self.catch_up {
            CatchUp::None => 0,
            CatchUp::Last => 1,
            CatchUp::All(count) => count as usize,
        };
        let mut late = match on_time.0.checked_sub(1) {
            Some(before) => Due::late(times, from, until.min(Millis(before)), keep),
            None => Due::default(),
        };
        let work = Work::of(WALK);
        let fires = walk(times, from.max(on_time), until, &work).take(STEPS);
        let fires: Vec<_> = fires.collect();
        if self.catch_up == CatchUp::Last && !fires.is_empty() {
            late.dropped += late.fires.len() as u64;
            late.fires.clear();
        }
        late.fires.extend(fires);
        late
    }
}

/// The fires of a stretch of time.
#[derive(Default)]
struct Due {
    /// Those that are kept, oldest first.
    fires: VecDeque<Millis>,
    /// How many are not.
    dropped: u64,
}

impl Due {
    /// Keeps so many of the newest.
    fn late(times: &Times, mut from: Millis, until: Millis, keep: usize) -> Self {
        let mut late = Due::default();
        let work = Work::of(WALK);
        let mut steps = 0;
        for at in walk(times, from, until, &work).take(STEPS) {
            late.push(at, keep);
            from = Millis(at.0 + 1);
            steps += 1;
        }
        if steps == STEPS || work.is_over() {
            for at in newest(times, from, until, keep) {
                late.push(at, keep);
            }
        }
        late
    }

    fn push(&mut self, at: Millis, keep: usize) {
        self.fires.push_back(at);
        if self.fires.len() > keep {
            self.fires.pop_front();
            self.dropped += 1;
        }
    }
}

/// The fires from `from` to `until`, one by one.
fn walk(
    times: &Times,
    mut from: Millis,
    until: Millis,
    work: &Work,
) -> impl Iterator<Item = Millis> {
    std::iter::from_fn(move || {
        let at = times.first(from, until, work)?;
        from = Millis(at.0.saturating_add(1));
        Some(at)
    })
}

/// So many of the newest fires, oldest first.
fn newest(times: &Times, from: Millis, until: Millis, keep: usize) -> VecDeque<Millis> {
    let work = Work::of(WALK);
    let mut fires = VecDeque::new();
    let (mut until, mut gap) = (until, 1);
    while fires.len() < keep
        && let Some(at) = last(times, from, until, gap, &work)
    {
        // The next one back is often as far.
        gap = until.0 - at.0 + 1;
        fires.push_front(at);
        until = Millis(at.0 - 1);
    }
    fires
}

/// The last fire from `from` to `until`, which is looked for `gap` before the end
/// and then ever further back. Searches only go forward, so it is closed in on.
fn last(times: &Times, from: Millis, until: Millis, gap: u64, work: &Work) -> Option<Millis> {
    if from > until {
        return None;
    }
    let (mut back, mut high) = (gap, until);
    let mut fire = loop {
        let low = Millis(until.0.saturating_sub(back)).max(from);
        if let Some(fire) = times.first(low, high, work) {
            break fire;
        }
        if low == from || work.is_over() {
            return None;
        }
        high = Millis(low.0 - 1);
        back = back.saturating_mul(2);
    };
    let mut middle = Millis(fire.0 + 1);
    while fire < high {
        match times.first(middle, high, work) {
            Some(later) => fire = later,
            None => high = Millis(middle.0 - 1),
        }
        middle = Millis(fire.0 + (high.0 - fire.0).div_ceil(2));
    }
    Some(fire)
}
