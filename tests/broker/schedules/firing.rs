//! Each time fires once, and its history says so.

use super::*;

broker_test!(
    a_schedule_fires_at_its_time_and_not_before,
    |b| async move {
        add(&b, schedule("s")).await;
        b.pass(MINUTE - Duration::from_millis(1));
        let promoted = b.promote(b.home(), 10).await.unwrap();
        assert_eq!(promoted.next, Some(Duration::from_millis(1)));
        assert!(!promoted.schedules);
        assert!(due(&b).await.is_empty());
        b.pass(Duration::from_millis(1));
        assert!(b.promote(b.home(), 10).await.unwrap().schedules);
        let looked = due(&b).await;
        let fired = b.fire(&firing(&b, &looked[0])).await.unwrap().unwrap();
        let [FireOutcome::Job(id)] = fired[..] else {
            panic!("{fired:?}");
        };
        assert_eq!(b.look(id).await.state, State::Available);
        assert_eq!(Worker::new(&b).claim_ids(9).await, [id]);
        let known = planned(&b, "s").await;
        assert_eq!((known.last, known.fired), (Some(id), 1));
        assert_eq!(known.due, Some(BEGIN.after(MINUTE * 2)));
        let (_, fires) = b.schedule(TENANT, "s").await.unwrap().unwrap();
        assert_eq!(fires.len(), 1);
        assert_eq!((fires[0].at, fires[0].when), (BEGIN.after(MINUTE), b.now()));
        assert!(!fires[0].by_hand);
    }
);

broker_test!(of_two_who_fire_the_same_time_one_does, |b| async move {
    add(&b, schedule("s")).await;
    b.pass(MINUTE);
    let looked = due(&b).await;
    let (ours, theirs) = (firing(&b, &looked[0]), firing(&b, &looked[0]));
    let (one, other) = tokio::join!(b.fire(&ours), b.fire(&theirs));
    let fired = [one.unwrap(), other.unwrap()];
    assert_eq!(fired.iter().flatten().count(), 1, "{fired:?}");
    assert_eq!(b.depths().await.available, 1);
    assert_eq!(history(&b, "s").await.len(), 1);
});

broker_test!(a_repeated_fire_makes_no_second_job, |b| async move {
    add(&b, schedule("s")).await;
    b.pass(MINUTE);
    let looked = due(&b).await;
    let firing = firing(&b, &looked[0]);
    assert!(b.fire(&firing).await.unwrap().is_some());
    assert_eq!(b.fire(&firing).await.unwrap(), None, "its answer was lost");
    assert_eq!(b.depths().await.available, 1);
});

broker_test!(
    who_is_told_of_a_schedule_is_alone_with_it_for_a_second,
    |b| async move {
        add(&b, schedule("s")).await;
        b.pass(MINUTE);
        assert_eq!(due(&b).await.len(), 1);
        assert!(due(&b).await.is_empty());
        let next = b.promote(b.home(), 10).await.unwrap().next;
        assert_eq!(next, Some(secs(1)));
        b.pass(secs(1));
        assert_eq!(due(&b).await.len(), 1, "whoever it was has died");
        assert_eq!(b.due(b.home(), 0).await.unwrap().schedules.len(), 0);
    }
);

broker_test!(a_change_between_look_and_fire_wins, |b| async move {
    add(&b, schedule("s")).await;
    b.pass(MINUTE);
    let looked = due(&b).await;
    add(&b, overlapping("s", Overlap::Skip)).await;
    assert_eq!(b.fire(&firing(&b, &looked[0])).await.unwrap(), None);
    assert_eq!(b.depths().await.available, 0);
});

broker_test!(a_fire_by_hand_leaves_the_times_alone, |b| async move {
    add(&b, schedule("s")).await;
    b.pause_schedule(TENANT, "s", true, None).await.unwrap();
    let before = planned(&b, "s").await;
    let job = b.job();
    let by_hand = Firing {
        tenant: TENANT.into(),
        name: "s".into(),
        turn: None,
        fires: vec![Fire {
            at: b.now(),
            held: false,
            job: Ok(job.clone()),
        }],
    };
    let fired = b.fire(&by_hand).await.unwrap().unwrap();
    assert_eq!(fired, [FireOutcome::Job(job.id)]);
    let after = planned(&b, "s").await;
    assert_eq!((after.due, after.paused), (before.due, true));
    assert_eq!((after.last, after.fired), (Some(job.id), 1));
    let (_, fires) = b.schedule(TENANT, "s").await.unwrap().unwrap();
    assert!(fires[0].by_hand);
    let none = Firing {
        name: "none".into(),
        ..by_hand
    };
    assert_eq!(b.fire(&none).await.unwrap(), None);
});

broker_test!(
    what_speaks_against_a_job_is_in_the_history,
    |b| async move {
        add(&b, schedule("s")).await;
        let depth = Limit {
            depth: Some(1),
            ..Limit::default()
        };
        b.allow("queue:default", depth).await;
        assert!(matches!(tick(&b).await[..], [FireOutcome::Job(_)]));
        let full = tick(&b).await;
        assert_eq!(
            full,
            [FireOutcome::Refused("queue `default` is full".into())]
        );
        b.allow("queue:default", Limit::default()).await;
        b.pass(MINUTE);
        let looked = due(&b).await;
        let mut firing = firing(&b, &looked[0]);
        firing.fires[0].job = Err("there is no module `basics`".into());
        let refused = FireOutcome::Refused("there is no module `basics`".into());
        assert_eq!(b.fire(&firing).await.unwrap(), Some(vec![refused.clone()]));
        assert_eq!(history(&b, "s").await[0], refused);
        assert_eq!(b.depths().await.available, 1);
        assert_eq!(planned(&b, "s").await.fired, 1);
        assert!(matches!(tick(&b).await[..], [FireOutcome::Job(_)]));
    }
);

broker_test!(
    a_job_that_is_there_already_is_the_fires_job,
    |b| async move {
        add(&b, schedule("s")).await;
        let mut there = b.job();
        there.key = Some(Key::idempotency("s at one"));
        b.add(&[there.clone()]).await;
        b.pass(MINUTE);
        let looked = due(&b).await;
        let mut firing = firing(&b, &looked[0]);
        let mut again = b.job();
        again.key = there.key;
        firing.fires[0].job = Ok(again);
        let fired = b.fire(&firing).await.unwrap().unwrap();
        assert_eq!(fired, [FireOutcome::Job(there.id)]);
        assert_eq!(b.depths().await.available, 1);
        let unique = Unique {
            key: Key::unique("one"),
            until: Until::Done,
            conflict: Conflict::Reject,
        };
        let mut first = b.job();
        first.unique = Some(unique);
        b.add(&[first.clone()]).await;
        b.pass(MINUTE);
        let looked = due(&b).await;
        let mut firing = self::firing(&b, &looked[0]);
        let mut second = b.job();
        second.unique = Some(unique);
        firing.fires[0].job = Ok(second);
        let fired = b.fire(&firing).await.unwrap().unwrap();
        assert!(matches!(&fired[..], [FireOutcome::Refused(why)] if why.contains("unique")));
    }
);

broker_test!(the_history_keeps_the_newest, |b| async move {
    add(&b, schedule("s")).await;
    for _ in 0..FIRES_KEPT + 5 {
        tick(&b).await;
    }
    let (known, fires) = b.schedule(TENANT, "s").await.unwrap().unwrap();
    assert_eq!(fires.len(), FIRES_KEPT);
    assert_eq!(known.fired as usize, FIRES_KEPT + 5);
    assert_eq!(fires[0].at, b.now());
    assert!(fires.is_sorted_by(|one, other| one.at > other.at));
});

broker_test!(
    an_idle_worker_hears_of_a_schedule_that_is_due_first,
    |b| async move {
        let worker = Worker::new(&b);
        let mut signals = listen(&b, worker.id).await;
        add(&b, schedule("s")).await;
        hears(&mut signals, Signal::Due).await;
    }
);

broker_test!(
    a_schedule_that_ends_is_not_looked_at_again,
    |b| async move {
        add(&b, schedule("s")).await;
        b.pass(MINUTE);
        let looked = due(&b).await;
        let mut firing = firing(&b, &looked[0]);
        firing.turn.as_mut().unwrap().next = None;
        firing.turn.as_mut().unwrap().missed = 3;
        b.fire(&firing).await.unwrap();
        b.pass(MINUTE * 100);
        assert!(due(&b).await.is_empty());
        let known = planned(&b, "s").await;
        assert_eq!((known.due, known.missed), (None, 3));
    }
);
