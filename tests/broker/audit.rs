//! The audit log: what people did, in order, and nobody takes it back.

use std::sync::Arc;

use lovage_queue::audit::Act;
use lovage_queue::broker::{
    ACTS_KEPT, Audited, Broker, BrokerError, Buckets, Flows, Ledger, MAX_ACTS, Recorded, Schedules,
    Shelf,
};
use lovage_queue::grant::Grants;
use lovage_queue::job::JobId;
use lovage_queue::limits::{Limit, Scope};
use lovage_queue::registry::{Digest, Manifest, Registry};

use super::harness::{BEGIN, TENANT, secs};

fn act(n: usize) -> Act {
    Act::new("user ann", "scope.pause", format!("queue:q{n}"), "")
}

/// Who did what to what, the oldest first.
fn told(acts: &[Recorded]) -> Vec<(String, String)> {
    let acts = acts.iter().rev();
    let line = |it: &Recorded| (it.act.action.clone(), it.act.subject.clone());
    acts.map(line).collect()
}

broker_test!(acts_are_read_back_the_newest_first, |b| async move {
    assert_eq!(b.acts(TENANT, None, 9).await.unwrap(), []);
    b.record(TENANT, &[act(1), act(2)]).await.unwrap();
    b.pass(secs(60));
    b.record(TENANT, &[act(3)]).await.unwrap();
    let acts = b.acts(TENANT, None, 9).await.unwrap();
    let found: Vec<_> = acts.iter().map(|it| it.act.clone()).collect();
    assert_eq!(found, [act(3), act(2), act(1)]);
    let times: Vec<_> = acts.iter().map(|it| it.at).collect();
    assert_eq!(times, [BEGIN.after(secs(60)), BEGIN, BEGIN]);
    // Page by page, none twice and none left out.
    let newest = b.acts(TENANT, None, 1).await.unwrap();
    let before = Some(newest[0].cursor.as_str());
    assert_eq!(b.acts(TENANT, before, 9).await.unwrap(), acts[1..]);
    assert_eq!(b.acts(TENANT, before, 0).await.unwrap(), []);
    let oldest = Some(acts[2].cursor.as_str());
    assert_eq!(b.acts(TENANT, oldest, 9).await.unwrap(), []);
    let other = b.neighbours(2).remove(1);
    assert_eq!(b.acts(&other, None, 9).await.unwrap(), []);
});

broker_test!(what_is_no_cursor_or_too_much_is_refused, |b| async move {
    for wrong in ["yesterday", "-1", "1-", "00-0"] {
        let looked = b.acts(TENANT, Some(wrong), 9).await;
        assert!(matches!(looked, Err(BrokerError::Invalid(_))), "{wrong}");
    }
    let many = vec![act(0); MAX_ACTS + 1];
    let recorded = b.record(TENANT, &many).await;
    assert!(matches!(recorded, Err(BrokerError::Invalid(_))));
    assert_eq!(b.acts(TENANT, None, 9).await.unwrap(), []);
});

broker_test!(the_oldest_leave_when_there_are_too_many, |b| async move {
    let first: Vec<Act> = (0..MAX_ACTS).map(act).collect();
    let later = vec![act(1_000_000); MAX_ACTS];
    b.record(TENANT, &first).await.unwrap();
    for _ in 0..ACTS_KEPT / MAX_ACTS {
        b.record(TENANT, &later).await.unwrap();
    }
    let (mut kept, mut before) = (0, None::<String>);
    loop {
        let page = b.acts(TENANT, before.as_deref(), MAX_ACTS as u32).await;
        let page = page.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.cursor.clone());
        kept += page.len();
    }
    // A store may keep a few more, where that is cheaper.
    assert!((ACTS_KEPT..ACTS_KEPT + MAX_ACTS).contains(&kept), "{kept}");
});

broker_test!(
    whatever_is_changed_is_on_the_log_before_it_is_done,
    |b| async move {
        let ids = b.add_plain(3).await;
        let by = Audited::by(Arc::clone(&b.broker), "token ci (1)");
        let queue: Scope = "queue:default".parse().unwrap();
        by.cancel(TENANT, &ids).await.unwrap();
        by.requeue(TENANT, &ids[..1]).await.unwrap();
        by.delete(TENANT, &ids[1..2]).await.unwrap();
        by.pause(TENANT, &queue, true).await.unwrap();
        by.pause(TENANT, &queue, false).await.unwrap();
        let limit = Limit {
            depth: Some(7),
            ..Limit::default()
        };
        by.limit(TENANT, &queue, &limit).await.unwrap();
        let manifest = Manifest {
            size: 1,
            tasks: Vec::new(),
            wants: Grants::default(),
        };
        let digest = by.put(TENANT, b"m", &manifest).await.unwrap();
        by.stage(TENANT, "app", digest, "ci").await.unwrap();
        by.activate(TENANT, "app", 1).await.unwrap();
        by.put_entry(TENANT, Shelf::Hooks, "h", b"?").await.unwrap();
        by.remove_entry(TENANT, Shelf::Hooks, "h").await.unwrap();
        by.remove_schedule(TENANT, "nightly").await.unwrap();
        let pairs = ["k1", "k2"].map(|it| (it.to_owned(), b"a secret".to_vec()));
        by.set_many(TENANT, "b", &pairs).await.unwrap();
        by.delete_many(TENANT, "b", &["k1".to_owned()])
            .await
            .unwrap();
        by.delete_bucket(TENANT, "b", 1).await.unwrap();
        by.cancel_flow(TENANT, JobId::new(ids[0].partition()))
            .await
            .unwrap();
        let acts = b.acts(TENANT, None, 99).await.unwrap();
        assert!(
            acts.iter()
                .all(|it| it.act.by == "token ci (1)" && it.act.failed.is_none())
        );
        let told = told(&acts);
        let told: Vec<_> = told.iter().map(|(a, s)| (a.as_str(), s.as_str())).collect();
        let some = format!("{} and 2 more", ids[0]);
        let [first, second] = [ids[0].to_string(), ids[1].to_string()];
        assert_eq!(
            told[..told.len() - 1],
            [
                ("job.cancel", some.as_str()),
                ("job.requeue", &first),
                ("job.delete", &second),
                ("scope.pause", "queue:default"),
                ("scope.resume", "queue:default"),
                ("limit.set", "queue:default"),
                ("module.push", "app"),
                ("module.activate", "app"),
                ("hook.set", "h"),
                ("hook.remove", "h"),
                ("schedule.remove", "nightly"),
                ("bucket.set", "b"),
                ("bucket.unset", "b"),
                ("bucket.delete", "b"),
            ]
        );
        assert_eq!(told[told.len() - 1].0, "flow.cancel");
        let details: Vec<_> = acts.iter().rev().map(|it| it.act.detail.as_str()).collect();
        assert!(details[5].contains("\"depth\":7"), "{details:?}");
        assert_eq!(details[6], Digest::of(b"m").to_string());
        assert_eq!(details[7], "release 1");
        assert_eq!(details[11..14], ["k1 and 1 more", "k1", ""]);
    }
);

broker_test!(looks_and_new_jobs_are_no_acts, |b| async move {
    let by = Audited::by(Arc::clone(&b.broker), "user ann");
    by.enqueue(TENANT, &[b.job()]).await.unwrap();
    by.counts(TENANT).await.unwrap();
    by.limits(TENANT).await.unwrap();
    by.entries(TENANT, Shelf::Tokens).await.unwrap();
    assert_eq!(b.acts(TENANT, None, 9).await.unwrap(), []);
});

broker_test!(what_was_begun_and_failed_says_so, |b| async move {
    let by = Audited::by(Arc::clone(&b.broker), "user ann");
    let refused = by.activate(TENANT, "app", 9).await.unwrap_err();
    let acts = b.acts(TENANT, None, 9).await.unwrap();
    assert_eq!(acts.len(), 2, "{acts:?}");
    assert_eq!(acts[0].act.failed, Some(refused.to_string()));
    assert_eq!(
        (acts[1].act.failed.as_ref(), &*acts[1].act.subject),
        (None, "app")
    );
});
