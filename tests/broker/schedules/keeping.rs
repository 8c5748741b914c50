//! What is kept of schedules, and whose they are.

use super::*;

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
