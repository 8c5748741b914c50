//! The audit log in a file: a row an act.

use rusqlite::params;

use super::db::{millis_at, time};
use super::fault::Done;
use super::ledger::read_cursor;
use super::sql::sql;
use super::step::Step;
use super::{SqliteBroker, tenants};
use crate::audit::Act;
use crate::broker::Result;
use crate::broker::audit::{ACTS_KEPT, AuditLog, MAX_ACTS, Recorded, check_acts, read_act};

#[async_trait::async_trait]
impl AuditLog for SqliteBroker {
    async fn record(&self, tenant: &str, acts: &[Act]) -> Result<()> {
        check_acts(tenant, acts)?;
        let tenant = tenant.to_owned();
        let acts: Vec<Vec<u8>> = acts.iter().map(Act::encode).collect();
        self.core
            .write(&self.clock, move |step| record(step, &tenant, &acts))
            .await
    }

    async fn acts(&self, tenant: &str, before: Option<&str>, limit: u32) -> Result<Vec<Recorded>> {
        let before = before.map(read_cursor).transpose()?;
        let (tenant, limit) = (tenant.to_owned(), limit.min(MAX_ACTS as u32));
        self.core
            .read(move |db| {
                let page = params![tenant, before.unwrap_or(i64::MAX), limit];
                Ok(db.all(sql!("audit", "acts"), page, |row| {
                    let cursor = row.get::<_, i64>(0)?.to_string();
                    let bytes: Vec<u8> = row.get(2)?;
                    Ok(read_act(cursor, millis_at(row, 1)?, &bytes))
                })?)
            })
            .await
    }
}

fn record(step: &mut Step<'_>, tenant: &str, acts: &[Vec<u8>]) -> Done<()> {
    tenants::check_here(step, tenant)?;
    let last = step
        .db
        .one(sql!("audit", "last"), [tenant], |row| row.get(0))?;
    let mut last: i64 = last.unwrap_or(0);
    for bytes in acts {
        last += 1;
        let row = params![tenant, last, time(step.now), bytes];
        step.db.run(sql!("audit", "record"), row)?;
    }
    let gone = params![tenant, last - ACTS_KEPT as i64];
    step.db.run(sql!("audit", "drop"), gone)?;
    Ok(())
}
