//! Blobs: large inputs and results lie beside their jobs, and go with the last
//! of them.

use lovage_queue::broker::{BrokerError, Retention};
use lovage_queue::job::{JobId, NewJob, Payload, State};
use lovage_queue::registry::Digest;

use super::harness::{Bench, TENANT, Worker, complete, discard, fail, secs};

/// For so long a blob that nothing refers to is kept.
const GRACE: std::time::Duration = secs(3_600);

/// Bytes that no compressor makes small, other ones for each seed.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// Stores bytes; what refers to them.
async fn put(b: &Bench, bytes: &[u8]) -> Payload {
    Payload::Blob {
        digest: b.put_blob(TENANT, bytes).await.unwrap(),
        size: bytes.len() as u64,
    }
}

fn with(b: &Bench, input: &Payload) -> NewJob {
    NewJob {
        input: input.clone(),
        ..b.job()
    }
}

async fn is_there(b: &Bench, blob: &Payload) -> bool {
    let digest = blob.blob().unwrap();
    b.blob(TENANT, digest).await.unwrap().is_some()
}

/// Prunes with this much kept until nothing goes any more.
async fn prune(b: &Bench, keep: &Retention) {
    for _ in 0..20 {
        if b.prune(b.home(), keep, 100).await.unwrap() == 0 {
            return;
        }
    }
    panic!("the prune goes on and on");
}

async fn delete(b: &Bench, id: JobId) {
    assert_eq!(b.delete(TENANT, &[id]).await.unwrap(), [true]);
}

broker_test!(a_blob_is_read_back_whole, |b| async move {
    for bytes in [vec![], vec![7; 100_000], noise(1, 3_000_000)] {
        let digest = b.put_blob(TENANT, &bytes).await.unwrap();
        assert_eq!(digest, Digest::of(&bytes));
        assert_eq!(b.blob(TENANT, digest).await.unwrap(), Some(bytes));
    }
    let none = Digest::of(b"none");
    assert_eq!(b.blob(TENANT, none).await.unwrap(), None);
});

broker_test!(
    bytes_of_a_blob_that_are_not_what_they_were_are_found_out,
    |b| async move {
        let digest = b.put_blob(TENANT, &noise(6, 100_000)).await.unwrap();
        b.corrupt_blob(TENANT, digest).await;
        let read = b.blob(TENANT, digest).await;
        assert!(
            matches!(read, Err(BrokerError::Corrupt { .. })),
            "{:?}",
            read.map(|_| ())
        );
    }
);

broker_test!(a_blob_is_of_one_tenant, |b| async move {
    let blob = put(&b, b"mine").await;
    let other = b.neighbours(2).remove(1);
    assert_eq!(b.blob(&other, blob.blob().unwrap()).await.unwrap(), None);
    let mut job = b.job_of(&other);
    job.input = blob;
    let refused = b.enqueue(&other, &[job]).await;
    assert!(
        matches!(refused, Err(BrokerError::Missing(_))),
        "{refused:?}"
    );
});

broker_test!(an_input_may_be_a_reference, |b| async move {
    let blob = put(&b, &noise(2, 200_000)).await;
    let job = with(&b, &blob);
    let id = b.add(std::slice::from_ref(&job)).await[0];
    assert_eq!(b.look(id).await.call.input, blob);
    let claimed = Worker::new(&b).claim_one().await;
    let input = claimed.job.unwrap().call.input;
    assert_eq!(input, blob);
    let bytes = b.blob(TENANT, input.blob().unwrap()).await.unwrap();
    assert_eq!(bytes, Some(noise(2, 200_000)));
});

broker_test!(
    a_reference_to_nothing_is_refused_with_all_of_its_batch,
    |b| async move {
        let there = put(&b, b"there").await;
        let digest = Digest::of(b"never put");
        let nothing = Payload::Blob { digest, size: 9 };
        let batch = [b.job(), with(&b, &there), with(&b, &nothing)];
        match b.enqueue(TENANT, &batch).await {
            Err(BrokerError::Missing(what)) => {
                assert_eq!(what, format!("blob {digest}"));
            }
            other => panic!("{other:?}"),
        }
        let ids = batch.map(|job| job.id);
        assert_eq!(b.jobs(TENANT, &ids).await.unwrap(), [None, None, None]);
        assert_eq!(b.depths().await.available, 0);
        b.pass(GRACE + secs(1));
        prune(&b, &Retention::default()).await;
        assert!(!is_there(&b, &there).await, "no job of it was made");
    }
);

broker_test!(a_result_may_be_a_reference, |b| async move {
    let id = b.add_plain(1).await[0];
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    let blob = put(&b, &noise(3, 100_000)).await;
    let mut done = complete(&claimed, &[]);
    done.action = lovage_queue::job::Action::Complete(blob.clone());
    worker.settle(done.clone()).await;
    worker.settle(done).await;
    assert_eq!(b.look(id).await.result, Some(blob.clone()));
    b.pass(GRACE * 2);
    prune(&b, &Retention::default()).await;
    assert!(is_there(&b, &blob).await, "the job refers to it");
    delete(&b, id).await;
    assert!(!is_there(&b, &blob).await, "the last one takes it along");
});

broker_test!(
    a_result_whose_blob_is_gone_is_recorded_all_the_same,
    |b| async move {
        let id = b.add_plain(1).await[0];
        let worker = Worker::new(&b);
        let mut done = complete(&worker.claim_one().await, &[]);
        let blob = Payload::Blob {
            digest: Digest::of(b"gone"),
            size: 4,
        };
        done.action = lovage_queue::job::Action::Complete(blob.clone());
        let answer = worker.settle(done).await;
        assert_eq!(answer, lovage_queue::broker::Settled::Recorded);
        let job = b.look(id).await;
        assert_eq!((job.state, job.result), (State::Completed, Some(blob)));
        delete(&b, id).await;
    }
);

broker_test!(
    a_blob_is_kept_for_as_long_as_one_job_refers_to_it,
    |b| async move {
        let blob = put(&b, &noise(4, 70_000)).await;
        let ids = b.add(&[with(&b, &blob), with(&b, &blob)]).await;
        b.pass(GRACE * 3);
        let keep = Retention::default();
        prune(&b, &keep).await;
        assert!(is_there(&b, &blob).await, "two jobs wait");
        b.cancel(TENANT, &ids).await.unwrap();
        assert!(is_there(&b, &blob).await, "their records are there");
        delete(&b, ids[0]).await;
        assert!(is_there(&b, &blob).await, "one record is there");
        b.requeue(TENANT, &ids[1..]).await.unwrap();
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        worker.settle(fail(&claimed, secs(0))).await;
        worker.settle(discard(&worker.claim_one().await)).await;
        assert!(is_there(&b, &blob).await, "a retry needs it, and a requeue");
        delete(&b, ids[1]).await;
        assert!(!is_there(&b, &blob).await);
    }
);

broker_test!(a_blob_goes_with_the_prune_of_its_last_job, |b| async move {
    let blob = put(&b, &noise(5, 70_000)).await;
    let ids = b.add(&[with(&b, &blob)]).await;
    let worker = Worker::new(&b);
    worker
        .settle(complete(&worker.claim_one().await, &[1]))
        .await;
    let keep = Retention::default();
    b.pass(keep.completed + GRACE);
    prune(&b, &keep).await;
    assert_eq!(b.jobs(TENANT, &ids).await.unwrap(), [None]);
    assert!(!is_there(&b, &blob).await);
});

broker_test!(
    a_blob_that_nothing_refers_to_is_kept_for_an_hour,
    |b| async move {
        let blob = put(&b, b"soon to be used").await;
        let keep = Retention::default();
        b.pass(GRACE - secs(1));
        prune(&b, &keep).await;
        assert!(is_there(&b, &blob).await);
        put(&b, b"soon to be used").await;
        b.pass(GRACE - secs(1));
        prune(&b, &keep).await;
        assert!(is_there(&b, &blob).await, "a second put is a new hour");
        b.pass(secs(2));
        prune(&b, &keep).await;
        assert!(!is_there(&b, &blob).await);
        let refused = b.enqueue(TENANT, &[with(&b, &blob)]).await;
        assert!(matches!(refused, Err(BrokerError::Missing(_))));
    }
);

broker_test!(
    a_blob_put_again_outlives_the_job_that_goes_meanwhile,
    |b| async move {
        let blob = put(&b, b"shared").await;
        let id = b.add(&[with(&b, &blob)]).await[0];
        b.pass(GRACE * 2);
        // Another producer is about to use it.
        put(&b, b"shared").await;
        b.cancel(TENANT, &[id]).await.unwrap();
        delete(&b, id).await;
        assert!(is_there(&b, &blob).await, "within the grace of the put");
        let next = b.add(&[with(&b, &blob)]).await[0];
        b.pass(GRACE * 2);
        prune(&b, &Retention::default()).await;
        assert!(is_there(&b, &blob).await);
        b.cancel(TENANT, &[next]).await.unwrap();
        delete(&b, next).await;
        assert!(!is_there(&b, &blob).await);
    }
);

broker_test!(
    what_another_job_refers_to_may_be_used_without_a_put,
    |b| async move {
        let blob = put(&b, b"old").await;
        b.add(&[with(&b, &blob)]).await;
        b.pass(GRACE * 3);
        b.add(&[with(&b, &blob)]).await;
        assert_eq!(b.depths().await.available, 2);
    }
);

broker_test!(a_job_enqueued_twice_refers_once, |b| async move {
    let blob = put(&b, b"once").await;
    let job = with(&b, &blob);
    for _ in 0..3 {
        b.add(std::slice::from_ref(&job)).await;
    }
    b.add(&[job.clone(), job.clone()]).await;
    b.pass(GRACE * 2);
    b.cancel(TENANT, &[job.id]).await.unwrap();
    delete(&b, job.id).await;
    assert!(!is_there(&b, &blob).await);
});

broker_test!(an_input_and_a_result_may_be_the_same_blob, |b| async move {
    let blob = put(&b, b"echo").await;
    let id = b.add(&[with(&b, &blob)]).await[0];
    let worker = Worker::new(&b);
    let mut done = complete(&worker.claim_one().await, &[]);
    done.action = lovage_queue::job::Action::Complete(blob.clone());
    worker.settle(done).await;
    b.pass(GRACE * 2);
    prune(
        &b,
        &Retention {
            completed: GRACE * 9,
            ..Retention::default()
        },
    )
    .await;
    assert!(is_there(&b, &blob).await);
    delete(&b, id).await;
    assert!(!is_there(&b, &blob).await);
});
