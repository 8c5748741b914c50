//! Enqueue further jobs, flows of them, and more of them than anybody could count, page by page.
//!
//! A child is made when its parent completes, in one step with that: so there is none of an attempt that failed.
//! [`NewJob::at_once`] does not wait for that. A child's id derives from its parent and its key, or from its place among the calls of the attempt. So a parent that
//! is run again makes no second child.

use crate::{CallError, Failure, context, host, msgpack};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A job to enqueue.
///
/// ```
/// # extern crate lovage_sdk as lovage;
/// use lovage::jobs::NewJob;
///
/// # fn spawn() -> Result<(), lovage::Failure> {
/// let id = NewJob::new("images.thumbnail").arg("image", &lovage::Bytes::from("…")).arg("max_side", &64).enqueue()?;
/// # Ok(())
/// # }
/// # spawn().unwrap();
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a job does nothing until it is enqueued"]
pub struct NewJob {
    pub(crate) task: String,
    /// Each value in MessagePack.
    arguments: Vec<(String, Vec<u8>)>,
    pub(crate) key: Option<String>,
    pub(crate) queue: Option<String>,
    pub(crate) lane: Option<String>,
    pub(crate) priority: Option<u8>,
    pub(crate) delay: Option<Duration>,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) at_once: bool,
    /// The first argument that could not be encoded, told when the job is enqueued.
    error: Option<String>,
}

impl NewJob {
    /// A job of `task`, which is written `module.task`.
    pub fn new(task: impl Into<String>) -> Self {
        Self {
            task: task.into(),
            arguments: Vec::new(),
            key: None,
            queue: None,
            lane: None,
            priority: None,
            delay: None,
            max_attempts: None,
            headers: Vec::new(),
            at_once: false,
            error: None,
        }
    }

    /// An argument by name. A second one of the same name takes the first one's place.
    pub fn arg(mut self, name: impl Into<String>, value: &(impl Serialize + ?Sized)) -> Self {
        let name = name.into();
        match rmp_serde::to_vec_named(value) {
            Ok(value) => {
                self.arguments.retain(|(given, _)| *given != name);
                self.arguments.push((name, value));
            }
            Err(error) => {
                let message = format!(
                    "argument `{name}` of `{}` cannot be encoded: {error}",
                    self.task
                );
                self.error.get_or_insert(message);
            }
        }
        self
    }

    /// Names this child among its parent's.
    pub fn key(self, key: impl Into<String>) -> Self {
        Self {
            key: Some(key.into()),
            ..self
        }
    }

    /// The queue, where it is not the task's own.
    pub fn queue(self, queue: impl Into<String>) -> Self {
        Self {
            queue: Some(queue.into()),
            ..self
        }
    }

    /// The lane of the queue.
    pub fn lane(self, lane: impl Into<String>) -> Self {
        Self {
            lane: Some(lane.into()),
            ..self
        }
    }

    /// 0 to 9, 9 first.
    pub fn priority(self, priority: u8) -> Self {
        Self {
            priority: Some(priority),
            ..self
        }
    }

    /// How long to wait before the job becomes available.
    pub fn delay(self, delay: Duration) -> Self {
        Self {
            delay: Some(delay),
            ..self
        }
    }

    /// Runs in all, the first included.
    pub fn max_attempts(self, attempts: u32) -> Self {
        Self {
            max_attempts: Some(attempts),
            ..self
        }
    }

    /// Something to send beside the arguments.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Makes it at once, whatever becomes of the job that enqueues it. Otherwise it is made when that completes, and not
    /// at all where it does not.
    pub fn at_once(self) -> Self {
        Self {
            at_once: true,
            ..self
        }
    }

    /// Enqueues this job, and answers with its id.
    pub fn enqueue(self) -> Result<String, CallError> {
        let ids = enqueue(vec![self])?;
        ids.into_iter()
            .next()
            .ok_or_else(|| CallError::Unavailable("the host enqueued nothing".into()))
    }

    /// Its task, for tests.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// One of its arguments, for tests.
    pub fn argument<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Failure> {
        let found = self.arguments.iter().find(|(given, _)| given == name);
        Ok(found
            .map(|(_, value)| rmp_serde::from_slice(value))
            .transpose()?)
    }

    /// The MessagePack map of its arguments.
    #[cfg_attr(
        not(any(target_family = "wasm", test)),
        expect(dead_code, reason = "tests look at the arguments one by one")
    )]
    pub(crate) fn input(&self) -> Vec<u8> {
        msgpack::map(
            self.arguments
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_slice())),
        )
    }
}

/// A flow of calls to make: what waits for what, and takes its result.
///
/// It begins when the job that makes it completes, in one step with that, and not at all where it does not;
/// [`NewFlow::at_once`] does not wait for that.
///
/// ```
/// # extern crate lovage_sdk as lovage;
/// use lovage::jobs::NewFlow;
/// use serde_json::json;
///
/// # fn spawn() -> Result<(), lovage::Failure> {
/// let pages = ["a", "b"].map(|page| json!({"task": "site.fetch", "args": {"page": page}}));
/// let index = json!({"task": "site.index", "results": {"pages": "previous"}});
/// let id = NewFlow::new(&json!({"chord": {"group": pages, "then": index}})).enqueue()?;
/// # Ok(())
/// # }
/// # spawn().unwrap();
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a flow does nothing until it is enqueued"]
pub struct NewFlow {
    pub(crate) json: String,
    pub(crate) key: Option<String>,
    pub(crate) at_once: bool,
    /// Why it could not be encoded, told when it is enqueued.
    error: Option<String>,
}

impl NewFlow {
    /// A flow as `lovage flow run` reads it from a file.
    pub fn new(flow: &impl Serialize) -> Self {
        let (json, error) = match serde_json::to_string(flow) {
            Ok(json) => (json, None),
            Err(error) => (String::new(), Some(error.to_string())),
        };
        Self {
            json,
            key: None,
            at_once: false,
            error,
        }
    }

    /// Names this flow among those of its parent that begin at once: a parent that is run again makes no second one.
    pub fn key(self, key: impl Into<String>) -> Self {
        Self {
            key: Some(key.into()),
            ..self
        }
    }

    /// Lets it begin at once, whatever becomes of the job that makes it.
    pub fn at_once(self) -> Self {
        Self {
            at_once: true,
            ..self
        }
    }

    /// Makes the flow, and answers with its id.
    pub fn enqueue(self) -> Result<String, CallError> {
        match &self.error {
            Some(error) => Err(CallError::Invalid(format!(
                "the flow cannot be encoded: {error}"
            ))),
            None => host::enqueue_flow(self),
        }
    }

    /// The flow in JSON, for tests.
    pub fn json(&self) -> &str {
        &self.json
    }
}

/// Enqueues all of them or none, and answers with their ids in order.
pub fn enqueue(jobs: Vec<NewJob>) -> Result<Vec<String>, CallError> {
    check(&jobs)?;
    host::enqueue(jobs)
}

/// A page of what comes from a [`source`].
#[derive(Debug, Clone, PartialEq)]
pub struct Page<C> {
    /// The jobs.
    pub jobs: Vec<NewJob>,
    /// Where the next page begins; none where this is the last one.
    pub next: Option<C>,
}

/// Makes the running job a source of others: of each user a job, of each line of a file, of a billion numbers.
///
/// `page` is asked for one page a run: for the first one with `None`, and then with where the one before said that it
/// goes on. The page is made in the step that also keeps that cursor, so each page is made once, whatever dies; and the
/// job runs again, in a new instance, for the next page. A run that fails has made nothing, and is tried again at the
/// same cursor, by the task's retries, which each page begins to count anew.
///
/// Of all pages' jobs at most `open` (2 to 1,000,000) are there at once that have not ended: a page holds at most half
/// of them, and at most 1,000, and the source waits, in nobody's memory, until at most half are left. The jobs of the
/// last page are made when the job completes, and wait for nothing.
///
/// ```
/// # extern crate lovage_sdk as lovage;
/// use lovage::{Failure, jobs};
///
/// /// Has a job for each number below `count`.
/// #[lovage::task(retries = 5)]
/// fn numbers(count: u64) -> Result<(), Failure> {
///     jobs::source(2_000, |from: Option<u64>| -> Result<_, Failure> {
///         let from = from.unwrap_or(0);
///         let to = count.min(from + 1_000);
///         let square = |number| jobs::NewJob::new("numbers.square").arg("number", &number);
///         Ok(jobs::Page {
///             jobs: (from..to).map(square).collect(),
///             next: (to < count).then_some(to),
///         })
///     })
/// }
///
/// let (_, record) = lovage::testing::Context::new().saved(&1_000).run(|| numbers(5_000));
/// assert_eq!((record.jobs.len(), record.checkpoint()), (1_000, Some(2_000)));
/// ```
pub fn source<C, E>(open: u32, page: impl FnOnce(Option<C>) -> Result<Page<C>, E>) -> Result<(), E>
where
    C: Serialize + DeserializeOwned,
    E: From<CallError>,
{
    let cursor = context::restore::<C>()?.map(|saved| saved.state);
    let Page { jobs, next } = page(cursor)?;
    match next {
        Some(next) => enqueue_page(jobs, &next, open)?,
        None => drop(enqueue(jobs)?),
    }
    Ok(())
}

/// Makes one page of a [`source`]: what this run returns then is dropped, and the job runs again, with `cursor` as what
/// [`context::restore`] answers. A run makes one page, and enqueues nothing beside it.
pub fn enqueue_page(
    jobs: Vec<NewJob>,
    cursor: &impl Serialize,
    open: u32,
) -> Result<(), CallError> {
    let cursor = rmp_serde::to_vec_named(cursor)
        .map_err(|error| CallError::Invalid(format!("the cursor cannot be encoded: {error}")))?;
    check(&jobs)?;
    host::enqueue_page(jobs, cursor, open)
}

fn check(jobs: &[NewJob]) -> Result<(), CallError> {
    match jobs.iter().find_map(|job| job.error.clone()) {
        Some(message) => Err(CallError::Invalid(message)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Context;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_set_is_enqueued() {
        let (ids, record) = Context::new().run(|| {
            let first = NewJob::new("a.b")
                .arg("n", &1)
                .arg("n", &2)
                .key("k")
                .queue("q")
                .lane("l")
                .priority(9);
            let first = first
                .delay(Duration::from_secs(1))
                .max_attempts(2)
                .header("h", "v")
                .at_once();
            enqueue(vec![first, NewJob::new("a.c")]).unwrap()
        });
        assert_eq!(ids.len(), 2);
        assert_ne!(ids[0], ids[1]);
        let first = &record.jobs[0];
        assert_eq!(first.argument("n").unwrap(), Some(2));
        assert_eq!(first.argument::<u8>("m").unwrap(), None);
        assert_eq!(
            (
                first.key.as_deref(),
                first.queue.as_deref(),
                first.lane.as_deref()
            ),
            (Some("k"), Some("q"), Some("l"))
        );
        assert_eq!((first.priority, first.max_attempts), (Some(9), Some(2)));
        assert_eq!(first.headers, [("h".to_owned(), "v".to_owned())]);
        assert!(first.at_once && !record.jobs[1].at_once);
        assert_eq!(record.jobs[1].task(), "a.c");
    }

    #[test]
    fn a_flow_is_made_as_it_is_written() {
        let flow = json!({"group": [{"task": "a.b"}]});
        let (id, record) = Context::new().run(|| NewFlow::new(&flow).key("k").at_once().enqueue());
        assert!(!id.unwrap().is_empty());
        let made = &record.flows[0];
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(made.json()).unwrap(),
            flow
        );
        assert_eq!((made.key.as_deref(), made.at_once), (Some("k"), true));
        let wrong = BTreeMap::from([(vec![1], 2)]);
        let (refused, record) = Context::new().run(|| NewFlow::new(&wrong).enqueue());
        assert!(matches!(refused, Err(CallError::Invalid(_))), "{refused:?}");
        assert!(record.flows.is_empty());
    }

    #[test]
    fn a_source_makes_a_page_a_run_and_the_last_with_its_completion() {
        let page = |from: Option<u32>| -> Result<Page<u32>, CallError> {
            let from = from.unwrap_or(0);
            let next = (from < 2).then_some(from + 1);
            let jobs = vec![NewJob::new("a.b").arg("n", &from)];
            Ok(Page { jobs, next })
        };
        let (made, record) = Context::new().run(|| source(10, page));
        made.unwrap();
        assert_eq!((record.open, record.checkpoint()), (Some(10), Some(1_u32)));
        let (made, record) = Context::new().saved(&1).run(|| source(10, page));
        made.unwrap();
        assert_eq!(record.checkpoint(), Some(2_u32));
        assert_eq!(record.jobs[0].argument("n").unwrap(), Some(1));
        let (made, record) = Context::new().saved(&2).run(|| source(10, page));
        made.unwrap();
        assert_eq!((record.open, record.jobs.len()), (None, 1));
        let (refused, record) = Context::new().saved(&"no number").run(|| source(10, page));
        assert!(matches!(refused, Err(CallError::Invalid(_))), "{refused:?}");
        assert!(record.jobs.is_empty());
    }

    #[test]
    fn an_argument_that_cannot_be_encoded_is_named() {
        struct Wrong;
        impl Serialize for Wrong {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no"))
            }
        }
        let (result, record) = Context::new().run(|| NewJob::new("a.b").arg("n", &Wrong).enqueue());
        assert_eq!(
            result,
            Err(CallError::Invalid(
                "argument `n` of `a.b` cannot be encoded: no".into()
            ))
        );
        assert!(record.jobs.is_empty());
    }

    #[test]
    fn the_input_is_a_map() {
        let job = NewJob::new("a.b").arg("n", &1).arg("text", "x");
        let input: BTreeMap<String, serde_json::Value> =
            rmp_serde::from_slice(&job.input()).unwrap();
        assert_eq!(
            input,
            BTreeMap::from([("n".to_owned(), json!(1)), ("text".to_owned(), json!("x"))])
        );
    }
}
