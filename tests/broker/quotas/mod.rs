//! Quotas: each at its edge, by whoever works, and nobody else waits for it.
//!
//! - this file: what is kept of tenants
//! - `starting`: what holds at claim; `taking`: what holds where something is taken in

mod starting;
mod taking;

use lovage_queue::broker::{BrokerError, Enqueued, Result, TenantChange};
use lovage_queue::task::Rate;
use lovage_queue::tenant::{Quota, Tenant};

use super::harness::{Bench, TENANT, secs};

/// A tenant with a quota, beside [`TENANT`].
async fn tenant(b: &Bench, quota: Quota) -> String {
    let name = b.neighbours(2).remove(1);
    let tenant = Tenant {
        quota,
        ..Tenant::new(&name)
    };
    assert!(b.create_tenant(&tenant).await.unwrap());
    name
}

async fn allow(b: &Bench, name: &str, quota: Quota) {
    let change = TenantChange::Terms(1, quota);
    b.change_tenant(name, &change).await.unwrap();
}

async fn add(b: &Bench, tenant: &str, count: usize) -> Result<Vec<Enqueued>> {
    let jobs: Vec<_> = (0..count).map(|_| b.job_of(tenant)).collect();
    b.enqueue(tenant, &jobs).await
}

/// Which quota refused it, and what it said of itself.
#[track_caller]
fn assert_over<T: std::fmt::Debug>(answer: Result<T>, name: &str, expected: (u64, u64)) {
    match answer {
        Err(BrokerError::Quota {
            quota, limit, used, ..
        }) => assert_eq!((quota.as_str(), (limit, used)), (name, expected)),
        other => panic!("it was to be refused: {other:?}"),
    }
}

fn running(count: u32) -> Quota {
    Quota {
        running: Some(count),
        ..Quota::default()
    }
}

fn queued(count: u64) -> Quota {
    Quota {
        queued: Some(count),
        ..Quota::default()
    }
}

fn bytes(count: u64) -> Quota {
    Quota {
        bytes: Some(count),
        ..Quota::default()
    }
}

broker_test!(a_tenants_record_is_kept, |b| async move {
    let name = tenant(&b, queued(7)).await;
    let found = b.find_tenant(&name).await.unwrap().unwrap();
    let expected = Tenant {
        created: b.now(),
        quota: queued(7),
        ..Tenant::new(&name)
    };
    assert_eq!(found, expected);
    assert!(!b.create_tenant(&Tenant::new(&name)).await.unwrap());
    assert!(!b.create_tenant(&Tenant::new(TENANT)).await.unwrap());
    let rate = Rate {
        count: 5,
        period: secs(60),
    };
    let quota = Quota {
        running: Some(1),
        rate: Some(rate),
        queued: Some(2),
        bytes: Some(3),
        modules: Some(4),
        module_size: Some(5),
        fuel: Some(6),
    };
    let change = TenantChange::Terms(9, quota);
    b.change_tenant(&name, &change).await.unwrap();
    b.change_tenant(&name, &TenantChange::Suspended(true))
        .await
        .unwrap();
    let found = b.find_tenant(&name).await.unwrap().unwrap();
    assert_eq!((found.weight, found.quota), (9, quota));
    assert!(found.suspended);
    assert_eq!(found.created, expected.created);
});

broker_test!(
    there_is_a_default_tenant_and_none_that_nobody_made,
    |b| async move {
        let found = b.find_tenant(TENANT).await.unwrap();
        assert_eq!(found, Some(Tenant::new(TENANT)));
        assert_eq!(b.find_tenant("nobody").await.unwrap(), None);
        let change = TenantChange::Suspended(true);
        let refused = b.change_tenant("nobody", &change).await;
        assert!(matches!(refused, Err(BrokerError::Missing(_))));
        let zero = TenantChange::Terms(0, Quota::default());
        let refused = b.change_tenant(TENANT, &zero).await;
        assert!(matches!(refused, Err(BrokerError::Invalid(_))));
        let refused = b.create_tenant(&Tenant::new("No Name")).await;
        assert!(matches!(refused, Err(BrokerError::Invalid(_))));
    }
);

broker_test!(tenants_are_listed_by_name_page_by_page, |b| async move {
    for name in ["zoo", "acme", "initech", "default-2"] {
        assert!(b.create_tenant(&Tenant::new(name)).await.unwrap());
    }
    let page = async |after: &str, limit| {
        let some = b.tenants(after, limit).await.unwrap();
        some.into_iter().map(|it| it.name).collect::<Vec<_>>()
    };
    let all = ["acme", "default", "default-2", "initech", "zoo"];
    assert_eq!(page("", 100).await, all);
    assert_eq!(page("", 2).await, all[..2]);
    assert_eq!(page("default", 2).await, all[2..4]);
    assert_eq!(page("zoo", 2).await, [""; 0]);
    // With a record it stands there once.
    allow(&b, TENANT, queued(5)).await;
    assert_eq!(page("", 100).await, all);
});
