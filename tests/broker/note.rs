//! Notes: progress and checkpoints, fenced, and gone with the job's end.

use lovage_queue::broker::{Claimed, Note};
use lovage_queue::job::{Checkpoint, Progress, State, WorkerId};
use lovage_queue::registry::Digest;

use super::harness::{TENANT, Worker, all, complete, fail, secs};

fn progress(share: f64) -> Progress {
    Progress {
        share: Some(share),
        message: Some(format!("at {share}")),
    }
}

fn checkpoint(state: &[u8]) -> Checkpoint {
    Checkpoint {
        digest: Digest::of(b"a module"),
        state: state.to_vec(),
    }
}

fn note(claimed: &Claimed, progress: Option<Progress>, checkpoint: Option<Checkpoint>) -> Note {
    let (tenant, id, delivery) = (claimed.tenant.clone(), claimed.id, claimed.delivery);
    Note {
        tenant,
        id,
        delivery,
        progress,
        checkpoint,
        log: None,
    }
}

broker_test!(a_running_job_says_how_far_it_is, |b| async move {
    b.add_plain(1).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    assert_eq!(b.look(claimed.id).await.progress, None);
    for share in [0.25, 0.5] {
        b.note(worker.id, &[note(&claimed, Some(progress(share)), None)])
            .await
            .unwrap();
        assert_eq!(b.look(claimed.id).await.progress, Some(progress(share)));
    }
    let page = b.list(TENANT, &all(State::Running)).await.unwrap();
    assert_eq!(page.jobs[0].progress, Some(progress(0.5)));
});

broker_test!(
    progress_and_checkpoint_do_not_replace_each_other,
    |b| async move {
        b.add_plain(1).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        b.note(worker.id, &[note(&claimed, Some(progress(0.5)), None)])
            .await
            .unwrap();
        b.note(
            worker.id,
            &[note(&claimed, None, Some(checkpoint(b"here")))],
        )
        .await
        .unwrap();
        assert_eq!(b.look(claimed.id).await.progress, Some(progress(0.5)));
        assert_eq!(
            b.checkpoint(TENANT, claimed.id).await.unwrap(),
            Some(checkpoint(b"here"))
        );
    }
);

broker_test!(a_checkpoint_is_there_for_the_next_attempt, |b| async move {
    b.add_plain(1).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    assert_eq!(b.checkpoint(TENANT, claimed.id).await.unwrap(), None);
    b.note(
        worker.id,
        &[note(&claimed, None, Some(checkpoint(b"here")))],
    )
    .await
    .unwrap();
    worker.settle(fail(&claimed, secs(0))).await;
    let again = worker.claim_one().await;
    assert_eq!(
        b.checkpoint(TENANT, again.id).await.unwrap(),
        Some(checkpoint(b"here"))
    );
    b.pass(Worker::LEASE + secs(1));
    b.reclaim(b.home(), 9).await.unwrap();
    assert_eq!(
        b.checkpoint(TENANT, again.id).await.unwrap(),
        Some(checkpoint(b"here"))
    );
});

broker_test!(a_note_goes_when_the_job_ends, |b| async move {
    b.add_plain(1).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    let both = note(&claimed, Some(progress(0.5)), Some(checkpoint(b"here")));
    b.note(worker.id, &[both]).await.unwrap();
    worker.settle(complete(&claimed, &[1])).await;
    assert_eq!(b.checkpoint(TENANT, claimed.id).await.unwrap(), None);
    assert_eq!(b.look(claimed.id).await.progress, None);
});

broker_test!(
    stale_notes_are_dropped_and_the_others_kept,
    |b| async move {
        b.add_plain(2).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim(2).await;
        let stale = Note {
            delivery: 7,
            ..note(&claimed[0], Some(progress(0.1)), None)
        };
        let good = note(&claimed[1], Some(progress(0.2)), None);
        b.note(worker.id, &[stale, good]).await.unwrap();
        let by_another = note(&claimed[0], Some(progress(0.3)), None);
        b.note(WorkerId::random(), &[by_another]).await.unwrap();
        assert_eq!(b.look(claimed[0].id).await.progress, None);
        assert_eq!(b.look(claimed[1].id).await.progress, Some(progress(0.2)));
        worker.settle(complete(&claimed[1], &[1])).await;
        let late = note(&claimed[1], Some(progress(0.9)), Some(checkpoint(b"late")));
        b.note(worker.id, &[late]).await.unwrap();
        assert_eq!(b.checkpoint(TENANT, claimed[1].id).await.unwrap(), None);
    }
);

/// All that a running job has written so far.
fn wrote(claimed: &Claimed, log: &[u8]) -> Note {
    Note {
        log: Some(log.to_vec()),
        ..note(claimed, None, None)
    }
}

broker_test!(what_a_running_job_writes_is_seen, |b| async move {
    b.add_plain(1).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    assert_eq!(b.look(claimed.id).await.log, None);
    for log in [&b"one\n"[..], b"one\ntwo\n"] {
        b.note(worker.id, &[wrote(&claimed, log)]).await.unwrap();
        let seen = b.look(claimed.id).await.log;
        assert_eq!(seen.as_deref(), Some(log));
    }
    let page = b.list(TENANT, &all(State::Running)).await.unwrap();
    assert_eq!(page.jobs[0].log.as_deref(), Some(&b"one\ntwo\n"[..]));
    b.note(worker.id, &[note(&claimed, Some(progress(0.5)), None)])
        .await
        .unwrap();
    let job = b.look(claimed.id).await;
    assert_eq!(job.log.as_deref(), Some(&b"one\ntwo\n"[..]));
    assert_eq!(job.progress, Some(progress(0.5)));
});

broker_test!(a_live_log_is_gone_when_the_job_ends, |b| async move {
    b.add_plain(2).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim(2).await;
    for it in &claimed {
        b.note(worker.id, &[wrote(it, b"live\n")]).await.unwrap();
    }
    worker.settle(complete(&claimed[0], &[1])).await;
    let job = b.look(claimed[0].id).await;
    assert_eq!(job.log, None);
    assert_eq!(job.attempts[0].log, b"a line\n", "the attempt has its own");
    let late = wrote(&claimed[0], b"late\n");
    b.note(worker.id, &[late]).await.unwrap();
    assert_eq!(b.look(claimed[0].id).await.log, None);
    b.cancel(TENANT, &[claimed[1].id]).await.unwrap();
    worker.settle(fail(&claimed[1], secs(0))).await;
    assert_eq!(b.look(claimed[1].id).await.log, None);
});

broker_test!(
    a_stale_delivery_writes_nothing_into_the_live_log,
    |b| async move {
        b.add_plain(1).await;
        let worker = Worker::new(&b);
        let first = worker.claim_one().await;
        worker.settle(fail(&first, secs(0))).await;
        let second = worker.claim_one().await;
        let late = wrote(&first, b"late\n");
        b.note(worker.id, &[late, wrote(&second, b"now\n")])
            .await
            .unwrap();
        let seen = b.look(second.id).await.log;
        assert_eq!(seen.as_deref(), Some(&b"now\n"[..]));
        b.note(worker.id, &[wrote(&first, b"late\n")])
            .await
            .unwrap();
        let seen = b.look(second.id).await.log;
        assert_eq!(seen.as_deref(), Some(&b"now\n"[..]));
    }
);

broker_test!(
    a_checkpoint_goes_when_a_waiting_job_is_cancelled,
    |b| async move {
        b.add_plain(1).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        let saved = note(&claimed, None, Some(checkpoint(b"here")));
        b.note(worker.id, &[saved]).await.unwrap();
        worker.settle(fail(&claimed, secs(5))).await;
        b.cancel(TENANT, &[claimed.id]).await.unwrap();
        assert_eq!(b.checkpoint(TENANT, claimed.id).await.unwrap(), None);
        b.requeue(TENANT, &[claimed.id]).await.unwrap();
        assert_eq!(b.checkpoint(TENANT, claimed.id).await.unwrap(), None);
    }
);
