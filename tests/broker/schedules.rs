//! Schedules: what is kept of them, and that each time fires once.

use std::time::Duration;

use lovage_queue::broker::{
    BrokerError, Declared, DueSchedule, FIRES_HELD, FIRES_KEPT, Fire, FireOutcome, Firing, Owner,
    Planned, Signal, Turn,
};
use lovage_queue::clock::Millis;
use lovage_queue::job::{Conflict, JobOptions, Key, State, Unique, Until};
use lovage_queue::limits::Limit;
use lovage_queue::schedule::{CatchUp, Overlap, Schedule, ScheduledCall, Trigger};

use super::harness::signals::{hears, listen};
use super::harness::{BEGIN, Bench, TENANT, Worker, complete, discard, secs};

const MINUTE: Duration = secs(60);

/// One that calls `basics.add` every minute.
fn schedule(name: &str) -> Schedule {
    Schedule {
        name: name.into(),
        trigger: Trigger::Every {
            period: MINUTE,
            from: None,
        },
        call: ScheduledCall {
            module: "basics".into(),
            task: "add".into(),
            input: vec![0x80],
            queue: None,
            lane: String::new(),
            priority: None,
            expiry: None,
            result_ttl: None,
            options: JobOptions::default(),
        },
        start: None,
        end: None,
        jitter: Duration::ZERO,
        catch_up: CatchUp::Last,
        overlap: Overlap::Allow,
    }
}

fn overlapping(name: &str, overlap: Overlap) -> Schedule {
    Schedule {
        overlap,
        ..schedule(name)
    }
}

/// Another that goes by the completions of `basics.add`.
fn needy(name: &str) -> Schedule {
    let needs = Trigger::Completed {
        module: "basics".into(),
        task: "add".into(),
        zone: "UTC".into(),
    };
    let every = schedule(name).trigger;
    Schedule {
        trigger: Trigger::All(vec![every, needs]),
        ..schedule(name)
    }
}

async fn declare(b: &Bench, owner: &Owner, schedules: &[Schedule], whole: bool) {
    let first = Some(b.now().after(MINUTE));
    let declared = schedules.iter().map(|schedule| Declared {
        schedule: schedule.clone(),
        first,
    });
    let declared: Vec<_> = declared.collect();
    b.declare(TENANT, owner, &declared, whole).await.unwrap();
}

async fn add(b: &Bench, schedule: Schedule) {
    declare(b, &Owner::Operator, &[schedule], false).await;
}

async fn names(b: &Bench) -> Vec<String> {
    let all = b.schedules(TENANT, None, 1_000).await.unwrap();
    all.into_iter().map(|it| it.schedule.name).collect()
}

async fn planned(b: &Bench, name: &str) -> Planned {
    b.schedule(TENANT, name).await.unwrap().unwrap().0
}

async fn history(b: &Bench, name: &str) -> Vec<FireOutcome> {
    let (_, fires) = b.schedule(TENANT, name).await.unwrap().unwrap();
    fires.into_iter().map(|it| it.outcome).collect()
}

async fn due(b: &Bench) -> Vec<DueSchedule> {
    b.due(b.home(), 100).await.unwrap().schedules
}

/// What a worker makes of a look: the held time first, then the due one.
fn firing(b: &Bench, looked: &DueSchedule) -> Firing {
    let planned = &looked.planned;
    let held = planned.held.first().map(|at| (*at, true));
    let due = planned.due.filter(|at| *at <= b.now());
    let fire = |(at, held)| Fire {
        at,
        held,
        job: Ok(b.job()),
    };
    Firing {
        tenant: TENANT.into(),
        name: planned.schedule.name.clone(),
        turn: Some(Turn {
            revision: planned.revision,
            looked: b.now(),
            next: due.map_or(planned.due, |at| Some(at.after(MINUTE))),
            waiting: None,
            missed: 0,
        }),
        fires: held
            .into_iter()
            .chain(due.map(|at| (at, false)))
            .map(fire)
            .collect(),
    }
}

/// Lets a minute pass and fires all that is due.
async fn tick(b: &Bench) -> Vec<FireOutcome> {
    b.pass(MINUTE);
    fire_all(b).await
}

async fn fire_all(b: &Bench) -> Vec<FireOutcome> {
    let mut outcomes = Vec::new();
    for looked in due(b).await {
        let fired = b.fire(&firing(b, &looked)).await.unwrap();
        outcomes.extend(fired.expect("nobody else fires"));
    }
    outcomes
}

broker_test!(a_schedule_is_kept_as_it_was_declared, |b| async move {
    let mut all = schedule("all");
    all.call.queue = Some("reports".into());
    all.call.priority = Some(7);
    all.call.options.headers = [("a".into(), "b".into())].into();
    all.start = Some(BEGIN);
    all.end = Some(BEGIN.after(secs(1_000_000)));
    all.jitter = secs(5);
    all.catch_up = CatchUp::All(3);
    add(&b, all.clone()).await;
    let known = planned(&b, "all").await;
    assert_eq!(known.schedule, all);
    assert_eq!(known.owner, Owner::Operator);
    assert_eq!(known.due, Some(BEGIN.after(MINUTE)));
    assert_eq!((known.fired, known.missed, known.paused), (0, 0, false));
    assert_eq!(
        (known.last, known.held, known.waiting),
        (None, vec![], None)
    );
    assert_eq!(b.schedule(TENANT, "none").await.unwrap(), None);
    assert_eq!(b.schedule("other", "all").await.unwrap(), None);
    assert_eq!(b.time(TENANT).await.unwrap(), b.now());
});

broker_test!(schedules_are_listed_by_name_in_pages, |b| async move {
    let names: Vec<String> = (0..25).map(|n| format!("s{n:02}")).collect();
    for name in names.iter().rev() {
        add(&b, schedule(name)).await;
    }
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = b.schedules(TENANT, after.as_deref(), 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.schedule.name.clone());
        listed.extend(page.into_iter().map(|it| it.schedule.name));
    }
    assert_eq!(listed, names);
});

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

broker_test!(
    declaring_the_same_changes_nothing_and_another_word_keeps_the_past,
    |b| async move {
        add(&b, schedule("s")).await;
        tick(&b).await;
        let before = planned(&b, "s").await;
        b.pass(secs(30));
        add(&b, schedule("s")).await;
        assert_eq!(planned(&b, "s").await, before);
        add(&b, overlapping("s", Overlap::Skip)).await;
        let after = planned(&b, "s").await;
        assert_eq!(after.schedule.overlap, Overlap::Skip);
        assert_eq!(after.due, Some(b.now().after(MINUTE)));
        assert_eq!((after.last, after.fired), (before.last, 1));
        assert!(after.revision > before.revision);
        assert_eq!(history(&b, "s").await.len(), 1);
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

broker_test!(
    an_owner_has_what_it_declared_last_and_others_keep_theirs,
    |b| async move {
        let (config, module) = (Owner::Config, Owner::Module("basics".into()));
        declare(&b, &config, &[schedule("a"), schedule("b")], true).await;
        declare(&b, &module, &[schedule("basics.add")], true).await;
        add(&b, schedule("c")).await;
        declare(&b, &config, &[schedule("b"), schedule("d")], true).await;
        assert_eq!(names(&b).await, ["b", "basics.add", "c", "d"]);
        declare(&b, &module, &[], true).await;
        assert_eq!(names(&b).await, ["b", "c", "d"]);
        let taken = [
            Declared {
                schedule: schedule("e"),
                first: None,
            },
            Declared {
                schedule: schedule("c"),
                first: None,
            },
        ];
        let refused = b.declare(TENANT, &config, &taken, true).await.unwrap_err();
        assert!(refused.to_string().contains("`c`"), "{refused}");
        assert!(refused.to_string().contains("operator"), "{refused}");
        assert_eq!(names(&b).await, ["b", "c", "d"], "all or none");
        let twice = [taken[0].clone(), taken[0].clone()];
        let refused = b.declare(TENANT, &config, &twice, false).await.unwrap_err();
        assert!(matches!(refused, BrokerError::Invalid(_)), "{refused}");
    }
);

broker_test!(
    a_paused_schedule_does_not_fire_and_goes_on_from_where_it_is_told,
    |b| async move {
        add(&b, schedule("s")).await;
        b.pass(MINUTE);
        let looked = due(&b).await;
        assert!(b.pause_schedule(TENANT, "s", true, None).await.unwrap());
        assert_eq!(b.fire(&firing(&b, &looked[0])).await.unwrap(), None);
        b.pass(MINUTE * 10);
        assert!(due(&b).await.is_empty());
        assert_eq!(b.promote(b.home(), 9).await.unwrap().next, None);
        let next = Some(b.now().after(MINUTE));
        assert!(b.pause_schedule(TENANT, "s", false, next).await.unwrap());
        assert_eq!(planned(&b, "s").await.due, next);
        assert_eq!(tick(&b).await.len(), 1);
        assert!(!b.pause_schedule(TENANT, "none", true, None).await.unwrap());
    }
);

broker_test!(
    a_schedule_that_is_removed_is_gone_with_its_history,
    |b| async move {
        add(&b, needy("s")).await;
        let fired = tick(&b).await;
        assert!(matches!(fired[..], [FireOutcome::Job(_)]), "{fired:?}");
        assert!(b.remove_schedule(TENANT, "s").await.unwrap());
        assert!(!b.remove_schedule(TENANT, "s").await.unwrap());
        assert!(names(&b).await.is_empty());
        assert_eq!(b.depths().await.available, 1, "its jobs stay");
        b.pass(MINUTE * 2);
        assert!(due(&b).await.is_empty());
        add(&b, schedule("s")).await;
        assert!(history(&b, "s").await.is_empty());
        assert_eq!(planned(&b, "s").await.fired, 0);
    }
);

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
