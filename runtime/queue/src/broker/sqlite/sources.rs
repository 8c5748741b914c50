//! Sources: jobs that make others page by page, and wait while too many of these have not
//! ended. What a step counts of one is kept in hand until its end.

use rusqlite::params;

use super::fault::Done;
use super::lanes::End;
use super::settle::packed;
use super::sql::sql;
use super::step::Step;
use super::stored::Stored;
use super::terms;
use crate::broker::PAGE_WAITS;
use crate::job::{Checkpoint, JobId, State, page_of};
use crate::record;

/// By how many more jobs of their pages sources have open, as far as a step knows.
#[derive(Default)]
pub(super) struct Sources(Vec<(String, JobId, i64)>);

impl Sources {
    /// Counts.
    pub(super) fn count(&mut self, tenant: &str, source: JobId, more: i64) {
        let mut all = self.0.iter_mut();
        match all.find(|it| it.1 == source && it.0 == tenant) {
            Some(known) => known.2 += more,
            None => self.0.push((tenant.into(), source, more)),
        }
    }
}

/// A source has made a page: the next one begins at its cursor, and nothing of it has
/// failed so far, nor is there an attempt to be kept: a source may make millions. Whether
/// it need wait at all is seen at the end of the step.
pub(super) fn turn_page(
    step: &mut Step<'_>,
    mut job: Stored,
    cursor: &Checkpoint,
    open: u32,
) -> Done<()> {
    if let Some(header) = &mut job.header {
        (header.attempt, header.crash) = (0, 0);
        // Before all that came since: the time that it waits for is not its place in the lane.
        header.available = header.enqueued;
        job.record.truncate(record::HEADER + header.call as usize);
    }
    let row = params![job.n, packed(cursor)];
    step.db.run(sql!("sources", "keep_cursor"), row)?;
    step.is_noted();
    let row = params![job.tenant, job.id.0, page_of(open)];
    step.db.run(sql!("sources", "wait"), row)?;
    step.sources.count(&job.tenant, job.id, 0);
    let due = step.now.after(PAGE_WAITS);
    if let Some(header) = &mut job.header {
        header.state = State::Scheduled;
    }
    step.write(&mut job, State::Scheduled, due)?;
    terms::wait_again(step, &job)?;
    Ok(step.delay(job.n, due)?)
}

/// Writes what was counted, and makes those available that need wait no longer.
pub(super) fn flush(step: &mut Step<'_>) -> rusqlite::Result<()> {
    for (tenant, source, more) in std::mem::take(&mut step.sources.0) {
        let key = params![tenant, source.0];
        let row = params![tenant, source.0, more];
        step.db.run(sql!("sources", "count"), row)?;
        let state = step.db.one(sql!("sources", "open"), key, |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
        })?;
        let Some((open, low)) = state else { continue };
        if low.is_some_and(|low| open <= low) {
            step.db.run(sql!("sources", "go_on"), key)?;
            next_page(step, &tenant, source)?;
        }
        if open <= 0 {
            step.db.run(sql!("sources", "none"), key)?;
        }
    }
    Ok(())
}

/// It makes its next page, before all of its priority that came to its lane since it was
/// enqueued; unless somebody ended it, or it was requeued meanwhile and waits for a time.
fn next_page(step: &mut Step<'_>, tenant: &str, source: JobId) -> rusqlite::Result<()> {
    let job = Stored::by_id(&step.db, tenant, source)?;
    let is_paged = |job: &Stored| {
        let mut header = job.header.iter();
        job.state == State::Scheduled && header.all(|it| it.available == it.enqueued)
    };
    let Some(job) = job.filter(is_paged) else {
        return Ok(());
    };
    step.pull(&job)?;
    step.free(job, End::Front)
}
