//! Triggers and how they combine.

use super::*;

fn all<const N: usize>(members: [Trigger; N]) -> Trigger {
    Trigger::All(members.into())
}

fn any<const N: usize>(members: [Trigger; N]) -> Trigger {
    Trigger::Any(members.into())
}

fn never(_: &crate::task::TaskName) -> Option<Millis> {
    None
}

#[test]
fn a_period_counts_from_the_epoch_or_from_where_it_is_told() {
    let expected = ["2026-01-01T00:05Z", "2026-01-01T00:10Z"];
    assert_eq!(fires(&every(300), "2026-01-01T00:01:23Z", 2), expected);
    let shifted = Trigger::Every {
        period: Duration::from_secs(300),
        from: Some(at("2026-01-01T01:02Z")),
    };
    let expected = ["2026-01-01T01:02Z", "2026-01-01T01:07Z"];
    assert_eq!(fires(&shifted, "2025-06-01T00:00Z", 2), expected);
}

#[test]
fn once_is_once_and_what_is_too_far_off_is_never() {
    let once = Trigger::At(at("2026-01-01T00:00Z"));
    assert_eq!(fires(&once, "2025-12-31T00:00Z", 2), ["2026-01-01T00:00Z"]);
    assert_eq!(
        once.next(at("2014-01-01T00:00Z")),
        None,
        "more than ten years"
    );
    assert_eq!(once.next(Millis(u64::MAX)), None);
    assert_eq!(every(60).next(Millis(u64::MAX - 1)), None);
    assert_eq!(cron("* * * * *").next(Millis(u64::MAX - 1)), None);
}

#[test]
fn any_is_the_union_and_a_shared_time_is_one_fire() {
    let both = any([
        cron("0 6 * * *"),
        cron("0 6,18 * * *"),
        Trigger::At(at("2026-01-01T07:30Z")),
    ]);
    assert_eq!(
        fires(&both, "2026-01-01T00:00Z", 4),
        [
            "2026-01-01T06:00Z",
            "2026-01-01T07:30Z",
            "2026-01-01T18:00Z",
            "2026-01-02T06:00Z"
        ]
    );
}

#[test]
fn all_takes_the_times_of_the_first_at_which_the_others_hold() {
    // A cron line holds for its whole minute: so every 20 s within it.
    let in_that_minute = all([every(20), cron("30 9 * * *")]);
    assert_eq!(
        fires(&in_that_minute, "2026-01-01T00:00Z", 4),
        [
            "2026-01-01T09:30Z",
            "2026-01-01T09:30:20Z",
            "2026-01-01T09:30:40Z",
            "2026-01-02T09:30Z"
        ]
    );
    let in_that_second = all([every(20), cron("20 30 9 * * *")]);
    assert_eq!(
        fires(&in_that_second, "2026-01-01T00:00Z", 1),
        ["2026-01-01T09:30:20Z"]
    );
    // A period holds at its own instants, a moment from then on.
    let instants = all([cron("0 * * * *"), every(7 * 3_600)]);
    assert_eq!(
        fires(&instants, "1970-01-01T00:00Z", 2),
        ["1970-01-01T07:00Z", "1970-01-01T14:00Z"]
    );
    let later = all([cron("0 9 * * *"), Trigger::At(at("2026-03-01T09:00Z"))]);
    assert_eq!(fires(&later, "2026-01-01T00:00Z", 1), ["2026-03-01T09:00Z"]);
}

#[test]
fn conditions_nest() {
    // In the evening on Fridays, or at noon on the first of a month.
    let nested = all([
        every(3_600),
        any([
            all([cron("* 18-20 * * *"), cron("* * * * FRI")]),
            cron("* 12 1 * *"),
        ]),
    ]);
    assert_eq!(
        fires(&nested, "2026-01-01T00:00Z", 5),
        [
            "2026-01-01T12:00Z",
            "2026-01-02T18:00Z",
            "2026-01-02T19:00Z",
            "2026-01-02T20:00Z",
            "2026-01-09T18:00Z"
        ]
    );
}

#[test]
fn what_never_agrees_ends_in_a_bounded_time() {
    let shifted = Trigger::Every {
        period: Duration::from_secs(1),
        from: Some(Millis(500)),
    };
    let months = |months: &str| cron(&format!("* * * {months} *"));
    for trigger in [
        all([every(1), shifted.clone()]),
        all([every(1), cron("0 0 30 2 *")]),
        all([every(1), cron("*/2 * * * *"), cron("1-59/2 * * * *")]),
        all([every(1), months("1-6"), months("7-12")]),
        all([
            all([every(1), shifted]),
            all([cron("*/2 * * * *"), cron("1-59/2 * * * *")]),
        ]),
        all([any([cron("0 0 29 2 *"), every(1)]), cron("0 0 30 2 *")]),
        Trigger::Any(vec![cron("0 0 30 2 *"); 64]),
    ] {
        let begin = processor_time();
        assert_eq!(trigger.next(at("2026-01-01T00:00Z")), None, "{trigger}");
        // Most of it is for a busy host, whose processor is slower for each.
        let took = processor_time() - begin;
        assert!(took < Duration::from_millis(400), "{trigger}: {took:?}");
    }
}

#[test]
fn a_completion_counts_on_its_zones_day_and_not_before_it_happened() {
    let due = at("2026-01-01T22:30Z");
    let now = at("2026-01-02T08:00Z");
    let utc = all([cron("30 22 * * *"), completed("etl", "UTC")]);
    let berlin = all([cron("30 22 * * *"), completed("etl", "Europe/Berlin")]);
    let holds = |trigger: &Trigger, done: &str| {
        let done = at(done);
        trigger.holds(due, now, &|task| {
            (task.to_string() == "m.etl").then_some(done)
        })
    };
    assert!(holds(&utc, "2026-01-01T00:00Z"));
    assert!(holds(&utc, "2026-01-01T23:59Z"), "after it was due");
    assert!(!holds(&utc, "2026-01-02T00:00Z"), "the next day");
    assert!(!holds(&utc, "2025-12-31T23:59Z"), "the day before");
    // In Berlin it is 23:30 on the 1st.
    assert!(holds(&berlin, "2025-12-31T23:00Z"));
    assert!(!holds(&berlin, "2026-01-01T23:00Z"));
    let ahead = at("2026-01-01T22:45Z");
    assert!(
        !utc.holds(due, at("2026-01-01T22:40Z"), &|_| Some(ahead)),
        "not yet"
    );
    assert!(!utc.holds(due, now, &never));
    assert!(
        every(1).holds(Millis(17), now, &never),
        "nothing is waited for"
    );
}

#[test]
fn only_the_branch_that_fires_has_its_conditions_asked() {
    let trigger = any([
        all([cron("0 9 * * *"), completed("etl", "UTC")]),
        cron("0 9 1 * *"),
        all([
            cron("0 12 * * *"),
            any([completed("a", "UTC"), cron("* * * * SAT")]),
        ]),
    ]);
    let holds = |at_: &str| trigger.holds(at(at_), at("2027-01-01T00:00Z"), &never);
    assert!(!holds("2026-01-02T09:00Z"));
    assert!(holds("2026-02-01T09:00Z"), "the first of the month, anyway");
    assert!(!holds("2026-01-02T12:00Z"));
    assert!(holds("2026-01-03T12:00Z"), "a Saturday");
    let names: Vec<_> = trigger.requires().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["m.a", "m.etl"]);
    // For the search, it is as if all had completed.
    assert_eq!(
        trigger.next(at("2026-01-02T00:00Z")),
        Some(at("2026-01-02T09:00Z"))
    );
}

#[test]
fn a_trigger_says_in_a_line_what_it_is() {
    let shifted = Trigger::Every {
        period: Duration::from_millis(90_061_500),
        from: Some(at("2026-01-01T00:00Z")),
    };
    let sunset = Trigger::Sun {
        event: SunEvent::Sunset,
        latitude: 52.5,
        longitude: 13.4,
    };
    for (trigger, expected) in [
        (every(300), "every 5m"),
        (shifted, "every 1d1h1m1s500ms from 2026-01-01T00:00:00Z"),
        (
            cron_in("0 9 * * MON-FRI", "Europe/Berlin"),
            "cron \"0 9 * * MON-FRI\" Europe/Berlin",
        ),
        (
            Trigger::At(at("2026-01-01T00:00Z")),
            "at 2026-01-01T00:00:00Z",
        ),
        (
            any([every(60), sunset.clone()]),
            "every 1m or sunset at 52.5, 13.4",
        ),
        (
            all([
                any([every(60), every(90)]),
                cron("* 9 * * *"),
                completed("etl", "UTC"),
            ]),
            "(every 1m or every 1m30s), where cron \"* 9 * * *\" UTC and m.etl has completed that day (UTC)",
        ),
        (all([sunset]), "sunset at 52.5, 13.4"),
    ] {
        assert_eq!(trigger.to_string(), expected);
    }
}

#[test]
fn a_stored_schedule_reads_back_and_takes_fields_of_other_releases() {
    let mut full = schedule(all([
        any([
            every(5),
            cron_in("@daily", "Asia/Tokyo"),
            Trigger::At(Millis(17)),
        ]),
        completed("etl", "UTC"),
    ]));
    full.start = Some(Millis(1));
    full.jitter = Duration::from_secs(3);
    full.catch_up = CatchUp::All(7);
    full.overlap = Overlap::Replace;
    full.call.priority = Some(9);
    full.call.options.max_attempts = Some(2);
    let stored = rmp_serde::to_vec_named(&full).unwrap();
    assert_eq!(rmp_serde::from_slice::<Schedule>(&stored).unwrap(), full);
    let least = serde_json::json!({
        "name": "a", "colour": "of a later release",
        "trigger": {"cron": {"line": "@daily"}},
        "call": {"module": "m", "task": "t"},
    });
    let least: Schedule = rmp_serde::from_slice(&rmp_serde::to_vec_named(&least).unwrap()).unwrap();
    assert_eq!(least.trigger, cron("@daily"));
    assert_eq!(
        (least.catch_up, least.overlap),
        (CatchUp::Last, Overlap::Allow)
    );
}

#[test]
fn jitter_is_even_and_the_same_for_everyone() {
    let mut one = schedule(every(60));
    assert_eq!(one.begins(Millis(60_000)), Millis(60_000));
    one.jitter = Duration::from_millis(9);
    let mut count = [0; 10];
    for minute in 0..10_000 {
        let fire = Millis(minute * 60_000);
        let begins = one.begins(fire);
        assert_eq!(begins, one.clone().begins(fire));
        count[(begins.0 - fire.0) as usize] += 1;
    }
    assert!(
        count.iter().all(|it| (850..1_150).contains(it)),
        "{count:?}"
    );
    let mut other = one.clone();
    other.name = "other".into();
    let same = (0..1_000).filter(|it| one.begins(Millis(*it)) == other.begins(Millis(*it)));
    assert!(same.count() < 200, "schedules are drawn for apart");
    assert_eq!(one.idempotency(Millis(17)), "schedule:m.t@17");
    one.jitter = Duration::MAX;
    one.begins(Millis(u64::MAX));
}
