//! Modules and releases, as steps.

use rusqlite::{Row, params};

use super::db::{Db, time};
use super::fault::Done;
use super::sql::sql;
use super::step::Step;
use super::{control, schedules, tenants};
use crate::broker::{BrokerError, Declared, Owner, corrupt};
use crate::clock::Millis;
use crate::registry::{Digest, Manifest, RELEASES_KEPT, Readiness, Release, blob};

/// Begins an upload; its number.
pub(super) fn begin_upload(step: &mut Step<'_>) -> Done<i64> {
    let upload = step
        .db
        .one(sql!("registry", "begin_upload"), [time(step.now)], |row| {
            row.get(0)
        })?;
    Ok(upload.expect("an insert returns its row"))
}

/// Stores one chunk: a step of its own, so that a large module does not keep
/// every other command waiting.
pub(super) fn chunk(step: &mut Step<'_>, upload: i64, no: usize, bytes: &[u8]) -> Done<()> {
    step.db
        .run(sql!("registry", "chunk"), params![upload, no as i64, bytes])?;
    Ok(())
}

/// Makes an upload the module of its digest, in place of any earlier one.
pub(super) fn finish_upload(
    step: &mut Step<'_>,
    tenant: &str,
    digest: Digest,
    (upload, size): (i64, usize),
    manifest: &str,
) -> Done<()> {
    let key = params![tenant, digest.0];
    let earlier = step
        .db
        .one(sql!("registry", "uploaded"), key, |row| row.get(0))?;
    tenants::check_module(step, tenant, digest, size)?;
    step.db.run(
        sql!("registry", "module"),
        params![tenant, digest.0, upload, manifest],
    )?;
    match earlier {
        Some(earlier) => drop_upload(&step.db, earlier),
        None => {
            step.store(tenant, size as i64);
            Ok(())
        }
    }
}

/// Forgets an upload and its chunks.
pub(super) fn drop_upload(db: &Db<'_>, upload: i64) -> Done<()> {
    db.run(sql!("registry", "drop_chunks"), [upload])?;
    db.run(sql!("registry", "drop_upload"), [upload])?;
    Ok(())
}

/// A module's bytes, verified.
pub(super) fn module(db: &Db<'_>, tenant: &str, digest: Digest) -> Done<Option<Vec<u8>>> {
    whole(db, sql!("registry", "chunks"), tenant, digest, "module")
}

/// What lies in chunks under a digest, put together and verified; `what` is the
/// word for it.
pub(super) fn whole(
    db: &Db<'_>,
    chunks: &'static str,
    tenant: &str,
    digest: Digest,
    what: &str,
) -> Done<Option<Vec<u8>>> {
    let key = params![tenant, digest.0];
    let chunks: Vec<Option<Vec<u8>>> = db.all(chunks, key, |row| row.get(0))?;
    if chunks.is_empty() {
        return Ok(None);
    }
    let chunks: Vec<Vec<u8>> = chunks.into_iter().flatten().collect();
    match blob::unpack(&chunks, digest) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(corrupt(
            format!("{what} {digest}"),
            "its bytes have another digest; store it again",
        )
        .into()),
    }
}

/// What is known of a module.
pub(super) fn manifest(db: &Db<'_>, tenant: &str, digest: Digest) -> Done<Option<Manifest>> {
    let key = params![tenant, digest.0];
    let text: Option<String> = db.one(sql!("registry", "manifest"), key, |row| row.get(0))?;
    let read = |text: String| {
        serde_json::from_str(&text)
            .map_err(|error| corrupt(format!("the manifest of module {digest}"), error))
    };
    Ok(text.map(read).transpose()?)
}

fn release(row: &Row<'_>) -> rusqlite::Result<Release> {
    Ok(Release {
        number: row.get(0)?,
        digest: Digest(row.get(1)?),
        at: Millis(row.get::<_, i64>(2)?.cast_unsigned()),
        by: row.get(3)?,
        active: row.get(4)?,
    })
}

/// Makes a release, or finds that the newest is this one, and announces it.
pub(super) fn stage(
    step: &mut Step<'_>,
    tenant: &str,
    name: &str,
    digest: Digest,
    by: &str,
) -> Done<Release> {
    let key = params![tenant, digest.0];
    if step
        .db
        .one(sql!("registry", "uploaded"), key, |_| Ok(()))?
        .is_none()
    {
        return Err(BrokerError::Missing(format!("module {digest}")).into());
    }
    tenants::check_name_of_module(step, tenant, name)?;
    let newest = step
        .db
        .one(sql!("registry", "newest"), [tenant, name], release)?;
    let staged = match newest {
        Some(newest) if newest.digest == digest => newest,
        newest => {
            let number = newest.map_or(0, |newest| newest.number) + 1;
            let row = params![tenant, name, number, digest.0, time(step.now), by];
            step.db.run(sql!("registry", "release"), row)?;
            Release {
                number,
                digest,
                at: step.now,
                by: by.into(),
                active: false,
            }
        }
    };
    // What workers have said of it holds; a new stamp, so that others hear.
    step.db.run(sql!("registry", "unstage"), key)?;
    step.db.run(
        sql!("registry", "announce"),
        params![tenant, digest.0, time(step.now)],
    )?;
    step.effects.staged = true;
    Ok(staged)
}

/// Makes a release the active one, and heeds what it says of its tasks.
pub(super) fn activate(step: &mut Step<'_>, tenant: &str, name: &str, number: u32) -> Done<()> {
    tenants::check_new(step, tenant)?;
    let key = params![tenant, name, number];
    let digest = step.db.one(sql!("registry", "digest"), key, |row| {
        row.get(0).map(Digest)
    })?;
    let Some(digest) = digest else {
        return Err(BrokerError::Missing(format!("release {number} of `{name}`")).into());
    };
    step.db
        .run(sql!("registry", "deactivate"), [tenant, name])?;
    step.db.run(sql!("registry", "activate"), key)?;
    step.db.run(
        sql!("registry", "trim"),
        params![tenant, name, RELEASES_KEPT as i64],
    )?;
    step.db
        .run(sql!("registry", "unstage"), params![tenant, digest.0])?;
    step.db
        .run(sql!("registry", "drop_words"), params![tenant, digest.0])?;
    match self::manifest(&step.db, tenant, digest)? {
        Some(manifest) => {
            let declared = Declared::of_module(name, &manifest, step.now);
            let owner = Owner::Module(name.into());
            schedules::declare(step, tenant, &owner, &declared, true)?;
            control::declare(step, tenant, name, &manifest)
        }
        None => Ok(()),
    }
}

/// A name's releases, newest first.
pub(super) fn releases(db: &Db<'_>, tenant: &str, name: &str) -> Done<Vec<Release>> {
    Ok(db.all(sql!("registry", "releases"), [tenant, name], release)?)
}

/// All names with their active release.
pub(super) fn active(db: &Db<'_>, tenant: &str) -> Done<Vec<(String, Release)>> {
    Ok(db.all(sql!("registry", "active"), [tenant], |row| {
        Ok((row.get(5)?, release(row)?))
    })?)
}

/// What live workers say of a digest.
pub(super) fn readiness(db: &Db<'_>, tenant: &str, digest: Digest, now: Millis) -> Done<Readiness> {
    let snapshot = db.conn.unchecked_transaction()?;
    let live = db
        .one(sql!("registry", "live"), [time(now)], |row| row.get(0))?
        .unwrap_or(0);
    let key = params![tenant, digest.0, time(now)];
    let words: Vec<Option<String>> = db.all(sql!("registry", "words"), key, |row| row.get(0))?;
    snapshot.finish()?;
    let ready = words.iter().filter(|word| word.is_none()).count() as u32;
    Ok(Readiness {
        live,
        ready,
        refused: words.into_iter().flatten().collect(),
    })
}
