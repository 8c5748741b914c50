//! A lane's turn: which of its jobs start, in which order.

use rusqlite::params;

use super::cancel::{self, Why};
use super::claim::{After, Walk};
use super::db::{id_at, state_at};
use super::fault::Done;
use super::lanes::{End, Rank};
use super::limits::Allowed;
use super::sql::sql;
use super::stored::{Stored, terms_of};
use super::terms;
use crate::job::{JobId, State};
use crate::record::{self, Header};

/// An entry of a lane, and its job.
struct Entry {
    rank: Rank,
    seq: i64,
    n: i64,
    /// `None` where there is no such job, or it is not available.
    job: Option<Candidate>,
}

struct Candidate {
    id: JobId,
    record: Vec<u8>,
}

/// What becomes of an entry.
enum Verdict {
    /// It is handed out, with these flags; or as what cannot be read.
    Start(u8),
    /// It goes on in this lane.
    Aside(String),
    /// Only a later Lovage can read it.
    Newer,
    /// Its time was over before it began.
    Expired,
    /// It stays, and its lane waits for a scope.
    Wait(String),
}

/// The entries that are next in a lane.
struct Stretch {
    step: i64,
    /// Up to when they come before those of other steps.
    until: i64,
    /// Whether the lane has others.
    others: bool,
}

impl Walk<'_, '_, '_> {
    /// One turn of a lane.
    pub(super) fn lane(&mut self, place: [&str; 3], wanted: u32) -> Done<After> {
        let goal = self.claimed.len() as u32 + wanted;
        while let Some(stretch) = self.stretch(place)? {
            let missing = goal - self.claimed.len() as u32;
            let entries = self.entries(place, &stretch, missing)?;
            let all = (entries.len() as u32) < missing && !stretch.others;
            if let Some(scope) = self.take(place, entries)? {
                return Ok(After::Wait(scope));
            }
            if self.claimed.len() as u32 == goal || self.looks == 0 {
                let more = self.step.head(place, -1)?.is_some();
                return Ok(if more { After::Rotate } else { After::Leave });
            }
            if all {
                break;
            }
        }
        Ok(After::Leave)
    }

    /// What is next in a lane. The steps of priority compete by age, or in a strict
    /// queue not at all.
    fn stretch(&mut self, place: [&str; 3]) -> Done<Option<Stretch>> {
        let Some((first, last)) = self.step.ends(place)? else {
            return Ok(None);
        };
        let [tenant, queue, _] = place;
        let (mut best, mut rival, mut at) = (first, i64::MAX, first.step);
        let is_strict = self.step.is_strict(tenant, queue)?;
        while at < last && !is_strict {
            let Some(head) = self.step.head(place, at)? else {
                break;
            };
            at = head.step;
            if head.age() < best.age() {
                (rival, best) = (best.age(), head);
            } else {
                rival = rival.min(head.age());
            }
        }
        Ok(Some(Stretch {
            step: best.step,
            until: match is_strict || rival == i64::MAX {
                true => i64::MAX,
                false => best.until(rival),
            },
            others: last != first.step,
        }))
    }

    fn entries(
        &self,
        [tenant, queue, lane]: [&str; 3],
        stretch: &Stretch,
        most: u32,
    ) -> Done<Vec<Entry>> {
        let Stretch { step, until, .. } = *stretch;
        let range = params![tenant, queue, lane, step, until, most];
        Ok(self.step.db.all(sql!("claim", "jobs"), range, |row| {
            let rank = Rank {
                step,
                at: row.get(0)?,
            };
            let is_there = row.get_ref(4)? != rusqlite::types::ValueRef::Null;
            let job = match is_there && state_at(row, 4)? == State::Available {
                true => Some(Candidate {
                    id: id_at(row, 3)?,
                    record: row.get(5)?,
                }),
                false => None,
            };
            let (seq, n) = (row.get(1)?, row.get(2)?);
            Ok(Entry { rank, seq, n, job })
        })?)
    }

    /// Takes entries out of their lane, one after the other, until one must wait:
    /// for this scope.
    fn take(&mut self, place: [&str; 3], entries: Vec<Entry>) -> Done<Option<String>> {
        let (mut last, mut waits) = (None, None);
        for Entry { rank, seq, n, job } in entries {
            if let Some(job) = job {
                match self.judge(place, &job.record)? {
                    Verdict::Wait(scope) => {
                        waits = Some(scope);
                        break;
                    }
                    verdict => self.carry_out(verdict, place, (n, rank), job)?,
                }
            }
            last = Some((rank, seq));
            if self.looks == 0 {
                break;
            }
        }
        if let Some((rank, seq)) = last {
            let [tenant, queue, lane] = place;
            let taken = params![tenant, queue, lane, rank.step, rank.at, seq];
            self.step.db.run(sql!("claim", "take"), taken)?;
        }
        Ok(waits)
    }

    fn judge(&mut self, place @ [tenant, ..]: [&str; 3], record: &[u8]) -> Done<Verdict> {
        if record::is_newer(record) {
            return Ok(Verdict::Newer);
        }
        let Ok(header) = Header::decode(record) else {
            return Ok(Verdict::Start(0));
        };
        if terms::is_expired(&terms_of(record), &header, self.step.now) {
            return Ok(Verdict::Expired);
        }
        if !self.step.kinds(tenant)?.any() {
            return Ok(Verdict::Start(0));
        }
        Ok(match self.step.start(place, record)? {
            Allowed::Starts(flags) => Verdict::Start(flags),
            Allowed::Aside(lane) => Verdict::Aside(lane),
            Allowed::Waits(scope) => Verdict::Wait(scope),
        })
    }

    fn carry_out(
        &mut self,
        verdict: Verdict,
        place @ [tenant, queue, _]: [&str; 3],
        (n, rank): (i64, Rank),
        job: Candidate,
    ) -> Done<()> {
        if !matches!(verdict, Verdict::Start(_)) {
            self.looks = self.looks.saturating_sub(1);
        }
        match verdict {
            Verdict::Start(flags) => self.begin(place, n, job, flags)?,
            Verdict::Aside(lane) => self.step.push(End::Back, [tenant, queue, &lane], rank, n)?,
            Verdict::Newer => self.step.set_aside(n, State::Available)?,
            Verdict::Expired => {
                if let Some(job) = Stored::by_number(&self.step.db, n)? {
                    cancel::close(self.step, job, Why::Expired)?;
                }
            }
            Verdict::Wait(_) => {}
        }
        Ok(())
    }

    /// Hands a job out. One that cannot be read nobody could settle: it goes to the
    /// dead list as it is.
    fn begin(
        &mut self,
        [tenant, queue, _]: [&str; 3],
        n: i64,
        job: Candidate,
        flags: u8,
    ) -> Done<()> {
        let Candidate { id, mut record } = job;
        let delivery = match self.mark(&mut record, flags) {
            Some(delivery) => {
                self.hold(n, delivery, &record)?;
                terms::begin(self.step, n, &terms_of(&record))?;
                self.step
                    .count(tenant, queue, Some(State::Available), Some(State::Running));
                delivery
            }
            None => {
                if let Some(job) = Stored::by_number(&self.step.db, n)? {
                    self.step.end(job, State::Discarded)?;
                }
                0
            }
        };
        self.hand_out([tenant, queue], (n, id), delivery, self.step.now, record)
    }

    /// Overwrites the header of a record, if it has one; its delivery.
    fn mark(&self, record: &mut [u8], flags: u8) -> Option<u32> {
        let mut header = Header::decode(record).ok()?;
        header.state = State::Running;
        header.delivery = header.delivery.wrapping_add(1);
        header.worker = self.claim.worker.0;
        header.started = self.step.now;
        header.flags |= flags;
        record[..record::HEADER].copy_from_slice(&header.encode());
        Some(header.delivery)
    }

    /// Writes a claimed record, and moves the job into the in-flight set.
    fn hold(&self, n: i64, delivery: u32, record: &[u8]) -> Done<()> {
        let db = &self.step.db;
        db.run(sql!("claim", "begin"), params![n, record])?;
        let (worker, number) = (
            self.claim.worker.0.cast_signed(),
            self.claim.number.cast_signed(),
        );
        let position = self.claimed.len() as i64;
        let row = params![n, worker, number, position, delivery, self.charge];
        db.run(sql!("moves", "hold"), row)?;
        Ok(())
    }
}
