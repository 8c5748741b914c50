//! What a server's HTTP API does for a [`RemoteBroker`](super::RemoteBroker): the
//! operations by name, and the right that each needs.

use std::fmt;
use std::str::FromStr;

/// What a token allows, each with all that stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To look at everything but tokens and hooks.
    Read,
    /// To enqueue, cancel, requeue and delete jobs, to run flows, to fire schedules.
    Produce,
    /// To change what runs and when: releases, limits, pauses, schedules.
    Deploy,
    /// To give and take rights, and to say who is told of ends of jobs.
    Admin,
}

macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $right:ident,)*) => {
        /// One operation, as in `POST /v1/broker/{operation}`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation { $($(#[$doc])* $variant,)* }

        impl Operation {
            /// All of them.
            pub const ALL: &'static [Operation] = &[$(Operation::$variant,)*];

            /// The name in the path.
            pub fn name(self) -> &'static str {
                match self { $(Operation::$variant => $name,)* }
            }

            /// What a token must allow.
            pub fn right(self) -> Right {
                match self { $(Operation::$variant => Right::$right,)* }
            }
        }
    };
}

operations! {
    /// Who the server is: the first thing that a broker asks.
    About = "about" Read,

    /// [`Broker::jobs`](crate::broker::Broker::jobs)
    Jobs = "jobs" Read,
    /// [`Broker::wait`](crate::broker::Broker::wait)
    Wait = "wait" Read,
    /// [`Broker::list`](crate::broker::Broker::list)
    List = "list" Read,
    /// [`Broker::counts`](crate::broker::Broker::counts)
    Counts = "counts" Read,
    /// [`Broker::limits`](crate::broker::Broker::limits)
    Limits = "limits" Read,
    /// [`Broker::blob`](crate::broker::Broker::blob)
    Blob = "blob" Read,
    /// [`Broker::enqueue`](crate::broker::Broker::enqueue)
    Enqueue = "enqueue" Produce,
    /// [`Broker::put_blob`](crate::broker::Broker::put_blob)
    PutBlob = "put-blob" Produce,
    /// [`Broker::cancel`](crate::broker::Broker::cancel)
    Cancel = "cancel" Produce,
    /// [`Broker::requeue`](crate::broker::Broker::requeue)
    Requeue = "requeue" Produce,
    /// [`Broker::delete`](crate::broker::Broker::delete)
    Delete = "delete" Produce,
    /// [`Broker::limit`](crate::broker::Broker::limit)
    Limit = "limit" Deploy,
    /// [`Broker::pause`](crate::broker::Broker::pause)
    Pause = "pause" Deploy,

    /// [`Flows::flow`](crate::broker::Flows::flow)
    Flow = "flow" Read,
    /// [`Flows::about_flow`](crate::broker::Flows::about_flow)
    AboutFlow = "about-flow" Read,
    /// [`Flows::flows`](crate::broker::Flows::flows)
    Flows = "flows" Read,
    /// [`Flows::flow_nodes`](crate::broker::Flows::flow_nodes)
    FlowNodes = "flow-nodes" Read,
    /// [`Flows::begin_flow`](crate::broker::Flows::begin_flow)
    BeginFlow = "begin-flow" Produce,
    /// [`Flows::add_nodes`](crate::broker::Flows::add_nodes)
    AddNodes = "add-nodes" Produce,
    /// [`Flows::start_flow`](crate::broker::Flows::start_flow)
    StartFlow = "start-flow" Produce,
    /// [`Flows::cancel_flow`](crate::broker::Flows::cancel_flow)
    CancelFlow = "cancel-flow" Produce,
    /// [`Flows::retry_flow`](crate::broker::Flows::retry_flow)
    RetryFlow = "retry-flow" Produce,

    /// [`Schedules::time`](crate::broker::Schedules::time)
    Time = "time" Read,
    /// [`Schedules::schedules`](crate::broker::Schedules::schedules)
    Schedules = "schedules" Read,
    /// [`Schedules::schedule`](crate::broker::Schedules::schedule)
    Schedule = "schedule" Read,
    /// [`Schedules::fire`](crate::broker::Schedules::fire), by hand
    Fire = "fire" Produce,
    /// [`Schedules::declare`](crate::broker::Schedules::declare), in the name of a person
    Declare = "declare" Deploy,
    /// [`Schedules::pause_schedule`](crate::broker::Schedules::pause_schedule)
    PauseSchedule = "pause-schedule" Deploy,
    /// [`Schedules::remove_schedule`](crate::broker::Schedules::remove_schedule)
    RemoveSchedule = "remove-schedule" Deploy,

    /// [`Registry::manifest`](crate::registry::Registry::manifest)
    Manifest = "manifest" Read,
    /// [`Registry::readiness`](crate::registry::Registry::readiness)
    Readiness = "readiness" Read,
    /// [`Registry::releases`](crate::registry::Registry::releases)
    Releases = "releases" Read,
    /// [`Registry::active`](crate::registry::Registry::active)
    Active = "active" Read,
    /// [`Registry::activate`](crate::registry::Registry::activate)
    Activate = "activate" Deploy,

    /// [`Ledger::entry`](crate::broker::Ledger::entry)
    Entry = "entry" Admin,
    /// [`Ledger::entries`](crate::broker::Ledger::entries)
    Entries = "entries" Admin,
    /// [`Ledger::put_entry`](crate::broker::Ledger::put_entry)
    PutEntry = "put-entry" Admin,
    /// [`Ledger::remove_entry`](crate::broker::Ledger::remove_entry)
    RemoveEntry = "remove-entry" Admin,
    /// [`AuditLog::acts`](crate::broker::AuditLog::acts)
    Acts = "acts" Admin,
    /// [`Ledger::history`](crate::broker::Ledger::history)
    History = "history" Read,
    /// [`Ledger::usage`](crate::broker::Ledger::usage)
    Usage = "usage" Read,
    /// [`Ledger::events`](crate::broker::Ledger::events)
    Events = "events" Read,
    /// [`Ledger::workers`](crate::broker::Ledger::workers)
    Workers = "workers" Read,
    /// [`Ledger::lanes`](crate::broker::Ledger::lanes)
    Lanes = "lanes" Read,

    /// [`Buckets::buckets`](crate::broker::Buckets::buckets)
    Buckets = "buckets" Admin,
    /// [`Buckets::keys`](crate::broker::Buckets::keys)
    ListKeys = "list-keys" Admin,
    /// [`Buckets::get_many`](crate::broker::Buckets::get_many)
    GetKeys = "get-keys" Admin,
    /// [`Buckets::exist`](crate::broker::Buckets::exist)
    HaveKeys = "have-keys" Admin,
    /// [`Buckets::set_many`](crate::broker::Buckets::set_many)
    SetKeys = "set-keys" Admin,
    /// [`Buckets::delete_many`](crate::broker::Buckets::delete_many)
    UnsetKeys = "unset-keys" Admin,
    /// [`Buckets::delete_bucket`](crate::broker::Buckets::delete_bucket), all steps of it
    DeleteBucket = "delete-bucket" Admin,
}

impl Operation {
    /// Whether it may be sent again where nobody knows what became of it: all but a fire
    /// by hand, which would be remembered twice.
    pub(super) fn is_repeatable(self) -> bool {
        self != Operation::Fire
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Operation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Operation::ALL.iter().find(|it| it.name() == name);
        known
            .copied()
            .ok_or_else(|| format!("there is no operation `{name}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_has_a_name_of_its_own_and_rights_are_in_order() {
        for it in Operation::ALL {
            assert_eq!(it.name().parse(), Ok(*it));
        }
        assert!("claim".parse::<Operation>().is_err(), "a worker's");
        assert!(Right::Read < Right::Produce && Right::Deploy < Right::Admin);
        assert_eq!(Operation::Enqueue.right(), Right::Produce);
    }
}
