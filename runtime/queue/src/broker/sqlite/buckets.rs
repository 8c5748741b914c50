//! Buckets in a file: a row a key.

use rusqlite::params;

use super::db::Db;
use super::fault::Done;
use super::sql::sql;
use super::step::Step;
use super::{SqliteBroker, tenants};
use crate::broker::buckets::{
    BucketStatus, Buckets, STEP_BYTES, Swapped, bucket_is_full, check_asked, check_one,
    check_place, check_set, no_number, too_large, too_many_buckets,
};
use crate::broker::{BrokerError, Result};
use crate::bucket::{MAX_BATCH_BYTES, MAX_BUCKETS, MAX_KEYS, MAX_PAGE, check_value};
use crate::tenant::Deletion;

#[async_trait::async_trait]
impl Buckets for SqliteBroker {
    async fn get_many(
        &self,
        tenant: &str,
        bucket: &str,
        keys: &[String],
    ) -> Result<Vec<Option<Vec<u8>>>> {
        check_asked(tenant, bucket, keys)?;
        let (place, keys) = (Place::of(tenant, bucket), keys.to_vec());
        self.core.read(move |db| get(db, &place, &keys)).await
    }

    async fn set_many(
        &self,
        tenant: &str,
        bucket: &str,
        pairs: &[(String, Vec<u8>)],
    ) -> Result<()> {
        check_set(tenant, bucket, pairs)?;
        let (place, pairs) = (Place::of(tenant, bucket), pairs.to_vec());
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &place.tenant)?;
                set(step, &place, &pairs)
            })
            .await
    }

    async fn delete_many(&self, tenant: &str, bucket: &str, keys: &[String]) -> Result<u64> {
        check_asked(tenant, bucket, keys)?;
        let (place, keys) = (Place::of(tenant, bucket), keys.to_vec());
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &place.tenant)?;
                unset(step, &place, &keys)
            })
            .await
    }

    async fn exist(&self, tenant: &str, bucket: &str, keys: &[String]) -> Result<Vec<bool>> {
        check_asked(tenant, bucket, keys)?;
        let (place, keys) = (Place::of(tenant, bucket), keys.to_vec());
        self.core
            .read(move |db| {
                let snapshot = db.conn.unchecked_transaction()?;
                let found = place.find(db)?;
                let is = |key: &String| Ok(place.size(db, found, key)?.is_some());
                let there = keys.iter().map(is).collect();
                snapshot.finish()?;
                there
            })
            .await
    }

    async fn keys(
        &self,
        tenant: &str,
        bucket: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>> {
        check_place(tenant, bucket)?;
        let (place, after) = (Place::of(tenant, bucket), after.to_owned());
        self.core
            .read(move |db| {
                let snapshot = db.conn.unchecked_transaction()?;
                let mut keys = Vec::new();
                if let Some((n, _)) = place.find(db)? {
                    let page = params![n, after, limit.min(MAX_PAGE)];
                    keys = db.all(sql!("buckets", "page"), page, |row| row.get(0))?;
                }
                snapshot.finish()?;
                Ok(keys)
            })
            .await
    }

    async fn increment(&self, tenant: &str, bucket: &str, key: &str, by: i64) -> Result<i64> {
        check_one(tenant, bucket, key)?;
        let (place, key) = (Place::of(tenant, bucket), key.to_owned());
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &place.tenant)?;
                let value = place.value(&step.db, &key)?;
                let number = value.map_or(Ok(0), |it| number(&it))?;
                let sum = number.checked_add(by).ok_or_else(no_number)?;
                set(step, &place, &[(key, sum.to_string().into_bytes())])?;
                Ok(sum)
            })
            .await
    }

    async fn swap(
        &self,
        tenant: &str,
        bucket: &str,
        key: &str,
        expected: Option<&[u8]>,
        value: &[u8],
    ) -> Result<Swapped> {
        check_one(tenant, bucket, key)?;
        check_value(value).map_err(|e| BrokerError::Invalid(e.to_string()))?;
        let place = Place::of(tenant, bucket);
        let (key, expected, value) = (key.to_owned(), expected.map(<[u8]>::to_vec), value.to_vec());
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &place.tenant)?;
                let there = place.value(&step.db, &key)?;
                if there != expected {
                    return Ok(Swapped::Not(there));
                }
                set(step, &place, &[(key, value)])?;
                Ok(Swapped::Done)
            })
            .await
    }

    async fn buckets(&self, tenant: &str) -> Result<Vec<BucketStatus>> {
        let tenant = tenant.to_owned();
        self.core
            .read(move |db| {
                Ok(db.all(sql!("buckets", "all"), [tenant], |row| {
                    let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
                    Ok(BucketStatus {
                        name: row.get(0)?,
                        keys: number(1)?,
                        bytes: number(2)?,
                    })
                })?)
            })
            .await
    }

    async fn delete_bucket(&self, tenant: &str, bucket: &str, limit: u32) -> Result<Deletion> {
        check_place(tenant, bucket)?;
        let (place, limit) = (Place::of(tenant, bucket), limit.clamp(1, MAX_PAGE));
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &place.tenant)?;
                delete(step, &place, limit)
            })
            .await
    }
}

/// Which bucket.
struct Place {
    tenant: String,
    bucket: String,
}

/// A bucket's row, and how many keys it has.
type Found = Option<(i64, i64)>;

impl Place {
    fn of(tenant: &str, bucket: &str) -> Self {
        Place {
            tenant: tenant.to_owned(),
            bucket: bucket.to_owned(),
        }
    }

    fn find(&self, db: &Db<'_>) -> rusqlite::Result<Found> {
        let key = [&self.tenant, &self.bucket];
        db.one(sql!("buckets", "find"), key, |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
    }

    /// Bytes of a key's value, if there is such a key.
    fn size(&self, db: &Db<'_>, found: Found, key: &str) -> rusqlite::Result<Option<i64>> {
        match found {
            Some((n, _)) => db.one(sql!("buckets", "size"), params![n, key], |row| row.get(0)),
            None => Ok(None),
        }
    }

    fn value(&self, db: &Db<'_>, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
        match self.find(db)? {
            Some((n, _)) => db.one(sql!("buckets", "value"), params![n, key], |row| row.get(0)),
            None => Ok(None),
        }
    }
}

/// The number that a value is, written as Redis writes them.
fn number(value: &[u8]) -> Result<i64> {
    let text = std::str::from_utf8(value).map_err(|_| no_number())?;
    let number: i64 = text.parse().map_err(|_| no_number())?;
    match number.to_string() == text {
        true => Ok(number),
        false => Err(no_number()),
    }
}

fn get(db: &Db<'_>, place: &Place, keys: &[String]) -> Done<Vec<Option<Vec<u8>>>> {
    let snapshot = db.conn.unchecked_transaction()?;
    let Some((n, _)) = place.find(db)? else {
        return Ok(vec![None; keys.len()]);
    };
    let sizes = keys.iter().map(|key| place.size(db, Some((n, 0)), key));
    let sizes: Vec<Option<i64>> = sizes.collect::<rusqlite::Result<_>>()?;
    let bytes: i64 = sizes.iter().flatten().sum();
    if bytes > MAX_BATCH_BYTES as i64 {
        return Err(too_large(bytes.cast_unsigned()).into());
    }
    let value = |key| db.one(sql!("buckets", "value"), params![n, key], |row| row.get(0));
    let values = keys.iter().map(value).collect::<rusqlite::Result<_>>()?;
    snapshot.finish()?;
    Ok(values)
}

/// Sets keys: what can be refused is refused before anything is written.
fn set(step: &mut Step<'_>, place: &Place, pairs: &[(String, Vec<u8>)]) -> Done<()> {
    let mut last: Vec<&(String, Vec<u8>)> = pairs.iter().collect();
    last.sort_by(|one, other| one.0.cmp(&other.0));
    // Of a key that is named twice the last value counts; the sort has kept their order.
    last.reverse();
    last.dedup_by(|one, other| one.0 == other.0);
    if last.is_empty() {
        return Ok(());
    }
    let found = place.find(&step.db)?;
    let (mut new, mut grown) = (0, 0);
    for (key, value) in last.iter().copied() {
        let size = place.size(&step.db, found, key)?;
        new += i64::from(size.is_none());
        grown += value.len() as i64 - size.unwrap_or(-(key.len() as i64));
    }
    let n = match found {
        Some((n, keys)) if keys + new <= MAX_KEYS as i64 => Some(n),
        Some(_) if new > 0 => return Err(bucket_is_full(&place.bucket).into()),
        Some((n, _)) => Some(n),
        None => {
            check_room(step, &place.tenant)?;
            None
        }
    };
    let more = usize::try_from(grown).unwrap_or(0);
    tenants::check_bytes(step, &place.tenant, more)?;
    let n = match n {
        Some(n) => n,
        None => {
            let name = [&place.tenant, &place.bucket];
            step.db.run(sql!("buckets", "begin"), name)?;
            step.db.last_insert()
        }
    };
    for (key, value) in last {
        step.db
            .run(sql!("buckets", "set"), params![n, key, value])?;
    }
    step.db
        .run(sql!("buckets", "grow"), params![n, new, grown])?;
    step.store(&place.tenant, grown);
    Ok(())
}

fn check_room(step: &Step<'_>, tenant: &str) -> Done<()> {
    let count = step
        .db
        .one(sql!("buckets", "count"), [tenant], |row| row.get(0))?;
    let count: i64 = count.unwrap_or(0);
    match count < MAX_BUCKETS as i64 {
        true => Ok(()),
        false => Err(too_many_buckets().into()),
    }
}

fn unset(step: &mut Step<'_>, place: &Place, keys: &[String]) -> Done<u64> {
    let found = place.find(&step.db)?;
    let Some((n, _)) = found else {
        return Ok(0);
    };
    let (mut gone, mut bytes) = (0, 0);
    for key in keys {
        // One that is named twice is not there any more.
        if let Some(size) = place.size(&step.db, found, key)? {
            step.db.run(sql!("buckets", "unset"), params![n, key])?;
            (gone, bytes) = (gone + 1, bytes + key.len() as i64 + size);
        }
    }
    shrink(step, place, n, (gone, bytes))?;
    Ok(gone.cast_unsigned())
}

/// Counts keys that are gone, with so many bytes; a bucket goes with its last.
fn shrink(step: &mut Step<'_>, place: &Place, n: i64, (gone, bytes): (i64, i64)) -> Done<()> {
    step.db
        .run(sql!("buckets", "grow"), params![n, -gone, -bytes])?;
    step.db.run(sql!("buckets", "drop_empty"), [n])?;
    step.store(&place.tenant, -bytes);
    Ok(())
}

fn delete(step: &mut Step<'_>, place: &Place, limit: u32) -> Done<Deletion> {
    let Some((n, keys)) = place.find(&step.db)? else {
        return Ok(Deletion::Missing);
    };
    let some = step
        .db
        .all(sql!("buckets", "sizes"), params![n, limit], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        })?;
    let (mut gone, mut bytes) = (0, 0);
    for (key, size) in some {
        step.db.run(sql!("buckets", "unset"), params![n, key])?;
        (gone, bytes) = (gone + 1, bytes + key.len() as i64 + size);
        if bytes > STEP_BYTES as i64 {
            break;
        }
    }
    shrink(step, place, n, (gone, bytes))?;
    match gone < keys {
        true => Ok(Deletion::More),
        false => Ok(Deletion::Done),
    }
}
