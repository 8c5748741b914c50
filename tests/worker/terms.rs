//! When a job may still begin, and beside which others it may not be.

use std::time::Duration;

use lovage_queue::broker::BrokerError;
use lovage_queue::client::{Call, ClientError, Unique};
use lovage_queue::job::{Conflict, Ending, State, Until, When};

use super::{completed_once, endings};
use crate::fixtures::Guest;
use crate::support::guests::{FAILURE, answering, beginning, fail};
use crate::support::site::call;
use crate::support::site_test;

fn unique(until: Until, conflict: Conflict) -> Call {
    let mut call = call("app").arg("n", &1).unwrap();
    call.unique = Some(Unique {
        key: None,
        until,
        conflict,
    });
    call
}

site_test!(
    a_job_that_has_waited_too_long_is_cancelled_instead,
    |site| async move {
        site.push("app", &beginning(6_000)).await;
        let _worker = site.worker(&["--concurrency", "1"]).await;
        let first = site.enqueue("app", 1).await;
        site.begun(&first).await;
        let mut late = call("app");
        late.expiry = Some(When::In(Duration::from_millis(300)));
        let mut in_time = call("app");
        in_time.expiry = Some(When::In(Duration::from_secs(60)));
        let ids = site.enqueue_all(vec![late, in_time]).await;
        let jobs = site.ends(&ids).await;
        assert_eq!(jobs[0].state, State::Cancelled, "{:#?}", jobs[0]);
        assert_eq!(endings(&jobs[0]), [Ending::Expired]);
        assert_eq!(jobs[0].delivery, 0, "nobody had it");
        let first = site.ends(&first).await.remove(0);
        assert!(jobs[0].finished < first.finished, "at its time");
        completed_once(&jobs[1], &[7]);
    }
);

site_test!(
    a_unique_job_is_there_once_until_it_is_done,
    |site| async move {
        site.push("app", &beginning(6_000)).await;
        let client = site.client().await;
        let done = |conflict| unique(Until::Done, conflict);
        let first = client.enqueue(done(Conflict::Existing)).await.unwrap();
        let again = client.enqueue(done(Conflict::Existing)).await.unwrap();
        assert_eq!(again, first, "it waits");
        let _worker = site.worker(&[]).await;
        site.begun(&[first]).await;
        let again = client.enqueue(done(Conflict::Existing)).await.unwrap();
        assert_eq!(again, first, "it runs");
        let other = done(Conflict::Existing).arg("n", &2).unwrap();
        assert_ne!(client.enqueue(other).await.unwrap(), first);
        let refused = client.enqueue(done(Conflict::Reject)).await;
        assert!(
            matches!(&refused, Err(ClientError::Broker(BrokerError::Duplicate(id))) if *id == first),
            "{refused:?}"
        );
        completed_once(&site.ends(&[first]).await[0], &[7]);
        let next = client.enqueue(done(Conflict::Reject)).await.unwrap();
        assert_ne!(next, first, "it is done");
    }
);

site_test!(
    a_unique_job_may_take_the_place_of_one_that_runs,
    |site| async move {
        site.push("app", &beginning(60_000)).await;
        let _worker = site.worker(&[]).await;
        let client = site.client().await;
        let call = || unique(Until::Done, Conflict::Replace);
        let first = client.enqueue(call()).await.unwrap();
        site.begun(&[first]).await;
        let second = client.enqueue(call()).await.unwrap();
        assert_ne!(second, first);
        let job = site.ends(&[first]).await.remove(0);
        assert_eq!(job.state, State::Cancelled, "{job:#?}");
        assert_eq!(endings(&job), [Ending::Cancelled]);
        site.begun(&[second]).await;
    }
);

site_test!(a_task_may_say_that_its_jobs_are_unique, |site| async move {
    let module = Guest::new("(call $respond (i32.const 0) (i32.const 1))").unique();
    site.push("app", &module.build()).await;
    let client = site.client().await;
    let call = || call("app").arg("n", &1).unwrap();
    let first = client.enqueue(call()).await.unwrap();
    let refused = client.enqueue(call()).await;
    assert!(matches!(refused, Err(ClientError::Broker(BrokerError::Duplicate(id))) if id == first));
    let other = call().arg("n", &2).unwrap();
    assert_ne!(client.enqueue(other).await.unwrap(), first);
});

site_test!(
    a_call_that_is_repeated_under_its_key_is_one_job,
    |site| async move {
        site.push("app", &answering(1)).await;
        let _worker = site.worker(&[]).await;
        let client = site.client().await;
        let order = |text: &str| {
            let mut call = call("app");
            call.key = Some(text.into());
            call
        };
        let first = client.enqueue(order("17")).await.unwrap();
        completed_once(&site.ends(&[first]).await[0], &[1]);
        let ids = vec![order("17"), order("18"), order("18")];
        let ids = client.enqueue_all(ids).await.unwrap();
        assert_eq!(ids[0], first, "even after its end");
        assert!(ids[1] != first && ids[2] == ids[1], "{ids:?}");
    }
);

site_test!(no_attempt_begins_past_the_maximum_age, |site| async move {
    // Asks for another in 5 s.
    let code = fail(2, 5_000);
    let guest = Guest::with_imports(&code).text(2000, FAILURE);
    site.push("app", &guest.build()).await;
    let _worker = site.worker(&[]).await;
    let aged = |ms| {
        let mut call = call("app");
        call.options.max_age = Some(Duration::from_millis(ms));
        call.options.max_attempts = Some(2);
        call
    };
    let ids = site.enqueue_all(vec![aged(4_000), aged(60_000)]).await;
    let jobs = site.ends(&ids).await;
    assert_eq!(endings(&jobs[0]), [Ending::Failed]);
    assert_eq!(jobs[0].state, State::Discarded);
    assert_eq!(endings(&jobs[1]), [Ending::Failed; 2]);
});

site_test!(
    what_used_up_its_memory_is_tried_again_if_asked,
    |site| async move {
        let greedy =
            "(if (i32.eq (i32.const -1) (memory.grow (i32.const 4000))) (then unreachable))";
        site.push("app", &Guest::new(greedy).build()).await;
        let _worker = site.worker(&[]).await;
        let calls = [None, Some(true)].map(|asked| {
            let mut call = call("app");
            call.options.retry_exhausted = asked;
            call.options.max_attempts = Some(2);
            call
        });
        let jobs = site.ends(&site.enqueue_all(calls.to_vec()).await).await;
        assert_eq!(endings(&jobs[0]), [Ending::OutOfMemory]);
        assert_eq!(endings(&jobs[1]), [Ending::OutOfMemory; 2]);
    }
);
