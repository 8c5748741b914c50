//! The same tasks in every language: what a worker answers must not depend on it.

use lovage::bucket::Bucket;
use lovage::jobs::{self, NewJob};
use lovage::serde_json::{Value, json};
use lovage::sql::{self, Transaction};
use lovage::{Bytes, CallError, Failure, context};
use std::collections::BTreeMap;
use std::time::Duration;

lovage::wants!["config greeting", "bucket conformance", "sql conformance"];

/// Returns what it is given.
#[lovage::task]
fn echo(value: Value) -> Value {
    value
}

#[lovage::data]
struct Number {
    n: i64,
}

#[lovage::data]
struct Nested {
    label: String,
    inner: Vec<Number>,
}

/// One of each type.
#[lovage::data]
struct Types {
    text: String,
    big: i64,
    small: i32,
    real: f64,
    flag: bool,
    blob: Bytes,
    items: Vec<i64>,
    named: BTreeMap<String, i64>,
    maybe: Option<String>,
    nested: Nested,
}

/// Returns a record of what it is given.
#[lovage::task]
#[expect(clippy::too_many_arguments, reason = "one of each type")]
fn types(
    text: String,
    big: i64,
    small: i32,
    real: f64,
    flag: bool,
    blob: Bytes,
    items: Vec<i64>,
    named: BTreeMap<String, i64>,
    maybe: Option<String>,
    nested: Nested,
) -> Types {
    Types {
        text,
        big,
        small,
        real,
        flag,
        blob,
        items,
        named,
        maybe,
        nested,
    }
}

/// Returns nothing.
#[lovage::task]
fn empty() {}

/// How many bytes it is given.
#[lovage::task]
fn size(blob: Bytes) -> usize {
    blob.0.len()
}

/// So many bytes of the value 7.
#[lovage::task]
fn blob(size: u32) -> Bytes {
    Bytes(vec![7; size as usize])
}

/// Fails as it is told.
#[lovage::task]
fn fail(kind: String, message: String, advice: String) -> Result<(), Failure> {
    let failure = Failure::new(message).kind(kind);
    Err(match &*advice {
        "now" => failure.retry_now(),
        "never" => failure.never_retry(),
        "after" => failure.retry_after(Duration::from_millis(50)),
        _ => failure,
    })
}

/// Fails by an ordinary error: a panic, which is Rust's own.
#[lovage::task]
fn crash() {
    inner();
}

fn inner() {
    panic!("boom");
}

/// Fails until an attempt.
#[lovage::task]
fn flaky(until: u32) -> Result<u32, Failure> {
    match context::attempt() {
        attempt if attempt < until => {
            Err(Failure::new(format!("not before attempt {until}")).retry_now())
        }
        attempt => Ok(attempt),
    }
}

/// Saves a state in its first attempt, and returns it in the next.
#[lovage::task]
fn checkpointed() -> Result<Value, Failure> {
    if let Some(saved) = context::restore::<Value>()? {
        return Ok(saved.state);
    }
    context::checkpoint(&json!({"at": 3}))?;
    Err(Failure::new("only half").retry_now())
}

/// Works until somebody cancels it.
#[lovage::task]
fn cancellable() -> &'static str {
    while !context::cancelled() {
        std::thread::sleep(Duration::from_millis(5));
    }
    "tidied"
}

/// Tells of itself, until somebody has seen it and cancels it.
#[lovage::task]
fn report() -> Result<(), CallError> {
    println!("to stdout");
    eprintln!("to stderr");
    context::progress(0.5, "half")?;
    while !context::cancelled() {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Enqueues so many jobs, and returns their ids.
#[lovage::task]
fn children(count: u32) -> Result<Vec<String>, CallError> {
    let calls = (0..count).map(|index| NewJob::new("conformance.echo").arg("value", &index));
    jobs::enqueue(calls.collect())
}

#[lovage::data]
struct About {
    id: String,
    attempt: u32,
    max_attempts: u32,
    tenant: String,
    module: String,
    task: String,
    queue: String,
    headers: BTreeMap<String, String>,
}

/// What a task knows of its job.
#[lovage::task]
fn about() -> About {
    let job = context::current();
    About {
        id: job.id,
        attempt: job.attempt,
        max_attempts: job.max_attempts,
        tenant: job.tenant,
        module: job.module,
        task: job.task,
        queue: job.queue,
        headers: job.headers.into_iter().collect(),
    }
}

/// Has many options.
#[lovage::task(
    queue = "special",
    priority = 7,
    retries = 2,
    backoff = "1s",
    timeout = "5s",
    memory = "64MiB",
    unique = "done",
    result_ttl = "1h",
    concurrency = 3,
    rate = "100/1m"
)]
fn optioned() {}

/// A call of `words`.
#[lovage::data]
struct Text {
    text: String,
}

/// How many words each text has.
#[lovage::task(batch(max = 10, wait = "50ms"))]
fn words(texts: Vec<Text>) -> Vec<Result<usize, Failure>> {
    let count = |it: Text| Ok(it.text.split_whitespace().count());
    texts.into_iter().map(count).collect()
}

/// A value of the tenant's.
#[lovage::task]
fn configured(key: String) -> Result<Option<String>, CallError> {
    lovage::config::get(&key)
}

/// What a bucket holds.
#[lovage::data]
struct Kept {
    value: Option<Bytes>,
    gone: bool,
    count: i64,
    keys: Vec<String>,
}

/// Keeps a value and a count in a bucket, and tells what is there.
#[lovage::task]
fn kept(value: Bytes) -> Result<Kept, CallError> {
    let bucket = Bucket::open("conformance")?;
    bucket.set("value", &*value)?;
    bucket.set("gone", "soon")?;
    bucket.delete("gone")?;
    bucket.increment("count", 5)?;
    Ok(Kept {
        count: bucket.increment("count", -3)?,
        value: bucket.get("value")?.map(Bytes),
        gone: bucket.exists("gone")?,
        keys: bucket.keys().collect::<Result<_, _>>()?,
    })
}

/// A row of a table.
#[lovage::data]
struct Row {
    number: i64,
    text: Option<String>,
}

/// Adds a row in a transaction that counts, and one in another that does not; the rows that there are.
#[lovage::task]
fn stored(number: i64) -> Result<Vec<Row>, Failure> {
    let table = "create table if not exists stored (number integer, text text)";
    sql::query("conformance", table, &[])?;
    let insert = "insert into stored (text, number) values ($2, $1)";
    let transaction = Transaction::begin("conformance")?;
    transaction.query(insert, &[&number, &"ä"])?;
    transaction.commit()?;
    let transaction = Transaction::begin("conformance")?;
    transaction.query(insert, &[&0, &"lost"])?;
    transaction.rollback()?;
    sql::query("conformance", insert, &[&-1, &None::<String>])?;
    let rows = sql::query("conformance", "select * from stored order by number", &[])?;
    let row = |row: sql::Row| {
        Ok(Row {
            number: row.get("number")?,
            text: row.get("text")?,
        })
    };
    rows.into_iter().map(row).collect()
}
