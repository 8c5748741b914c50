//! One run of many jobs: a fresh instance, one call, an end for each of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use lovage_queue::clock::Millis;
use lovage_queue::job::{Ending, JobId};
use wasmtime::Store;
use wasmtime::component::Instance;

use super::Engine;
use super::attempt::{conclude, function, guarded, store};
use super::bindings::exports::lovage::task::batches;
use super::bindings::lovage::task::types;
use super::host::log::Log;
use super::host::{Host, State};
use super::invocation::Invocation;
use super::limits::Limits;
use super::meter::metered;
use super::module::Linked;
use super::outcome::{self, End, Outcome};

pub(super) use super::bindings::exports::lovage::task::batches::Batched;

/// The type of `batches.run`.
type Run = (Vec<Result<Vec<u8>, types::Failure>>,);

/// Bytes of the run's log that each of its jobs may keep, however many they are.
const LOG: usize = 1024;

/// One of the jobs that run together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchCall {
    /// The job.
    pub id: JobId,
    /// 1 for its first run.
    pub attempt: u32,
    /// Its runs in all, the first included.
    pub max_attempts: u32,
    /// By the broker's clock.
    pub enqueued_at: Millis,
    /// What the caller sent beside the arguments.
    pub headers: BTreeMap<String, String>,
    /// A MessagePack map of the arguments by name.
    pub input: Vec<u8>,
}

impl From<BatchCall> for batches::Call {
    fn from(call: BatchCall) -> Self {
        batches::Call {
            id: call.id.to_string(),
            attempt: call.attempt,
            max_attempts: call.max_attempts,
            enqueued_at_ms: call.enqueued_at.0,
            headers: call.headers.into_iter().collect(),
            input: call.input,
        }
    }
}

/// What became of a run of many jobs.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchOutcome {
    /// The run as a whole. Where it completed, each job has an end of its own.
    pub run: Outcome,
    /// The end of each job, in the order of the calls.
    pub ends: Vec<End>,
}

impl BatchOutcome {
    /// A run that came to the same end for all its jobs.
    pub(super) fn whole(run: Outcome, jobs: usize) -> Self {
        let ends = vec![run.end.clone(); jobs];
        BatchOutcome { run, ends }
    }

    /// The outcome of each job, in the order of the calls: fuel, times and the log's
    /// room in even shares. Memory is no sum, so each has the run's peak.
    pub fn shares(self, log: usize) -> impl Iterator<Item = Outcome> {
        let jobs = self.ends.len().max(1);
        let (fuel, rest) = (self.run.fuel / jobs as u64, self.run.fuel % jobs as u64);
        let room = (log / jobs).max(LOG);
        let kept = self.run.log.bytes.len().min(room);
        let log = Log {
            truncated: self.run.log.truncated || kept < self.run.log.bytes.len(),
            bytes: self.run.log.bytes[..kept].to_vec(),
        };
        let (wall, peak_memory) = (self.run.wall / jobs as u32, self.run.peak_memory);
        let cpu = self.run.cpu / jobs as u32;
        (0..).zip(self.ends).map(move |(at, end)| Outcome {
            end,
            fuel: fuel + u64::from(at < rest),
            peak_memory,
            wall,
            cpu,
            log: log.clone(),
        })
    }
}

/// Runs a batched task in an instance of its own. The caller has a slot for it.
pub(super) async fn run(
    engine: &Engine,
    module: &Linked,
    invocation: Invocation,
    calls: Vec<BatchCall>,
    host: Arc<dyn Host>,
) -> BatchOutcome {
    let jobs = calls.len();
    let Some(functions) = &module.batches else {
        let end = End::trapped(Ending::HostError, "the module has no batched tasks");
        return BatchOutcome::whole(Outcome::unrun(end), jobs);
    };
    let Invocation {
        context,
        task,
        limits,
        cancel,
        log,
        grants,
        ..
    } = invocation;
    let calls: Vec<_> = calls.into_iter().map(batches::Call::from).collect();
    let started = Instant::now();
    let state = State::new(context, limits, cancel, log, grants, host);
    let mut store = store(engine, state);
    let mut each = None;
    let (run, cpu) = metered(async {
        let answer = guarded(&mut store, async |store| {
            let instance = module.pre.instantiate_async(&mut *store).await?;
            let run = function::<(&str, &[batches::Call]), Run>(store, &instance, &functions.run)?;
            run.call_async(&mut *store, (&task, &calls)).await
        });
        let answer = answer.await;
        conclude(store, started, |limits| match answer {
            Ok(Ok((results,))) if results.len() == jobs => {
                each = Some(results.into_iter().map(|it| end(it, limits)).collect());
                Ok(End::Completed(Vec::new()))
            }
            Ok(Ok((results,))) => {
                let text = format!("returned {} results for {jobs} calls", results.len());
                Ok(End::trapped(Ending::Trapped, text))
            }
            Ok(Err(error)) => Err(error),
            Err(stop) => Ok(outcome::stopped(stop, limits)),
        })
    })
    .await;
    let run = Outcome { cpu, ..run };
    match each {
        Some(ends) => BatchOutcome { run, ends },
        None => BatchOutcome::whole(run, jobs),
    }
}

/// The end of one job, by what its run returned for it.
fn end(result: Result<Vec<u8>, types::Failure>, limits: &Limits) -> End {
    match result {
        Ok(result) if result.len() > limits.result => outcome::too_large(result.len(), limits),
        Ok(result) => End::Completed(result),
        Err(failure) => End::Failed(outcome::bounded(failure.into())),
    }
}

/// Asks a module for its batched tasks; and makes sure that `run` has the type that a
/// run will need.
pub(super) async fn describe(
    store: &mut Store<State>,
    instance: &Instance,
    module: &Linked,
) -> wasmtime::Result<Vec<Batched>> {
    let Some(functions) = &module.batches else {
        return Ok(Vec::new());
    };
    function::<(&str, &[batches::Call]), Run>(store, instance, &functions.run)?;
    let describe = function::<(), (Vec<Batched>,)>(store, instance, &functions.describe)?;
    let (batched,) = describe.call_async(&mut *store, ()).await?;
    Ok(batched)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn fuel_and_time_are_shared_and_nothing_of_the_fuel_is_lost() {
        let run = Outcome {
            end: End::Completed(Vec::new()),
            fuel: 11,
            peak_memory: 64,
            wall: Duration::from_millis(9),
            cpu: Duration::from_millis(6),
            log: Log {
                bytes: vec![b'x'; 4000],
                truncated: false,
            },
        };
        let ends = [1, 2, 3].map(|it| End::Completed(vec![it])).into();
        let shares: Vec<_> = BatchOutcome { run, ends }.shares(6000).collect();
        let fuel: Vec<u64> = shares.iter().map(|it| it.fuel).collect();
        assert_eq!(fuel, [4, 4, 3]);
        for (at, share) in (1..).zip(&shares) {
            assert_eq!(share.end, End::Completed(vec![at]));
            assert_eq!(share.wall, Duration::from_millis(3));
            assert_eq!(share.cpu, Duration::from_millis(2));
            assert_eq!(share.peak_memory, 64);
            assert_eq!((share.log.bytes.len(), share.log.truncated), (2000, true));
        }
    }

    #[test]
    fn a_failed_run_is_the_end_of_all_and_its_log_is_kept_with_each() {
        let mut run = Outcome::unrun(End::trapped(Ending::Trapped, "no"));
        run.log.bytes = b"panicked".to_vec();
        let shares: Vec<_> = BatchOutcome::whole(run, 1000).shares(64 * 1024).collect();
        assert_eq!(shares.len(), 1000);
        let last = shares.last().unwrap();
        assert_eq!(last.end.ending(), Ending::Trapped);
        assert_eq!(last.log.bytes, b"panicked");
        assert!(!last.log.truncated);
    }
}
