//! A cron line in a time zone.
//!
//! What becomes of it when clocks change is what Vixie cron does (cron(8) of
//! Debian and ISC cron, "special considerations exist when the clock is changed").
//! A line that names its hours is *fixed*, one with `*` or a step in that field
//! is not ([`Line::fixed`]):
//!
//! - Clocks go forward: a fixed time that is skipped fires once, in the first
//!   instant after the gap, however many of the line's times were skipped. Other
//!   lines have no such times.
//! - Clocks go back: a fixed time that comes twice fires when it comes first.
//!   Other lines fire at both.
//!
//! The draft of OCPS 1.4 would rather skip what falls into a gap; a nightly job
//! that misses one night a year is the worse surprise.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::line::Line;
use super::times::Work;
use crate::clock::Millis;

/// The last second that a [`Timestamp`] is sure to have.
const LAST: i64 = 253_402_000_000;

pub(super) struct Cron {
    line: Line,
    zone: TimeZone,
}

/// A zone by its IANA name. The names that stand for no place are none.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    let zone = TimeZone::get(name).ok()?;
    (!zone.is_unknown()).then_some(zone)
}

impl Cron {
    pub(super) fn new(line: Line, zone: TimeZone) -> Self {
        Cron { line, zone }
    }

    /// How long each of its times holds, in milliseconds.
    pub(super) fn width(&self) -> u64 {
        self.line.width
    }

    /// The first fire at or after `at`, and not after `until`. The timeline is
    /// cut where the zone's offset changes: within a piece the wall clock runs
    /// evenly, and what is special happens at the cuts.
    pub(super) fn first(&self, at: Millis, until: Millis, work: &Work) -> Option<Millis> {
        let until = i64::try_from(until.0 / 1_000).map_or(LAST, |it| it.min(LAST));
        // The piece of the second before: a fire may be at a cut itself.
        let mut here = i64::try_from(at.0.div_ceil(1_000)).ok()? - 1;
        let mut offset = self.offset(here)?;
        let mut from = (here + 1 + offset).max(self.seen(here, offset)?);
        while here <= until {
            work.look()?;
            let change = self.zone.following(second(here)?).next();
            let (cut, next) = change.map_or((i64::MAX, offset), |it| {
                (it.timestamp().as_second(), i64::from(it.offset().seconds()))
            });
            let end = cut.min(until + 1) + offset;
            if let Some(found) = self.line.first(from, end, work) {
                return fire(found - offset);
            }
            if cut > until {
                return None;
            }
            let (old, new) = (cut + offset, cut + next);
            if self.line.fixed && self.line.first(old.max(from), new, work).is_some() {
                return fire(cut);
            }
            from = if self.line.fixed { new.max(old) } else { new };
            (here, offset) = (cut, next);
        }
        None
    }

    /// The time on the wall clock before which a fixed line has had its times:
    /// clocks that went back show it a second time.
    fn seen(&self, here: i64, offset: i64) -> Option<i64> {
        let first = i64::MIN;
        if !self.line.fixed {
            return Some(first);
        }
        let Some(cut) = self.zone.preceding(second(here + 1)?).next() else {
            return Some(first);
        };
        let cut = cut.timestamp().as_second();
        let old = self.offset(cut - 1)?;
        Some(if old > offset { cut + old } else { first })
    }

    fn offset(&self, at: i64) -> Option<i64> {
        Some(self.zone.to_offset(second(at)?).seconds().into())
    }
}

fn second(at: i64) -> Option<Timestamp> {
    Timestamp::from_second(at).ok()
}

fn fire(at: i64) -> Option<Millis> {
    Some(Millis(u64::try_from(at).ok()? * 1_000))
}
