//! Records that cannot be read: handed out as such, and in nobody's way.

use lovage_queue::broker::{BrokerError, Retention, Settled};
use lovage_queue::job::State;
use lovage_queue::record::{HEADER, encode, encode_call};

use super::harness::{TENANT, Worker, all, complete, discard, secs};

/// Neither a header nor anything else. Its first byte is no version: a higher one
/// than is known would be a newer Lovage's record, which is left alone.
const GARBAGE: &[u8] = b"\0no record";

broker_test!(
    a_record_without_a_header_is_handed_out_once_and_blocks_nothing,
    |b| async move {
        let ids = b.add_plain(3).await;
        b.corrupt(TENANT, ids[0], GARBAGE).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(9).await;
        assert_eq!(claimed.iter().map(|it| it.id).collect::<Vec<_>>(), ids);
        assert!(claimed[0].job.is_err() && claimed[0].target.is_none());
        assert!(claimed[1].job.is_ok() && claimed[2].job.is_ok());
        for it in &claimed[1..] {
            assert_eq!(worker.settle(complete(it, &[1])).await, Settled::Recorded);
        }
        let counts = b.depths().await;
        assert_eq!(
            (counts.running, counts.discarded, counts.completed),
            (0, 1, 2),
            "{counts:?}"
        );
        let page = b.list(TENANT, &all(State::Discarded)).await.unwrap();
        assert_eq!(
            page.corrupt.iter().map(|it| it.0).collect::<Vec<_>>(),
            ids[..1]
        );
        b.pass(Worker::LEASE * 2);
        b.reclaim(b.home(), 10).await.unwrap();
        assert!(
            Worker::new(&b).claim(9).await.is_empty(),
            "it does not come again"
        );
    }
);

broker_test!(
    a_record_with_a_broken_call_is_settled_as_any_other,
    |b| async move {
        let job = b.job();
        let (version, call) = encode_call(&job).unwrap();
        let mut record = encode(&job, version, &call, b.now());
        b.add(std::slice::from_ref(&job)).await;
        // The route stands; the task's name is no text.
        let body = record.len() - call.len() + call.windows(3).position(|it| it == b"add").unwrap();
        record[body..body + 3].copy_from_slice(&[0xff; 3]);
        assert!(body > HEADER);
        b.corrupt(TENANT, job.id, &record).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        assert!(claimed.job.is_err());
        assert_eq!(claimed.delivery, 1);
        assert_eq!(worker.settle(discard(&claimed)).await, Settled::Recorded);
        assert_eq!(b.depths().await.discarded, 1);
    }
);

broker_test!(
    looking_at_a_corrupt_record_is_an_error_that_names_it,
    |b| async move {
        let ids = b.add_plain(2).await;
        b.corrupt(TENANT, ids[1], GARBAGE).await;
        match b.jobs(TENANT, &ids).await {
            Err(BrokerError::Corrupt { what, .. }) => assert!(what.contains(&ids[1].to_string())),
            other => panic!("{other:?}"),
        }
        let page = b.list(TENANT, &all(State::Available)).await.unwrap();
        assert_eq!(page.jobs.len(), 1);
        assert_eq!(page.corrupt[0].0, ids[1]);
    }
);

broker_test!(
    a_record_that_breaks_while_it_runs_does_not_keep_its_worker_from_being_reclaimed,
    |b| async move {
        let ids = b.add_plain(2).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(2).await;
        b.corrupt(TENANT, ids[0], GARBAGE).await;
        assert_eq!(
            worker.settle(complete(&claimed[0], &[1])).await,
            Settled::Missing
        );
        b.pass(Worker::LEASE + secs(1));
        b.reclaim(b.home(), 10).await.unwrap();
        assert_eq!(
            b.reclaim(b.home(), 10).await.unwrap().workers,
            0,
            "it is done with"
        );
        assert_eq!(Worker::new(&b).claim_ids(9).await, ids[1..]);
    }
);

broker_test!(
    a_corrupt_record_leaves_with_the_others_of_its_kind,
    |b| async move {
        let id = b.add_plain(1).await[0];
        b.corrupt(TENANT, id, GARBAGE).await;
        Worker::new(&b).claim(1).await;
        let keep = Retention::default();
        b.pass(keep.discarded + secs(1));
        assert_eq!(b.prune(b.home(), &keep, 10).await.unwrap(), 1);
        assert_eq!(b.depths().await.discarded, 0);
        assert_eq!(b.jobs(TENANT, &[id]).await.unwrap(), [None]);
    }
);
