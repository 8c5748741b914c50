//! Keeps what it knows from one job to the next: counters, a cache, a lock. What it may keep is granted by whoever runs it.

#[cfg(test)]
mod tests;

use lovage::bucket::Bucket;
use lovage::{CallError, Failure};

lovage::wants!["bucket rates", "bucket primes"];

/// Whether a call may be made.
#[lovage::data]
#[derive(Debug, PartialEq)]
struct Allowed {
    allowed: bool,
    /// Calls of this user in this minute, with this one.
    calls: i64,
}

/// Counts a user's calls in a minute: all jobs of all workers count together.
#[lovage::task(retries = 0)]
fn allowed(user: String, limit: i64, minute: Option<u64>) -> Result<Allowed, Failure> {
    let rates = Bucket::open("rates")?;
    let calls = rates.increment(&format!("{user}/{}", minute.unwrap_or(0)), 1)?;
    Ok(Allowed {
        allowed: calls <= limit,
        calls,
    })
}

/// How many primes there are below a number.
#[lovage::data]
#[derive(Debug, PartialEq)]
struct Primes {
    count: u32,
    /// Whether an earlier job had worked it out.
    known: bool,
}

/// Counts primes, once for each number.
#[lovage::task(retries = 0)]
fn primes(below: u32) -> Result<Primes, Failure> {
    let cache = Bucket::open("primes")?;
    let key = below.to_string();
    if let Some(count) = cache.get(&key)?.and_then(|it| <[u8; 4]>::try_from(it).ok()) {
        let (count, known) = (u32::from_le_bytes(count), true);
        return Ok(Primes { count, known });
    }
    let count = sieve(below);
    cache.set(&key, count.to_le_bytes())?;
    let known = false;
    Ok(Primes { count, known })
}

fn sieve(below: u32) -> u32 {
    let mut composite = vec![false; below as usize];
    let mut count = 0;
    for n in 2..below as usize {
        if composite[n] {
            continue;
        }
        count += 1;
        for multiple in (n * n..below as usize).step_by(n) {
            composite[multiple] = true;
        }
    }
    count
}

/// Passes a lock from its owner to the next; whether it was the owner's to pass. Nobody's it is where there is no owner.
#[lovage::task(retries = 0)]
fn handover(lock: String, from: Option<String>, to: String) -> Result<bool, Failure> {
    let rates = Bucket::open("rates")?;
    let key = format!("lock/{lock}");
    Ok(rates.swap(&key, from.as_deref().map(str::as_bytes), to)?)
}

/// Deletes what is kept of a user; how many keys those were.
#[lovage::task(retries = 0)]
fn forget(user: String) -> Result<u32, Failure> {
    let rates = Bucket::open("rates")?;
    let prefix = format!("{user}/");
    let mut gone = 0;
    for key in rates.keys() {
        let key = key?;
        if key.starts_with(&prefix) {
            rates.delete(&key)?;
            gone += 1;
        }
    }
    Ok(gone)
}

/// Fills a bucket until it may not: with what that was refused.
#[lovage::task(retries = 0)]
fn fill(bytes: u32, times: u32) -> Result<String, Failure> {
    let rates = Bucket::open("rates")?;
    let value = vec![b'x'; bytes as usize];
    for n in 0..times {
        match rates.set(&format!("fill/{n:06}"), &value) {
            Ok(()) => {}
            Err(CallError::Limit(text)) => return Ok(text),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(String::new())
}

/// Opens a bucket, whether it wants it or not.
#[lovage::task(retries = 0)]
fn peek(bucket: String) -> Result<String, Failure> {
    match Bucket::open(&bucket) {
        Ok(_) => Ok("open".into()),
        Err(error) => Ok(error.to_string()),
    }
}
