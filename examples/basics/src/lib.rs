//! A tour of the SDK, one task a feature. Lovage's own tests and benchmarks run these too.

use lovage::jobs::{self, NewFlow, NewJob, Page};
use lovage::serde_json::{Value, json};
use lovage::{Bytes, Failure, context};
use std::time::{Duration, Instant};

/// Adds two numbers: the smallest task there is.
#[lovage::task]
fn add(a: i64, b: i64) -> Result<i64, Failure> {
    a.checked_add(b).ok_or_else(|| {
        Failure::new(format!("{a} + {b} is too large"))
            .kind("overflow")
            .never_retry()
    })
}

/// Answers with what it was given.
#[lovage::task]
fn echo(value: Value) -> Value {
    value
}

/// Answers with as many bytes as it is asked for.
#[lovage::task]
fn bytes(length: u32) -> Bytes {
    Bytes(vec![0x2a; length as usize])
}

/// A text of its own for each call of `embed`.
#[lovage::data]
struct Text {
    text: String,
}

/// What `embed` answers: the text's vector, and how many texts were embedded with it.
#[lovage::data]
struct Embedded {
    vector: Vec<f32>,
    together: usize,
}

/// Makes vectors of texts, as models do: many at a time, since to begin costs more than the texts themselves.
#[lovage::task(batch(max = 50, wait = "100ms"), retries = 3, backoff = "100ms")]
fn embed(texts: Vec<Text>) -> Vec<Result<Embedded, Failure>> {
    let together = texts.len();
    println!("{together} texts, the first for job {}", context::id());
    let embed = |it: Text| match it.text.as_str() {
        "" => Err(Failure::new("nothing to embed").kind("empty").never_retry()),
        "poison" => panic!("no text that anybody could embed"),
        text => Ok(Embedded {
            vector: letters(text).to_vec(),
            together,
        }),
    };
    texts.into_iter().map(embed).collect()
}

/// How often each of the first letters stands in a text: a small model.
fn letters(text: &str) -> [f32; 8] {
    let mut vector = [0.0; 8];
    for byte in text.bytes() {
        let letter = byte.to_ascii_lowercase().wrapping_sub(b'a');
        if let Some(count) = vector.get_mut(usize::from(letter)) {
            *count += 1.0;
        }
    }
    vector
}

/// Is called by itself, on Sunday nights, and answers with the time that it was called for.
#[lovage::task(
    cron = "0 3 * * SUN",
    tz = "Europe/Berlin",
    jitter = "1m",
    overlap = "skip"
)]
fn weekly() -> Option<String> {
    let mut headers = context::headers().into_iter();
    let (_, at) = headers.find(|(name, _)| name == "scheduled-for-ms")?;
    Some(at)
}

/// What `fail` asks of the queue.
#[lovage::data]
#[derive(Debug, Clone, Copy, Default)]
#[serde(rename_all = "kebab-case")]
enum Next {
    /// As the retry policy says.
    #[default]
    Policy,
    Now,
    AfterSecond,
    Never,
}

/// Fails, and says what to do next.
#[lovage::task(retries = 2, backoff(base = "100ms", factor = 2.0, max = "1s"))]
fn fail(message: String, next: Option<Next>) -> Result<(), Failure> {
    let failure = Failure::new(message).detail(format!("attempt {}", context::attempt()));
    Err(match next.unwrap_or_default() {
        Next::Policy => failure,
        Next::Now => failure.retry_now(),
        Next::AfterSecond => failure.retry_after(Duration::from_secs(1)),
        Next::Never => failure.never_retry(),
    })
}

/// Fails until its `succeed_at`th attempt.
#[lovage::task(backoff = "100ms")]
fn flaky(succeed_at: u32) -> Result<u32, Failure> {
    match context::attempt() {
        attempt if attempt < succeed_at => Err(Failure::new(format!(
            "not yet: attempt {attempt} of {succeed_at}"
        ))),
        attempt => Ok(attempt),
    }
}

/// Panics: a trap, whose message stands in the job's log.
#[lovage::task(retries = 0)]
fn panics(message: String) {
    panic!("{message}");
}

/// Burns processor time for so many milliseconds, and stops early when somebody cancels it. Answers with the
/// milliseconds it took.
#[lovage::task(timeout = "5m")]
fn spin(ms: u64) -> u64 {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(ms) && !context::cancelled() {
        // Long enough that the clock and the host are asked some thousand times a second, not a million.
        (0..50_000_u32).for_each(|number| {
            std::hint::black_box(number);
        });
    }
    start.elapsed().as_millis() as u64
}

/// Takes memory, a mebibyte at a time, and answers with the mebibytes it got.
#[lovage::task(memory = "64MiB", retries = 0)]
fn allocate(mebibytes: u32) -> u32 {
    let held: Vec<_> = (0..mebibytes)
        .map(|number| std::hint::black_box(vec![number as u8; 1 << 20]))
        .collect();
    held.len() as u32
}

/// Reports its progress in so many steps, and writes a line of log at each.
#[lovage::task]
fn progress(steps: u32) -> Result<(), Failure> {
    for step in 1..=steps {
        println!("step {step} of {steps}");
        context::progress(
            f64::from(step) / f64::from(steps),
            format!("step {step}").as_str(),
        )?;
    }
    Ok(())
}

/// Sums the numbers up to `to`, dies once at `die_at`, and goes on from its checkpoint.
#[lovage::task(retries = 3, backoff = "100ms")]
fn resume(to: u64, die_at: Option<u64>) -> Result<u64, Failure> {
    let (mut next, mut sum) = context::restore::<(u64, u64)>()?.map_or((1, 0), |saved| saved.state);
    while next <= to {
        if die_at == Some(next) && context::attempt() == 1 {
            return Err(Failure::new(format!("died at {next}")));
        }
        sum += next;
        next += 1;
        context::checkpoint(&(next, sum))?;
    }
    Ok(sum)
}

/// Walks through `steps` that take 100 ms each. Of one account there is one walk at a time, and five of all begin in a
/// second. It stops before its time is over, or when somebody cancels it, and a later attempt goes on from there.
#[lovage::task(
    unique = "done",
    expires = "1h",
    timeout = "60s",
    soft_timeout = "50s",
    retries = 100,
    max_age = "1d",
    result_ttl = "2d",
    rate = "5/s",
    concurrency = 4
)]
fn walk(account: &str, steps: u32) -> Result<u32, Failure> {
    let walked = context::restore::<u32>()?.map_or(0, |saved| saved.state);
    for step in walked..steps {
        if context::cancelled() {
            context::checkpoint(&step)?;
            let message = format!("{account}: {step} of {steps}");
            return Err(Failure::new(message).kind("unfinished").retry_now());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(steps - walked)
}

/// Enqueues `count` children that add, and answers with their ids. A retry makes none of them twice.
#[lovage::task]
fn spawn(count: u32) -> Result<Vec<String>, Failure> {
    let module = context::current().module;
    let child = |number| {
        NewJob::new(format!("{module}.add"))
            .arg("a", &number)
            .arg("b", &1)
            .key(format!("add-{number}"))
    };
    Ok(jobs::enqueue((0..count).map(child).collect())?)
}

/// Adds up numbers, such as the results of a group.
#[lovage::task]
fn sum(values: Vec<i64>) -> i64 {
    values.iter().sum()
}

/// Makes a flow that adds up the numbers below `count`, a job each, and answers with its id. It begins when this job
/// has completed, or `at_once`; then it fails, to show that a retry makes no second one.
#[lovage::task(retries = 1, backoff = "10ms")]
fn fan(count: u32, at_once: Option<bool>) -> Result<String, Failure> {
    let job = context::current();
    let module = &job.module;
    let add = |number| json!({"task": format!("{module}.add"), "args": {"a": number, "b": 0}});
    let members: Vec<Value> = (0..count).map(add).collect();
    let callback = json!({"task": format!("{module}.sum"), "results": {"values": "previous"}});
    let flow = NewFlow::new(&json!({"name": "fan", "chord": {"group": members, "then": callback}}));
    if !at_once.unwrap_or(false) {
        return Ok(flow.enqueue()?);
    }
    let id = flow.key("fan").at_once().enqueue()?;
    match job.attempt {
        1 => Err(Failure::new(id)),
        _ => Ok(id),
    }
}

/// Has a job of `task`, which takes it as `a`, for each number below `count`, in pages of up to `page`. So many jobs may
/// be `open` at once. At `stumble_at` its first attempt fails, to show that a page is made whole or not at all.
#[lovage::task(retries = 2, backoff = "10ms")]
fn numbers(
    count: u64,
    page: u64,
    open: u32,
    task: &str,
    stumble_at: Option<u64>,
) -> Result<String, Failure> {
    let job = context::current();
    let child = |number: u64| NewJob::new(task).arg("a", &number).arg("b", &0);
    jobs::source(open, |from: Option<u64>| -> Result<_, Failure> {
        let from = from.unwrap_or(0);
        let to = count.min(from + page);
        if stumble_at == Some(from) && job.attempt == 1 {
            return Err(Failure::new(format!("stumbled at {from}")));
        }
        context::progress(to as f64 / count as f64, None)?;
        Ok(Page {
            jobs: (from..to).map(child).collect(),
            next: (to < count).then_some(to),
        })
    })?;
    Ok(format!("made {count} jobs"))
}

/// The job as its task sees it.
#[lovage::data]
struct Seen {
    id: String,
    tenant: String,
    task: String,
    queue: String,
    digest: String,
    attempt: u32,
    max_attempts: u32,
    remaining_ms: u64,
    headers: Vec<(String, String)>,
}

/// Answers with all that a task knows of its job.
#[lovage::task]
fn whoami() -> Seen {
    let job = context::current();
    Seen {
        id: job.id,
        tenant: job.tenant,
        task: job.task,
        queue: job.queue,
        digest: job.digest,
        attempt: job.attempt,
        max_attempts: job.max_attempts,
        remaining_ms: context::remaining().as_millis() as u64,
        headers: job.headers,
    }
}

#[cfg(test)]
mod tests;
