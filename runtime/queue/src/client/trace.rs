//! Traces of calls. This crate knows nothing of how they are kept: it asks somebody who
//! does for what the jobs are to carry.

use std::sync::Arc;

use crate::job::NewJob;

/// The header in which a job carries its trace, in the words of W3C.
pub const TRACEPARENT: &str = "traceparent";

/// Traces the calls of a producer.
pub trait Tracer: Send + Sync {
    /// Jobs of one task are about to be enqueued: what they are to carry, and what is
    /// dropped once they are.
    fn enqueueing(&self, task: &str, queue: &str, jobs: usize) -> Option<Enqueueing>;
}

/// Jobs that are about to be enqueued.
pub struct Enqueueing {
    /// What they carry.
    pub traceparent: String,
    /// Ends with the enqueueing.
    pub span: Box<dyn Send + Sync>,
}

/// Has jobs that carry no trace carry one; what is held until they are enqueued. What is
/// alike and comes together is one step of the trace.
pub(super) fn stamp(
    tracer: Option<&Arc<dyn Tracer>>,
    jobs: &mut [NewJob],
) -> Vec<Box<dyn Send + Sync>> {
    let mut spans = Vec::new();
    let Some(tracer) = tracer else { return spans };
    let alike = |a: &NewJob, b: &NewJob| {
        a.task == b.task
            && a.module == b.module
            && a.queue == b.queue
            && is_traced(a) == is_traced(b)
    };
    for jobs in jobs.chunk_by_mut(alike) {
        if is_traced(&jobs[0]) {
            continue;
        }
        let task = format!("{}.{}", jobs[0].module, jobs[0].task);
        let Some(made) = tracer.enqueueing(&task, &jobs[0].queue, jobs.len()) else {
            continue;
        };
        for job in jobs {
            let headers = &mut job.options.headers;
            headers.insert(TRACEPARENT.into(), made.traceparent.clone());
        }
        spans.push(made.span);
    }
    spans
}

fn is_traced(job: &NewJob) -> bool {
    job.options.headers.contains_key(TRACEPARENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobId, Partition};

    struct Fixed;

    impl Tracer for Fixed {
        fn enqueueing(&self, task: &str, _queue: &str, jobs: usize) -> Option<Enqueueing> {
            Some(Enqueueing {
                traceparent: format!("{task} {jobs}"),
                span: Box::new(()),
            })
        }
    }

    #[test]
    fn what_carries_a_trace_keeps_it_and_the_rest_gets_one_a_task() {
        let new = |task| NewJob::new(JobId::new(Partition(0)), "m", task, vec![]);
        let mut jobs = [new("a"), new("a"), new("a"), new("b")];
        let headers = &mut jobs[2].options.headers;
        headers.insert(TRACEPARENT.into(), "its own".into());
        assert_eq!(stamp(Some(&(Arc::new(Fixed) as _)), &mut jobs).len(), 2);
        let carried = jobs.each_ref().map(|it| &*it.options.headers[TRACEPARENT]);
        assert_eq!(carried, ["m.a 2", "m.a 2", "its own", "m.b 1"]);
        let mut untraced = [new("a")];
        assert!(stamp(None, &mut untraced).is_empty() && !is_traced(&untraced[0]));
    }
}
