//! Finished jobs whose time is over, and what else nobody will ask for again.

use std::collections::BTreeMap;

use rusqlite::params;

use super::db::{millis_at, state_at, time};
use super::fault::Done;
use super::sql::sql;
use super::step::Step;
use super::{blobs, flow, ledger, registry, requeue};
use crate::broker::Retention;
use crate::clock::{Millis, millis};
use crate::job::State;

/// How long it is remembered that a worker was declared dead: longer than any
/// that still runs can have been out of touch.
const TOMBSTONES_KEPT: u64 = 7 * 24 * 3_600_000;
/// How long workers are asked to compile what nobody came back to activate.
const STAGED_KEPT: u64 = 24 * 3_600_000;
/// How long an upload may take.
const UPLOAD_KEPT: u64 = 3_600_000;
/// How many jobs a call passes over that stay.
const LOOKS: u32 = 10_000;
/// How many jobs are looked up at once.
const PAGE: u32 = 500;
/// What was passed over is not looked at again once it is older than this: nothing
/// ends so long ago, even where a clock is set back a little.
const SETTLED: u64 = 60_000;

/// Lets finished jobs go, and with them what else nobody will ask for again.
pub(super) fn prune(step: &mut Step<'_>, keep: &Retention, limit: u32) -> Done<u32> {
    let kinds = step.db.all(sql!("prune", "finished"), [], |row| {
        let (tenant, jobs): (String, i64) = (row.get(0)?, row.get(2)?);
        Ok((tenant, state_at(row, 1)?, jobs))
    })?;
    let mut tallies = flow::tallies(step)?;
    let mut tenants: BTreeMap<String, Vec<(State, i64)>> = BTreeMap::new();
    for (tenant, state, jobs) in kinds {
        // Nodes leave with their flows, and are not counted with the others.
        let word = flow::word_of_nodes(state);
        let nodes = tallies
            .iter()
            .find(|it| it.what == word && it.tenant == tenant);
        let jobs = jobs - nodes.map_or(0, |it| it.many);
        tenants.entry(tenant).or_default().push((state, jobs));
    }
    let mut left = limit - flow::leave(step, keep, &mut tallies, limit)?;
    step.flush_weights()?;
    for (tenant, kinds) in tenants {
        let kept = step
            .db
            .one(sql!("prune", "kept"), [&tenant], |row| row.get(0))?;
        let most = i64::try_from(keep.bytes).unwrap_or(i64::MAX);
        let mut sweep = Sweep {
            step,
            over: kept.unwrap_or(0i64).saturating_sub(most),
            tenant,
            left,
            looks: LOOKS,
        };
        sweep.run(keep, &kinds)?;
        left = sweep.left;
    }
    blobs::prune(step, limit)?;
    ledger::prune(step, limit)?;
    tidy(step, limit)?;
    Ok(limit - left)
}

/// The jobs of one tenant.
struct Sweep<'s, 'c> {
    step: &'s mut Step<'c>,
    tenant: String,
    /// How many may still go in this call.
    left: u32,
    /// How many may still be looked at that stay.
    looks: u32,
    /// By how many bytes the tenant holds too much.
    over: i64,
}

impl Sweep<'_, '_> {
    fn run(&mut self, keep: &Retention, kinds: &[(State, i64)]) -> Done<()> {
        let of = |state| kinds.iter().find(|it| it.0 == state).map_or(0, |it| it.1);
        let surplus = |state| of(state) - i64::try_from(keep.count).unwrap_or(i64::MAX);
        let gone = self.leaving(self.step.now, |_, _| true)?;
        // For their bytes one kind goes after the other.
        let mut over = self.over > 0;
        for (state, age) in [
            (State::Completed, keep.completed),
            (State::Cancelled, keep.completed),
            (State::Discarded, keep.discarded),
        ] {
            // A time before the epoch's first moment is none at all.
            let cutoff = self.step.now.0.checked_sub(millis(age)).map(Millis);
            let mut surplus = surplus(state);
            if state == State::Completed {
                surplus -= gone;
            }
            let (more, end) = self.oldest(state, cutoff, surplus, over)?;
            surplus -= more;
            if state == State::Completed && end {
                let too_many = |gone, bytes| gone < surplus || (over && bytes > 0);
                self.leaving(Millis(i64::MAX as u64), too_many)?;
            }
            over = over && end && self.over > 0;
        }
        while over && self.over > 0 && self.left > 0 {
            let Some((gone, bytes)) = flow::make_room(self.step, &self.tenant, self.left)? else {
                break;
            };
            (self.left, self.over) = (self.left - gone, self.over - bytes);
        }
        Ok(())
    }

    /// Lets one go; whether it went.
    fn forget(&mut self, n: i64) -> Done<bool> {
        let Some(weight) = requeue::forget(self.step, n)? else {
            return Ok(false);
        };
        self.over -= weight;
        self.left -= 1;
        Ok(true)
    }

    /// Completed jobs that say themselves when they leave, up to a time, while
    /// `goes` says so of how many have gone and of the bytes that are too much.
    fn leaving(&mut self, until: Millis, goes: impl Fn(i64, i64) -> bool) -> Done<i64> {
        let mut gone = 0;
        if !goes(0, self.over) {
            return Ok(gone);
        }
        let page = params![self.tenant, time(until), self.left];
        let page: Vec<i64> = self
            .step
            .db
            .all(sql!("prune", "leaving"), page, |row| row.get(0))?;
        for n in page {
            if !goes(gone, self.over) {
                break;
            }
            gone += i64::from(self.forget(n)?);
        }
        Ok(gone)
    }

    /// The oldest of a kind that are too old, too many or too much. All are the
    /// front of one list, so the walk ends at the first that is neither; but it
    /// passes over what leaves at a time of its own, or with its flow. How many went,
    /// and whether the list ended.
    fn oldest(
        &mut self,
        state: State,
        cutoff: Option<Millis>,
        surplus: i64,
        over: bool,
    ) -> Done<(i64, bool)> {
        let (mut gone, mut place) = (0, self.passed(state)?);
        let (mut passed, mut stays_behind, mut end) = (None, false, false);
        'walk: while self.left > 0 && self.looks > 0 {
            let asked = self.left.min(self.looks).min(PAGE);
            let page = params![self.tenant, state as u8, place.0, place.1, asked];
            let page = self.step.db.all(sql!("prune", "oldest"), page, |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    millis_at(row, 1)?,
                    row.get::<_, bool>(2)?,
                ))
            })?;
            end = (page.len() as u32) < asked;
            for (n, at, leaves_itself) in page {
                let goes = cutoff.is_some_and(|cutoff| at <= cutoff)
                    || gone < surplus
                    || (over && self.over > 0);
                if !goes {
                    end = false;
                    break 'walk;
                }
                place = (time(at), n);
                if !leaves_itself && self.forget(n)? {
                    gone += 1;
                    continue;
                }
                self.looks -= 1;
                // Whoever can read a newer record will want to find it.
                stays_behind |= !leaves_itself;
                if !stays_behind && at.0 + SETTLED < self.step.now.0 {
                    passed = Some(place);
                }
            }
            if end {
                break;
            }
        }
        if let Some((at, n)) = passed {
            let row = params![self.tenant, state as u8, at, n];
            self.step.db.run(sql!("prune", "pass"), row)?;
        }
        Ok((gone, end))
    }

    /// Up to where a kind need not be looked at.
    fn passed(&self, state: State) -> Done<(i64, i64)> {
        let key = params![self.tenant, state as u8];
        let passed = self.step.db.one(sql!("prune", "passed"), key, |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        Ok(passed.unwrap_or((i64::MIN, i64::MIN)))
    }
}

fn tidy(step: &Step<'_>, limit: u32) -> Done<()> {
    let before = |age: u64| time(Millis(step.now.0.saturating_sub(age)));
    step.db
        .run(sql!("prune", "tombstones"), [before(TOMBSTONES_KEPT)])?;
    if step
        .db
        .run(sql!("prune", "stagings"), [before(STAGED_KEPT)])?
        > 0
    {
        step.db.run(sql!("prune", "words"), [])?;
    }
    let uploads = params![before(UPLOAD_KEPT)];
    for upload in step
        .db
        .all(sql!("prune", "uploads"), uploads, |row| row.get(0))?
    {
        registry::drop_upload(&step.db, upload)?;
    }
    let idle = params![(step.now.0 * 1_000).cast_signed(), limit];
    let idle: Vec<[String; 2]> = step.db.all(sql!("prune", "idle"), idle, |row| {
        Ok([row.get(0)?, row.get(1)?])
    })?;
    for held in idle {
        step.db.run(sql!("limits", "drop_held"), held)?;
    }
    Ok(())
}
