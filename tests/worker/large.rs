//! Inputs and results that are too large for a record.

use lovage_queue::broker::{BrokerError, TenantChange};
use lovage_queue::client::{Call, ClientError, MAX_INPUT};
use lovage_queue::job::{CLAIM_CHECK, JobId, NewJob, Payload, State};
use lovage_queue::registry::Digest;
use lovage_queue::tenant::Quota;

use super::completed_once;
use crate::fixtures::{ECHO, Guest};
use crate::support::guests::answering;
use crate::support::redis::key;
use crate::support::site::{Site, call};
use crate::support::site_test;

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A call with an argument of so many bytes.
fn with(length: usize) -> Call {
    let mut call = call("app");
    call.arguments.set_bytes("x", noise(length));
    call
}

site_test!(
    large_inputs_and_results_travel_beside_their_jobs,
    |site| async move {
        site.push("app", &Guest::new(ECHO).build()).await;
        let _worker = site.worker(&["--concurrency", "4"]).await;
        // A map, a name and a length are 8 bytes.
        let lengths = [
            CLAIM_CHECK - 8,
            CLAIM_CHECK,
            1 << 20,
            3 << 20,
            MAX_INPUT - 8,
        ];
        let calls = lengths.map(with);
        let inputs = calls.clone().map(|call| call.arguments.encode());
        let ids = site.enqueue_all(calls.to_vec()).await;
        let client = site.client().await;
        for (job, input) in site.ends(&ids).await.iter().zip(&inputs) {
            assert_eq!(job.state, State::Completed, "{job:#?}");
            let large = input.len() > CLAIM_CHECK;
            for payload in [&job.call.input, job.result.as_ref().unwrap()] {
                assert_eq!(payload.size(), input.len() as u64);
                assert_eq!(payload.blob().is_some(), large, "{payload:?}");
                assert!(client.bytes(payload).await.unwrap() == *input);
            }
        }
        let more = client.enqueue(with(MAX_INPUT)).await;
        assert!(matches!(more, Err(ClientError::TooLarge(_))), "{more:?}");
    }
);

site_test!(
    a_job_is_refused_whose_input_is_not_there,
    |site| async move {
        site.push("app", &answering(1)).await;
        let client = site.client().await;
        let nowhere = Payload::Blob {
            digest: Digest::of(b"nothing"),
            size: 100_000,
        };
        let job = NewJob::new(JobId::new(client.partition()), "app", "go", nowhere);
        let said = client.send(vec![job]).await;
        let missing = matches!(said, Err(ClientError::Broker(BrokerError::Missing(_))));
        assert!(missing, "{said:?}");
        let _worker = site.worker(&[]).await;
        let next = site.enqueue("app", 1).await;
        completed_once(&site.ends(&next).await[0], &[1]);
    }
);

/// Somebody has been at the broker: the job says so, and the others run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_input_has_gone_is_discarded() {
    let mut site = Site::redis();
    site.push("app", &Guest::new(ECHO).build()).await;
    let ids = site.enqueue_all(vec![with(100_000), with(1)]).await;
    let input = site.job(ids[0]).await.call.input.blob().expect("a blob");
    let (tenant, partition) = {
        let client = site.client().await;
        (client.tenant().to_owned(), client.partition())
    };
    let blob = key(partition, &tenant, "x", &input.0);
    site.server().meddle(&[b"RENAME", &blob, b"elsewhere"]);
    let _worker = site.worker(&[]).await;
    let jobs = site.ends(&ids).await;
    assert_eq!(jobs[0].state, State::Discarded, "{:#?}", jobs[0]);
    assert!(jobs[0].ended_for("missing-blob"), "{:#?}", jobs[0]);
    assert_eq!(jobs[1].state, State::Completed);
}

/// The others run, and the worker does not ask again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_that_its_tenant_has_no_room_for_is_discarded() {
    let site = Site::sqlite();
    // A text of 100,000 bytes.
    let large = "(i32.store8 (i32.const 3000) (i32.const 0xc6))
        (i32.store (i32.const 3001) (i32.const 0xa0860100))
        (call $respond (i32.const 3000) (i32.const 100005))";
    site.push("app", &Guest::new(large).pages(4).build()).await;
    site.push("small", &answering(1)).await;
    let broker = site.client().await.broker();
    let taken = broker.usage_of("default").await.unwrap().bytes;
    let quota = Quota {
        bytes: Some(taken + 50_000),
        ..Quota::default()
    };
    let change = TenantChange::Terms(1, quota);
    broker.change_tenant("default", &change).await.unwrap();
    let ids = site.enqueue("app", 1).await;
    let _worker = site.worker(&[]).await;
    let job = &site.ends(&ids).await[0];
    assert_eq!(job.state, State::Discarded, "{job:#?}");
    assert!(job.ended_for("not-stored"), "{job:#?}");
    let next = site.enqueue("small", 1).await;
    completed_once(&site.ends(&next).await[0], &[1]);
}
