//! What an attempt may ask of its host, looked at once more: the engine that looked first
//! may have been taken over.

use std::time::{Duration, Instant};

use lovage_queue::registry::Digest;

use crate::engine::host::{CHILDREN, FLOWS, MESSAGE};
use crate::engine::{Access, Limits, Request};

/// An engine tells of progress ten times a second, and once more at each end of the work.
const PROGRESS: Duration = Duration::from_millis(50);
/// Times that it may be ahead of that.
const AHEAD: u128 = 20;

/// Questions of an attempt that are under way at a time; the others wait.
pub(super) const QUESTIONS: usize = 64;

/// What an attempt has asked for so far.
#[derive(Debug)]
pub(super) struct Asking {
    began: Instant,
    progress: u128,
    calls: u32,
    requests: u32,
    children: u64,
    flows: u64,
    paged: bool,
}

impl Asking {
    pub(super) fn new() -> Self {
        Asking {
            began: Instant::now(),
            progress: 0,
            calls: 0,
            requests: 0,
            children: 0,
            flows: 0,
            paged: false,
        }
    }

    /// Its page is made, after which it makes nothing else.
    pub(super) fn made_page(&mut self) {
        self.paged = true;
    }

    /// Counts a request; an error where no engine of ours would have let it through.
    pub(super) fn check(
        &mut self,
        request: &Request,
        limits: &Limits,
        digest: Digest,
    ) -> Result<(), String> {
        if let Request::Progress(progress) = request {
            self.progress += 1;
            let most = self.began.elapsed().as_millis() / PROGRESS.as_millis() + AHEAD;
            let length = progress.message.as_ref().map_or(0, String::len);
            let odd = progress.share.is_some_and(|it| !(0.0..=1.0).contains(&it));
            return sane(
                self.progress <= most && length <= MESSAGE && !odd,
                "progress",
            );
        }
        if let Request::Access(Access::Http(request)) = request {
            self.requests += 1;
            let bounds = &limits.http;
            let fits = self.requests <= bounds.requests && request.body.len() <= bounds.body;
            return sane(fits, "requests");
        }
        if let Request::Access(Access::Tcp(call)) = request {
            // How much and how often is for the host to say.
            return sane(call.fits(), "connections");
        }
        self.calls += 1;
        sane(self.calls <= limits.calls, "calls of its host")?;
        let wrong = |e: crate::engine::CallError| format!("asks for what {e}");
        match request {
            Request::Progress(_) | Request::Restore => Ok(()),
            Request::Access(Access::Bucket(it)) => sane(it.check().is_ok(), "a bucket"),
            Request::Access(Access::Sql(it)) => sane(it.check().is_ok(), "a statement"),
            // What it was granted is for the host to say.
            Request::Access(_) => Ok(()),
            Request::Checkpoint(it) => sane(
                it.state.len() <= limits.checkpoint && it.digest == digest,
                "a checkpoint",
            ),
            Request::Enqueue(jobs) => {
                let ordered = (self.children..).zip(jobs).all(|(at, it)| it.ordinal == at);
                self.children += jobs.len() as u64;
                let few = jobs.len() <= limits.jobs && self.children <= CHILDREN;
                sane(few && ordered && !self.paged, "jobs")?;
                jobs.iter()
                    .try_for_each(|it| it.check(limits.input))
                    .map_err(wrong)
            }
            Request::EnqueueFlow(flow) => {
                sane(flow.ordinal == self.flows && !self.paged, "flows")?;
                self.flows += 1;
                sane(self.flows <= FLOWS, "flows")?;
                flow.check(limits.input).map_err(wrong)
            }
            Request::EnqueuePage(page) => {
                let alone = !self.paged && self.children == 0 && self.flows == 0;
                sane(alone && page.cursor.digest == digest, "a page")?;
                page.check(limits).map_err(wrong)
                // That it is made is for the host to say; another may be asked for if not.
            }
        }
    }
}

fn sane(is: bool, what: &str) -> Result<(), String> {
    match is {
        true => Ok(()),
        false => Err(format!("asks for {what} as no task can")),
    }
}

#[cfg(test)]
mod tests {
    use lovage_queue::job::{Checkpoint, Progress};

    use super::*;
    use crate::engine::{BucketCall, BucketRequest};
    use crate::sql::{SqlRequest, Statement};

    #[test]
    fn what_no_engine_lets_through_is_told() {
        let digest = Digest([1; 32]);
        let limits = Limits {
            calls: 3,
            checkpoint: 10,
            ..Limits::default()
        };
        let checkpoint = |size: usize, of: u8| {
            Request::Checkpoint(Checkpoint {
                digest: Digest([of; 32]),
                state: vec![0; size],
            })
        };
        let mut asking = Asking::new();
        let mut check = |it: &Request| asking.check(it, &limits, digest).is_ok();
        assert!(check(&checkpoint(10, 1)));
        assert!(!check(&checkpoint(11, 1)), "too large");
        assert!(!check(&checkpoint(1, 2)), "of another module");
        assert!(!check(&Request::Restore), "too many");
        let progress = |share: f64| {
            Request::Progress(Progress {
                share: Some(share),
                message: None,
            })
        };
        assert!(check(&progress(1.0)));
        assert!(!check(&progress(1.5)));
        assert!((0..100).any(|_| !check(&progress(0.5))), "a flood");
    }

    #[test]
    fn no_engine_asks_for_what_no_bucket_holds() {
        let digest = Digest([1; 32]);
        let (mut asking, limits) = (Asking::new(), Limits::default());
        let mut check = |bucket: &str, does: BucketCall| {
            let bucket = bucket.to_owned();
            let request = Request::Access(Access::Bucket(BucketRequest { bucket, does }));
            asking.check(&request, &limits, digest).is_ok()
        };
        let keys = |many: usize| vec!["k".to_owned(); many];
        assert!(check("b", BucketCall::Get(keys(1_000))));
        assert!(!check("b", BucketCall::Get(keys(1_001))));
        assert!(!check("b:c", BucketCall::Get(keys(1))), "no name");
        let value = |size: usize| BucketCall::Swap {
            key: "k".into(),
            expected: None,
            value: vec![0; size].into(),
        };
        assert!(check("b", value(1 << 20)));
        assert!(!check("b", value((1 << 20) + 1)));
    }

    #[test]
    fn a_statement_is_one_that_an_engine_lets_through() {
        let (digest, limits) = (Digest([1; 32]), Limits::default());
        let statement = |size: usize| {
            Request::Access(Access::Sql(SqlRequest::Within {
                transaction: 0,
                statement: Statement {
                    text: "x".repeat(size),
                    parameters: Vec::new(),
                },
            }))
        };
        let mut asking = Asking::new();
        let mut check = |size: usize| asking.check(&statement(size), &limits, digest).is_ok();
        assert!(check(256 * 1024));
        assert!(!check(256 * 1024 + 1));
        // They count among the calls.
        let few = Limits {
            calls: 1,
            ..Limits::default()
        };
        let mut asking = Asking::new();
        assert!(asking.check(&statement(1), &few, digest).is_ok());
        assert!(asking.check(&statement(1), &few, digest).is_err());
    }
}
