//! What is kept for those who look on, and for the front door.

use std::time::Duration;

use lovage_queue::broker::{
    BrokerError, EVENTS_KEPT, Events, HISTORY_KEPT, LaneCounts, MAX_ENTRIES, MAX_ENTRY,
    MAX_ENTRY_NAME, MAX_EVENT, MAX_MINUTES, MAX_SERIES, MAX_TOLD, Minute, Shelf, Tally, USAGE_DAYS,
    Usage,
};
use lovage_queue::clock::Millis;
use lovage_queue::job::When;

use super::harness::{BEGIN, Bench, TENANT, Worker, at_once, secs};

/// A refusal's words.
fn refused<T: std::fmt::Debug>(answer: Result<T, BrokerError>) -> String {
    match answer {
        Err(BrokerError::Invalid(said)) => said,
        other => panic!("it was to be refused: {other:?}"),
    }
}

fn tally(queue: &str, task: &str) -> Tally {
    Tally {
        queue: queue.into(),
        task: task.into(),
        completed: 4,
        retried: 3,
        discarded: 2,
        cancelled: 1,
        ran: Duration::from_micros(1_500),
        waited: secs(3),
        waited_most: secs(2),
        fuel: 1_000_000,
        attempts: 10,
        cpu: Duration::from_micros(1_200),
        memory_time: 96,
    }
}

broker_test!(an_entry_is_kept_under_its_name, |b| async move {
    let shelf = Shelf::Tokens;
    assert_eq!(b.entry(TENANT, shelf, "ci").await.unwrap(), None);
    b.put_entry(TENANT, shelf, "ci", &[0, 255]).await.unwrap();
    b.put_entry(TENANT, shelf, "ann's", b"").await.unwrap();
    b.put_entry(TENANT, shelf, "ci", b"new").await.unwrap();
    let kept = b.entry(TENANT, shelf, "ci").await.unwrap();
    assert_eq!(kept.as_deref(), Some(&b"new"[..]));
    let all = b.entries(TENANT, shelf).await.unwrap();
    assert_eq!(
        all,
        [("ann's".into(), vec![]), ("ci".into(), b"new".into())]
    );
    assert!(b.remove_entry(TENANT, shelf, "ci").await.unwrap());
    assert!(!b.remove_entry(TENANT, shelf, "ci").await.unwrap());
    assert_eq!(b.entry(TENANT, shelf, "ci").await.unwrap(), None);
    assert_eq!(b.entries(TENANT, shelf).await.unwrap().len(), 1);
});

broker_test!(shelves_and_tenants_are_apart, |b| async move {
    let other = b.neighbours(2).remove(1);
    b.put_entry(TENANT, Shelf::Hooks, "it", b"1").await.unwrap();
    for (tenant, shelf) in [(TENANT, Shelf::Tokens), (&other, Shelf::Hooks)] {
        assert_eq!(b.entry(tenant, shelf, "it").await.unwrap(), None);
        assert!(b.entries(tenant, shelf).await.unwrap().is_empty());
        assert!(!b.remove_entry(tenant, shelf, "it").await.unwrap());
    }
    assert_eq!(b.entries(TENANT, Shelf::Hooks).await.unwrap().len(), 1);
});

broker_test!(an_entry_that_is_no_such_is_refused, |b| async move {
    let put = async |name: &str, bytes: &[u8]| {
        let put = b.put_entry(TENANT, Shelf::Hooks, name, bytes).await;
        refused(put)
    };
    let large = vec![0; MAX_ENTRY + 1];
    assert!(put("it", &large).await.contains("16385 bytes"));
    for name in ["", "a\nb", &"a".repeat(MAX_ENTRY_NAME + 1)] {
        assert!(put(name, b"").await.contains("1 to 255 bytes"), "{name:?}");
    }
    let put = b.put_entry("No Tenant", Shelf::Hooks, "it", b"").await;
    assert!(refused(put).contains("No Tenant"));
    assert!(b.entries(TENANT, Shelf::Hooks).await.unwrap().is_empty());
    let whole = &large[1..];
    b.put_entry(TENANT, Shelf::Hooks, "it", whole)
        .await
        .unwrap();
    let kept = b.entry(TENANT, Shelf::Hooks, "it").await.unwrap();
    assert_eq!(kept.as_deref(), Some(whole));
    assert_eq!(b.entry(TENANT, Shelf::Hooks, "").await.unwrap(), None);
});

broker_test!(a_full_shelf_takes_no_further_entry, |b| async move {
    for n in 0..MAX_ENTRIES {
        let name = format!("entry {n}");
        b.put_entry(TENANT, Shelf::Tokens, &name, b"")
            .await
            .unwrap();
    }
    let further = b.put_entry(TENANT, Shelf::Tokens, "further", b"").await;
    assert!(refused(further).contains("1000 tokens"));
    // What is there may change, and the other shelf has places of its own.
    b.put_entry(TENANT, Shelf::Tokens, "entry 0", b"new")
        .await
        .unwrap();
    b.put_entry(TENANT, Shelf::Hooks, "further", b"")
        .await
        .unwrap();
    b.remove_entry(TENANT, Shelf::Tokens, "entry 1")
        .await
        .unwrap();
    b.put_entry(TENANT, Shelf::Tokens, "further", b"")
        .await
        .unwrap();
    let all = b.entries(TENANT, Shelf::Tokens).await.unwrap();
    assert_eq!(all.len(), MAX_ENTRIES);
    assert!(all.is_sorted());
});

/// All that is known of an hour from a time on.
async fn hour(b: &Bench, from: Millis) -> Vec<Minute> {
    b.history(TENANT, from, MAX_MINUTES).await.unwrap()
}

broker_test!(tallies_of_a_minute_are_added_up, |b| async move {
    let more = Tally {
        waited: secs(5),
        waited_most: secs(5),
        ..tally("default", "basics.add")
    };
    let other = tally("default", "basics.sub");
    let one = [other.clone(), more.clone()];
    b.tell(TENANT, &one, &[]).await.unwrap();
    b.pass(secs(59));
    let again = [tally("default", "basics.add")];
    b.tell(TENANT, &again, &[]).await.unwrap();
    let sum = Tally {
        completed: 8,
        retried: 6,
        discarded: 4,
        cancelled: 2,
        ran: Duration::from_millis(3),
        waited: secs(8),
        waited_most: secs(5),
        fuel: 2_000_000,
        attempts: 20,
        cpu: Duration::from_micros(2_400),
        memory_time: 192,
        ..more
    };
    let minutes = [sum, other].map(|tally| Minute { at: BEGIN, tally });
    assert_eq!(hour(&b, BEGIN).await, minutes);
    let neighbour = b.neighbours(2).remove(1);
    assert!(b.history(&neighbour, BEGIN, 9).await.unwrap().is_empty());
});

broker_test!(a_look_at_the_history_is_of_its_minutes, |b| async move {
    let it = [tally("default", "basics.add")];
    let times: Vec<_> = [0, 60, 240].map(|at| Millis(BEGIN.0 + at * 1_000)).into();
    for wait in [secs(70), secs(180), secs(0)] {
        b.tell(TENANT, &it, &[]).await.unwrap();
        b.pass(wait);
    }
    let look = async |from: u64, minutes| {
        let history = b.history(TENANT, Millis(BEGIN.0 + from), minutes).await;
        let at = history.unwrap().into_iter().map(|it| it.at);
        at.collect::<Vec<_>>()
    };
    assert_eq!(look(0, 60).await, times);
    assert_eq!(look(0, 4).await, times[..2]);
    assert_eq!(look(0, 1).await, times[..1]);
    assert_eq!(look(0, 0).await, []);
    assert_eq!(
        look(59_999, 1).await,
        times[..1],
        "the minute that it lies in"
    );
    assert_eq!(look(60_000, 60).await, times[1..]);
    assert_eq!(look(300_000, 60).await, []);
    let end = b.history(TENANT, Millis(u64::MAX), 60).await;
    assert!(end.unwrap().is_empty());
    let long = b.history(TENANT, BEGIN, MAX_MINUTES + 1).await;
    assert!(refused(long).contains("at most 60 minutes"));
});

broker_test!(history_is_kept_for_a_week, |b| async move {
    let it = [tally("default", "basics.add")];
    b.tell(TENANT, &it, &[]).await.unwrap();
    b.pass(HISTORY_KEPT);
    assert_eq!(hour(&b, BEGIN).await.len(), 1);
    b.prune(b.home(), &Default::default(), 9).await.unwrap();
    assert_eq!(hour(&b, BEGIN).await.len(), 1);
    b.tell(TENANT, &it, &[]).await.unwrap();
    b.pass(secs(1));
    assert_eq!(hour(&b, BEGIN).await, []);
    b.prune(b.home(), &Default::default(), 9).await.unwrap();
    assert_eq!(hour(&b, BEGIN.after(HISTORY_KEPT)).await.len(), 1);
});

broker_test!(
    what_a_minute_has_no_place_for_is_told_of_all_of_it,
    |b| async move {
        let of = |n: usize| tally("default", &format!("basics.task-{n:03}"));
        let some: Vec<_> = (0..MAX_SERIES - 1).map(of).collect();
        b.tell(TENANT, &some, &[]).await.unwrap();
        let more: Vec<_> = (MAX_SERIES - 1..MAX_SERIES + 2).map(of).collect();
        b.tell(TENANT, &more, &[]).await.unwrap();
        b.tell(TENANT, &[of(0), of(999)], &[]).await.unwrap();
        let minute = hour(&b, BEGIN).await;
        assert_eq!(minute.len(), MAX_SERIES + 1);
        let of = |n: usize| (&*minute[n].tally.task, minute[n].tally.completed);
        assert_eq!((of(0), &*minute[0].tally.queue), (("", 12), ""));
        assert_eq!(of(1), ("basics.task-000", 8));
        assert_eq!(of(MAX_SERIES), ("basics.task-199", 4));
        // The next minute has as many places.
        b.pass(secs(60));
        b.tell(TENANT, &more, &[]).await.unwrap();
        assert_eq!(hour(&b, b.now()).await.len(), more.len());
    }
);

broker_test!(
    sums_that_are_too_large_stay_where_they_are,
    |b| async move {
        let large = Tally {
            fuel: u64::MAX,
            ran: Duration::MAX,
            ..tally("default", "basics.add")
        };
        for _ in 0..3 {
            b.tell(TENANT, std::slice::from_ref(&large), &[])
                .await
                .unwrap();
        }
        let sum = hour(&b, BEGIN).await.remove(0).tally;
        assert_eq!((sum.completed, sum.fuel), (12, 1 << 53));
        assert_eq!(sum.ran, Duration::from_micros(1 << 53));
    }
);

/// What the usage of a tally's task is, so many times.
fn used(day: u64, task: &str, times: u32) -> Usage {
    let it = tally("default", "basics.add");
    Usage {
        day: Millis(day_of(BEGIN) + day * DAY),
        task: task.into(),
        attempts: it.attempts * u64::from(times),
        cpu: it.cpu * times,
        memory_time: it.memory_time * u64::from(times),
        fuel: it.fuel * u64::from(times),
        ran: it.ran * times,
    }
}

const DAY: u64 = 24 * 3_600_000;

fn day_of(at: Millis) -> u64 {
    at.0 - at.0 % DAY
}

broker_test!(usage_is_kept_by_task_and_day, |b| async move {
    let tell = async |queue, task| b.tell(TENANT, &[tally(queue, task)], &[]).await.unwrap();
    tell("default", "basics.add").await;
    tell("other", "basics.add").await;
    tell("default", "basics.sub").await;
    let unrun = Tally {
        queue: "default".into(),
        task: "basics.never".into(),
        cancelled: 1,
        ..Tally::default()
    };
    b.tell(TENANT, &[unrun], &[]).await.unwrap();
    b.pass(Duration::from_millis(DAY));
    tell("default", "basics.add").await;
    let first = [used(0, "basics.add", 2), used(0, "basics.sub", 1)];
    let second = used(1, "basics.add", 1);
    let look = async |from, days| b.usage(TENANT, from, days).await.unwrap();
    assert_eq!(look(BEGIN, 1).await, first);
    let both = [&first[..], std::slice::from_ref(&second)].concat();
    assert_eq!(look(BEGIN, 2).await, both);
    assert_eq!(look(b.now(), 1).await, [second]);
    assert_eq!(look(BEGIN, 0).await, []);
    let neighbour = b.neighbours(2).remove(1);
    assert_eq!(b.usage(&neighbour, BEGIN, 2).await.unwrap(), []);
    // It goes in the end, and the minutes long before.
    b.pass(Duration::from_millis(DAY) * (USAGE_DAYS - 1));
    assert_eq!(look(BEGIN, USAGE_DAYS).await.len(), 1);
    let said = refused(b.usage(TENANT, BEGIN, USAGE_DAYS + 1).await);
    assert!(said.contains("400 days"), "{said}");
});

broker_test!(a_day_tells_so_many_tasks_apart, |b| async move {
    let of = |n: usize| tally("default", &format!("basics.task-{n:03}"));
    for some in [0..MAX_SERIES, MAX_SERIES..MAX_SERIES + 3] {
        // Minutes have as many places; a day is longer.
        b.tell(TENANT, &some.map(of).collect::<Vec<_>>(), &[])
            .await
            .unwrap();
        b.pass(secs(60));
    }
    let day = b.usage(TENANT, BEGIN, 1).await.unwrap();
    assert_eq!(day.len(), MAX_SERIES + 1);
    assert_eq!(day[0], used(0, "", 3));
});

broker_test!(what_is_told_wrongly_is_not_told_at_all, |b| async move {
    let right = tally("default", "basics.add");
    let event = vec![b"it happened".to_vec()];
    for (queue, task, word) in [
        ("", "basics.add", "queue"),
        ("No", "basics.add", "`No`"),
        ("default", "add", "`add`"),
        ("default", "", "``"),
    ] {
        let both = [right.clone(), tally(queue, task)];
        let said = refused(b.tell(TENANT, &both, &event).await);
        assert!(said.contains(word), "{said}");
    }
    let many = vec![right.clone(); MAX_TOLD + 1];
    assert!(refused(b.tell(TENANT, &many, &[]).await).contains("1001"));
    let many = vec![Vec::new(); MAX_TOLD + 1];
    assert!(refused(b.tell(TENANT, &[], &many).await).contains("1001"));
    let large = [vec![0; MAX_EVENT + 1]];
    let it = std::slice::from_ref(&right);
    assert!(refused(b.tell(TENANT, it, &large).await).contains("4097"));
    assert!(refused(b.tell("No Tenant", it, &event).await).contains("No Tenant"));
    assert!(hour(&b, BEGIN).await.is_empty());
    let cursor = b.events(TENANT, None, 9).await.unwrap().cursor;
    b.tell(TENANT, &[], &[]).await.unwrap();
    let events = b.events(TENANT, Some(&cursor), 9).await.unwrap();
    assert!(events.events.is_empty() && !events.missed);
});

fn bytes(events: &Events) -> Vec<&[u8]> {
    events.events.iter().map(|it| &*it.1).collect()
}

/// Tells of one event after the other.
async fn tell(b: &Bench, tenant: &str, events: &[&str]) {
    let events: Vec<_> = events.iter().map(|it| it.as_bytes().to_vec()).collect();
    b.tell(tenant, &[], &events).await.unwrap();
}

broker_test!(events_are_read_behind_a_cursor, |b| async move {
    let other = b.neighbours(2).remove(1);
    let start = b.events(TENANT, None, 9).await.unwrap();
    assert!(start.events.is_empty() && !start.missed);
    tell(&b, &other, &["theirs"]).await;
    tell(&b, TENANT, &["a", "b"]).await;
    let large = [vec![255; MAX_EVENT]];
    b.tell(TENANT, &[tally("default", "basics.add")], &large)
        .await
        .unwrap();
    assert_eq!(hour(&b, BEGIN).await.len(), 1, "told in one step");
    let all = b.events(TENANT, Some(&start.cursor), 9).await.unwrap();
    assert_eq!(bytes(&all), [b"a", b"b", &large[0][..]]);
    assert_eq!((all.missed, &all.cursor), (false, &all.events[2].0));
    // From page to page, and from the cursor of each event.
    let two = b.events(TENANT, Some(&start.cursor), 2).await.unwrap();
    assert_eq!(bytes(&two), [b"a", b"b"]);
    assert_eq!(two.cursor, all.events[1].0);
    let rest = b.events(TENANT, Some(&two.cursor), 2).await.unwrap();
    assert_eq!(bytes(&rest), [&large[0]]);
    let none = b.events(TENANT, Some(&rest.cursor), 2).await.unwrap();
    assert!(none.events.is_empty() && !none.missed);
    assert_eq!(none.cursor, rest.cursor);
    let none = b.events(TENANT, Some(&start.cursor), 0).await.unwrap();
    assert!(none.events.is_empty() && none.cursor == start.cursor);
    // Who begins now hears of what comes.
    let now = b.events(TENANT, None, 9).await.unwrap();
    assert_eq!((now.events.len(), &now.cursor), (0, &rest.cursor));
    tell(&b, TENANT, &["c"]).await;
    let next = b.events(TENANT, Some(&now.cursor), 9).await.unwrap();
    assert_eq!(bytes(&next), [b"c"]);
});

broker_test!(the_last_events_are_kept, |b| async move {
    let start = b.events(TENANT, None, 9).await.unwrap().cursor;
    tell(&b, TENANT, &["first"]).await;
    let first = b.events(TENANT, Some(&start), 9).await.unwrap();
    assert!(!first.missed);
    let mut told = 0;
    while told < EVENTS_KEPT + 2 * MAX_TOLD {
        let some = (told..told + MAX_TOLD).map(|n| n.to_string().into_bytes());
        b.tell(TENANT, &[], &some.collect::<Vec<_>>())
            .await
            .unwrap();
        told += MAX_TOLD;
    }
    for gone in [&start, &first.cursor] {
        let page = b.events(TENANT, Some(gone), u32::MAX).await.unwrap();
        assert!(page.missed, "both have left");
        assert_eq!(page.events.len(), MAX_TOLD);
        assert_eq!(page.cursor, page.events[MAX_TOLD - 1].0);
    }
    let (mut kept, mut cursor) = (Vec::new(), start);
    loop {
        let page = b.events(TENANT, Some(&cursor), 1_000).await.unwrap();
        assert_eq!(page.missed, kept.is_empty());
        if page.events.is_empty() {
            break;
        }
        kept.extend(page.events.into_iter().map(|it| it.1));
        cursor = page.cursor;
    }
    assert!((EVENTS_KEPT..EVENTS_KEPT + MAX_TOLD).contains(&kept.len()));
    let last = (told - kept.len()..told).map(|n| n.to_string().into_bytes());
    assert_eq!(kept, last.collect::<Vec<_>>());
});

broker_test!(what_is_no_cursor_is_refused, |b| async move {
    tell(&b, TENANT, &["a"]).await;
    for wrong in ["", "-", "+", "-1", "x", "1-x", "(1-1", "1 ", "1-1-1", "٣"] {
        let said = refused(b.events(TENANT, Some(wrong), 9).await);
        assert!(said.contains(&format!("`{wrong}`")), "{said}");
    }
});

broker_test!(
    a_cursor_of_another_store_shows_what_there_is,
    |b| async move {
        let other = b.neighbours(2).remove(1);
        tell(&b, &other, &["a", "b"]).await;
        let later = b.events(&other, None, 0).await.unwrap().cursor;
        let none = b.events(TENANT, Some(&later), 9).await.unwrap();
        assert!(none.missed && none.events.is_empty());
        let fresh = b.events(TENANT, None, 9).await.unwrap().cursor;
        assert_eq!(none.cursor, fresh, "it is missed once");
        tell(&b, TENANT, &["x"]).await;
        let found = b.events(TENANT, Some(&later), 9).await.unwrap();
        assert!(found.missed);
        assert_eq!(bytes(&found), [b"x"]);
    }
);

broker_test!(a_lane_says_what_waits_in_it, |b| async move {
    let lanes = ["b", "", "a", "b", "b"];
    let jobs = b.jobs_with(5, |n, job| {
        job.lane = lanes[n].into();
        job.priority = n as u8;
    });
    for job in &jobs {
        b.add(std::slice::from_ref(job)).await;
        b.pass(secs(1));
    }
    let later = b.jobs_with(1, |_, job| {
        job.lane = "later".into();
        job.eta = When::In(secs(9));
    });
    b.add(&later).await;
    let of = |lane: &str, available, at: u64| LaneCounts {
        lane: lane.into(),
        available,
        oldest: Some(BEGIN.after(secs(at))),
    };
    let all = [of("", 1, 1), of("a", 1, 2), of("b", 3, 0)];
    assert_eq!(b.lanes(TENANT, "default", 9).await.unwrap(), all);
    let one = b.lanes(TENANT, "default", 1).await.unwrap();
    assert!(one.len() == 1 && all.contains(&one[0]));
    assert!(b.lanes(TENANT, "other", 9).await.unwrap().is_empty());
    let other = b.neighbours(2).remove(1);
    assert!(b.lanes(&other, "default", 9).await.unwrap().is_empty());
    // What was cancelled does not wait.
    b.cancel(TENANT, &[jobs[0].id, jobs[2].id]).await.unwrap();
    let left = b.lanes(TENANT, "default", 9).await.unwrap();
    let oldest: Vec<_> = left.iter().map(|it| (&*it.lane, it.oldest)).collect();
    let at = |at| Some(BEGIN.after(secs(at)));
    assert_eq!(oldest, [("", at(1)), ("b", at(3))]);
});

broker_test!(a_lane_that_is_held_up_is_among_them, |b| async move {
    b.allow("task:basics.add", at_once(1)).await;
    b.hold("lane:default/a").await;
    let jobs = b.jobs_with(4, |n, job| match n {
        0 => job.lane = "a".into(),
        3 => job.task = "other".into(),
        _ => {}
    });
    b.add(&jobs).await;
    let worker = Worker::new(&b);
    assert_eq!(worker.claim_all_ids().await.len(), 2);
    let lanes = b.lanes(TENANT, "default", 9).await.unwrap();
    let found: Vec<_> = lanes.iter().map(|it| (&*it.lane, it.available)).collect();
    assert_eq!(found, [("", 1), ("a", 1)], "a limited task's is nobody's");
});
