//! A trigger resolved for a search: lines and zones read once, every search
//! bounded. It lives for one call.

use std::cell::Cell;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::check::MAX_DEPTH;
use super::cron::{self, Cron};
use super::line::Line;
use super::sun::Sun;
use super::trigger::Trigger;
use crate::clock::{Millis, millis};
use crate::task::TaskName;

/// How far ahead a fire is looked for.
const HORIZON: u64 = 3_653 * 86_400_000;
/// How many looks a search takes before it gives up. A look, at a member or at a
/// day, takes about a tenth of a microsecond: a search ends within 10 ms or so.
const LOOKS: u32 = 50_000;

/// The last moment at which a search from `at` on may find something.
pub(super) fn horizon(at: Millis) -> Millis {
    Millis(at.0.saturating_add(HORIZON))
}

/// What a search may still do.
pub(super) struct Work(Cell<u32>);

impl Default for Work {
    fn default() -> Self {
        Work(Cell::new(LOOKS))
    }
}

impl Work {
    /// So many times what one search may do.
    pub(super) fn of(searches: u32) -> Self {
        Work(Cell::new(LOOKS.saturating_mul(searches)))
    }

    /// Takes a look; `None` where none is left.
    pub(super) fn look(&self) -> Option<()> {
        self.0.set(self.0.get().checked_sub(1)?);
        Some(())
    }

    /// Whether the search was given up: what it did not find may be there.
    pub(super) fn is_over(&self) -> bool {
        self.0.get() == 0
    }
}

/// What is known of tasks that completed.
pub(super) struct Known<'a> {
    pub(super) now: Millis,
    pub(super) completed: &'a dyn Fn(&TaskName) -> Option<Millis>,
}

/// What the last search found. Searches go forward, so most members of an
/// [`What::Any`] still have their answer when another one has fired.
#[derive(Clone, Copy)]
struct Memo {
    from: Millis,
    until: Millis,
    found: Option<Millis>,
}

pub(super) struct Times {
    what: What,
    memo: Cell<Option<Memo>>,
}

enum What {
    Every { period: u64, from: u64 },
    Cron(Box<Cron>),
    At(Millis),
    Sun(Sun),
    Any(Vec<Times>),
    All(Box<Times>, Vec<Times>),
    Completed(TaskName, TimeZone),
}

impl Times {
    /// `None` for what a check refuses to read.
    pub(super) fn of(trigger: &Trigger) -> Option<Self> {
        Self::below(trigger, 1)
    }

    fn below(trigger: &Trigger, depth: usize) -> Option<Self> {
        if depth > MAX_DEPTH {
            return None;
        }
        let list = |list: &[Trigger]| -> Option<Vec<Times>> {
            list.iter().map(|it| Self::below(it, depth + 1)).collect()
        };
        let what = match trigger {
            Trigger::Every { period, from } => What::Every {
                period: millis(*period).max(1),
                from: from.unwrap_or_default().0,
            },
            Trigger::Cron { line, zone } => What::Cron(Box::new(Cron::new(
                Line::parse(line).ok()?,
                cron::zone(zone)?,
            ))),
            Trigger::At(at) => What::At(*at),
            Trigger::Sun {
                event,
                latitude,
                longitude,
            } => What::Sun(Sun {
                event: *event,
                latitude: *latitude,
                longitude: *longitude,
            }),
            Trigger::Any(members) => What::Any(list(members)?),
            Trigger::All(members) => {
                let (first, conditions) = members.split_first()?;
                What::All(Box::new(Self::below(first, depth + 1)?), list(conditions)?)
            }
            Trigger::Completed { module, task, zone } => {
                let (module, task) = (module.clone(), task.clone());
                What::Completed(TaskName { module, task }, cron::zone(zone)?)
            }
        };
        Some(Times {
            what,
            memo: Cell::new(None),
        })
    }

    /// The first fire at or after `at` and not after `until`, as if each task
    /// that is waited for had completed.
    pub(super) fn first(&self, at: Millis, until: Millis, work: &Work) -> Option<Millis> {
        if let Some(memo) = self.memo.get().filter(|memo| memo.from <= at) {
            match memo.found {
                Some(found) if at <= found => return Some(found).filter(|it| *it <= until),
                None if until <= memo.until => return None,
                _ => {}
            }
        }
        let found = self.search(at, until, work);
        if !work.is_over() {
            self.memo.set(Some(Memo {
                from: at,
                until,
                found,
            }));
        }
        found
    }

    fn search(&self, at: Millis, until: Millis, work: &Work) -> Option<Millis> {
        work.look()?;
        let found = match &self.what {
            What::Every { period, from } => Some(match at.0.checked_sub(*from) {
                Some(past) => {
                    Millis(from.checked_add(past.div_ceil(*period).checked_mul(*period)?)?)
                }
                None => Millis(*from),
            }),
            What::Cron(cron) => cron.first(at, until, work),
            What::At(fire) => Some(*fire).filter(|fire| *fire >= at),
            What::Sun(sun) => sun.first(at, until, work),
            What::Any(members) => earliest(members, until, |it, until| it.first(at, until, work)),
            What::All(first, conditions) => {
                let mut at = at;
                loop {
                    let fire = first.first(at, until, work)?;
                    // From one agreement to the next: what no condition allows
                    // is not walked through.
                    match agreed(conditions, fire, until, work)? {
                        held if held == fire => break Some(fire),
                        held => at = held,
                    }
                }
            }
            What::Completed(..) => None,
        };
        found.filter(|found| *found <= until)
    }

    /// The first moment at or after `at` at which it holds as a condition.
    fn held(&self, at: Millis, until: Millis, work: &Work) -> Option<Millis> {
        work.look()?;
        let found = match &self.what {
            What::Cron(cron) => {
                // One of its times may have come a little earlier and still hold.
                let from = Millis(at.0.saturating_add(1).saturating_sub(cron.width()));
                self.first(from, until, work).map(|fire| fire.max(at))
            }
            What::Every { .. } => self.first(at, until, work),
            What::At(from) => Some(at.max(*from)),
            What::Any(members) => earliest(members, until, |it, until| it.held(at, until, work)),
            What::All(first, rest) => {
                let mut held = at;
                loop {
                    let next = first.held(held, until, work)?;
                    let next = agreed(rest, next, until, work)?;
                    if next == held {
                        break Some(held);
                    }
                    held = next;
                }
            }
            What::Completed(..) => Some(at),
            What::Sun(_) => None,
        };
        found.filter(|found| *found <= until)
    }

    /// Whether the fire that is due at `at` may go.
    pub(super) fn allows(&self, at: Millis, known: &Known<'_>) -> bool {
        match &self.what {
            What::Any(members) => members.iter().any(|it| it.allows(at, known)),
            What::All(first, conditions) => {
                first.allows(at, known) && conditions.iter().all(|it| it.met(at, known))
            }
            _ => self.first(at, at, &Work::default()) == Some(at),
        }
    }

    /// Whether a condition is met for the fire at `at`.
    fn met(&self, at: Millis, known: &Known<'_>) -> bool {
        match &self.what {
            What::Any(members) => members.iter().any(|it| it.met(at, known)),
            What::All(first, rest) => {
                first.met(at, known) && rest.iter().all(|it| it.met(at, known))
            }
            What::Completed(task, zone) => (known.completed)(task).is_some_and(|done| {
                done <= known.now && day(done, zone).is_some_and(|it| Some(it) == day(at, zone))
            }),
            _ => self.held(at, at, &Work::default()) == Some(at),
        }
    }
}

/// The earliest of what members find, each of which needs to look no further than
/// to what another one has found.
fn earliest(
    members: &[Times],
    until: Millis,
    find: impl Fn(&Times, Millis) -> Option<Millis>,
) -> Option<Millis> {
    members.iter().fold(None, |found: Option<Millis>, member| {
        find(member, found.unwrap_or(until)).or(found)
    })
}

/// The first moment at or after `at` at which all of them may hold: none of them
/// does before it.
fn agreed(conditions: &[Times], at: Millis, until: Millis, work: &Work) -> Option<Millis> {
    conditions
        .iter()
        .try_fold(at, |at, condition| condition.held(at, until, work))
}

fn day(at: Millis, zone: &TimeZone) -> Option<Date> {
    let at = Timestamp::from_millisecond(i64::try_from(at.0).ok()?).ok()?;
    Some(zone.to_datetime(at).date())
}
