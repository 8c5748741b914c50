//! What holds for any trigger.

use std::collections::BTreeSet;

use jiff::tz::{AmbiguousOffset, TimeZone};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

const MINUTE: u64 = 60_000;
const ZONES: &[&str] = &[
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Gaza",
    "America/Havana",
    "Africa/Casablanca",
];

/// A field as it is written, and the numbers that it means.
#[derive(Clone, Debug)]
struct Field(String, BTreeSet<i8>);

impl Field {
    fn is_star(&self) -> bool {
        self.0 == "*"
    }
}

fn field(low: i8, high: i8) -> impl Strategy<Value = Field> {
    let all: Vec<i8> = (low..=high).collect();
    prop_oneof![
        2 => Just(Field("*".into(), all.iter().copied().collect())),
        2 => subsequence(all, 1..4).prop_map(|numbers| {
            let texts: Vec<_> = numbers.iter().map(ToString::to_string).collect();
            Field(texts.join(","), numbers.into_iter().collect())
        }),
        1 => (low..=high, low..=high).prop_map(|(a, b)| {
            let (a, b) = (a.min(b), a.max(b));
            Field(format!("{a}-{b}"), (a..=b).collect())
        }),
        1 => (2..=high).prop_map(move |step| {
            let numbers = (low..=high).step_by(step as usize);
            Field(format!("*/{step}"), numbers.collect())
        }),
    ]
}

/// Minutes, hours, days, months, weekdays; dates mostly open, so that there are
/// fires within two days.
fn line() -> impl Strategy<Value = [Field; 5]> {
    let open = |low, high| prop_oneof![4 => Just(Field("*".into(), (low..=high).collect())), 1 => field(low, high)];
    (
        field(0, 59),
        field(0, 23),
        open(1, 31),
        open(1, 12),
        open(0, 6),
    )
        .prop_map(|(a, b, c, d, e)| [a, b, c, d, e])
}

fn matches(line: &[Field; 5], wall: jiff::civil::DateTime) -> bool {
    let [minute, hour, day, month, weekday] = line;
    let of_month = day.1.contains(&wall.day());
    let of_week = weekday.1.contains(&wall.weekday().to_sunday_zero_offset());
    let date = match (day.is_star(), weekday.is_star()) {
        (false, false) => of_month || of_week,
        _ => of_month && of_week,
    };
    date && minute.1.contains(&wall.minute())
        && hour.1.contains(&wall.hour())
        && month.1.contains(&wall.month())
}

/// Whether the minute is a fire, by looking at it and at what the clocks did to it.
fn fires_then(line: &[Field; 5], zone: &TimeZone, at: Millis) -> bool {
    let time = jiff::Timestamp::from_millisecond(at.0 as i64).unwrap();
    let wall = zone.to_datetime(time);
    if line[1].0.contains(['*', '/']) {
        return matches(line, wall);
    }
    let before = zone.to_offset(time - jiff::SignedDuration::from_secs(1));
    let mut skipped = before.to_datetime(time);
    while skipped < wall {
        if matches(line, skipped) {
            return true;
        }
        skipped += jiff::SignedDuration::from_mins(1);
    }
    let again = match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Fold { after, .. } => after == zone.to_offset(time),
        _ => false,
    };
    matches(line, wall) && !again
}

/// A minute of 2018 to 2030, often one close to where a zone's clocks change.
fn begin() -> impl Strategy<Value = (&'static str, Millis)> {
    let (low, high) = (at("2018-01-01T00:00Z").0, at("2030-01-01T00:00Z").0);
    (select(ZONES), low..high, any::<bool>(), 0..2 * 24 * 60_u64).prop_map(
        |(zone, time, near, back)| {
            let exact = jiff::Timestamp::from_millisecond(time as i64).unwrap();
            let change = TimeZone::get(zone).unwrap();
            let change = change.following(exact).next().filter(|_| near);
            let time = change.map_or(time, |it| {
                it.timestamp().as_millisecond() as u64 - back * MINUTE
            });
            (zone, Millis(time / MINUTE * MINUTE))
        },
    )
}

fn leaf() -> impl Strategy<Value = Trigger> {
    let zone = select(ZONES);
    prop_oneof![
        (1..100_000_u64, 0..100_000_u64).prop_map(|(period, from)| Trigger::Every {
            period: Duration::from_secs(period),
            from: Some(Millis(from)),
        }),
        (line(), zone)
            .prop_map(|(line, zone)| { cron_in(&line.map(|field| field.0).join(" "), zone) }),
        (at("2018-01-01T00:00Z").0..at("2030-01-01T00:00Z").0)
            .prop_map(|it| Trigger::At(Millis(it))),
        (select(SunEvent::ALL), -66.0..66.0, -180.0..180.0).prop_map(
            |(event, latitude, longitude)| Trigger::Sun {
                event,
                latitude,
                longitude,
            }
        ),
    ]
}

fn trigger() -> impl Strategy<Value = Trigger> {
    leaf().prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Trigger::Any),
            (inner, line()).prop_map(|(first, line)| {
                Trigger::All(vec![first, cron(&line.map(|field| field.0).join(" "))])
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_line_fires_at_the_minutes_that_a_walk_finds(line in line(), (zone, begin) in begin()) {
        let known = TimeZone::get(zone).unwrap();
        let end = Millis(begin.0 + 2 * 24 * 60 * MINUTE);
        let expected: Vec<_> = (begin.0 + MINUTE..=end.0)
            .step_by(MINUTE as usize)
            .map(Millis)
            .filter(|it| fires_then(&line, &known, *it))
            .map(text)
            .collect();
        let trigger = cron_in(&line.map(|field| field.0).join(" "), zone);
        let mut found = Vec::new();
        let mut fire = begin;
        while let Some(next) = trigger.next(fire).filter(|it| *it <= end) {
            found.push(text(next));
            fire = next;
        }
        prop_assert_eq!(found, expected, "{}", trigger);
    }

    #[test]
    fn the_next_fire_is_later_and_nothing_is_between(
        trigger in trigger(),
        (_, begin) in begin(),
        share in 0.0..1.0_f64,
    ) {
        let mut fire = begin;
        for _ in 0..5 {
            let Some(next) = trigger.next(fire) else { break };
            prop_assert!(next > fire);
            let between = Millis(fire.0 + ((next.0 - fire.0 - 1) as f64 * share) as u64);
            prop_assert_eq!(trigger.next(between), Some(next), "from {}", text(between));
            fire = next;
        }
    }

    #[test]
    fn no_fire_goes_twice_or_early_and_none_is_lost(
        trigger in trigger(),
        (_, begin) in begin(),
        waits in prop::collection::vec(0..100_000_u64, 1..30),
        catch_up in select(&[CatchUp::None, CatchUp::Last, CatchUp::All(3), CatchUp::All(1_000)]),
    ) {
        let mut schedule = schedule(trigger);
        schedule.catch_up = catch_up;
        let (mut now, mut due) = (begin, schedule.first(begin));
        let (mut last, mut count) = (None, 0);
        for wait in waits {
            let Some(first) = due else { break };
            // Often too early, sometimes late.
            now = Millis(now.0 + wait * wait % 50_000_000);
            let plan = schedule.plan(first, now, None, &|_| None);
            for fire in &plan.fires {
                prop_assert!(*fire >= first && *fire <= now);
                prop_assert!(last.is_none_or(|last| last < *fire), "twice");
                last = Some(*fire);
            }
            prop_assert!(plan.next.is_none_or(|next| next > now));
            count += plan.fires.len() as u64 + plan.missed;
            due = plan.next;
        }
        let (mut walked, mut fire) = (0, schedule.first(begin));
        while let Some(at) = fire.filter(|it| *it <= now) {
            walked += 1;
            fire = schedule.trigger.next(at);
        }
        prop_assert_eq!(count, walked, "gone or counted as missed");
    }
}
