//! What is due after a while: on time, late, waiting, and far too much.

use super::*;
use crate::task::TaskName;

fn never(_: &TaskName) -> Option<Millis> {
    None
}

fn plan(schedule: &Schedule, due: &str, now: &str) -> Plan {
    schedule.plan(at(due), at(now), None, &never)
}

fn texts(fires: &[Millis]) -> Vec<String> {
    fires.iter().copied().map(text).collect()
}

/// Each hour, and a task to wait for.
fn conditional() -> Schedule {
    schedule(Trigger::All(vec![
        cron("0 * * * *"),
        completed("etl", "UTC"),
    ]))
}

#[test]
fn a_fire_on_time_goes_and_the_next_is_known() {
    let hourly = schedule(cron("0 * * * *"));
    for (now, catch_up) in [
        ("2026-01-01T09:00Z", CatchUp::None),
        ("2026-01-01T09:00:10Z", CatchUp::None),
        ("2026-01-01T09:00:10Z", CatchUp::Last),
        ("2026-01-01T09:30Z", CatchUp::Last),
    ] {
        let mut hourly = hourly.clone();
        hourly.catch_up = catch_up;
        let plan = plan(&hourly, "2026-01-01T09:00Z", now);
        assert_eq!(texts(&plan.fires), ["2026-01-01T09:00Z"], "{now}");
        assert_eq!((plan.missed, plan.waiting), (0, None));
        assert_eq!(plan.next, Some(at("2026-01-01T10:00Z")));
    }
    let early = plan(&hourly, "2026-01-01T09:00Z", "2026-01-01T08:59:59.999Z");
    assert_eq!(early.fires, []);
    assert_eq!(early.next, Some(at("2026-01-01T09:00Z")));
}

#[test]
fn each_policy_after_an_outage() {
    let mut hourly = schedule(cron("0 * * * *"));
    for (catch_up, now, expected, missed) in [
        (CatchUp::None, "2026-01-01T12:30Z", "", 4),
        (
            CatchUp::None,
            "2026-01-01T12:00:10Z",
            "2026-01-01T12:00Z",
            3,
        ),
        (CatchUp::None, "2026-01-01T12:00:10.001Z", "", 4),
        (CatchUp::Last, "2026-01-01T12:30Z", "2026-01-01T12:00Z", 3),
        (
            CatchUp::Last,
            "2026-01-01T12:00:05Z",
            "2026-01-01T12:00Z",
            3,
        ),
        (
            CatchUp::All(2),
            "2026-01-01T12:30Z",
            "2026-01-01T11:00Z 2026-01-01T12:00Z",
            2,
        ),
        // What is on time goes beside those.
        (
            CatchUp::All(2),
            "2026-01-01T12:00:05Z",
            "2026-01-01T10:00Z 2026-01-01T11:00Z 2026-01-01T12:00Z",
            1,
        ),
        (
            CatchUp::All(100),
            "2026-01-01T12:30Z",
            "2026-01-01T09:00Z 2026-01-01T10:00Z 2026-01-01T11:00Z 2026-01-01T12:00Z",
            0,
        ),
    ] {
        hourly.catch_up = catch_up;
        let plan = plan(&hourly, "2026-01-01T09:00Z", now);
        assert_eq!(
            texts(&plan.fires).join(" "),
            expected,
            "{catch_up:?} at {now}"
        );
        assert_eq!(plan.missed, missed, "{catch_up:?} at {now}");
    }
}

#[test]
fn all_that_is_on_time_goes() {
    let mut quick = schedule(every(3));
    quick.catch_up = CatchUp::None;
    let plan = plan(&quick, "2026-01-01T00:00Z", "2026-01-01T00:01Z");
    assert_eq!(
        texts(&plan.fires),
        [
            "2026-01-01T00:00:51Z",
            "2026-01-01T00:00:54Z",
            "2026-01-01T00:00:57Z",
            "2026-01-01T00:01Z"
        ]
    );
    assert_eq!(plan.missed, 17);
}

#[test]
fn start_and_end_are_part_of_it() {
    let mut hourly = schedule(cron("0 * * * *"));
    hourly.catch_up = CatchUp::All(100);
    hourly.start = Some(at("2026-01-01T10:00Z"));
    hourly.end = Some(at("2026-01-01T12:00Z"));
    assert_eq!(
        hourly.first(at("2026-01-01T00:00Z")),
        Some(at("2026-01-01T10:00Z"))
    );
    assert_eq!(
        hourly.first(at("2026-01-01T12:00Z")),
        Some(at("2026-01-01T12:00Z"))
    );
    assert_eq!(hourly.first(at("2026-01-01T12:00:00.001Z")), None);
    let over = plan(&hourly, "2026-01-01T08:00Z", "2026-01-01T15:30Z");
    let expected = [
        "2026-01-01T10:00Z",
        "2026-01-01T11:00Z",
        "2026-01-01T12:00Z",
    ];
    assert_eq!(texts(&over.fires), expected);
    assert_eq!((over.missed, over.next), (0, None));
    let before = plan(&hourly, "2026-01-01T08:00Z", "2026-01-01T09:30Z");
    assert_eq!(
        (before.fires, before.next),
        (vec![], Some(at("2026-01-01T10:00Z")))
    );
}

#[test]
fn a_fire_waits_until_its_task_has_completed() {
    let hourly = conditional();
    let due = plan(&hourly, "2026-01-01T09:00Z", "2026-01-01T09:00:01Z");
    assert_eq!(due.waiting, Some(at("2026-01-01T09:00Z")));
    assert_eq!((due.fires, due.missed), (vec![], 0));
    let next = due.next.unwrap();
    let done = at("2026-01-01T09:20Z");
    // It is far too late by then, and goes all the same.
    let met = hourly.plan(next, at("2026-01-01T09:30Z"), due.waiting, &|_| Some(done));
    assert_eq!(texts(&met.fires), ["2026-01-01T09:00Z"]);
    assert_eq!((met.missed, met.waiting, met.next), (0, None, Some(next)));
}

#[test]
fn a_later_fire_takes_the_place_of_one_that_waits() {
    let hourly = conditional();
    let waiting = Some(at("2026-01-01T09:00Z"));
    let (due, now) = (at("2026-01-01T10:00Z"), at("2026-01-01T10:00:01Z"));
    let still = hourly.plan(due, now, waiting, &never);
    assert_eq!((still.missed, still.waiting), (1, Some(due)));
    // Both hold by now: both go.
    let done = at("2026-01-01T09:59Z");
    let both = hourly.plan(due, now, waiting, &|_| Some(done));
    assert_eq!(
        texts(&both.fires),
        ["2026-01-01T09:00Z", "2026-01-01T10:00Z"]
    );
    // The one of yesterday does not.
    let yesterday = Some(at("2025-12-31T23:00Z"));
    let one = hourly.plan(due, now, yesterday, &|_| Some(done));
    assert_eq!(
        (texts(&one.fires).join(" "), one.missed),
        ("2026-01-01T10:00Z".into(), 1)
    );
    // Even one that the policy drops takes its place.
    let mut strict = conditional();
    strict.catch_up = CatchUp::None;
    let dropped = strict.plan(due, at("2026-01-01T10:30Z"), waiting, &never);
    assert_eq!((dropped.missed, dropped.waiting), (2, None));
}

#[test]
fn of_late_fires_the_newest_waits() {
    let mut hourly = conditional();
    hourly.catch_up = CatchUp::All(3);
    let due = plan(&hourly, "2026-01-01T09:00Z", "2026-01-01T12:30Z");
    assert_eq!((due.fires, due.missed), (vec![], 3));
    assert_eq!(due.waiting, Some(at("2026-01-01T12:00Z")));
    // Those of the day of the completion go, the later ones wait.
    let done = at("2026-01-01T23:30Z");
    let over = |due, now| hourly.plan(at(due), at(now), None, &|_| Some(done));
    let mixed = over("2026-01-01T22:00Z", "2026-01-02T00:30Z");
    assert_eq!(
        texts(&mixed.fires),
        ["2026-01-01T22:00Z", "2026-01-01T23:00Z"]
    );
    assert_eq!(
        (mixed.missed, mixed.waiting),
        (0, Some(at("2026-01-02T00:00Z")))
    );
}

#[test]
fn what_can_no_longer_hold_is_given_up() {
    let mut once = conditional();
    once.trigger = Trigger::All(vec![
        Trigger::At(at("2026-01-01T09:00Z")),
        completed("etl", "UTC"),
    ]);
    let waiting = Some(at("2026-01-01T09:00Z"));
    let over = |now| once.plan(at("2026-01-01T09:01Z"), at(now), waiting, &never);
    let still = over("2026-01-03T08:00Z");
    assert_eq!(
        (still.missed, still.waiting, still.next),
        (0, waiting, None)
    );
    let ended = over("2026-01-03T09:00:01Z");
    assert_eq!((ended.missed, ended.waiting, ended.next), (1, None, None));
    // Also where it was never looked at in time.
    let late = plan(&once, "2026-01-01T09:00Z", "2026-02-01T00:00Z");
    assert_eq!((late.missed, late.waiting), (1, None));
}

#[test]
fn a_long_outage_is_planned_in_a_bounded_time() {
    let many: Vec<_> = (0..64)
        .map(|it| Trigger::Every {
            period: Duration::from_secs(1),
            from: Some(Millis(it * 7)),
        })
        .collect();
    let (due, now) = ("2026-01-01T00:00Z", "2027-01-01T00:00:00.500Z");
    for trigger in [
        every(1),
        cron_in("* * * * * *", "Europe/Berlin"),
        // Most of a year away from the end.
        cron("* * * 1 1 *"),
        Trigger::All(vec![every(1), cron("* 2 * * *")]),
        Trigger::Any(many),
    ] {
        for catch_up in [CatchUp::None, CatchUp::Last, CatchUp::All(1_000)] {
            let mut busy = schedule(trigger.clone());
            busy.catch_up = catch_up;
            let begin = processor_time();
            let plan = plan(&busy, due, now);
            let took = processor_time() - begin;
            assert!(
                took < Duration::from_secs(2),
                "{trigger}, {catch_up:?}: {took:?}"
            );
            let late = |it: &&Millis| at(now).since(**it) > TOLERANCE;
            let on_time = plan.fires.len() - plan.fires.iter().filter(late).count();
            let expected = match catch_up {
                CatchUp::None => 0,
                CatchUp::Last => usize::from(on_time == 0),
                CatchUp::All(count) => count as usize,
            };
            assert_eq!(
                plan.fires.iter().filter(late).count(),
                expected,
                "{trigger}"
            );
            assert!(plan.missed >= 5_000, "{trigger}: {}", plan.missed);
        }
    }
}

#[test]
fn the_newest_are_kept_however_many_there_were() {
    // A burst each day: the newest are the last of yesterday's.
    let mut burst = schedule(cron("* 0-59 3 * * *"));
    burst.catch_up = CatchUp::All(3);
    let year = plan(&burst, "2026-01-01T00:00Z", "2026-12-31T02:00Z");
    assert_eq!(
        texts(&year.fires),
        [
            "2026-12-30T03:59:57Z",
            "2026-12-30T03:59:58Z",
            "2026-12-30T03:59:59Z"
        ]
    );
    // More than are left past what was counted: the rest is of that.
    let mut few = schedule(Trigger::All(vec![every(1), cron("* 0-2 1 1 *")]));
    few.catch_up = CatchUp::All(1_000);
    let year = plan(&few, "2026-01-01T00:00Z", "2026-06-01T00:00Z");
    assert_eq!(year.fires.len(), 1_000);
    assert_eq!(year.fires.last(), Some(&at("2026-01-01T02:59:59Z")));
    assert_eq!(
        year.missed,
        3 * 3_600 - 1_000,
        "exact, where it does not jump far"
    );
}
