//! What operators say of scopes, and modules of their tasks.

use std::collections::BTreeMap;

use rusqlite::params;

use super::db::Db;
use super::fault::Done;
use super::limits::{Rule, merged};
use super::parking::{STRIDE, each_lane};
use super::sql::sql;
use super::step::Step;
use super::stored::Stored;
use crate::broker::{BrokerError, Result};
use crate::limits::{Limit, Limited, Pace, Scope};
use crate::registry::Manifest;
use crate::task::{TaskName, check_name};

/// Refuses a scope that its own text would not name: it could never be asked for.
pub(super) fn check(tenant: &str, scope: &Scope) -> Result<()> {
    let invalid = |said: String| Err(BrokerError::Invalid(said));
    if let Err(error) = check_name(tenant, "tenant") {
        return invalid(error.to_string());
    }
    match scope.to_string().parse::<Scope>() {
        Ok(same) if same == *scope => Ok(()),
        Ok(_) => invalid(format!("`{scope}` is no scope")),
        Err(error) => invalid(error.to_string()),
    }
}

fn packed(limit: Limit) -> Option<String> {
    let json = || serde_json::to_string(&limit).expect("a limit has no keys but texts");
    (limit != Limit::default()).then(json)
}

/// Sets an operator's limit, or lifts it.
pub(super) fn limit(step: &mut Step<'_>, tenant: &str, scope: &Scope, limit: Limit) -> Done<()> {
    let scope = scope.to_string();
    let before = Rule::of(&step.db, tenant, &scope)?.and_then(|rule| rule.own);
    let row = params![tenant, scope, packed(limit)];
    step.db.run(sql!("control", "own"), row)?;
    let before = before.unwrap_or_default();
    if before.rate != limit.rate {
        begin_pace(step, tenant, &scope)?;
    }
    if let Some(queue) = scope
        .strip_prefix("queue:")
        .filter(|_| before.order != limit.order)
    {
        step.let_queue_on(tenant, queue)?;
    }
    changed(step, tenant, &[scope])
}

/// Pauses a scope, or lets it go on.
pub(super) fn pause(step: &mut Step<'_>, tenant: &str, scope: &Scope, paused: bool) -> Done<()> {
    let scope = scope.to_string();
    let row = params![tenant, scope, paused];
    step.db.run(sql!("control", "paused"), row)?;
    changed(step, tenant, &[scope])
}

/// Replaces what a module says of its tasks by what its new release does.
pub(super) fn declare(
    step: &mut Step<'_>,
    tenant: &str,
    module: &str,
    manifest: &Manifest,
) -> Done<()> {
    // `/` is the character behind `.`.
    let range = [
        tenant,
        &format!("task:{module}."),
        &format!("task:{module}/"),
    ];
    let before = step.db.all(sql!("control", "declared"), range, |row| {
        Ok((row.get(0)?, row.get::<_, Option<String>>(1)?))
    })?;
    let before: BTreeMap<String, Option<String>> = before.into_iter().collect();
    let mut words: BTreeMap<String, Option<String>> =
        before.keys().map(|scope| (scope.clone(), None)).collect();
    for task in &manifest.tasks {
        let (module, name) = (module.to_owned(), task.name.clone());
        let scope = Scope::Task(TaskName { module, task: name }).to_string();
        if let Some(limit) = Limit::declared(&task.options) {
            words.insert(scope, packed(limit));
        }
    }
    words.retain(|scope, word| before.get(scope) != Some(word));
    for (scope, word) in &words {
        let row = params![tenant, scope, word];
        step.db.run(sql!("control", "declare"), row)?;
        reset_pace(step, tenant, scope)?;
    }
    match words.is_empty() {
        true => Ok(()),
        false => changed(step, tenant, &words.into_keys().collect::<Vec<_>>()),
    }
}

/// The same for all modules that are active: a file of an earlier schema has kept
/// their words, but nobody heeded them.
pub(super) fn declare_all(step: &mut Step<'_>) -> Done<()> {
    let active = step.db.all(sql!("control", "all_active"), [], |row| {
        let (tenant, module): (String, String) = (row.get(0)?, row.get(1)?);
        Ok((tenant, module, row.get::<_, String>(2)?))
    })?;
    for (tenant, module, manifest) in active {
        // One that cannot be read says so to whoever activates or runs it.
        if let Ok(manifest) = serde_json::from_str(&manifest) {
            declare(step, &tenant, &module, &manifest)?;
        }
    }
    Ok(())
}

/// A pace begins anew. But under an operator's rate that would be a start for each word
/// that the tenant says: there it is as far on as that rate alone may have it.
fn begin_pace(step: &mut Step<'_>, tenant: &str, scope: &str) -> Done<()> {
    let now = step.now;
    let record = step.record_of(tenant)?.filter(|_| scope == "tenant");
    let Some(rate) = record.and_then(|it| it.quota.rate) else {
        return reset_pace(step, tenant, scope);
    };
    let most = Pace::of(rate).farthest(now).cast_signed();
    step.db
        .run(sql!("control", "cut_pace"), params![tenant, scope, most])?;
    Ok(())
}

fn reset_pace(step: &Step<'_>, tenant: &str, scope: &str) -> Done<()> {
    match each_lane(scope) {
        Some([from, to]) => {
            let range = [tenant, &from, &to];
            step.db.run(sql!("control", "reset_paces"), range)?
        }
        None => step
            .db
            .run(sql!("control", "reset_pace"), [tenant, scope])?,
    };
    Ok(())
}

/// Something else is said of these scopes: all that wait for them look again.
fn changed(step: &mut Step<'_>, tenant: &str, scopes: &[String]) -> Done<()> {
    for scope in scopes {
        step.db.run(sql!("control", "tidy"), [tenant, scope])?;
    }
    recount(step, tenant)?;
    for scope in scopes {
        let waits = [tenant, scope.as_str()];
        step.effects.delayed |= step.db.run(sql!("promote", "woken"), waits)? > 0;
        step.let_on(tenant, scope, STRIDE)?;
    }
    Ok(())
}

/// Counts anew what runs of a tenant: a concurrency holds for jobs that began
/// before it was set, too. It costs what runs, not what waits.
pub(super) fn recount(step: &mut Step<'_>, tenant: &str) -> rusqlite::Result<()> {
    step.flush_limits()?;
    step.limits.forget();
    step.db.run(sql!("control", "reset_busy"), [tenant])?;
    let running: Vec<i64> = step
        .db
        .all(sql!("control", "running"), [tenant], |row| row.get(0))?;
    for n in running {
        let Some(mut job) = Stored::by_number(&step.db, n)? else {
            continue;
        };
        let flags = step.count_running(&job)?;
        if let (Some(flags), Some(header)) = (flags, &mut job.header)
            && flags != header.flags
        {
            header.flags = flags;
            job.record[..crate::record::HEADER].copy_from_slice(&header.encode());
            step.db
                .run(sql!("control", "mark"), params![n, job.record])?;
        }
    }
    step.flush_limits()?;
    step.db.run(sql!("control", "drop_idle"), [tenant])?;
    Ok(())
}

/// A running job cannot be read any more, so nobody knows what it was counted for.
pub(super) fn recover(step: &mut Step<'_>, tenant: &str) -> rusqlite::Result<()> {
    if !step.kinds(tenant)?.any() {
        return Ok(());
    }
    step.flush_limits()?;
    let busy: Vec<String> = step
        .db
        .all(sql!("control", "busy"), [tenant], |row| row.get(0))?;
    recount(step, tenant)?;
    for scope in busy {
        step.let_on(tenant, &scope, STRIDE)?;
    }
    Ok(())
}

/// All that is said, in order.
pub(super) fn limits(db: &Db<'_>, tenant: &str) -> Done<Vec<Limited>> {
    let rows = db.all(sql!("control", "limits"), [tenant], |row| {
        let scope: String = row.get(0)?;
        Ok((scope, Rule::read(row, 1)?, row.get::<_, u32>(4)?))
    })?;
    let mut limits = Vec::with_capacity(rows.len());
    for (scope, rule, running) in rows {
        // What has no scope's name was written by a later Lovage.
        let Ok(scope) = scope.parse() else { continue };
        limits.push(Limited {
            scope,
            limit: merged(rule.own, rule.declared),
            paused: rule.paused,
            declared: rule.own.is_none() && rule.declared.is_some(),
            running,
        });
    }
    limits.sort_by(|one, other| one.scope.cmp(&other.scope));
    Ok(limits)
}
