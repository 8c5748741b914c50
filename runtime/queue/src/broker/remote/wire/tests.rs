use std::collections::BTreeMap;

use super::*;
use crate::job::{
    Attempt, Bind, Conflict, Ending, From, Key, Partition, Payload, Pin, Seat, Unique, Until, When,
    WithoutNode, WorkerId,
};
use crate::limits::{Limited, Scope};
use crate::task::{Failure, Rate};

fn back<T: Serialize + DeserializeOwned>(it: &T) -> T {
    rmp_serde::from_slice(&pack(it)).unwrap()
}

/// A job that sets all there is to set.
fn full() -> NewJob {
    let (id, span) = (JobId::new(Partition(7)), Duration::from_millis(1_500));
    let mut job = NewJob::new(id, "m", "t", vec![0x80]);
    job.pin = Pin::Release(3);
    job.eta = When::In(span);
    job.expiry = Some(When::At(Millis(17)));
    job.key = Some(Key::idempotency("order 17"));
    job.unique = Some(Unique {
        key: Key::unique("k"),
        until: Until::For(span),
        conflict: Conflict::Replace,
    });
    job.result_ttl = Some(span);
    job.seat = Some(Seat {
        flow: id,
        joins: Some(1),
        alarms: None,
        without: WithoutNode::GoesOn,
    });
    job.options.headers = BTreeMap::from([("tags".into(), "a,b".into())]);
    job.options.binds = vec![Bind {
        argument: "a".into(),
        from: From::List(vec![From::Node(1), From::Nodes { first: 2, count: 3 }]),
    }];
    job.options.default = Some(vec![0xc0].into());
    job
}

#[test]
fn jobs_travel_as_they_are() {
    let job = full();
    assert_eq!(back(&job), job);
    let large = Payload::Blob {
        digest: Digest::of(b"large"),
        size: 1 << 33,
    };
    let mut other = NewJob::new(job.id, "m", "t", large);
    other.pin = Pin::Digest(Digest::of(b"m"));
    let jobs = [job, other];
    let sent = pack(&Jobs {
        jobs: jobs[..].into(),
    });
    assert_eq!(request::<Jobs<'static>>(&sent).unwrap().jobs, &jobs[..]);
}

#[test]
fn attempts_travel_with_what_they_leave_out() {
    let mut attempt = Attempt {
        ending: Ending::Failed,
        delivery: 1,
        worker: WorkerId(7),
        digest: None,
        release: 0,
        started: Millis(17),
        took: Duration::from_millis(3),
        fuel: 1,
        peak_memory: 2,
        failure: Some(Failure::new("kind", "message")),
        log: vec![],
    };
    assert_eq!(back(&attempt), attempt);
    attempt.log = b"said".to_vec();
    attempt.failure = None;
    assert_eq!(back(&attempt), attempt);
}

#[test]
fn scopes_travel_with_their_limits() {
    for scope in [
        "tenant",
        "queue:q",
        "lane:q/a lane/b",
        "lanes:q",
        "task:m.t",
        "module:m",
    ] {
        let limited = Limited {
            scope: scope.parse::<Scope>().unwrap(),
            limit: crate::limits::Limit {
                rate: Some(Rate {
                    count: 3,
                    period: Duration::from_millis(1_500),
                }),
                concurrency: Some(7),
                ..Default::default()
            },
            paused: true,
            declared: false,
            running: 1,
        };
        assert_eq!(back(&limited), limited);
    }
}

#[test]
fn each_error_comes_back_as_itself() {
    let (place, reason) = (String::from("redis://host"), String::from("why"));
    let id = JobId::new(Partition(1));
    let all = [
        BrokerError::Unreachable {
            place: place.clone(),
            reason: reason.clone(),
        },
        BrokerError::Unsuitable {
            place: place.clone(),
            reason: reason.clone(),
        },
        BrokerError::Full {
            place: place.clone(),
            reason: reason.clone(),
        },
        BrokerError::Corrupt {
            what: "job".into(),
            reason: reason.clone(),
        },
        BrokerError::Missing("x".into()),
        BrokerError::QueueFull {
            queue: "q".into(),
            waiting: 7,
            depth: 7,
        },
        BrokerError::Duplicate(id),
        BrokerError::Invalid("x".into()),
        BrokerError::Dead(WorkerId(7)),
        BrokerError::Denied("x".into()),
        BrokerError::Busy { place, reason },
        BrokerError::over("queued", 7, 7),
        BrokerError::over("module-size", 7, 8),
        BrokerError::Suspended,
    ];
    for e in all {
        let read: BrokerError = rmp_serde::from_slice(&pack_error(&e)).unwrap();
        assert_eq!(format!("{read:?}"), format!("{e:?}"));
    }
}
