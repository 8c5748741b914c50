//! The two rings: no tenant buys turns by making lanes, and no lane delays
//! another by more than a turn.

use std::collections::{BTreeMap, BTreeSet};

use lovage_queue::broker::Claimed;

use super::harness::{Bench, TENANT, Worker, at_once};

fn per_tenant(claimed: &[Claimed]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for it in claimed {
        *counts.entry(it.tenant.as_str()).or_default() += 1;
    }
    counts
}

fn per_lane(claimed: &[Claimed]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for it in claimed {
        *counts
            .entry(it.job.as_ref().unwrap().call.lane.as_str())
            .or_default() += 1;
    }
    counts
}

broker_test!(
    a_thousand_lanes_get_no_more_turns_than_one,
    |b| async move {
        let tenants = b.neighbours(2);
        b.add(&b.jobs_with(1_000, |n, job| job.lane = format!("lane-{n}")))
            .await;
        let others: Vec<_> = (0..1_000).map(|_| b.job_of(&tenants[1])).collect();
        b.enqueue(&tenants[1], &others).await.unwrap();
        let worker = Worker::new(&b);
        for round in 0..20 {
            let claimed = worker.claim(8).await;
            let counts = per_tenant(&claimed);
            assert_eq!(counts[TENANT], 4, "round {round}: {counts:?}");
            assert_eq!(counts[tenants[1].as_str()], 4, "round {round}: {counts:?}");
        }
    }
);

broker_test!(
    a_large_claim_is_shared_evenly_between_tenants,
    |b| async move {
        let tenants = b.neighbours(4);
        for tenant in &tenants {
            let jobs: Vec<_> = (0..100).map(|_| b.job_of(tenant)).collect();
            b.enqueue(tenant, &jobs).await.unwrap();
        }
        let claimed = Worker::new(&b).claim(80).await;
        assert_eq!(claimed.len(), 80);
        let counts = per_tenant(&claimed);
        assert!(counts.values().all(|count| *count == 20), "{counts:?}");
    }
);

broker_test!(what_one_tenant_has_not_goes_to_the_others, |b| async move {
    let tenants = b.neighbours(2);
    b.add_plain(2).await;
    let others: Vec<_> = (0..100).map(|_| b.job_of(&tenants[1])).collect();
    b.enqueue(&tenants[1], &others).await.unwrap();
    let claimed = Worker::new(&b).claim(40).await;
    assert_eq!(
        per_tenant(&claimed),
        [(TENANT, 2), (tenants[1].as_str(), 38)].into()
    );
});

broker_test!(
    a_lane_of_ten_thousand_delays_others_by_one_turn,
    |b| async move {
        for _ in 0..2 {
            b.add(&b.jobs_with(5_000, |_, job| job.lane = "noisy".into()))
                .await;
        }
        b.add(&b.jobs_with(100, |n, job| job.lane = format!("lane-{n}")))
            .await;
        let worker = Worker::new(&b);
        let mut claimed = Vec::new();
        while claimed.len() < 200 {
            claimed.extend(worker.claim(8).await);
        }
        let counts = per_lane(&claimed);
        let quiet = counts.keys().filter(|lane| **lane != "noisy").count();
        assert_eq!(quiet, 100, "each has had its turn: {counts:?}");
    }
);

broker_test!(a_single_claim_reaches_every_lane, |b| async move {
    b.add(&b.jobs_with(40, |n, job| job.lane = format!("lane-{}", n % 10)))
        .await;
    let claimed = Worker::new(&b).claim(40).await;
    assert!(per_lane(&claimed).values().all(|count| *count == 4));
    assert_eq!(b.depths().await.available, 0);
});

broker_test!(one_job_a_claim_still_goes_round, |b| async move {
    b.add(&b.jobs_with(9, |n, job| job.lane = ["a", "b", "c"][n / 3].into()))
        .await;
    let worker = Worker::new(&b);
    let mut lanes = Vec::new();
    for _ in 0..9 {
        let one = worker.claim_one().await;
        lanes.push(one.job.unwrap().call.lane);
    }
    let first: BTreeSet<_> = lanes[..3].iter().collect();
    assert_eq!(first.len(), 3, "{lanes:?}");
    assert_eq!((&lanes[3..6], &lanes[6..]), (&lanes[..3], &lanes[..3]));
});

broker_test!(a_lane_that_was_empty_joins_again, |b| async move {
    let worker = Worker::new(&b);
    for _ in 0..3 {
        add_to_lane(&b, "again", 2).await;
        assert_eq!(worker.claim(9).await.len(), 2);
        assert_eq!(worker.claim(9).await.len(), 0);
    }
});

async fn add_to_lane(b: &Bench, lane: &str, count: usize) {
    b.add(&b.jobs_with(count, |_, job| job.lane = lane.into()))
        .await;
}

broker_test!(
    order_within_a_lane_is_kept_while_lanes_take_turns,
    |b| async move {
        let ids = b
            .add(&b.jobs_with(60, |n, job| job.lane = format!("lane-{}", n % 3)))
            .await;
        let worker = Worker::new(&b);
        let mut claimed = Vec::new();
        while claimed.len() < 60 {
            claimed.extend(worker.claim_ids(7).await);
        }
        for lane in 0..3 {
            let expected: Vec<_> = ids.iter().skip(lane).step_by(3).collect();
            let seen: Vec<_> = claimed.iter().filter(|id| expected.contains(id)).collect();
            assert_eq!(seen, expected, "lane {lane}");
        }
    }
);

broker_test!(
    a_hundred_lanes_with_one_job_each_do_not_wait_for_a_lane_of_very_many,
    |b| async move {
        for _ in 0..5 {
            add_to_lane(&b, "noisy", 10_000).await;
        }
        b.add(&b.jobs_with(100, |n, job| job.lane = format!("lane-{n}")))
            .await;
        let worker = Worker::new(&b);
        let mut counts = BTreeMap::new();
        let mut claims = 0;
        while counts.len() < 101 {
            let claimed = worker.claim(10).await;
            for (lane, count) in per_lane(&claimed) {
                *counts.entry(lane.to_owned()).or_insert(0) += count;
            }
            claims += 1;
            assert!(claims <= 15, "one round is 100 jobs and a turn: {counts:?}");
        }
        assert!(counts["noisy"] <= 50, "{counts:?}");
    }
);

broker_test!(
    ten_thousand_lanes_buy_a_tenant_no_more_turns_than_one,
    |b| async move {
        let tenants = b.neighbours(3);
        b.add(&b.jobs_with(10_000, |n, job| job.lane = format!("lane-{n}")))
            .await;
        let in_one_lane: Vec<_> = (0..500).map(|_| b.job_of(&tenants[1])).collect();
        b.enqueue(&tenants[1], &in_one_lane).await.unwrap();
        let mut in_a_keyed_lane: Vec<_> = (0..500).map(|_| b.job_of(&tenants[2])).collect();
        for job in &mut in_a_keyed_lane {
            job.lane = "mine".into();
        }
        b.enqueue(&tenants[2], &in_a_keyed_lane).await.unwrap();
        let worker = Worker::new(&b);
        let mut claimed = Vec::new();
        for _ in 0..25 {
            claimed.extend(worker.claim(12).await);
        }
        let counts = per_tenant(&claimed);
        assert!(counts.values().all(|count| *count == 100), "{counts:?}");
    }
);

broker_test!(
    jobs_that_stepped_into_a_lane_of_their_own_take_turns_like_a_lane,
    |b| async move {
        let tenants = b.neighbours(2);
        b.allow("task:basics.add", at_once(1_000)).await;
        b.add_plain(200).await;
        b.add(&b.jobs_with(200, |_, job| job.task = "other".into()))
            .await;
        let others: Vec<_> = (0..200).map(|_| b.job_of(&tenants[1])).collect();
        b.enqueue(&tenants[1], &others).await.unwrap();
        let worker = Worker::new(&b);
        let mut claimed = Vec::new();
        for _ in 0..20 {
            claimed.extend(worker.claim(8).await);
        }
        let counts = per_tenant(&claimed);
        assert_eq!(
            (counts[TENANT], counts[tenants[1].as_str()]),
            (80, 80),
            "a limit buys no turns either"
        );
    }
);
