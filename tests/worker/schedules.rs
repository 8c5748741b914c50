//! Schedules, fired by real workers.

use std::collections::HashSet;
use std::time::Duration;

use lovage_queue::broker::{FireOutcome, Fired, Owner};
use lovage_queue::clock::Millis;
use lovage_queue::job::State;
use lovage_queue::schedule::{CatchUp, Overlap, Schedule, ScheduledCall, Trigger};

use crate::fixtures::{ECHO, Guest};
use crate::support::guests::beginning;
use crate::support::site::Site;
use crate::support::{site_test, until};

/// One that calls `app.go` each second.
fn each_second(name: &str) -> Schedule {
    let trigger = Trigger::Every {
        period: Duration::from_secs(1),
        from: None,
    };
    Schedule::new(name, trigger, ScheduledCall::new("app", "go", vec![0x80]))
}

async fn fires(site: &Site, name: &str) -> Vec<Fired> {
    site.client().await.schedule(name).await.unwrap().1
}

/// Waits until a schedule has fired so often; its fires, the oldest first.
async fn fired(site: &Site, name: &str, count: usize) -> Vec<Fired> {
    let mut all = until("a schedule fires", || async {
        let fires = fires(site, name).await;
        (fires.len() >= count).then_some(fires)
    })
    .await;
    all.reverse();
    all
}

/// Each second once, and no job before its time.
fn assert_each_second(fires: &[Fired]) {
    let mut jobs = HashSet::new();
    for it in fires {
        let FireOutcome::Job(id) = it.outcome else {
            panic!("no job: {it:?}");
        };
        assert!(jobs.insert(id), "two fires have one job: {fires:?}");
        assert!(it.when >= it.at, "early: {it:?}");
    }
    let steps = fires.windows(2).map(|it| it[1].at.0 - it[0].at.0);
    assert!(steps.clone().all(|step| step == 1000), "{fires:?}");
}

site_test!(several_workers_fire_each_time_once, |site| async move {
    site.push("app", &Guest::new(ECHO).build()).await;
    let mut workers = Vec::new();
    for _ in 0..3 {
        workers.push(site.worker(&[]).await);
    }
    let client = site.client().await;
    let mut schedule = each_second("s");
    // Also those that all of them are late for.
    schedule.catch_up = CatchUp::All(100);
    let first = client.add_schedule(schedule).await.unwrap();
    let fires = fired(&site, "s", 4).await;
    assert_eq!(Some(fires[0].at), first);
    assert_each_second(&fires);
    let FireOutcome::Job(id) = fires[0].outcome else {
        panic!("{fires:?}");
    };
    let job = site.ends(&[id]).await.remove(0);
    assert_eq!(job.state, State::Completed);
    let headers = &job.call.options.headers;
    assert_eq!(headers["schedule"], "s");
    assert_eq!(headers["scheduled-for-ms"], fires[0].at.to_string());
});

site_test!(
    a_modules_schedule_lives_with_its_release,
    |site| async move {
        let calling = Guest::new(ECHO).every(1000).build();
        site.push("app", &calling).await;
        let _worker = site.worker(&[]).await;
        assert_each_second(&fired(&site, "app.go", 2).await);
        let client = site.client().await;
        let (planned, _) = client.schedule("app.go").await.unwrap();
        assert_eq!(planned.owner, Owner::Module("app".into()));
        let refused = client.remove_schedule("app.go").await.unwrap_err();
        assert!(refused.to_string().contains("pause it"), "{refused}");
        site.push("app", &Guest::new(ECHO).build()).await;
        assert!(client.schedules().await.unwrap().is_empty());
        site.lovage(&["rollback", "app"]).await.ok();
        fired(&site, "app.go", 1).await;
    }
);

site_test!(
    what_was_missed_is_made_up_for_as_it_says,
    |site| async move {
        site.push("app", &Guest::new(ECHO).build()).await;
        let client = site.client().await;
        // Nobody is there; and the store keeps these as of an hour ago.
        for (name, catch_up) in [
            ("none", CatchUp::None),
            ("last", CatchUp::Last),
            ("three", CatchUp::All(3)),
        ] {
            let mut schedule = each_second(name);
            schedule.trigger = Trigger::Every {
                period: Duration::from_secs(600),
                from: None,
            };
            schedule.catch_up = catch_up;
            let now = client.broker().time(client.tenant()).await.unwrap();
            let declared = lovage_queue::broker::Declared {
                first: schedule.first(Millis(now.0 - 3_600_000)),
                schedule,
            };
            let broker = client.broker();
            broker
                .declare(client.tenant(), &Owner::Operator, &[declared], false)
                .await
                .unwrap();
        }
        let _worker = site.worker(&[]).await;
        assert_eq!(fired(&site, "three", 3).await.len(), 3);
        assert_eq!(fired(&site, "last", 1).await.len(), 1);
        let none = until("it has gone on", || async {
            let (planned, fires) = client.schedule("none").await.unwrap();
            (planned.missed > 0).then_some((planned, fires))
        })
        .await;
        // One of its times may just be due.
        assert!(none.1.len() <= 1, "{none:?}");
        assert!(none.0.missed >= 5, "{none:?}");
    }
);

site_test!(
    a_fire_waits_for_the_end_of_the_last_job,
    |site| async move {
        // Each takes longer than a second.
        site.push("app", &beginning(1300)).await;
        let client = site.client().await;
        let mut schedule = each_second("s");
        schedule.overlap = Overlap::Queue;
        client.add_schedule(schedule).await.unwrap();
        let _worker = site.worker(&[]).await;
        let fires = fired(&site, "s", 3).await;
        let jobs = fires.iter().filter_map(|it| match it.outcome {
            FireOutcome::Job(id) => Some(id),
            _ => None,
        });
        let jobs: Vec<_> = jobs.collect();
        let ended = site.ends(&jobs).await;
        for pair in ended.windows(2) {
            assert!(
                pair[1].started >= pair[0].finished,
                "two at once: {pair:#?}"
            );
        }
    }
);

site_test!(
    a_schedule_of_what_is_gone_says_so_and_goes_on,
    |site| async move {
        let client = site.client().await;
        let broker = client.broker();
        let now = broker.time(client.tenant()).await.unwrap();
        let schedule = each_second("s");
        let first = schedule.first(now);
        let declared = lovage_queue::broker::Declared { schedule, first };
        broker
            .declare(client.tenant(), &Owner::Operator, &[declared], false)
            .await
            .unwrap();
        let _worker = site.worker(&[]).await;
        let refused = fired(&site, "s", 1).await;
        assert!(
            matches!(&refused[0].outcome, FireOutcome::Refused(why) if why.contains("`app`")),
            "{refused:?}"
        );
        site.push("app", &Guest::new(ECHO).build()).await;
        until("it makes jobs again", || async {
            let fires = fires(&site, "s").await;
            matches!(fires[0].outcome, FireOutcome::Job(_)).then_some(())
        })
        .await;
    }
);
