//! Exit codes. They are part of the interface: scripts rely on them.

use std::time::Duration;

use lovage_queue::arguments::ArgumentsError;
use lovage_queue::broker::{BrokerError, FlowState};
use lovage_queue::client::{BoundError, ClientError};
use lovage_queue::job::{IdError, State};
use lovage_queue::task::NameError;

use crate::api::TlsError;
use crate::config::ConfigError;
use crate::deploy::PushError;
use crate::engine::{EngineError, LoadError, Refusal};
use crate::telemetry::traces::TracesError;
use crate::units::{Span, UnitError};
use crate::vault::VaultError;
use crate::worker::WorkerError;

/// What a command ends with when nothing is broken and the answer is still no.
#[derive(Debug, thiserror::Error)]
pub enum Verdict {
    /// The job ended in another state than `completed`.
    #[error("the job was {state}: {reason}")]
    Job {
        /// Its state.
        state: State,
        /// The last attempt's own words.
        reason: String,
    },
    /// The task failed, in a run without a broker.
    #[error("the task {0}")]
    Task(String),
    /// The time was up.
    #[error("the job is still {state} after {}; it goes on without us", Span(*.after))]
    TimeUp {
        /// Its state.
        state: State,
        /// How long was waited.
        after: Duration,
    },
    /// The flow ended in another state than `completed`.
    #[error("the flow is {}: {reason}", .state.as_str())]
    Flow {
        /// Its state.
        state: FlowState,
        /// Its first failure's own words.
        reason: String,
    },
    /// The time was up.
    #[error("the flow is still {} after {}; it goes on without us", .state.as_str(), Span(*.after))]
    FlowTimeUp {
        /// Its state.
        state: FlowState,
        /// How long was waited.
        after: Duration,
    },
    /// What was named does not exist.
    #[error("{0}")]
    Missing(String),
    /// What the user wrote makes no sense.
    #[error("{0}")]
    Usage(String),
    /// What was asked for is against the rules just now.
    #[error("{0}")]
    Refused(String),
    /// A release wants what nobody has approved.
    #[error("release {release} of `{module}` is stored and awaits approval")]
    Awaits {
        /// The module.
        module: String,
        /// The release.
        release: u32,
    },
    /// A tool that builds a module said no.
    #[error("{0}")]
    Build(String),
}

/// The exit code for an error, by its type and never by its text.
pub fn code(e: &anyhow::Error) -> u8 {
    e.chain().find_map(code_of).unwrap_or(7)
}

fn code_of(e: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(it) = e.downcast_ref::<Verdict>() {
        return Some(match it {
            Verdict::Job { .. } | Verdict::Flow { .. } | Verdict::Task(_) => 1,
            Verdict::Usage(_) => 2,
            Verdict::Missing(_) => 4,
            Verdict::Refused(_) | Verdict::Build(_) | Verdict::Awaits { .. } => 5,
            Verdict::TimeUp { .. } | Verdict::FlowTimeUp { .. } => 6,
        });
    }
    if let Some(it) = e.downcast_ref::<BrokerError>() {
        return Some(of_broker(it));
    }
    if let Some(it) = e.downcast_ref::<ClientError>() {
        return Some(of_client(it));
    }
    if let Some(it) = e.downcast_ref::<PushError>() {
        return Some(match it {
            PushError::Refused(_)
            | PushError::Schema { .. }
            | PushError::Bounds { .. }
            | PushError::Schedule { .. }
            | PushError::Worker(_) => 5,
            PushError::Name(_) | PushError::Reserved(_) => 2,
            PushError::Broker(it) => of_broker(it),
            PushError::Client(it) => of_client(it),
            PushError::Engine(_) => 7,
        });
    }
    if let Some(WorkerError::Broker(it)) = e.downcast_ref() {
        return Some(of_broker(it));
    }
    if let Some(LoadError::<EngineError>::Refused(_)) = e.downcast_ref() {
        return Some(5);
    }
    let refused = e.is::<Refusal>() || e.is::<ArgumentsError>();
    let usage = e.is::<ConfigError>()
        || e.is::<VaultError>()
        || e.is::<TlsError>()
        || e.is::<TracesError>()
        || e.is::<NameError>()
        || e.is::<UnitError>()
        || e.is::<IdError>();
    if refused { Some(5) } else { usage.then_some(2) }
}

fn of_client(e: &ClientError) -> u8 {
    match e {
        ClientError::Broker(it) | ClientError::Bound(BoundError::Broker(it)) => of_broker(it),
        ClientError::Step { why, .. } => of_client(why),
        // What a flow waited for has failed, or is gone.
        ClientError::Bound(_) => 1,
        ClientError::Name(_)
        | ClientError::Schedule(_)
        | ClientError::Flow(_)
        | ClientError::Detailed(_) => 2,
        ClientError::UnknownModule(_)
        | ClientError::UnknownRelease(..)
        | ClientError::UnknownTask { .. }
        | ClientError::UnknownJob(_)
        | ClientError::UnknownSchedule(_)
        | ClientError::UnknownFlow(_)
        | ClientError::UnknownStep { .. } => 4,
        ClientError::Arguments(_)
        | ClientError::Schema { .. }
        | ClientError::TooLarge(_)
        | ClientError::Mismatch(_)
        | ClientError::Unended(..)
        | ClientError::FlowKey(_)
        | ClientError::Ungranted { .. } => 5,
    }
}

fn of_broker(e: &BrokerError) -> u8 {
    match e {
        BrokerError::Unreachable { .. }
        | BrokerError::Unsuitable { .. }
        | BrokerError::Full { .. }
        | BrokerError::QueueFull { .. }
        | BrokerError::Quota { .. }
        | BrokerError::Busy { .. } => 3,
        BrokerError::Missing(_) => 4,
        BrokerError::Duplicate(_) | BrokerError::Denied(_) | BrokerError::Suspended => 5,
        BrokerError::Invalid(_) => 2,
        BrokerError::Corrupt { .. } | BrokerError::Dead(_) => 7,
    }
}

/// What makes a release active that wants more than was granted.
const APPROVE: &str = "`lovage grants approve` grants it that, and makes it active";

/// What the user could do about an error, where there is something to say.
pub fn hint(e: &anyhow::Error) -> Option<&'static str> {
    e.chain().find_map(|e| {
        if let Some(Verdict::Flow { .. }) = e.downcast_ref() {
            return Some("`lovage flow show` draws where, and `lovage flow retry` goes on from there");
        }
        if let Some(Verdict::Awaits { .. }) = e.downcast_ref() {
            return Some(APPROVE);
        }
        let client = match e.downcast_ref() {
            Some(PushError::Client(it)) => Some(it),
            _ => e.downcast_ref::<ClientError>(),
        };
        if let Some(hint) = client.and_then(hint_of) {
            return Some(hint);
        }
        let broker = match client {
            Some(ClientError::Broker(it)) => Some(it),
            _ => match (e.downcast_ref(), e.downcast_ref()) {
                (Some(PushError::Broker(it)), _) | (_, Some(WorkerError::Broker(it))) => Some(it),
                _ => e.downcast_ref::<BrokerError>(),
            },
        };
        match broker? {
            BrokerError::Unreachable { .. } => {
                Some("`--broker` or LOVAGE_BROKER says where the broker is; is it running?")
            }
            BrokerError::Denied(_) => Some(
                "LOVAGE_TOKEN, or `token` in the configuration, is what a server knows you by",
            ),
            BrokerError::Busy { .. } => {
                Some("nothing of this was done: try again in a while, or ask less often")
            }
            BrokerError::Full { .. } => {
                Some("free some room and try again; nothing of this was written")
            }
            BrokerError::QueueFull { .. } => Some(
                "nothing was enqueued: try again later, start workers, or raise the depth by `lovage limit`",
            ),
            BrokerError::Quota { quota, .. } => Some(match quota.as_str() {
                "queued" => {
                    "nothing of this was done: try again once some jobs have ended, or have the operator raise it by `lovage tenant limits`"
                }
                "bytes" => {
                    "nothing of this was stored: delete jobs that have ended, or have the operator raise it by `lovage tenant limits`"
                }
                _ => {
                    "nothing of this was stored: the operator may raise it by `lovage tenant limits`"
                }
            }),
            BrokerError::Suspended => {
                Some("the operator lets it go on by `lovage tenant resume`")
            }
            BrokerError::Duplicate(_) => Some(
                "nothing was enqueued: `--on-conflict existing` or `replace` would not refuse it",
            ),
            _ => None,
        }
    })
}

fn hint_of(e: &ClientError) -> Option<&'static str> {
    match e {
        ClientError::UnknownModule(_) => {
            Some("`lovage releases` lists the modules, and `lovage push` makes one")
        }
        ClientError::UnknownSchedule(_) => Some("`lovage schedules` lists them"),
        ClientError::UnknownFlow(_) => Some("`lovage flow list` lists them"),
        ClientError::UnknownStep { .. } => {
            Some("`lovage flow show --json` has the path of each step")
        }
        ClientError::Ungranted { .. } => Some(APPROVE),
        ClientError::Unended(..) => Some("`lovage flow wait` waits for its end"),
        ClientError::Mismatch(_) => {
            Some("take another result, or put a call between that makes the one of the other")
        }
        ClientError::Step { why, .. } => hint_of(why),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_by_type_also_through_context() {
        let missing = anyhow::Error::from(ClientError::UnknownModule("x".into()));
        assert_eq!(code(&missing.context("while calling")), 4);
        let broker = BrokerError::Full {
            place: "p".into(),
            reason: "r".into(),
        };
        assert_eq!(code(&ClientError::Broker(broker.clone()).into()), 3);
        assert_eq!(code(&PushError::Broker(broker).into()), 3);
        let full = BrokerError::QueueFull {
            queue: "q".into(),
            waiting: 7,
            depth: 7,
        };
        assert_eq!(code(&full.into()), 3);
        let over = BrokerError::Quota {
            quota: "queued".into(),
            limit: 7,
            used: 7,
            retry_after: None,
        };
        assert!(hint(&over.clone().into()).is_some_and(|it| it.contains("have ended")));
        assert_eq!(code(&ClientError::Broker(over).into()), 3);
        assert_eq!(code(&BrokerError::Suspended.into()), 5);
        let duplicate =
            BrokerError::Duplicate("01a1fba9-c2fc-7000-b730-5028e85eff5c".parse().unwrap());
        assert_eq!(code(&ClientError::Broker(duplicate).into()), 5);
        let denied = BrokerError::Denied("no".into());
        assert_eq!(code(&ClientError::Broker(denied).into()), 5);
        let (place, reason) = ("p".into(), "r".into());
        assert_eq!(code(&BrokerError::Busy { place, reason }.into()), 3);
        assert_eq!(code(&anyhow::anyhow!("what now")), 7);
    }
}
