//! Shares by CPU time. What jobs take is made up, so the shares are exact.

use std::collections::BTreeMap;
use std::time::Duration;

use lovage_queue::broker::{Claim, Claimed};
use lovage_queue::job::Spent;
use lovage_queue::tenant::Tenant;

use super::harness::{Bench, Worker, complete, give_back, secs};

const LIGHT: Duration = Duration::from_millis(1);
const HEAVY: Duration = Duration::from_millis(100);

/// CPU time by tenant.
type Times = BTreeMap<String, Duration>;

async fn enqueue(b: &Bench, tenant: &str, count: usize) {
    let jobs: Vec<_> = (0..count).map(|_| b.job_of(tenant)).collect();
    b.enqueue(tenant, &jobs).await.unwrap();
}

/// Ends jobs, each of which took as long as its tenant's do.
async fn end(b: &Bench, worker: &Worker<'_>, claimed: &[Claimed], takes: &Times) {
    let ended = claimed.iter().map(|it| {
        let mut done = complete(it, &[]);
        done.spent = Spent {
            cpu: takes[&it.tenant],
            charged: it.charged,
        };
        done
    });
    b.settle(worker.id, &ended.collect::<Vec<_>>())
        .await
        .unwrap();
}

/// Serves so many claims; what each tenant had of it.
async fn serve(b: &Bench, worker: &Worker<'_>, claims: usize, takes: &Times) -> Times {
    let mut had = Times::new();
    for _ in 0..claims {
        let claimed = worker.claim(8).await;
        for it in &claimed {
            *had.entry(it.tenant.clone()).or_default() += takes[&it.tenant];
        }
        end(b, worker, &claimed, takes).await;
    }
    had
}

fn takes(tenants: &[String], each: &[Duration]) -> Times {
    tenants.iter().cloned().zip(each.iter().copied()).collect()
}

/// How many times the one's time the other had.
fn ratio(had: &Times, of: &str, to: &str) -> f64 {
    had[of].as_secs_f64() / had[to].as_secs_f64()
}

broker_test!(
    heavy_jobs_and_light_ones_get_as_much_cpu_time,
    |b| async move {
        let tenants = b.neighbours(2);
        let (heavy, light) = (&tenants[0], &tenants[1]);
        enqueue(&b, heavy, 200).await;
        enqueue(&b, light, 9_000).await;
        let takes = takes(&tenants, &[HEAVY, LIGHT]);
        let worker = Worker::new(&b);
        let had = serve(&b, &worker, 900, &takes).await;
        assert!(had[light] > secs(2), "{had:?}");
        let parts = ratio(&had, heavy, light);
        assert!((0.9..1.1).contains(&parts), "{had:?}");
    }
);

broker_test!(a_weight_of_three_gets_three_parts, |b| async move {
    let tenants = b.neighbours(2);
    for tenant in &tenants {
        enqueue(&b, tenant, 2_000).await;
    }
    let heavier = Tenant {
        weight: 3,
        ..Tenant::new(&tenants[1])
    };
    b.create_tenant(&heavier).await.unwrap();
    let takes = takes(&tenants, &[LIGHT, LIGHT]);
    let worker = Worker::new(&b);
    let had = serve(&b, &worker, 200, &takes).await;
    let parts = ratio(&had, &tenants[1], &tenants[0]);
    assert!((2.7..3.3).contains(&parts), "{had:?}");
});

broker_test!(
    who_comes_back_has_saved_nothing_and_owes_nothing,
    |b| async move {
        let tenants = b.neighbours(2);
        let takes = takes(&tenants, &[LIGHT, LIGHT]);
        let worker = Worker::new(&b);
        // Both have been there; then one of them is alone for long.
        for tenant in &tenants {
            enqueue(&b, tenant, 4).await;
        }
        serve(&b, &worker, 2, &takes).await;
        enqueue(&b, &tenants[0], 3_000).await;
        serve(&b, &worker, 200, &takes).await;
        enqueue(&b, &tenants[1], 1_000).await;
        let had = serve(&b, &worker, 25, &takes).await;
        let parts = ratio(&had, &tenants[0], &tenants[1]);
        assert!((0.8..1.25).contains(&parts), "{had:?}");
    }
);

broker_test!(
    what_was_alone_and_heavy_does_not_wait_for_ever,
    |b| async move {
        let tenants = b.neighbours(2);
        let (alone, late) = (&tenants[0], &tenants[1]);
        let worker = Worker::new(&b);
        enqueue(&b, alone, 12).await;
        let hour = takes(&tenants, &[secs(3_600), LIGHT]);
        serve(&b, &worker, 2, &hour).await;
        // Nobody waited meanwhile: it is held against nobody.
        enqueue(&b, alone, 400).await;
        enqueue(&b, late, 400).await;
        let light = takes(&tenants, &[LIGHT, LIGHT]);
        let had = serve(&b, &worker, 50, &light).await;
        assert!(had[alone] >= LIGHT * 40, "{had:?}");
    }
);

broker_test!(
    what_a_job_took_is_put_right_up_to_a_minute,
    |b| async move {
        let tenants = b.neighbours(2);
        let worker = Worker::new(&b);
        for tenant in &tenants {
            enqueue(&b, tenant, 300).await;
        }
        // Nobody knew; the other one waits while it turns out.
        let claimed = worker.claim(1).await;
        let heavy = &claimed[0].tenant;
        let light = tenants.iter().find(|it| *it != heavy).unwrap();
        let mut times = takes(&tenants, &[secs(1), secs(1)]);
        times.insert(heavy.clone(), secs(3_600));
        end(&b, &worker, &claimed, &times).await;
        let mut before_it = 0;
        loop {
            let claimed = worker.claim(1).await;
            end(&b, &worker, &claimed, &times).await;
            match &claimed[0].tenant == light {
                true => before_it += 1,
                false => break,
            }
        }
        assert!((55..=62).contains(&before_it), "{before_it}");
    }
);

broker_test!(what_goes_back_was_charged_nothing, |b| async move {
    let tenants = b.neighbours(2);
    for tenant in &tenants {
        enqueue(&b, tenant, 1_000).await;
    }
    let takes = takes(&tenants, &[LIGHT, LIGHT]);
    let worker = Worker::new(&b);
    for _ in 0..20 {
        let claimed = worker.claim(8).await;
        let (back, done): (Vec<_>, Vec<_>) =
            claimed.into_iter().partition(|it| it.tenant == tenants[0]);
        end(&b, &worker, &done, &takes).await;
        for it in &back {
            let mut back = give_back(it, Duration::ZERO);
            back.spent.charged = it.charged;
            worker.settle(back).await;
        }
    }
    let had = serve(&b, &worker, 50, &takes).await;
    let parts = ratio(&had, &tenants[0], &tenants[1]);
    assert!((0.9..1.2).contains(&parts), "{had:?}");
});

broker_test!(
    a_claim_that_is_repeated_charges_what_it_did,
    |b| async move {
        let tenants = b.neighbours(1);
        enqueue(&b, &tenants[0], 40).await;
        let worker = Worker::new(&b);
        let takes = takes(&tenants, &[Duration::from_micros(500)]);
        serve(&b, &worker, 2, &takes).await;
        let wish = worker.wish(8);
        let first = b.claim(&wish).await.unwrap();
        let again = b.claim(&wish).await.unwrap();
        let charged = |jobs: &[Claimed]| jobs.iter().map(|it| it.charged).collect::<Vec<_>>();
        assert_eq!(charged(&first), charged(&again));
        assert_eq!(first[0].charged, Duration::from_micros(500));
    }
);

broker_test!(crowded_tenants_are_passed_over, |b| async move {
    let tenants = b.neighbours(3);
    for tenant in &tenants {
        enqueue(&b, tenant, 20).await;
    }
    let worker = Worker::new(&b);
    let past = async |crowded: &[String], max| {
        let claim = Claim {
            crowded: crowded.to_vec(),
            ..worker.wish(max)
        };
        let claimed = b.claim(&claim).await.unwrap();
        claimed.into_iter().map(|it| it.tenant).collect::<Vec<_>>()
    };
    let of = |tenant: usize, jobs| vec![tenants[tenant].clone(); jobs];
    let mut both = past(&tenants[..1], 2).await;
    both.sort();
    let mut expected = tenants[1..].to_vec();
    expected.sort();
    assert_eq!(both, expected, "one each, and not four of one");
    assert_eq!(past(&tenants[..2], 3).await, of(2, 3));
    assert_eq!(past(&tenants, 9).await, Vec::<String>::new());
    assert_eq!(past(&[], 60).await.len(), 55, "nobody lost a place by that");
});

broker_test!(who_waits_for_a_limit_keeps_its_place, |b| async move {
    let tenants = b.neighbours(2);
    let takes = takes(&tenants, &[LIGHT, LIGHT]);
    for tenant in &tenants {
        enqueue(&b, tenant, 1_000).await;
    }
    let worker = Worker::new(&b);
    b.hold("tenant").await;
    let had = serve(&b, &worker, 50, &takes).await;
    assert_eq!(had.keys().collect::<Vec<_>>(), [&tenants[1]]);
    b.resume("tenant").await;
    let had = serve(&b, &worker, 25, &takes).await;
    let parts = ratio(&had, &tenants[0], &tenants[1]);
    assert!((0.7..1.4).contains(&parts), "{had:?}");
});
