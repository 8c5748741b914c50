//! A cron line by the wall clock, whatever zone that hangs in. `croner` reads it
//! and knows the dates; the search is here, so that it has bounds and no clock.
//!
//! The syntax is that of the Open Cron Pattern Specification (1.0 to 1.4):
//! five fields or six, names, lists, ranges, steps, `L`, `W`, `#`, `?` and `+`,
//! and the nicknames. Years are refused, and so are words in a field that has
//! none, which croner would take for numbers: `MON` as a month is January.

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::Date;

use super::times::Work;

const DAY: i64 = 86_400;
/// No line that says something is longer.
const MAX_LINE: usize = 256;
const EPOCH: Date = Date::constant(1970, 1, 1);

const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];
const MONTHS: &[&str] = &[
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "L"];
const MONTH_DAYS: &[&str] = &["L", "W"];

/// Wall-clock times, in seconds since the epoch as if it hung in UTC.
pub(super) struct Line {
    dates: croner::Cron,
    hours: u64,
    minutes: u64,
    seconds: u64,
    /// Whether it names its hours: neither `*` nor a step is in that field.
    /// Vixie cron looks at the minutes too; here `*/15 2 * * *` names its hour.
    pub(super) fixed: bool,
    /// For how long each of its times holds, in milliseconds: what its last
    /// field counts.
    pub(super) width: u64,
}

impl Line {
    /// Reads a line; the error is why it is none.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LINE {
            return Err(format!("it is longer than {MAX_LINE} bytes"));
        }
        let fields: Vec<String> = match text.trim().strip_prefix('@') {
            Some(_) => spelled_out(text.trim())?,
            None => text.trim(),
        }
        .split_whitespace()
        .map(str::to_uppercase)
        .collect();
        let hour = match fields.len() {
            5 => 1,
            6 => 2,
            other => return Err(format!("it has {other} fields: write 5, or 6 with seconds")),
        };
        check_words(&fields)?;
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed);
        // In croner, a last Sunday that is written `7L` never comes.
        let dates = parser.build().parse(&fields.join(" ").replace("7L", "0L"));
        let dates = dates.map_err(reason)?;
        let pattern = &dates.pattern;
        Ok(Line {
            hours: mask(24, |it| pattern.hour_match(it)),
            minutes: mask(60, |it| pattern.minute_match(it)),
            seconds: mask(60, |it| pattern.second_match(it)),
            fixed: !fields[hour].contains(['*', '/']),
            width: if fields.len() == 6 { 1_000 } else { 60_000 },
            dates,
        })
    }

    /// The first of its times at or after `from` and before `end`.
    pub(super) fn first(&self, from: i64, end: i64, work: &Work) -> Option<i64> {
        let mut day = from.div_euclid(DAY);
        let mut second = from.rem_euclid(DAY);
        let mut date = EPOCH
            .checked_add(jiff::Span::new().try_days(day).ok()?)
            .ok()?;
        while day.checked_mul(DAY)? < end {
            work.look()?;
            let month = date.month() as u32;
            // What is asked for exists, so neither match fails.
            let in_month = self.dates.pattern.month_match(month).unwrap_or(false);
            if in_month
                && self.comes(date)
                && let Some(at) = self.time(second)
            {
                return Some(day * DAY + at).filter(|at| *at < end);
            }
            // Months in which it never comes are one look each.
            let last = if in_month { date } else { date.last_of_month() };
            day += i64::from(last.day() - date.day()) + 1;
            (second, date) = (0, last.tomorrow().ok()?);
        }
        None
    }

    fn comes(&self, date: Date) -> bool {
        let (year, month, day) = (date.year().into(), date.month() as u32, date.day() as u32);
        let pattern = &self.dates.pattern;
        pattern.day_match(year, month, day).unwrap_or(false)
    }

    /// The first time of a day at or after a second of it.
    fn time(&self, second: i64) -> Option<i64> {
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        if bit(self.hours, hour) == Some(hour) {
            if bit(self.minutes, minute) == Some(minute)
                && let Some(at) = bit(self.seconds, second % 60)
            {
                return Some(hour * 3_600 + minute * 60 + at);
            }
            if let Some(minute) = bit(self.minutes, minute + 1) {
                return Some(hour * 3_600 + minute * 60 + bit(self.seconds, 0)?);
            }
        }
        let hour = bit(self.hours, hour + 1)?;
        Some(hour * 3_600 + bit(self.minutes, 0)? * 60 + bit(self.seconds, 0)?)
    }
}

fn spelled_out(nickname: &str) -> Result<&'static str, String> {
    let known = NICKNAMES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(nickname));
    let names: Vec<_> = NICKNAMES.iter().map(|(name, _)| *name).collect();
    match known {
        Some((_, line)) => Ok(line),
        None if nickname.eq_ignore_ascii_case("@reboot") => {
            Err("a queue has no start to fire at: enqueue a job instead".into())
        }
        None => Err(format!("the nicknames are {}", names.join(", "))),
    }
}

/// Refuses what croner lets pass: empty items, and words where they mean nothing.
fn check_words(fields: &[String]) -> Result<(), String> {
    for (index, field) in fields.iter().enumerate() {
        let words = match fields.len() - index {
            1 => WEEKDAYS,
            2 => MONTHS,
            3 => MONTH_DAYS,
            _ => &[],
        };
        if field.split(',').any(str::is_empty) {
            return Err(format!("an item of the list `{field}` is empty"));
        }
        for word in field.split(|c: char| !c.is_alphabetic()) {
            // The last Friday may be spelled `FRIL`.
            let last = word.strip_suffix('L').filter(|_| words == WEEKDAYS);
            if !word.is_empty() && !words.contains(&last.unwrap_or(word)) && last != Some("") {
                return Err(format!("`{word}` means nothing in the field `{field}`"));
            }
        }
    }
    Ok(())
}

/// Croner's own account, without the name of its kind.
fn reason(error: CronError) -> String {
    let text = match error {
        CronError::InvalidPattern(text)
        | CronError::IllegalCharacters(text)
        | CronError::ComponentError(text) => text,
        other => other.to_string(),
    };
    text.trim_end_matches('.').to_owned()
}

fn mask(count: u32, has: impl Fn(u32) -> Result<bool, CronError>) -> u64 {
    let set = (0..count).filter(|it| has(*it).unwrap_or(false));
    set.fold(0, |mask, it| mask | 1 << it)
}

/// The first number of a set at or after `from`, which is at most 60.
fn bit(mask: u64, from: i64) -> Option<i64> {
    let rest = mask >> from << from;
    (rest != 0).then(|| i64::from(rest.trailing_zeros()))
}
