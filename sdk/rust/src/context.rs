//! The job that is running, and what it may tell the queue of itself.
//!
//! Natively, in tests, all of this works against [`crate::testing::Context`].

use crate::{CallError, host};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, SystemTime};

/// The job that is running.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    /// A UUIDv7.
    pub id: String,
    /// Whose job it is.
    pub tenant: String,
    /// The name of this module.
    pub module: String,
    /// The name of the task.
    pub task: String,
    /// The queue that the job came by.
    pub queue: String,
    /// The digest of this module: 64 hexadecimal digits.
    pub digest: String,
    /// 1 for the first run.
    pub attempt: u32,
    /// Runs in all, the first included.
    pub max_attempts: u32,
    /// By the broker's clock.
    pub enqueued_at: SystemTime,
    /// What the caller sent beside the arguments.
    pub headers: Vec<(String, String)>,
}

/// A state that an earlier attempt saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved<T> {
    /// The digest of the module that saved it. A newer release may refuse a state it does not understand.
    pub digest: String,
    /// What was saved.
    pub state: T,
}

/// The job that is running.
pub fn current() -> Job {
    host::current()
}

/// The job's id.
pub fn id() -> String {
    current().id
}

/// The attempt this is: 1 for the first run.
pub fn attempt() -> u32 {
    current().attempt
}

/// Runs in all, the first included.
pub fn max_attempts() -> u32 {
    current().max_attempts
}

/// What the caller sent beside the arguments.
pub fn headers() -> Vec<(String, String)> {
    current().headers
}

/// The jobs of the calls that a batched task was given, in their order. Of any other task it is the one job that runs.
///
/// In a batch, [`current`] answers with the first of them.
pub fn batch() -> Vec<Job> {
    host::batch()
}

/// The time left until the attempt's deadline.
pub fn remaining() -> Duration {
    host::remaining()
}

/// Whether this attempt should stop: somebody asked for that, or its soft timeout is over. A task that looks may tidy up
/// and return. One that does not is stopped: 50 ms after it was asked, or at its deadline.
pub fn cancelled() -> bool {
    host::cancelled()
}

/// Tells how far the job is: a share from 0 to 1, where it is known, and a line for a person. The newest one stands.
///
/// ```
/// # extern crate lovage_sdk as lovage;
/// # fn step() -> Result<(), lovage::Failure> {
/// lovage::context::progress(0.25, "read 250 of 1000 rows")?;
/// lovage::context::progress(None, "waiting for the service")?;
/// lovage::context::progress(1.0, None)?;
/// # Ok(())
/// # }
/// # step().unwrap();
/// ```
pub fn progress<'a>(
    share: impl Into<Option<f64>>,
    message: impl Into<Option<&'a str>>,
) -> Result<(), CallError> {
    host::progress(share.into(), message.into())
}

/// Saves a state, of at most 1 MiB, that the job's next attempt gets from [`restore`], on any worker. The newest one
/// stands.
pub fn checkpoint(state: &impl Serialize) -> Result<(), CallError> {
    let encoded = rmp_serde::to_vec_named(state).map_err(|error| {
        CallError::Invalid(format!("the checkpoint cannot be encoded: {error}"))
    })?;
    host::checkpoint(&encoded)
}

/// The state that an earlier attempt saved, if there is one. One that is no `T`, since another release of the module
/// saved it, is a [`CallError::Invalid`].
pub fn restore<T: DeserializeOwned>() -> Result<Option<Saved<T>>, CallError> {
    let Some(Saved { digest, state }) = host::restore()? else {
        return Ok(None);
    };
    match rmp_serde::from_slice(&state) {
        Ok(state) => Ok(Some(Saved { digest, state })),
        Err(error) => Err(CallError::Invalid(format!(
            "the checkpoint of module {digest} cannot be decoded: {error}"
        ))),
    }
}
