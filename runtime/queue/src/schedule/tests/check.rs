//! What is refused, where, and with which words.

use super::*;

const NOW: &str = "2026-01-01T00:00Z";

fn refused(schedule: &Schedule) -> String {
    schedule.check(at(NOW)).unwrap_err().to_string()
}

#[test]
fn names_are_task_names_in_parts() {
    let long = format!("{0}.{0}.17", "m".repeat(64));
    for name in [
        "a",
        "images.thumbnail",
        "images.thumbnail.2",
        "0-a_b.c",
        &long,
    ] {
        assert_eq!(check_schedule_name(name), Ok(name));
    }
    let longer = "m".repeat(MAX_NAME + 1);
    for name in [
        "", ".", ".a", "a.", "a..b", "A", "a b", "-a", "a._b", "ä", &longer,
    ] {
        assert_eq!(
            check_schedule_name(name),
            Err(ScheduleError::Name(name.into()))
        );
    }
    let mut bad = schedule(every(60));
    bad.name = "A".into();
    assert!(refused(&bad).starts_with("`A` is no valid schedule name: "));
}

#[test]
fn a_trigger_is_refused_where_it_is_wrong() {
    let sun = |latitude, longitude| Trigger::Sun {
        event: SunEvent::Sunset,
        latitude,
        longitude,
    };
    let deep = (0..8).fold(every(60), |inner, _| Trigger::Any(vec![inner]));
    for (trigger, expected) in [
        (every(0), "every: its period is too short: take at least 1s"),
        (
            cron("0 9 * *"),
            "cron: `0 9 * *` is no cron line: it has 4 fields: write 5, or 6 with seconds",
        ),
        (
            Trigger::All(vec![every(60), cron("0 25 * * *")]),
            "all[1].cron: `0 25 * * *` is no cron line: Number out of bounds",
        ),
        (
            Trigger::Any(vec![
                every(60),
                Trigger::All(vec![cron_in("@daily", "Mars/Base")]),
            ]),
            "any[1].all[0].cron: no time zone is called `Mars/Base`: write an IANA name such as `Europe/Berlin`, or `UTC`",
        ),
        (
            cron_in("@daily", "Etc/Unknown"),
            "cron: no time zone is called `Etc/Unknown`: write an IANA name such as `Europe/Berlin`, or `UTC`",
        ),
        (
            Trigger::Any(vec![]),
            "any: it has no members: give it one, or leave it out",
        ),
        (
            Trigger::All(vec![]),
            "all: it has no members: give it one, or leave it out",
        ),
        (
            sun(91.0, 0.0),
            "sun: no such place: a latitude is -90 to 90 degrees, a longitude -180 to 180",
        ),
        (
            sun(0.0, f64::NAN),
            "sun: no such place: a latitude is -90 to 90 degrees, a longitude -180 to 180",
        ),
        (
            Trigger::All(vec![every(60), Trigger::Any(vec![sun(0.0, 0.0)])]),
            "all[1].any[0].sun: the sun is no condition: make it the first of `all`",
        ),
        (
            completed("etl", "UTC"),
            "completed: a task's completion says no time: put it behind the first of `all`",
        ),
        (
            Trigger::All(vec![Trigger::Any(vec![completed("etl", "UTC")])]),
            "all[0].any[0].completed: a task's completion says no time: put it behind the first of `all`",
        ),
        (
            Trigger::All(vec![every(60), completed("etl", "Nowhere")]),
            "all[1].completed: no time zone is called `Nowhere`: write an IANA name such as `Europe/Berlin`, or `UTC`",
        ),
        (
            Trigger::Any(vec![every(60); 65]),
            "any: it has 65 members: take at most 64",
        ),
        (
            deep.clone(),
            "any[0].any[0].any[0].any[0].any[0].any[0].any[0].any[0].every: it lies too deep: take at most 8 levels",
        ),
    ] {
        assert_eq!(refused(&schedule(trigger)), expected);
    }
    let Trigger::Any(inner) = deep else {
        unreachable!()
    };
    let fits = [
        inner[0].clone(),
        Trigger::Any(vec![every(60); 64]),
        Trigger::All(vec![every(60), Trigger::All(vec![completed("etl", "UTC")])]),
        sun(-90.0, 180.0),
    ];
    for trigger in &fits[..3] {
        assert_eq!(
            schedule(trigger.clone()).check(at(NOW)),
            Ok(()),
            "{trigger}"
        );
    }
    let wrong = Trigger::Completed {
        module: "M".into(),
        task: "t".into(),
        zone: "UTC".into(),
    };
    assert!(
        refused(&schedule(Trigger::All(vec![every(60), wrong])))
            .starts_with("all[1].completed: `M` is no")
    );
}

#[test]
fn what_never_fires_is_refused() {
    let never = |it: &Schedule| matches!(it.check(at(NOW)), Err(ScheduleError::Never(_)));
    assert!(never(&schedule(cron("0 0 30 2 *"))));
    assert!(never(&schedule(Trigger::At(at("2025-12-31T23:59Z")))));
    let mut short = schedule(cron("@daily"));
    short.start = Some(at("2026-01-01T00:01Z"));
    short.end = Some(at("2026-01-01T23:59Z"));
    assert!(never(&short));
    short.end = Some(at("2026-01-02T00:00Z"));
    assert_eq!(short.check(at(NOW)), Ok(()), "the end is part of it");
    // A moment that is over is no error beside one that is not.
    let passed = Trigger::Any(vec![Trigger::At(Millis(1)), every(60)]);
    assert_eq!(schedule(passed).check(at(NOW)), Ok(()));
    assert_eq!(
        schedule(Trigger::At(at(NOW))).check(at(NOW)),
        Ok(()),
        "now is not over"
    );
    assert_eq!(
        refused(&schedule(cron("0 0 30 2 *"))),
        "`cron \"0 0 30 2 *\" UTC` never fires from now on: between the schedule's start and its end, and within ten years, there is no such time"
    );
}

#[test]
fn settings_and_the_call_are_checked_too() {
    type Change = fn(&mut Schedule);
    let changes: [(Change, &str); 9] = [
        (
            |it| (it.start, it.end) = (Some(Millis(2)), Some(Millis(1))),
            "it ends before it starts: swap `start` and `end`",
        ),
        (
            |it| it.jitter = Duration::from_secs(86_401),
            "a jitter is at most a day",
        ),
        (
            |it| it.catch_up = CatchUp::All(0),
            "to catch up on 0 fires is to catch up on none",
        ),
        (
            |it| it.catch_up = CatchUp::All(1_001),
            "1001 fires are too many to catch up on: take at most 1000",
        ),
        (
            |it| it.call.priority = Some(10),
            "a priority of 10 is too high: take 0 to 9",
        ),
        (
            |it| it.call.module = "M".into(),
            "call: `M` is no valid module name: ",
        ),
        (
            |it| it.call.task = String::new(),
            "call: `` is no valid task name: ",
        ),
        (
            |it| it.call.queue = Some("a.b".into()),
            "call: `a.b` is no valid queue name: ",
        ),
        (
            |it| it.call.lane = "\0".into(),
            "call: a lane key takes at most 128 bytes ",
        ),
    ];
    for (change, expected) in changes {
        let mut bad = schedule(every(60));
        change(&mut bad);
        assert!(refused(&bad).starts_with(expected), "{}", refused(&bad));
    }
}

#[test]
fn what_a_check_refuses_never_fires_and_never_panics() {
    let deep = (0..50).fold(every(60), |inner, _| Trigger::All(vec![inner]));
    for trigger in [
        cron("nonsense"),
        cron_in("@daily", "Mars/Base"),
        Trigger::Any(vec![]),
        Trigger::All(vec![]),
        completed("etl", "UTC"),
        Trigger::All(vec![every(60), Trigger::Any(vec![])]),
        deep,
    ] {
        assert_eq!(trigger.next(at(NOW)), None);
        assert_eq!(
            schedule(trigger).plan(at(NOW), at(NOW), None, &|_| None),
            Plan::default()
        );
    }
    assert_eq!(
        every(0).next(Millis(5)),
        Some(Millis(6)),
        "as if it said 1 ms"
    );
}
