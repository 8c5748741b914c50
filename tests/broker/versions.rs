//! Records of several versions side by side: what an older Lovage wrote is read,
//! what a newer one wrote is left alone.

use lovage_queue::broker::{BrokerError, Retention, Settled, Tally};
use lovage_queue::clock::Millis;
use lovage_queue::job::{JobId, Key, NewJob, Pin, State, When};
use lovage_queue::record::{HEADER, Header, encode_call};

use super::harness::{BEGIN, Bench, TENANT, Worker, cancel, complete, fail, secs};

/// A record as the first version wrote it, byte by byte: a call of
/// `basics.add` in lane `a`.
fn version_1(now: Millis) -> Vec<u8> {
    let call = [
        &b"\x06basics\x07default\x01a\x00"[..],
        // `["add", nil, bytes 0x81 0xa1 'a' 0x01]`
        b"\x93\xa3add\xc0\xc4\x04\x81\xa1a\x01",
    ]
    .concat();
    let header = Header {
        version: 1,
        priority: 5,
        crash_limit: 3,
        state: State::Available,
        delivery: 0,
        worker: 0,
        started: Millis(0),
        attempt: 0,
        crash: 0,
        available: now,
        finished: Millis(0),
        fuel: 0,
        enqueued: now,
        flags: 0,
        call: call.len() as u32,
    };
    [&header.encode()[..], &call].concat()
}

/// A job with terms: version 2.
fn with_terms(b: &Bench) -> NewJob {
    NewJob {
        lane: "a".into(),
        key: Some(Key::idempotency("k")),
        result_ttl: Some(secs(60)),
        ..b.job()
    }
}

/// Enqueues a job in lane `a` and puts this in the place of its record.
async fn with_record(b: &Bench, record: &[u8]) -> JobId {
    let job = NewJob {
        lane: "a".into(),
        ..b.job()
    };
    let id = b.add(&[job]).await[0];
    b.corrupt(TENANT, id, record).await;
    id
}

/// A record of version 3: what follows its first byte is nobody's business.
async fn with_newer(b: &Bench) -> JobId {
    let mut record = version_1(b.now());
    record[0] = 3;
    record[HEADER..].fill(0xc1);
    with_record(b, &record).await
}

broker_test!(
    jobs_without_terms_are_of_version_1_and_those_with_of_2,
    |b| async move {
        let (version, plain) = encode_call(&b.job()).unwrap();
        assert_eq!(version, 1);
        assert_eq!(plain[..7], *b"\x06basics");
        let (version, _) = encode_call(&with_terms(&b)).unwrap();
        assert_eq!(version, 2);
    }
);

broker_test!(
    a_record_of_version_1_is_read_and_lives_its_life,
    |b| async move {
        let id = with_record(&b, &version_1(BEGIN)).await;
        let job = b.look(id).await;
        assert_eq!((job.state, job.enqueued), (State::Available, BEGIN));
        let call = &job.call;
        assert_eq!(
            (call.module.as_str(), call.task.as_str()),
            ("basics", "add")
        );
        assert_eq!((call.lane.as_str(), call.pin), ("a", Pin::Active));
        assert_eq!(call.input.inline(), Some(&[0x81, 0xa1, b'a', 1][..]));
        assert_eq!((call.expiry, call.key, call.unique), (None, None, None));
        assert_eq!(call.result_ttl, None);
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        worker.settle(fail(&claimed, secs(1))).await;
        b.pass(secs(1));
        assert_eq!(b.promote_all().await, 1);
        Worker::new(&b).claim_one().await;
        b.pass(Worker::LEASE + secs(1));
        b.reclaim(b.home(), 9).await.unwrap();
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        b.cancel(TENANT, &[id]).await.unwrap();
        worker.settle(cancel(&claimed)).await;
        b.requeue(TENANT, &[id]).await.unwrap();
        let claimed = worker.claim_one().await;
        worker.settle(complete(&claimed, &[7])).await;
        let job = b.look(id).await;
        assert_eq!(job.result, Some(vec![7].into()));
        assert_eq!((job.crash, job.attempts.len()), (0, 3));
        assert_eq!(b.delete(TENANT, &[id]).await.unwrap(), [true]);
    }
);

broker_test!(records_of_both_versions_share_a_lane, |b| async move {
    let old = with_record(&b, &version_1(BEGIN)).await;
    let new = b.add(&[with_terms(&b)]).await[0];
    let older = with_record(&b, &version_1(BEGIN)).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim(9).await;
    let ids: Vec<_> = claimed.iter().map(|it| it.id).collect();
    assert_eq!(ids, [old, new, older]);
    for it in &claimed {
        worker.settle(complete(it, &[1])).await;
    }
    assert_eq!(b.depths().await.completed, 3);
    b.pass(secs(60));
    let keep = Retention::default();
    assert_eq!(b.prune(b.home(), &keep, 9).await.unwrap(), 1);
    let left = b.jobs(TENANT, &ids).await.unwrap();
    assert_eq!(left.iter().filter(|it| it.is_some()).count(), 2);
});

broker_test!(a_newer_record_is_left_to_who_knows_it, |b| async move {
    let before = b.add(&[with_terms(&b)]).await[0];
    let newer = with_newer(&b).await;
    let after = with_record(&b, &version_1(BEGIN)).await;
    let worker = Worker::new(&b);
    let ids = worker.claim_ids(9).await;
    assert_eq!(ids, [before, after], "it blocks nothing");
    for _ in 0..5 {
        let next = b.promote(b.home(), 9).await.unwrap().next;
        assert!(next.is_some_and(|it| it <= secs(1)), "{next:?}");
        b.pass(secs(1));
        b.promote(b.home(), 9).await.unwrap();
        assert!(worker.claim(9).await.is_empty());
    }
    let counts = b.depths().await;
    assert_eq!((counts.running, counts.discarded), (2, 0));
    let keep = Retention {
        count: 0,
        bytes: 0,
        ..Retention::default()
    };
    b.pass(keep.discarded * 2);
    b.prune(b.home(), &keep, 9).await.unwrap();
    match b.jobs(TENANT, &[newer]).await {
        Err(BrokerError::Corrupt { what, .. }) => {
            assert!(what.contains(&newer.to_string()));
        }
        other => panic!("it was to be there and unreadable: {other:?}"),
    }
});

broker_test!(
    a_worker_that_knows_the_version_takes_the_record,
    |b| async move {
        let newer = with_newer(&b).await;
        let worker = Worker::new(&b);
        for _ in 0..3 {
            assert!(worker.claim(9).await.is_empty());
            b.pass(secs(1));
            b.promote(b.home(), 9).await.unwrap();
        }
        // A newer Lovage sees in it what this one sees here.
        b.corrupt(TENANT, newer, &version_1(BEGIN)).await;
        let mut claimed = worker.claim(9).await;
        if claimed.is_empty() {
            b.pass(secs(1));
            b.promote(b.home(), 9).await.unwrap();
            claimed = worker.claim(9).await;
        }
        assert_eq!(claimed.len(), 1);
        assert_eq!(claimed[0].id, newer);
        let answer = worker.settle(complete(&claimed[0], &[1])).await;
        assert_eq!(answer, Settled::Recorded);
        let counts = b.depths().await;
        assert_eq!((counts.available, counts.scheduled), (0, 0));
        assert_eq!((counts.running, counts.completed), (0, 1));
    }
);

broker_test!(
    a_newer_record_that_becomes_due_is_left_alone,
    |b| async move {
        let mut job = b.job();
        job.eta = When::In(secs(5));
        let id = b.add(&[job]).await[0];
        let mut record = version_1(BEGIN);
        (record[0], record[3]) = (3, State::Scheduled as u8);
        b.corrupt(TENANT, id, &record).await;
        b.pass(secs(5));
        for _ in 0..3 {
            b.promote(b.home(), 9).await.unwrap();
            assert!(Worker::new(&b).claim(9).await.is_empty());
            b.pass(secs(1));
        }
        assert_eq!(b.depths().await.discarded, 0);
        let found = b.jobs(TENANT, &[id]).await;
        assert!(
            matches!(found, Err(BrokerError::Corrupt { .. })),
            "{found:?}"
        );
    }
);

broker_test!(what_is_no_version_at_all_is_corrupt, |b| async move {
    let mut expected = Vec::new();
    for first in [0, 32, 255] {
        let mut record = version_1(BEGIN);
        record[0] = first;
        expected.push(with_record(&b, &record).await);
    }
    let claimed = Worker::new(&b).claim(9).await;
    let ids: Vec<_> = claimed.iter().map(|it| it.id).collect();
    assert_eq!(ids, expected);
    assert!(claimed.iter().all(|it| it.job.is_err()));
    assert_eq!(b.depths().await.discarded, 3);
    for version in [4, 31] {
        let mut record = version_1(BEGIN);
        record[0] = version;
        with_record(&b, &record).await;
    }
    assert!(Worker::new(&b).claim(9).await.is_empty());
    assert_eq!(b.depths().await.discarded, 3, "those are newer ones");
});

#[tokio::test]
async fn who_waits_in_the_ring_of_an_earlier_lovage_is_found() {
    let b = Bench::redis().await;
    let ids = b.add_plain(2).await;
    b.leave(
        "redis.call('DEL', root .. '@turns:default')
        redis.call('RPUSH', root .. '@ring:default', 'default')",
    );
    let worker = Worker::new(&b);
    assert_eq!(worker.claim(2).await.len(), 0);
    assert!(worker.beat().await.unwrap().work);
    assert_eq!(worker.claim_ids(2).await, ids);
}

#[tokio::test]
async fn minutes_of_an_earlier_lovage_are_read_and_added_to() {
    let b = Bench::redis().await;
    let minute = BEGIN.0 / 60_000;
    b.leave(&format!(
        "redis.call('HSET', root .. 'default:minute:{minute}',
            'default\\0basics.add', cmsgpack.pack({{1, 2, 3, 4, 5, 6, 7, 8}}))",
    ));
    let kept = async || {
        let minutes = b.history(TENANT, BEGIN, 1).await.unwrap();
        minutes.into_iter().map(|it| it.tally).next().unwrap()
    };
    let before = kept().await;
    assert_eq!((before.completed, before.fuel, before.attempts), (1, 7, 0));
    let more = Tally {
        queue: "default".into(),
        task: "basics.add".into(),
        completed: 1,
        attempts: 9,
        ..Tally::default()
    };
    b.tell(TENANT, &[more], &[]).await.unwrap();
    let after = kept().await;
    assert_eq!((after.completed, after.attempts), (2, 9));
    assert_eq!(after.waited_most, before.waited_most);
}
