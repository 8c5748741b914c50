//! Bytes by digest, in chunks: modules, and what is too large for a record.

use std::time::Duration;

use rusqlite::params;

use super::db::{Db, millis_at, time};
use super::fault::Done;
use super::sql::sql;
use super::step::Step;
use super::stored::Stored;
use super::{SqliteBroker, registry, tenants};
use crate::broker::{BrokerError, Result};
use crate::registry::{Digest, blob};

/// How long a blob is kept that no job refers to (yet).
const GRACE: Duration = Duration::from_secs(3600);

impl SqliteBroker {
    /// Stores chunks that nobody sees before they are given their name, each in a
    /// step of its own, so that a large one does not keep every other command
    /// waiting; the upload's number.
    pub(super) async fn upload(&self, what: &str, bytes: &[u8]) -> Result<(Digest, i64)> {
        let invalid =
            |why: String| BrokerError::Invalid(format!("the {what} cannot be stored: {why}"));
        if bytes.len() > blob::MAX_MODULE {
            let most = blob::MAX_MODULE;
            return Err(invalid(format!(
                "it has at most {most} bytes, this one {}",
                bytes.len()
            )));
        }
        let bytes = bytes.to_vec();
        let pack =
            tokio::task::spawn_blocking(move || Ok((Digest::of(&bytes), blob::pack(&bytes)?)));
        let packed: std::io::Result<_> = pack.await.map_err(|error| invalid(error.to_string()))?;
        let (digest, chunks) = packed.map_err(|error| invalid(error.to_string()))?;
        let upload = self.core.write(&self.clock, registry::begin_upload).await?;
        for (no, bytes) in chunks.into_iter().enumerate() {
            self.core
                .write(&self.clock, move |step| {
                    registry::chunk(step, upload, no, &bytes)
                })
                .await?;
        }
        Ok((digest, upload))
    }
}

/// Refuses a blob that the tenant may not store, unless it is there.
pub(super) fn check(step: &mut Step<'_>, tenant: &str, digest: Digest, size: usize) -> Done<()> {
    let is_known = find(&step.db, tenant, digest)?.is_some();
    tenants::check_bytes(step, tenant, if is_known { 0 } else { size })
}

/// Makes an upload the blob of its digest, in place of any earlier one; its grace
/// begins anew.
pub(super) fn finish_upload(
    step: &mut Step<'_>,
    tenant: &str,
    digest: Digest,
    upload: i64,
    size: usize,
) -> Done<()> {
    check(step, tenant, digest, size)?;
    let earlier: Option<i64> = find(&step.db, tenant, digest)?.map(|(_, upload)| upload);
    let grace = time(step.now.after(GRACE));
    let row = params![tenant, digest.0, upload, size as i64, grace];
    step.db.run(sql!("blobs", "put"), row)?;
    match earlier {
        Some(earlier) => registry::drop_upload(&step.db, earlier),
        None => {
            step.store(tenant, size as i64);
            Ok(())
        }
    }
}

fn find(db: &Db<'_>, tenant: &str, digest: Digest) -> rusqlite::Result<Option<(i64, i64)>> {
    db.one(sql!("blobs", "find"), params![tenant, digest.0], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })
}

/// A blob's bytes, verified.
pub(super) fn read(db: &Db<'_>, tenant: &str, digest: Digest) -> Done<Option<Vec<u8>>> {
    registry::whole(db, sql!("blobs", "chunks"), tenant, digest, "blob")
}

/// A job refers to a blob from now on; whether there is one.
pub(super) fn refer(step: &Step<'_>, tenant: &str, n: i64, digest: Digest) -> Done<bool> {
    let Some((blob, _)) = find(&step.db, tenant, digest)? else {
        return Ok(false);
    };
    step.db.run(sql!("blobs", "refer"), [n, blob])?;
    step.db.run(sql!("blobs", "hold"), [blob])?;
    Ok(true)
}

/// What a job's record and its blobs take, in bytes.
pub(super) fn weight(db: &Db<'_>, job: &Stored) -> rusqlite::Result<i64> {
    let mut weight = job.record.len() as i64;
    if job.may_refer() {
        let sizes = db.all(sql!("blobs", "of_job"), [job.n], |row| row.get::<_, i64>(1))?;
        weight += sizes.into_iter().sum::<i64>();
    }
    Ok(weight)
}

/// A job refers to nothing any more; how many bytes it referred to. A blob goes
/// with its last job, but not within its grace: its next job may be on its way.
pub(super) fn release(step: &mut Step<'_>, tenant: &str, n: i64) -> Done<i64> {
    let referred = step.db.all(sql!("blobs", "of_job"), [n], |row| {
        let (blob, size): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok((blob, size, millis_at(row, 2)?, row.get::<_, i64>(3)?))
    })?;
    step.db.run(sql!("blobs", "drop_refers"), [n])?;
    let mut bytes = 0;
    for (blob, size, grace, upload) in referred {
        bytes += size;
        if step.db.is(sql!("blobs", "is_referred_to"), [blob])? {
            continue;
        }
        match grace > step.now {
            true => drop(step.db.run(sql!("blobs", "loosen"), [blob])?),
            false => forget(step, tenant, (blob, upload, size))?,
        }
    }
    Ok(bytes)
}

/// Forgets a blob by its row, its upload's and its size.
pub(super) fn forget(
    step: &mut Step<'_>,
    tenant: &str,
    (blob, upload, size): (i64, i64, i64),
) -> Done<()> {
    step.db.run(sql!("blobs", "forget"), [blob])?;
    step.store(tenant, -size);
    registry::drop_upload(&step.db, upload)
}

/// Forgets what nobody refers to and whose grace is over.
pub(super) fn prune(step: &mut Step<'_>, limit: u32) -> Done<()> {
    let loose = params![time(step.now), limit];
    let loose = step.db.all(sql!("blobs", "loose"), loose, |row| {
        let tenant: String = row.get(3)?;
        Ok((tenant, (row.get(0)?, row.get(1)?, row.get(2)?)))
    })?;
    for (tenant, blob) in loose {
        forget(step, &tenant, blob)?;
    }
    Ok(())
}
