//! What a worker and the process that runs its attempts say to each other.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lovage_queue::clock::Millis;
use lovage_queue::grant::Grants;
use lovage_queue::job::JobId;
use lovage_queue::registry::Digest;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};

use crate::engine::host::log::Log;
use crate::engine::{
    BatchCall, BatchOutcome, CallError, Cancel, End, Invocation, JobContext, Limits, Outcome,
    Reply, Request, Tap,
};

/// The worker's words.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Order<'a> {
    /// A module that attempts will name: its artifact.
    Module {
        digest: [u8; 32],
        artifact: Cow<'a, Bytes>,
    },
    /// It will be named no more.
    Forget([u8; 32]),
    /// An attempt, by the number that both call it by.
    Run(u64, Box<Attempt<'a>>),
    /// What the host answers to a request of the attempt's.
    Reply {
        call: u64,
        question: u32,
        reply: Result<Reply, CallError>,
    },
    /// It should stop; or it is stopped.
    Cancel { call: u64, now: bool },
    /// Whether anybody is there.
    Ping,
}

/// The child's words.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Report {
    /// It is locked in, but for what the kernel lacks.
    Ready(Vec<String>),
    /// An attempt asks its host: a question by a number that the answer brings back.
    Asked {
        call: u64,
        question: u32,
        request: Request,
    },
    /// Nobody waits for that answer any more.
    Left { call: u64, question: u32 },
    /// What an attempt has written since the last time.
    Log(u64, ByteBuf),
    /// An attempt is over; of a batch with an end for each of its jobs.
    Ended(u64, Box<Ended>),
    /// Somebody is there.
    Pong,
}

/// One attempt.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Attempt<'a> {
    id: [u8; 16],
    tenant: Cow<'a, str>,
    module: Cow<'a, str>,
    /// As the caller wrote it, and the function of the module.
    task: [Cow<'a, str>; 2],
    queue: Cow<'a, str>,
    digest: [u8; 32],
    attempt: u32,
    max_attempts: u32,
    enqueued_at: Millis,
    headers: Cow<'a, BTreeMap<String, String>>,
    input: Cow<'a, Bytes>,
    limits: Cow<'a, Limits>,
    grants: Cow<'a, Grants>,
    /// The jobs of a batch.
    batch: Option<Vec<Call>>,
}

/// One job of a batch.
#[derive(Debug, Serialize, Deserialize)]
struct Call {
    id: [u8; 16],
    attempt: u32,
    max_attempts: u32,
    enqueued_at: Millis,
    headers: BTreeMap<String, String>,
    input: ByteBuf,
}

impl<'a> Attempt<'a> {
    pub(super) fn of(invocation: &'a Invocation, batch: Option<Vec<BatchCall>>) -> Self {
        let context = &invocation.context;
        let calls = |calls: Vec<BatchCall>| calls.into_iter().map(Call::from).collect();
        Attempt {
            id: context.id.0,
            tenant: Cow::Borrowed(&context.tenant),
            module: Cow::Borrowed(&context.module),
            task: [
                Cow::Borrowed(&context.task),
                Cow::Borrowed(&invocation.task),
            ],
            queue: Cow::Borrowed(&context.queue),
            digest: context.digest.0,
            attempt: context.attempt,
            max_attempts: context.max_attempts,
            enqueued_at: context.enqueued_at,
            headers: Cow::Borrowed(&context.headers),
            input: Cow::Borrowed(Bytes::new(&invocation.input)),
            limits: Cow::Borrowed(&invocation.limits),
            grants: Cow::Borrowed(&invocation.grants),
            batch: batch.map(calls),
        }
    }

    /// What it was made of, with a flag and a log of its own.
    pub(super) fn invocation(self) -> (Invocation, Option<Vec<BatchCall>>) {
        let [task, function] = self.task;
        let invocation = Invocation {
            context: JobContext {
                id: JobId(self.id),
                tenant: self.tenant.into_owned(),
                module: self.module.into_owned(),
                task: task.into_owned(),
                queue: self.queue.into_owned(),
                digest: Digest(self.digest),
                attempt: self.attempt,
                max_attempts: self.max_attempts,
                enqueued_at: self.enqueued_at,
                headers: self.headers.into_owned(),
            },
            task: function.into_owned(),
            input: self.input.into_owned().into_vec(),
            limits: self.limits.into_owned(),
            cancel: Cancel::default(),
            log: Tap::default(),
            grants: Arc::new(self.grants.into_owned()),
        };
        let calls = |calls: Vec<Call>| calls.into_iter().map(BatchCall::from).collect();
        (invocation, self.batch.map(calls))
    }
}

impl From<BatchCall> for Call {
    fn from(call: BatchCall) -> Self {
        Call {
            id: call.id.0,
            attempt: call.attempt,
            max_attempts: call.max_attempts,
            enqueued_at: call.enqueued_at,
            headers: call.headers,
            input: ByteBuf::from(call.input),
        }
    }
}

impl From<Call> for BatchCall {
    fn from(call: Call) -> Self {
        BatchCall {
            id: JobId(call.id),
            attempt: call.attempt,
            max_attempts: call.max_attempts,
            enqueued_at: call.enqueued_at,
            headers: call.headers,
            input: call.input.into_vec(),
        }
    }
}

/// What became of an attempt.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ended {
    end: End,
    fuel: u64,
    peak_memory: u64,
    wall: Duration,
    cpu: Duration,
    log: ByteBuf,
    truncated: bool,
    /// Of a batch that completed.
    each: Option<Vec<End>>,
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Self {
        Ended {
            end: outcome.end,
            fuel: outcome.fuel,
            peak_memory: outcome.peak_memory,
            wall: outcome.wall,
            cpu: outcome.cpu,
            log: ByteBuf::from(outcome.log.bytes),
            truncated: outcome.log.truncated,
            each: None,
        }
    }
}

impl From<BatchOutcome> for Ended {
    fn from(outcome: BatchOutcome) -> Self {
        Ended {
            each: Some(outcome.ends),
            ..Ended::from(outcome.run)
        }
    }
}

impl Ended {
    /// The outcome, and the ends of a batch of so many jobs: as an enemy's word. What our own
    /// engine could not say within these limits is nonsense.
    pub(super) fn check(
        self,
        limits: &Limits,
        jobs: Option<usize>,
    ) -> Result<(Outcome, Vec<End>), &'static str> {
        if self.fuel > limits.fuel || self.peak_memory > limits.memory {
            return Err("an attempt that used more than it had");
        }
        if self.log.len() > limits.log {
            return Err("a log that is longer than it may be");
        }
        let completed = matches!(self.end, End::Completed(_));
        // What came to no end of its own has none for each job.
        let none = self.each.is_none() && !completed;
        let each = self.each.unwrap_or_default();
        if each.len() != jobs.unwrap_or(0) && !none {
            return Err("ends of other jobs than were run");
        }
        let end = |end: End| end.checked(limits).ok_or("an end that no attempt has");
        let each = each.into_iter().map(end).collect::<Result<_, _>>()?;
        let outcome = Outcome {
            end: end(self.end)?,
            fuel: self.fuel,
            peak_memory: self.peak_memory,
            wall: self.wall,
            // Nobody is charged for more than can have been.
            cpu: self.cpu.min(self.wall),
            log: Log {
                bytes: self.log.into_vec(),
                truncated: self.truncated,
            },
        };
        Ok((outcome, each))
    }
}

#[cfg(test)]
mod tests {
    use lovage_queue::job::Ending;

    use super::*;

    fn ended(end: End) -> Ended {
        Ended::from(Outcome::unrun(end))
    }

    #[test]
    fn an_attempt_crosses_whole() {
        let digest = Digest([7; 32]);
        let mut invocation = Invocation::local(digest, "go", vec![1, 2, 3]);
        invocation.context.headers = [("a".into(), "b".into())].into();
        let call = BatchCall {
            id: JobId([3; 16]),
            attempt: 2,
            max_attempts: 5,
            enqueued_at: Millis(77),
            headers: BTreeMap::new(),
            input: vec![9],
        };
        let order = Order::Run(
            4,
            Box::new(Attempt::of(&invocation, Some(vec![call.clone()]))),
        );
        let bytes = rmp_serde::to_vec_named(&order).unwrap();
        let Order::Run(4, attempt) = rmp_serde::from_slice(&bytes).unwrap() else {
            panic!("another order")
        };
        let (back, calls) = attempt.invocation();
        assert_eq!(back.context, invocation.context);
        assert_eq!((back.task, back.input), (invocation.task, invocation.input));
        assert_eq!(back.limits, invocation.limits);
        assert_eq!(calls, Some(vec![call]));
    }

    #[test]
    fn what_no_engine_says_is_told() {
        let limits = Limits {
            result: 10,
            ..Limits::default()
        };
        let good = ended(End::Completed(vec![0; 10]));
        assert!(good.check(&limits, None).is_ok());
        let large = ended(End::Completed(vec![0; 11]));
        assert!(large.check(&limits, None).is_err());
        let expired = ended(End::trapped(Ending::Expired, "no"));
        assert!(expired.check(&limits, None).is_err());
        let mut burnt = ended(End::Cancelled);
        burnt.fuel = limits.fuel + 1;
        assert!(burnt.check(&limits, None).is_err());
        let mut batch = ended(End::Completed(Vec::new()));
        batch.each = Some(vec![End::Cancelled; 2]);
        assert!(batch.check(&limits, Some(3)).is_err());
    }
}
