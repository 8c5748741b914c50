//! Retention beyond age: by bytes, by number of each kind, and by a result's own
//! time.

use lovage_queue::broker::Retention;
use lovage_queue::job::{JobId, NewJob, Payload, State};

use super::harness::{Bench, TENANT, Worker, cancel, complete, discard, secs};

const DAY: std::time::Duration = secs(24 * 3_600);

/// Everything, for ever.
const ALL: Retention = Retention {
    completed: secs(1_000_000_000),
    discarded: secs(1_000_000_000),
    count: u64::MAX,
    bytes: u64::MAX,
};

#[derive(Clone, Copy)]
enum End {
    Complete,
    Discard,
    Cancel,
}

/// Ends one job with this much input, a second after the last.
async fn end(b: &Bench, job: NewJob, how: End) -> JobId {
    let id = b.add(&[job]).await[0];
    let worker = Worker::new(b);
    let claimed = worker.claim_one().await;
    assert_eq!(claimed.id, id);
    let settlement = match how {
        End::Complete => complete(&claimed, &[1]),
        End::Discard => discard(&claimed),
        End::Cancel => cancel(&claimed),
    };
    worker.settle(settlement).await;
    b.pass(secs(1));
    id
}

fn sized(b: &Bench, bytes: usize) -> NewJob {
    NewJob {
        input: vec![7; bytes].into(),
        ..b.job()
    }
}

async fn prune(b: &Bench, keep: &Retention) -> u32 {
    let mut gone = 0;
    for _ in 0..50 {
        match b.prune(b.home(), keep, 100).await.unwrap() {
            0 => return gone,
            more => gone += more,
        }
    }
    panic!("the prune goes on and on");
}

async fn kept(b: &Bench, ids: &[JobId]) -> Vec<bool> {
    let jobs = b.jobs(TENANT, ids).await.unwrap();
    jobs.iter().map(Option::is_some).collect()
}

broker_test!(
    a_result_may_be_kept_shorter_than_the_others,
    |b| async move {
        let brief = NewJob {
            result_ttl: Some(secs(10)),
            ..b.job()
        };
        let brief = end(&b, brief, End::Complete).await;
        let plain = end(&b, b.job(), End::Complete).await;
        b.pass(secs(7));
        let keep = Retention::default();
        assert_eq!(prune(&b, &keep).await, 0, "nine seconds");
        b.pass(secs(1));
        assert_eq!(prune(&b, &keep).await, 1);
        assert_eq!(kept(&b, &[brief, plain]).await, [false, true]);
        assert_eq!(b.depths().await.completed, 1);
    }
);

broker_test!(
    a_result_may_be_kept_longer_than_the_others,
    |b| async move {
        let lasting = NewJob {
            result_ttl: Some(DAY * 7),
            ..b.job()
        };
        let lasting = end(&b, lasting, End::Complete).await;
        let plain = end(&b, b.job(), End::Complete).await;
        let keep = Retention::default();
        b.pass(DAY * 2);
        assert_eq!(prune(&b, &keep).await, 1);
        assert_eq!(kept(&b, &[lasting, plain]).await, [true, false]);
        b.pass(DAY * 5);
        assert_eq!(prune(&b, &keep).await, 1);
        assert_eq!(kept(&b, &[lasting]).await, [false]);
    }
);

broker_test!(a_results_time_is_of_completed_jobs_alone, |b| async move {
    let brief = || NewJob {
        result_ttl: Some(secs(10)),
        ..b.job()
    };
    let discarded = end(&b, brief(), End::Discard).await;
    let cancelled = end(&b, brief(), End::Cancel).await;
    b.pass(secs(100));
    assert_eq!(prune(&b, &Retention::default()).await, 0);
    b.pass(DAY);
    assert_eq!(prune(&b, &Retention::default()).await, 1);
    assert_eq!(kept(&b, &[discarded, cancelled]).await, [true, false]);
});

broker_test!(a_number_is_kept_of_each_kind, |b| async move {
    let mut ids = Vec::new();
    for how in [End::Complete, End::Discard, End::Cancel] {
        for _ in 0..4 {
            ids.push(end(&b, b.job(), how).await);
        }
    }
    let keep = Retention { count: 3, ..ALL };
    assert_eq!(prune(&b, &keep).await, 3);
    let expected = [false, true, true, true].repeat(3);
    assert_eq!(kept(&b, &ids).await, expected, "the newest of each");
    let counts = b.depths().await;
    assert_eq!((counts.completed, counts.discarded), (3, 3));
    assert_eq!(counts.cancelled, 3);
});

broker_test!(neither_number_nor_bytes_spare_a_result, |b| async move {
    let lasting = || NewJob {
        result_ttl: Some(DAY * 70),
        ..sized(&b, 20_000)
    };
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(end(&b, lasting(), End::Complete).await);
    }
    let keep = Retention { count: 3, ..ALL };
    assert_eq!(prune(&b, &keep).await, 1);
    assert_eq!(kept(&b, &ids).await, [false, true, true, true]);
    let keep = Retention {
        bytes: 50_000,
        ..ALL
    };
    assert_eq!(prune(&b, &keep).await, 1);
    assert_eq!(kept(&b, &ids).await, [false, false, true, true]);
});

broker_test!(
    past_the_bytes_the_oldest_completed_leave_first,
    |b| async move {
        let mut ids = Vec::new();
        for how in [
            End::Discard,
            End::Cancel,
            End::Complete,
            End::Complete,
            End::Cancel,
            End::Discard,
        ] {
            ids.push(end(&b, sized(&b, 20_000), how).await);
        }
        let down_to = async |bytes: u64| {
            prune(&b, &Retention { bytes, ..ALL }).await;
            kept(&b, &ids).await
        };
        assert_eq!(down_to(130_000).await, [true; 6], "there is room");
        assert_eq!(
            down_to(110_000).await,
            [true, true, false, true, true, true],
            "the older of the completed ones"
        );
        assert_eq!(
            down_to(70_000).await,
            [true, false, false, false, true, true],
            "then the older of the cancelled"
        );
        assert_eq!(
            down_to(30_000).await,
            [false, false, false, false, false, true],
            "then the older of the discarded"
        );
        assert_eq!(down_to(0).await, [false; 6]);
    }
);

broker_test!(blobs_count_for_the_bytes_of_their_jobs, |b| async move {
    let mut ids = Vec::new();
    for seed in 0..3_u8 {
        // Nothing that a compressor makes small.
        let bytes: Vec<u8> = (0..100_000_u32)
            .flat_map(|n| noise(n, seed))
            .take(100_000)
            .collect();
        let digest = b.put_blob(TENANT, &bytes).await.unwrap();
        let input = Payload::Blob {
            digest,
            size: 100_000,
        };
        ids.push(end(&b, NewJob { input, ..b.job() }, End::Complete).await);
    }
    let keep = Retention {
        bytes: 250_000,
        ..ALL
    };
    assert_eq!(prune(&b, &keep).await, 1);
    assert_eq!(kept(&b, &ids).await, [false, true, true]);
    let keep = Retention {
        bytes: 150_000,
        ..ALL
    };
    assert_eq!(prune(&b, &keep).await, 1);
    assert_eq!(kept(&b, &ids).await, [false, false, true]);
});

fn noise(n: u32, seed: u8) -> [u8; 4] {
    let mixed = (n ^ u32::from(seed) << 24).wrapping_mul(0x9e37_79b1);
    (mixed ^ mixed >> 15)
        .wrapping_mul(0x85eb_ca77)
        .to_le_bytes()
}

broker_test!(
    what_has_not_ended_counts_for_no_bytes_and_stays,
    |b| async move {
        let waiting = b.add(&[sized(&b, 60_000), sized(&b, 60_000)]).await;
        Worker::new(&b).claim_one().await;
        let keep = Retention { bytes: 0, ..ALL };
        assert_eq!(prune(&b, &keep).await, 0);
        assert_eq!(kept(&b, &waiting).await, [true, true]);
        let states = b.states(&waiting).await;
        assert_eq!(states, [State::Running, State::Available]);
    }
);

broker_test!(
    bytes_are_counted_out_when_jobs_go_otherwise,
    |b| async move {
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(end(&b, sized(&b, 20_000), End::Cancel).await);
        }
        b.delete(TENANT, &ids[..1]).await.unwrap();
        b.requeue(TENANT, &ids[1..2]).await.unwrap();
        let keep = Retention {
            bytes: 50_000,
            ..ALL
        };
        assert_eq!(prune(&b, &keep).await, 0, "two are left");
        let worker = Worker::new(&b);
        worker.settle(cancel(&worker.claim_one().await)).await;
        assert_eq!(prune(&b, &keep).await, 1, "and three again");
        assert_eq!(kept(&b, &ids).await, [false, true, false, true]);
    }
);

broker_test!(the_bytes_of_a_tenant_are_its_own, |b| async move {
    let other = b.neighbours(2).remove(1);
    let mine = end(&b, sized(&b, 20_000), End::Complete).await;
    let mut job = b.job_of(&other);
    job.input = vec![7; 20_000].into();
    b.enqueue(&other, std::slice::from_ref(&job)).await.unwrap();
    let worker = Worker::new(&b);
    worker
        .settle(complete(&worker.claim_one().await, &[1]))
        .await;
    let keep = Retention {
        bytes: 30_000,
        ..ALL
    };
    assert_eq!(prune(&b, &keep).await, 0);
    assert_eq!(kept(&b, &[mine]).await, [true]);
    let theirs = b.jobs(&other, &[job.id]).await.unwrap();
    assert!(theirs[0].is_some());
});
