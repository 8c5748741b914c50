use super::*;
use lovage::serde_json::json;
use lovage::testing::{Context, call, call_batch, tasks};
use lovage::{Retry, jobs::NewJob};

#[test]
fn adds() {
    assert_eq!(call("add", &json!({"a": 2, "b": -5})), Ok(-3_i64));
    let failure = add(i64::MAX, 1).unwrap_err();
    assert_eq!(
        (failure.kind.as_str(), failure.retry),
        ("overflow", Retry::Never)
    );
}

#[test]
fn echoes() {
    let value = json!({"nested": [1, null, "x"]});
    assert_eq!(call("echo", &json!({"value": value.clone()})), Ok(value));
}

#[test]
fn embeds_many_texts_at_once() {
    let calls = ["abba", "", "cab"].map(|text| json!({ "text": text }));
    let mut embedded = call_batch::<Embedded>("embed", &calls).into_iter();
    let mut next = || embedded.next().unwrap();
    let first = next().unwrap();
    assert_eq!(
        (first.vector[..3].to_vec(), first.together),
        (vec![2.0, 2.0, 0.0], 3)
    );
    assert_eq!(next().err().unwrap().kind, "empty");
    assert_eq!(next().unwrap().vector[..3], [1.0, 1.0, 1.0]);
    assert_eq!(call::<Embedded>("embed", &calls[0]).unwrap().together, 1);
}

#[test]
fn fails_as_it_is_asked_to() {
    let retry = |next: Value| {
        call::<()>("fail", &json!({"message": "no", "next": next}))
            .unwrap_err()
            .retry
    };
    assert_eq!(retry(Value::Null), Retry::Policy);
    assert_eq!(retry(json!("now")), Retry::Now);
    assert_eq!(
        retry(json!("after-second")),
        Retry::After(Duration::from_secs(1))
    );
    assert_eq!(retry(json!("never")), Retry::Never);
}

#[test]
fn succeeds_in_the_end() {
    assert!(flaky(2).is_err());
    assert_eq!(Context::new().attempt(2).run(|| flaky(2)).0, Ok(2));
}

#[test]
fn reports_progress() {
    let (_, record) = Context::new().run(|| progress(4).unwrap());
    let shares: Vec<_> = record
        .progress
        .iter()
        .filter_map(|progress| progress.share)
        .collect();
    assert_eq!(shares, [0.25, 0.5, 0.75, 1.0]);
}

#[test]
fn goes_on_from_its_checkpoint() {
    let (first, record) = Context::new().run(|| resume(10, Some(5)));
    assert!(first.is_err());
    let state: (u64, u64) = record.checkpoint().unwrap();
    assert_eq!(state, (5, 10));
    assert_eq!(
        Context::new()
            .attempt(2)
            .saved(&state)
            .run(|| resume(10, Some(5)))
            .0,
        Ok(55)
    );
}

#[test]
fn enqueues_children() {
    let (ids, record) = Context::new().run(|| spawn(3).unwrap());
    assert_eq!(ids.len(), 3);
    assert_eq!(
        record.jobs.iter().map(NewJob::task).collect::<Vec<_>>(),
        ["module.add"; 3]
    );
    assert_eq!(record.jobs[2].argument("a"), Ok(Some(2)));
}

#[test]
fn stops_when_cancelled() {
    assert!(Context::new().cancelled().run(|| spin(60_000)).0 < 60_000);
    assert!(spin(2) >= 2);
}

#[test]
fn walks_on_from_where_it_was_stopped() {
    let (stopped, record) = Context::new().cancelled().run(|| walk("a", 2));
    assert_eq!(stopped.unwrap_err().retry, Retry::Now);
    assert_eq!(record.checkpoint(), Some(0_u32));
    let again = Context::new().attempt(2).saved(&1_u32);
    assert_eq!(again.run(|| walk("a", 2)).0, Ok(1));
}

#[test]
fn every_task_says_what_it_does() {
    assert!(tasks().iter().all(|task| !task.doc.is_empty()));
}
