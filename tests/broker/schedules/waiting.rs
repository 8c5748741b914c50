//! Fires that wait for the end of a job, or for a completion.

use super::*;

broker_test!(a_fire_is_skipped_while_the_last_job_lives, |b| async move {
    add(&b, overlapping("s", Overlap::Skip)).await;
    let first = tick(&b).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    assert_eq!(first, [FireOutcome::Job(claimed.id)]);
    assert_eq!(tick(&b).await, [FireOutcome::Skipped]);
    worker.settle(discard(&claimed)).await;
    assert!(matches!(tick(&b).await[..], [FireOutcome::Job(_)]));
    assert_eq!(history(&b, "s").await[1], FireOutcome::Skipped);
    assert_eq!(planned(&b, "s").await.fired, 2);
});

broker_test!(a_fire_takes_the_place_of_the_last_job, |b| async move {
    add(&b, overlapping("s", Overlap::Replace)).await;
    let [FireOutcome::Job(first)] = tick(&b).await[..] else {
        panic!("no job");
    };
    let [FireOutcome::Job(second)] = tick(&b).await[..] else {
        panic!("no job");
    };
    let states = b.states(&[first, second]).await;
    assert_eq!(states, [State::Cancelled, State::Available]);
    let worker = Worker::new(&b);
    assert_eq!(worker.claim_ids(9).await, [second]);
    tick(&b).await;
    assert!(
        b.look(second).await.cancelling,
        "it runs, and is asked to stop"
    );
});

broker_test!(
    fires_wait_in_order_for_the_end_of_the_last_job,
    |b| async move {
        add(&b, overlapping("s", Overlap::Queue)).await;
        let worker = Worker::new(&b);
        let mut signals = listen(&b, worker.id).await;
        tick(&b).await;
        let first = worker.claim_one().await;
        assert_eq!(tick(&b).await, [FireOutcome::Held]);
        assert_eq!(tick(&b).await.last(), Some(&FireOutcome::Held));
        let times = [2, 3].map(|n| BEGIN.after(MINUTE * n));
        assert_eq!(planned(&b, "s").await.held, times);
        assert_eq!(b.depths().await.available, 0);

        b.pass(secs(5));
        assert!(due(&b).await.is_empty(), "nothing is due, and nobody polls");
        worker.settle(complete(&first, &[1])).await;
        hears(&mut signals, Signal::Due).await;
        let fired = fire_all(&b).await;
        assert!(matches!(fired[..], [FireOutcome::Job(_)]), "{fired:?}");
        assert_eq!(planned(&b, "s").await.held, times[1..]);
        let second = worker.claim_one().await;
        worker.settle(discard(&second)).await;
        assert!(matches!(fire_all(&b).await[..], [FireOutcome::Job(_)]));
        assert!(planned(&b, "s").await.held.is_empty());
        let third = worker.claim_one().await;
        worker.settle(complete(&third, &[1])).await;
        assert!(fire_all(&b).await.is_empty());
        let (_, fires) = b.schedule(TENANT, "s").await.unwrap().unwrap();
        let jobs = fires
            .iter()
            .filter(|it| matches!(it.outcome, FireOutcome::Job(_)));
        let at: Vec<Millis> = jobs.map(|it| it.at).collect();
        assert_eq!(at, [3, 2, 1].map(|n| BEGIN.after(MINUTE * n)));
    }
);

broker_test!(
    what_is_held_survives_a_pause_and_is_bounded,
    |b| async move {
        add(&b, overlapping("s", Overlap::Queue)).await;
        tick(&b).await;
        let worker = Worker::new(&b);
        let first = worker.claim_one().await;
        for _ in 0..FIRES_HELD {
            assert_eq!(tick(&b).await.last(), Some(&FireOutcome::Held));
        }
        assert!(matches!(
            tick(&b).await.last(),
            Some(FireOutcome::Refused(_))
        ));
        assert_eq!(planned(&b, "s").await.held.len(), FIRES_HELD);
        b.pause_schedule(TENANT, "s", true, None).await.unwrap();
        worker.settle(complete(&first, &[1])).await;
        assert!(due(&b).await.is_empty());
        let next = Some(b.now().after(MINUTE));
        b.pause_schedule(TENANT, "s", false, next).await.unwrap();
        assert!(matches!(fire_all(&b).await[..], [FireOutcome::Job(_)]));
        assert_eq!(planned(&b, "s").await.held.len(), FIRES_HELD - 1);
    }
);

broker_test!(
    a_condition_is_told_of_the_completion_that_it_waits_for,
    |b| async move {
        add(&b, needy("s")).await;
        let worker = Worker::new(&b);
        let mut signals = listen(&b, worker.id).await;
        b.pass(MINUTE);
        let looked = due(&b).await;
        assert_eq!(looked[0].completed, []);
        let mut firing = firing(&b, &looked[0]);
        firing.fires.clear();
        firing.turn.as_mut().unwrap().waiting = Some(b.now());
        assert_eq!(b.fire(&firing).await.unwrap(), Some(vec![]));
        assert_eq!(planned(&b, "s").await.waiting, Some(b.now()));

        b.add_plain(2).await;
        let claimed = worker.claim(2).await;
        b.pass(secs(1));
        worker.settle(discard(&claimed[0])).await;
        assert!(due(&b).await.is_empty(), "it did not complete");
        worker.settle(complete(&claimed[1], &[1])).await;
        hears(&mut signals, Signal::Due).await;
        let looked = due(&b).await;
        assert_eq!(looked.len(), 1);
        let task = "basics.add".parse().unwrap();
        assert_eq!(looked[0].completed, [(task, b.now())]);
    }
);

broker_test!(
    a_completion_between_look_and_fire_is_not_missed,
    |b| async move {
        add(&b, needy("s")).await;
        b.add_plain(1).await;
        let worker = Worker::new(&b);
        let claimed = worker.claim_one().await;
        b.pass(MINUTE);
        let looked = due(&b).await;
        let mut firing = firing(&b, &looked[0]);
        firing.fires.clear();
        firing.turn.as_mut().unwrap().waiting = Some(b.now());
        worker.settle(complete(&claimed, &[1])).await;
        assert_eq!(b.fire(&firing).await.unwrap(), Some(vec![]));
        assert_eq!(due(&b).await.len(), 1);
    }
);

broker_test!(
    a_fire_takes_the_last_jobs_place_in_a_full_queue,
    |b| async move {
        add(&b, overlapping("s", Overlap::Replace)).await;
        let depth = Limit {
            depth: Some(1),
            ..Limit::default()
        };
        b.allow("queue:default", depth).await;
        for _ in 0..3 {
            let fired = tick(&b).await;
            assert!(matches!(fired[..], [FireOutcome::Job(_)]), "{fired:?}");
        }
        let depths = b.depths().await;
        assert_eq!((depths.available, depths.cancelled), (1, 2));
    }
);

broker_test!(one_firing_fills_a_queue_and_no_more, |b| async move {
    add(&b, schedule("s")).await;
    let depth = Limit {
        depth: Some(2),
        ..Limit::default()
    };
    b.allow("queue:default", depth).await;
    b.pass(MINUTE);
    let looked = due(&b).await;
    let mut firing = firing(&b, &looked[0]);
    let fire = |n: u64| Fire {
        at: Millis(b.now().0 + n),
        held: false,
        job: Ok(b.job()),
    };
    firing.fires = (0..4).map(fire).collect();
    let fired = b.fire(&firing).await.unwrap().unwrap();
    let jobs = fired.iter().filter(|it| matches!(it, FireOutcome::Job(_)));
    assert_eq!(jobs.count(), 2, "{fired:?}");
    assert_eq!(b.depths().await.available, 2);
});

broker_test!(a_paused_schedule_hears_of_no_completion, |b| async move {
    add(&b, needy("s")).await;
    b.pass(MINUTE);
    let looked = due(&b).await;
    let mut firing = firing(&b, &looked[0]);
    firing.fires.clear();
    firing.turn.as_mut().unwrap().waiting = Some(b.now());
    b.fire(&firing).await.unwrap();
    b.pause_schedule(TENANT, "s", true, None).await.unwrap();
    b.add_plain(1).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    worker.settle(complete(&claimed, &[1])).await;
    for _ in 0..3 {
        assert!(due(&b).await.is_empty());
        b.pass(secs(2));
    }
});

broker_test!(other_words_do_not_forget_a_completion, |b| async move {
    add(&b, needy("s")).await;
    b.add_plain(1).await;
    let worker = Worker::new(&b);
    let claimed = worker.claim_one().await;
    worker.settle(complete(&claimed, &[1])).await;
    let completed = b.now();
    let jittered = |name| Schedule {
        jitter: secs(5),
        ..needy(name)
    };
    add(&b, jittered("s")).await;
    // The one that went by it goes, and another that does comes with the same word.
    declare(&b, &Owner::Config, &[needy("a")], true).await;
    b.remove_schedule(TENANT, "s").await.unwrap();
    declare(&b, &Owner::Config, &[jittered("b")], true).await;
    b.pass(MINUTE);
    let looked = due(&b).await;
    assert_eq!(looked[0].planned.schedule.name, "b");
    let task = "basics.add".parse().unwrap();
    assert_eq!(looked[0].completed, [(task, completed)]);
});

broker_test!(
    what_is_held_is_looked_at_after_other_words,
    |b| async move {
        add(&b, overlapping("s", Overlap::Queue)).await;
        tick(&b).await;
        let worker = Worker::new(&b);
        let first = worker.claim_one().await;
        tick(&b).await;
        worker.settle(complete(&first, &[1])).await;
        let other = Schedule {
            jitter: secs(5),
            ..overlapping("s", Overlap::Queue)
        };
        add(&b, other).await;
        assert!(matches!(fire_all(&b).await[..], [FireOutcome::Job(_)]));
        assert!(planned(&b, "s").await.held.is_empty());
    }
);

broker_test!(
    a_fire_that_is_refused_has_cost_the_last_job_its_place,
    |b| async move {
        add(&b, overlapping("s", Overlap::Replace)).await;
        let [FireOutcome::Job(first)] = tick(&b).await[..] else {
            panic!("no job");
        };
        b.add_plain(3).await;
        let depth = Limit {
            depth: Some(2),
            ..Limit::default()
        };
        b.allow("queue:default", depth).await;
        let refused = tick(&b).await;
        assert!(
            matches!(refused[..], [FireOutcome::Refused(_)]),
            "{refused:?}"
        );
        assert_eq!(b.look(first).await.state, State::Cancelled);
        let depths = b.depths().await;
        assert_eq!((depths.available, depths.cancelled), (3, 1));
    }
);
