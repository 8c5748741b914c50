//! What happened, as it is kept for those who look on: workers and servers write it,
//! and whoever listens reads it. A broker knows nothing of its form.

use serde::{Deserialize, Serialize};

use crate::job::JobId;

/// How many jobs an event names.
pub const MAX_IDS: usize = 20;

/// Something that happened. As bytes it is a MessagePack map, whose `event` says which of
/// these it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// To some jobs of a task, all the same.
    Jobs(JobsEvent),
    /// Another release of a module is active.
    Release {
        /// The module.
        module: String,
        /// The release that is.
        release: u32,
        /// The one that was, if there was one.
        before: Option<u32>,
    },
    /// What a scope allows has changed.
    Limit {
        /// The scope, in words.
        scope: String,
        /// Whether it is paused now.
        paused: bool,
    },
    /// A flow has begun or ended.
    Flow {
        /// Its id.
        id: String,
        /// How it stands now.
        state: String,
    },
    /// A schedule was changed, or fired.
    Schedule {
        /// Its name.
        name: String,
        /// What became of it.
        what: String,
    },
}

/// What happened to jobs of a task in a queue since it was told last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobsEvent {
    /// What.
    pub kind: JobsKind,
    /// Their queue.
    pub queue: String,
    /// Their task: `module.task`.
    pub task: String,
    /// To how many.
    pub count: u64,
    /// The first [`MAX_IDS`] of them, as texts.
    pub ids: Vec<String>,
}

/// What may happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobsKind {
    /// It is there.
    Enqueued,
    /// A worker has it.
    Started,
    /// It is done.
    Completed,
    /// It failed, and is tried again.
    Retried,
    /// It is on the dead list.
    Discarded,
    /// It was stopped.
    Cancelled,
}

impl JobsEvent {
    /// An event of so many jobs, of which these are the first.
    pub fn new(kind: JobsKind, queue: &str, task: &str, count: u64, ids: &[JobId]) -> Self {
        JobsEvent {
            kind,
            queue: queue.to_owned(),
            task: task.to_owned(),
            count,
            ids: ids.iter().take(MAX_IDS).map(JobId::to_string).collect(),
        }
    }
}

impl Event {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec_named(self).expect("an event is plain data")
    }

    /// What these bytes say; `None` where they are of no event that is known here, such as
    /// one of a later version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::MAX_EVENT;
    use crate::job::Partition;

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let ids = [JobId::new(Partition(0))];
        for event in [
            Event::Jobs(JobsEvent::new(JobsKind::Retried, "q", "m.t", 1, &ids)),
            Event::Release {
                module: "m".into(),
                release: 2,
                before: None,
            },
            Event::Flow {
                id: ids[0].to_string(),
                state: "completed".into(),
            },
        ] {
            assert_eq!(Event::decode(&event.encode()), Some(event));
        }
        let map: rmpv::Value = rmp_serde::from_slice(
            &Event::Limit {
                scope: "tenant".into(),
                paused: true,
            }
            .encode(),
        )
        .unwrap();
        assert_eq!(map["event"], "limit".into());
        assert_eq!(Event::decode(b"\x81\xa5event\xa5novel"), None);
    }

    #[test]
    fn an_event_with_the_longest_names_is_not_too_long_for_a_broker() {
        let ids: Vec<JobId> = (0..100).map(|_| JobId::new(Partition(0))).collect();
        let (name, task) = ("q".repeat(255), format!("{0}.{0}", "m".repeat(255)));
        let event = JobsEvent::new(JobsKind::Completed, &name, &task, u64::MAX, &ids);
        assert_eq!(event.ids.len(), MAX_IDS);
        assert!(Event::Jobs(event).encode().len() <= MAX_EVENT);
    }
}
