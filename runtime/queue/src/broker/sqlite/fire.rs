//! Firing a schedule: its jobs, and its next time, in one step.

use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::params;

use super::cancel;
use super::db::time;
use super::enqueue::{self, Ready};
use super::fault::Done;
use super::schedules::{Read, needs, one};
use super::sql::sql;
use super::step::Step;
use super::stored::Stored;
use crate::broker::{Enqueued, FIRES_HELD, FIRES_KEPT, Fire, FireOutcome, Firing, Turn};
use crate::clock::Millis;
use crate::job::JobId;
use crate::schedule::Overlap;

/// What a schedule has come to while it is fired.
struct Firer<'a> {
    tenant: &'a str,
    overlap: Overlap,
    last: Option<JobId>,
    held: Vec<Millis>,
    made: i64,
}

/// Fires. `place` is the fire that is being made: where its job cannot be, the step is
/// undone, and the caller tries again without it.
pub(super) fn fire(
    step: &mut Step<'_>,
    firing: &Firing,
    ready: &[Read<Ready>],
    place: &AtomicUsize,
) -> Done<Option<Vec<FireOutcome>>> {
    let (tenant, name) = (firing.tenant.as_str(), firing.name.as_str());
    let is_leaving = step
        .record_of(tenant)?
        .is_some_and(|it| it.leaving.is_some());
    let Some(Ok(known)) = one(&step.db, tenant, name)?.filter(|_| !is_leaving) else {
        return Ok(None);
    };
    let stale = |turn: &Turn| turn.revision != known.revision || known.paused;
    if firing.turn.as_ref().is_some_and(stale) {
        return Ok(None);
    }
    let mut firer = Firer {
        tenant,
        overlap: known.schedule.overlap,
        last: known.last,
        held: known.held,
        made: 0,
    };
    let mut outcomes = Vec::with_capacity(ready.len());
    for (at, (fire, ready)) in firing.fires.iter().zip(ready).enumerate() {
        place.store(at, Ordering::SeqCst);
        let outcome = firer.fire(step, fire, ready)?;
        if let Some(outcome) = &outcome {
            let entry = entry(fire.at, step.now, firing.turn.is_none(), outcome);
            step.db
                .run(sql!("schedules", "remember"), params![tenant, name, entry])?;
        }
        outcomes.push(outcome.unwrap_or(FireOutcome::Held));
    }
    let kept = params![tenant, name, FIRES_KEPT as i64];
    step.db.run(sql!("schedules", "trim"), kept)?;
    firer.write(step, name, firing.turn.as_ref())?;
    Ok(Some(outcomes))
}

impl Firer<'_> {
    /// What becomes of a fire; nothing where it goes on waiting.
    fn fire(
        &mut self,
        step: &mut Step<'_>,
        fire: &Fire,
        ready: &Read<Ready>,
    ) -> Done<Option<FireOutcome>> {
        let ready = match ready {
            Ok(ready) => ready,
            Err(reason) => {
                if fire.held && self.held.first() == Some(&fire.at) {
                    self.held.remove(0);
                }
                // Where the store refused it, the last job has gone for it.
                let replaces = self.overlap == Overlap::Replace && !fire.held;
                if fire.job.is_ok() && replaces {
                    self.cancel_last(step)?;
                }
                return Ok(Some(FireOutcome::Refused(reason.clone())));
            }
        };
        let live = self.overlap != Overlap::Allow && self.is_live(step)?;
        if fire.held {
            if live || self.held.first() != Some(&fire.at) {
                return Ok(None);
            }
            self.held.remove(0);
            return self.make(step, ready).map(Some);
        }
        match self.overlap {
            Overlap::Skip if live => return Ok(Some(FireOutcome::Skipped)),
            Overlap::Queue if live || !self.held.is_empty() => {
                if self.held.len() >= FIRES_HELD {
                    let said = format!("{FIRES_HELD} fires wait already");
                    return Ok(Some(FireOutcome::Refused(said)));
                }
                self.held.push(fire.at);
                return Ok(Some(FireOutcome::Held));
            }
            Overlap::Replace if live => {
                self.cancel_last(step)?;
                // Its place in the queue is free for the other.
                step.flush_tallies()?;
                step.flush_weights()?;
            }
            _ => {}
        }
        self.make(step, ready).map(Some)
    }

    fn cancel_last(&self, step: &mut Step<'_>) -> Done<()> {
        if let Some(last) = self.last {
            cancel::cancel(step, self.tenant, last)?;
        }
        Ok(())
    }

    fn make(&mut self, step: &mut Step<'_>, ready: &Ready) -> Done<FireOutcome> {
        let ready = std::slice::from_ref(ready);
        let made = enqueue::enqueue(step, self.tenant, ready)?;
        let id = match made.first() {
            Some(Enqueued::Instead(other)) => *other,
            _ => ready[0].id(),
        };
        self.made += i64::from(made.first() == Some(&Enqueued::New));
        // The next of them meets a queue that holds this one.
        step.flush_tallies()?;
        step.flush_weights()?;
        self.last = Some(id);
        Ok(FireOutcome::Job(id))
    }

    fn is_live(&self, step: &Step<'_>) -> Done<bool> {
        let Some(last) = self.last else {
            return Ok(false);
        };
        let job = Stored::by_id(&step.db, self.tenant, last)?;
        Ok(job.is_some_and(|job| !job.state.is_final()))
    }

    fn write(&self, step: &mut Step<'_>, name: &str, turn: Option<&Turn>) -> Done<()> {
        let tenant = self.tenant;
        let last = self.last.map(|id| id.0);
        let held: Vec<u8> = self
            .held
            .iter()
            .flat_map(|at| at.0.to_le_bytes().into_iter().take(6))
            .collect();
        let Some(turn) = turn else {
            let row = params![tenant, name, last, held, self.made];
            step.db.run(sql!("schedules", "by_hand"), row)?;
            return Ok(());
        };
        let mut wake = turn.next;
        if !self.held.is_empty() && !self.is_live(step)? {
            wake = Some(step.now);
        }
        let waits = params![tenant, name, turn.waiting.is_some()];
        step.db.run(sql!("schedules", "waits"), waits)?;
        if turn.waiting.is_some() {
            // A task may have completed since the look.
            let needs = needs(&step.db, tenant, name)?;
            if needs.iter().any(|(_, at)| *at >= turn.looked) {
                wake = Some(step.now);
            }
        }
        let (next, waiting) = (turn.next.map(time), turn.waiting.map(time));
        let missed = turn.missed.cast_signed();
        let row = params![
            tenant,
            name,
            last,
            held,
            self.made,
            next,
            waiting,
            missed,
            wake.map(time)
        ];
        step.db.run(sql!("schedules", "turn"), row)?;
        step.effects.delayed = true;
        step.effects.due |= wake == Some(step.now);
        Ok(())
    }
}

fn entry(at: Millis, when: Millis, by_hand: bool, outcome: &FireOutcome) -> Vec<u8> {
    let mut entry = Vec::with_capacity(32);
    entry.extend_from_slice(&at.0.to_le_bytes()[..6]);
    entry.extend_from_slice(&when.0.to_le_bytes()[..6]);
    entry.push(if by_hand { b'1' } else { b'0' });
    let (letter, rest): (u8, &[u8]) = match outcome {
        FireOutcome::Job(id) => (b'j', &id.0),
        FireOutcome::Skipped => (b's', &[]),
        FireOutcome::Held => (b'h', &[]),
        FireOutcome::Refused(reason) => (b'r', reason.as_bytes()),
    };
    entry.push(letter);
    entry.extend_from_slice(rest);
    entry
}
