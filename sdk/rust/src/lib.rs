//! Write [Lovage](https://github.com/lovage-queue/lovage) task modules in Rust.
//!
//! A task is a function with an attribute. A module is a crate of them, compiled to a WebAssembly component:
//!
//! ```
//! # extern crate lovage_sdk as lovage;
//! use lovage::{Bytes, Failure};
//!
//! #[lovage::data]
//! #[derive(Debug)]
//! struct Thumbnail {
//!     image: Bytes,
//!     width: u32,
//! }
//!
//! /// Makes a thumbnail.
//! #[lovage::task(retries = 3, timeout = "30s", memory = "64MiB")]
//! fn thumbnail(image: Bytes, max_side: u32) -> Result<Thumbnail, Failure> {
//!     if image.is_empty() {
//!         return Err(Failure::new("no picture").kind("image").never_retry());
//!     }
//!     lovage::context::progress(0.5, "decoded")?;
//!     Ok(Thumbnail { image, width: max_side })
//! }
//!
//! // It stays an ordinary function, so it is tested like one,
//! assert_eq!(thumbnail(Bytes::from("…"), 64).unwrap().width, 64);
//!
//! // or as a worker calls it, with the arguments by name.
//! #[lovage::data]
//! struct Arguments {
//!     image: Bytes,
//! }
//! let failure = lovage::testing::call::<Thumbnail>("thumbnail", &Arguments { image: Bytes::default() }).unwrap_err();
//! assert_eq!(failure.message, "argument `max_side` of `thumbnail` is missing");
//! ```
//!
//! Its `Cargo.toml` has `crate-type = ["cdylib"]` and `lovage = { package = "lovage-sdk", … }`, and
//! `cargo build --release --target wasm32-wasip2` makes the component.
//!
//! # Layout
//!
//! - [`task`] and [`data`]: the attributes · [`wants!`]: what the module reaches
//! - [`Bytes`]: binary arguments and results · [`Failure`]: why a task did not succeed, and what to do next
//! - [`config`]: values and secrets that it was granted · [`bucket`]: keys with values that stay
//! - [`context`]: the job that runs: attempt, deadline, progress, checkpoint
//! - [`sql`]: statements in databases that it was granted
//! - [`jobs`]: enqueue further jobs, flows of them, and sources of jobs without an end
//! - `testing`: what a worker would do, for tests that run natively
//! - inside: `arguments` (MessagePack map → typed values), `returned` (results), `batch` (many calls at once), `schema`, `registry` (the list of
//!   tasks), `msgpack`, and `component`, which alone knows the generated bindings
//!
//! # Panics
//!
//! A panic is a trap: it ends the attempt, and its message stands in the job's log. The job is retried as its policy
//! says. What a caller can cause should be a [`Failure`].

// The attributes write `::lovage::…`, in this crate's own tests too.
#[cfg(test)]
extern crate self as lovage;

mod arguments;
mod batch;
pub mod bucket;
mod bytes;
mod call_error;
#[cfg(target_family = "wasm")]
mod component;
pub mod config;
pub mod context;
mod failure;
pub mod jobs;
mod msgpack;
mod registry;
mod returned;
mod schema;
pub mod sql;
#[cfg(test)]
mod task_tests;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

#[cfg(target_family = "wasm")]
use component as host;
#[cfg(not(target_family = "wasm"))]
use testing::host;

pub use bytes::Bytes;
pub use call_error::CallError;
pub use failure::{Failure, Retry};
pub use registry::{
    Backoff, Batch, CatchUp, Conflict, Overlap, Rate, Schedule, TaskOptions, Trigger, Unique, Until,
};

// What `#[data]` writes into an author's crate, so that it needs no dependency but this one.
pub use {schemars, serde, serde_json};

/// Makes a function a task of the module.
///
/// Its arguments are what callers send by name: any types that serde deserialises and schemars describes, such as
/// those with [`data`]. An `Option` may be left out. It returns what callers get: a value, or a `Result` whose error
/// turns into a [`Failure`]. The function's doc comment is the task's; an argument may have one too.
///
/// ```
/// # extern crate lovage_sdk as lovage;
/// /// Greets somebody.
/// #[lovage::task(retries = 2, backoff(base = "1s", factor = 2.0, max = "1m"), rate = "100/1m")]
/// fn greet(
///     /// Whom to greet.
///     name: String,
///     greeting: Option<String>,
/// ) -> String {
///     format!("{}, {name}", greeting.as_deref().unwrap_or("hello"))
/// }
/// ```
///
/// All options are defaults, which a call may set otherwise:
///
/// | option | what it is |
/// |---|---|
/// | `name = "make-thumbnail"` | the task's name, where it is not the function's |
/// | `queue = "media"` | the queue of its jobs |
/// | `priority = 7` | 0 to 9, 9 first |
/// | `retries = 3` | runs after the first one |
/// | `backoff = "5s"`, `backoff(base = "5s", factor = 3.0, max = "1h")` | the waits between runs |
/// | `max_age = "1h"` | how long after it was enqueued a job may still be tried again |
/// | `retry_exhausted = true` | whether it is tried again where it ran out of fuel or memory, or its result was too large |
/// | `timeout = "30s"` | the time that an attempt may take |
/// | `soft_timeout = "25s"` | the time after which [`context::cancelled`] answers true |
/// | `expires = "10m"` | how long a job may wait for its first run; after that it is cancelled |
/// | `result_ttl = "1h"` | how long a completed job and its result are kept |
/// | `unique = "start"`, `"done"`, `"5m"` | no second job with the same arguments until the first one starts, is done, or is so old |
/// | `on_conflict = "existing"`, `"reject"`, `"replace"` | whether a second one is answered with the first one's id, refused, or takes its place |
/// | `fuel = 10_000_000` | the instructions that an attempt may burn |
/// | `memory = "64MiB"` | the memory that an attempt may hold |
/// | `rate = "100/1m"`, `"5/s"` | starts in each period, over all workers |
/// | `concurrency = 4` | jobs of this task that run at once, over all workers |
/// | `batch(max = 100, wait = "50ms")` | that calls are collected: see below |
///
/// And when it is called by itself, with no arguments, for as long as its release is active:
///
/// | option | what it is |
/// |---|---|
/// | `every = "5m"` | at even spans since the epoch: at :00, :05, … |
/// | `cron = "0 9 * * MON-FRI"` | by a cron line of 5 or 6 fields, or `@daily` and the like |
/// | `tz = "Europe/Berlin"` | the time zone of the cron line, where it is not UTC |
/// | `jitter = "30s"` | each job begins up to so much later, at random |
/// | `catch_up = "none"`, `"last"`, `10` | which of the times are made up for that no worker was there for |
/// | `overlap = "allow"`, `"skip"`, `"queue"`, `"replace"` | what a fire does while the last job still runs |
///
/// # Batches
///
/// A batched task is run for many jobs at once: up to `max` of them, or as many as come within `wait` after the first.
/// Its function takes a `Vec` of structs, whose fields are the arguments of one call by name, and returns a `Vec` with a
/// result for each, in the same order. Callers see nothing of it: each has a job and a result of its own.
///
/// ```
/// # extern crate lovage_sdk as lovage;
/// use lovage::Failure;
///
/// #[lovage::data]
/// struct Text {
///     text: String,
///     language: Option<String>,
/// }
///
/// /// Counts the words of texts, as many as there are at a time.
/// #[lovage::task(batch(max = 100, wait = "50ms"), retries = 3)]
/// fn words(texts: Vec<Text>) -> Vec<Result<usize, Failure>> {
///     let words = |text: Text| match text.language.as_deref() {
///         None | Some("en") => Ok(text.text.split_whitespace().count()),
///         Some(other) => Err(Failure::new(format!("cannot count in `{other}`")).never_retry()),
///     };
///     texts.into_iter().map(words).collect()
/// }
///
/// let calls = [Text { text: "so it is".into(), language: None }];
/// assert_eq!(lovage::testing::call_batch::<usize>("words", &calls), [Ok(3)]);
/// ```
///
/// Each job fails or completes by its own result. A panic fails all of them, and so does any limit: those are the run's.
/// What is tried again after that runs alone. [`context::batch`] knows the jobs; [`context::checkpoint`] and
/// [`jobs::enqueue`] are refused, as no single job stands behind the run. The option may also be written
/// `batch = { max = 100, wait = "50ms" }`.
///
/// Durations are written `250ms`, `30s`, `5m`, `1h`, `2d`; sizes `64KiB`, `64MiB`, `1GiB`.
pub use lovage_sdk_macros::task;

/// Makes a struct or an enum one that tasks take and return: it derives serde's `Serialize` and `Deserialize` and
/// schemars' `JsonSchema`. `#[serde(…)]` and `#[schemars(…)]` attributes work below it.
pub use lovage_sdk_macros::data;

/// Says what the module wants to reach beside the queue, a line each.
///
/// Somebody approves it when the module is pushed for the first time, and again when a release wants more. What was not
/// approved answers that it is denied.
///
/// ```
/// # extern crate lovage_sdk as lovage;
/// lovage::wants!["http GET api.example.com", "config smtp-host", "bucket sessions"];
///
/// assert_eq!(lovage::testing::wants()[1], "config smtp-host");
/// ```
///
/// | line | what it allows |
/// |---|---|
/// | `http [METHOD,…] HOST[:PORT]` | requests to that host, port 443 where none is said |
/// | `tcp HOST:PORT` | connections to it |
/// | `config KEY`, `secret KEY` | to read a value of the tenant's |
/// | `bucket NAME` | a key-value bucket of the tenant's |
/// | `sql NAME` | a database connection of the tenant's |
/// | `scratch SIZE` | a folder of its own for as long as an attempt lasts |
///
/// A host is a name, `*.` before a name for all names below it, or an address. With `private` behind `http` or `tcp` it
/// may also lead to addresses that are not public.
#[macro_export]
macro_rules! wants {
    ($($line:literal),+ $(,)?) => {
        $crate::__private::inventory::submit! { $crate::__private::Wants(&[$($line),+]) }
    };
}

/// What the attributes write. Not for authors, and not stable.
#[doc(hidden)]
pub mod __private {
    pub use crate::arguments::Arguments;
    /// Calls at once.
    pub mod batch {
        pub use crate::batch::{one, run};
    }
    pub use crate::registry::{Task, Wants};
    pub use crate::returned::{Plain, Returned};
    pub use crate::schema::InputSchema;
    pub use inventory;
}
