//! What a cron line may hold and what it may not, and where a search begins when
//! clocks change.

use super::*;
use crate::schedule::line::Line;

/// The first fires of a line after the start of 2026, a Thursday.
fn first(line: &str, count: usize) -> Vec<String> {
    fires(&cron(line), "2026-01-01T00:00Z", count)
}

#[test]
fn each_feature_of_a_line() {
    for (line, expected) in [
        ("5 4 * * *", "2026-01-01T04:05Z 2026-01-02T04:05Z"),
        (
            "1,30,59 0 * * *",
            "2026-01-01T00:01Z 2026-01-01T00:30Z 2026-01-01T00:59Z 2026-01-02T00:01Z",
        ),
        (
            "0 9-11 * * *",
            "2026-01-01T09:00Z 2026-01-01T10:00Z 2026-01-01T11:00Z 2026-01-02T09:00Z",
        ),
        (
            "*/20 * * * *",
            "2026-01-01T00:20Z 2026-01-01T00:40Z 2026-01-01T01:00Z",
        ),
        (
            "5-59/25 8 * * *",
            "2026-01-01T08:05Z 2026-01-01T08:30Z 2026-01-01T08:55Z 2026-01-02T08:05Z",
        ),
        (
            "5/25 8 * * *",
            "2026-01-01T08:05Z 2026-01-01T08:30Z 2026-01-01T08:55Z 2026-01-02T08:05Z",
        ),
        (
            "0 9 * * MON-FRI",
            "2026-01-01T09:00Z 2026-01-02T09:00Z 2026-01-05T09:00Z",
        ),
        (
            "0 9 * * sat,sun",
            "2026-01-03T09:00Z 2026-01-04T09:00Z 2026-01-10T09:00Z",
        ),
        (
            "0 9 * * FRI-SUN",
            "2026-01-02T09:00Z 2026-01-03T09:00Z 2026-01-04T09:00Z 2026-01-09T09:00Z",
        ),
        ("0 9 * * 7", "2026-01-04T09:00Z 2026-01-11T09:00Z"),
        (
            "0 9 1 feb-apr *",
            "2026-02-01T09:00Z 2026-03-01T09:00Z 2026-04-01T09:00Z 2027-02-01T09:00Z",
        ),
        (
            "0 0 L * *",
            "2026-01-31T00:00Z 2026-02-28T00:00Z 2026-03-31T00:00Z",
        ),
        ("0 0 * * FRI#2", "2026-01-09T00:00Z 2026-02-13T00:00Z"),
        ("0 0 * * 5#L", "2026-01-30T00:00Z 2026-02-27T00:00Z"),
        ("0 0 * * FRIL", "2026-01-30T00:00Z 2026-02-27T00:00Z"),
        ("0 0 * * 7L", "2026-01-25T00:00Z 2026-02-22T00:00Z"),
        // The 15th of February 2026 is a Sunday, the 1st too.
        (
            "0 0 15W * *",
            "2026-01-15T00:00Z 2026-02-16T00:00Z 2026-03-16T00:00Z",
        ),
        (
            "0 0 1W * *",
            "2026-02-02T00:00Z 2026-03-02T00:00Z 2026-04-01T00:00Z",
        ),
        ("0 12 ? * MON", "2026-01-05T12:00Z 2026-01-12T12:00Z"),
        ("0 12 1 * ?", "2026-01-01T12:00Z 2026-02-01T12:00Z"),
        // Either of two dates, or both at once.
        (
            "0 0 13 * FRI",
            "2026-01-02T00:00Z 2026-01-09T00:00Z 2026-01-13T00:00Z",
        ),
        (
            "0 0 13 * +FRI",
            "2026-02-13T00:00Z 2026-03-13T00:00Z 2026-11-13T00:00Z",
        ),
        ("0 0 29 2 *", "2028-02-29T00:00Z 2032-02-29T00:00Z"),
        (
            "15,45 30 6 * * *",
            "2026-01-01T06:30:15Z 2026-01-01T06:30:45Z 2026-01-02T06:30:15Z",
        ),
        ("*/30 * * * * *", "2026-01-01T00:00:30Z 2026-01-01T00:01Z"),
        ("  0   9 * * *  ", "2026-01-01T09:00Z"),
    ] {
        let expected: Vec<_> = expected.split(' ').collect();
        assert_eq!(first(line, expected.len()), expected, "{line}");
    }
}

#[test]
fn each_nickname_in_any_case() {
    for (line, expected) in [
        ("@hourly", "2026-01-01T01:00Z 2026-01-01T02:00Z"),
        ("@daily", "2026-01-02T00:00Z 2026-01-03T00:00Z"),
        ("@Midnight", "2026-01-02T00:00Z 2026-01-03T00:00Z"),
        ("@weekly", "2026-01-04T00:00Z 2026-01-11T00:00Z"),
        ("@monthly", "2026-02-01T00:00Z 2026-03-01T00:00Z"),
        ("@yearly", "2027-01-01T00:00Z 2028-01-01T00:00Z"),
        ("@ANNUALLY", "2027-01-01T00:00Z 2028-01-01T00:00Z"),
    ] {
        let expected: Vec<_> = expected.split(' ').collect();
        assert_eq!(first(line, 2), expected, "{line}");
    }
}

#[test]
fn what_is_no_line_is_refused_with_a_reason() {
    for (line, reason) in [
        ("", "it has 0 fields: write 5, or 6 with seconds"),
        ("* * * *", "it has 4 fields: write 5, or 6 with seconds"),
        (
            "0 0 0 1 1 * 2027",
            "it has 7 fields: write 5, or 6 with seconds",
        ),
        (
            "@reboot",
            "a queue has no start to fire at: enqueue a job instead",
        ),
        (
            "@often",
            "the nicknames are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly",
        ),
        ("60 * * * *", "Number out of bounds"),
        ("* 24 * * *", "Number out of bounds"),
        ("* * 32 * *", "Number out of bounds"),
        ("* * * 13 *", "Number out of bounds"),
        ("* * * * 8", "Number out of bounds"),
        ("30-10 * * * *", "Range out of bounds"),
        ("*/0 * * * *", "Step cannot be zero"),
        ("* * * * MON#6", "Nth specifier out of bounds"),
        ("1,,2 * * * *", "an item of the list `1,,2` is empty"),
        (", * * * *", "an item of the list `,` is empty"),
        ("0 9 * MON *", "`MON` means nothing in the field `MON`"),
        (
            "0 9 * * MONDAY",
            "`MONDAY` means nothing in the field `MONDAY`",
        ),
        ("L * * * *", "`L` means nothing in the field `L`"),
        (
            "0 9 * * JANFEB",
            "`JANFEB` means nothing in the field `JANFEB`",
        ),
        (
            "? * * * *",
            "CronPattern contains illegal character '?' in part '?'",
        ),
        (
            "0 9 +1 * *",
            "CronPattern contains illegal character '+' in part '+1'",
        ),
        (&"1,".repeat(200), "it is longer than 256 bytes"),
    ] {
        assert_eq!(Line::parse(line).err().as_deref(), Some(reason), "{line}");
    }
}

#[test]
fn dates_that_never_come_end_the_search_soon() {
    let begin = processor_time();
    for line in [
        "0 0 30 2 *",
        "0 0 31 4,6,9,11 *",
        "0 0 * * L",
        "0 0 30 2 +MON",
    ] {
        assert_eq!(cron(line).next(at("2026-01-01T00:00Z")), None, "{line}");
    }
    let took = processor_time() - begin;
    assert!(took < Duration::from_millis(200), "{took:?}");
}

#[test]
fn a_day_that_a_zone_skips_is_a_gap_like_any_other() {
    // Samoa went from the 29th to the 31st of December 2011.
    let daily = cron_in("0 9 * * *", "Pacific/Apia");
    assert_eq!(
        fires(&daily, "2011-12-29T00:00Z", 3),
        [
            "2011-12-29T19:00Z",
            "2011-12-30T10:00Z",
            "2011-12-30T19:00Z"
        ]
    );
}

#[test]
fn seconds_are_collapsed_into_one_fire_too() {
    let line = cron_in("*/20 15,30 2 * * *", "Europe/Berlin");
    assert_eq!(
        fires(&line, "2026-03-28T12:00Z", 2),
        ["2026-03-29T01:00Z", "2026-03-30T00:15Z"]
    );
    let first_pass = fires(&line, "2026-10-25T00:30:19Z", 3);
    assert_eq!(
        first_pass,
        [
            "2026-10-25T00:30:20Z",
            "2026-10-25T00:30:40Z",
            "2026-10-26T01:15Z"
        ]
    );
}

#[test]
fn a_search_may_begin_in_the_second_pass_and_at_the_change_itself() {
    let berlin = |line| cron_in(line, "Europe/Berlin");
    assert_eq!(
        fires(&berlin("45 2 * * *"), "2026-10-25T01:10Z", 1),
        ["2026-10-26T01:45Z"]
    );
    assert_eq!(
        fires(&berlin("45 * * * *"), "2026-10-25T01:10Z", 1),
        ["2026-10-25T01:45Z"]
    );
    assert_eq!(
        fires(&berlin("30 2 * * *"), "2026-03-29T00:59:59.999Z", 1),
        ["2026-03-29T01:00Z"]
    );
    assert_eq!(
        fires(&berlin("30 2 * * *"), "2026-03-29T01:00Z", 1),
        ["2026-03-30T00:30Z"]
    );
}

#[test]
fn a_step_in_the_hours_is_no_fixed_time_and_a_list_is() {
    let berlin = |line| cron_in(line, "Europe/Berlin");
    for (line, fire) in [
        ("30 */2 * * *", "2026-03-29T02:30Z"),
        ("30 0-23/2 * * *", "2026-03-29T02:30Z"),
        ("30 2,14 * * *", "2026-03-29T01:00Z"),
        ("30 1-4 * * *", "2026-03-29T01:00Z"),
        ("*/15 2 * * *", "2026-03-29T01:00Z"),
    ] {
        assert_eq!(
            fires(&berlin(line), "2026-03-29T00:45Z", 1),
            [fire],
            "{line}"
        );
    }
}
