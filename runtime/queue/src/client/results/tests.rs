use super::*;

#[test]
fn places_are_asked_for_in_few_stretches() {
    assert_eq!(stretches(vec![7, 3, 3, 5]), [(3, 5)]);
    assert_eq!(
        stretches(vec![0, 999, 1_000, 5_000]),
        [(0, 1_000), (1_000, 1), (5_000, 1)]
    );
    assert_eq!(
        windows(5..2_006).collect::<Vec<_>>(),
        [(5, 1_000), (1_005, 1_000), (2_005, 1)]
    );
    assert_eq!(windows(5..5).count(), 0);
}

#[test]
fn a_failure_is_told_as_a_map() {
    let failed = FailedNode {
        node: 3,
        id: JobId([7; 16]),
        task: "m.t".into(),
        kind: "trapped".into(),
        message: "it fell".into(),
    };
    let mut out = Vec::new();
    tell(&mut out, &failed);
    let read: std::collections::BTreeMap<String, String> = rmp_serde::from_slice(&out).unwrap();
    let expected = [
        ("id", failed.id.to_string()),
        ("kind", "trapped".into()),
        ("message", "it fell".into()),
        ("task", "m.t".into()),
    ];
    assert_eq!(
        read,
        expected.map(|(name, it)| (name.to_owned(), it)).into()
    );
    assert!(splice::is_one_value(&out));
}

#[test]
fn only_what_is_of_the_broker_may_be_tried_again() {
    let gone = BrokerError::Unreachable {
        place: "p".into(),
        reason: "r".into(),
    };
    assert_eq!(BoundError::from(gone).kind(), None);
    let corrupt = crate::broker::corrupt("job".into(), "bent");
    assert_eq!(BoundError::from(corrupt).kind(), Some("corrupt-result"));
    assert_eq!(BoundError::TooLarge(1).kind(), Some("input-too-large"));
}

#[test]
fn what_counts_by_its_default_has_not_failed() {
    let id = JobId::new(crate::job::Partition(0));
    let job = |state, without| {
        let mut call = crate::job::NewJob::new(id, "m", "t", Vec::new());
        call.seat = Some(Seat {
            flow: id,
            joins: None,
            alarms: None,
            without,
        });
        Job {
            tenant: "t".into(),
            call,
            state,
            delivery: 1,
            attempt: 1,
            crash: 0,
            worker: None,
            enqueued: crate::clock::Millis(0),
            available: crate::clock::Millis(0),
            started: crate::clock::Millis(0),
            finished: crate::clock::Millis(1),
            fuel: 0,
            attempts: Vec::new(),
            result: None,
            cancelling: false,
            with_flow: false,
            progress: None,
            log: None,
            upstream: Vec::new(),
        }
    };
    for state in [State::Discarded, State::Cancelled] {
        assert!(failure(0, &job(state, WithoutNode::Stops)).is_some());
        assert!(failure(0, &job(state, WithoutNode::GoesOn)).is_none());
    }
    assert!(failure(0, &job(State::Completed, WithoutNode::Stops)).is_none());
}
