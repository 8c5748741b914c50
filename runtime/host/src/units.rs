//! Spans and sizes as people write them: the queue's, since flows are written with them
//! too. And when a job may begin, and how long it is unique.

use lovage_queue::clock::Millis;
use lovage_queue::job::{Until, When};

pub use lovage_queue::units::{SPAN_PATTERN, Size, Span, UnitError, exact, short};

/// A time by the broker's clock, whatever this machine's says; or a span from
/// when the broker takes the job.
///
/// # Errors
/// What is neither, in words.
pub fn read_when(text: &str) -> Result<When, String> {
    if let Ok(Span(span)) = text.parse() {
        return Ok(When::In(span));
    }
    let time: jiff::Timestamp = text.trim().parse().map_err(|e| {
        format!("`{text}` is neither a time (2027-01-31T09:00:00Z) nor a span (10m): {e}")
    })?;
    // Zero stands for "never" in records, and what lies before it is past too.
    let at = u64::try_from(time.as_millisecond()).unwrap_or(0).max(1);
    Ok(When::At(Millis(at)))
}

/// How long a job is unique: until an event, or for a span.
///
/// # Errors
/// What is neither, in words.
pub fn read_until(text: &str) -> Result<Until, String> {
    match text {
        "start" => Ok(Until::Start),
        "done" => Ok(Until::Done),
        span => match span.parse() {
            Ok(Span(span)) => Ok(Until::For(span)),
            Err(_) => Err(format!(
                "`{span}` is neither `start`, `done` nor a span (10m)"
            )),
        },
    }
}

/// The header of a job that its tags stand in, with commas between them.
pub const TAGS: &str = "tags";
/// Tags of a job, and how long each may be.
const MAX_TAGS: usize = 20;
const MAX_TAG: usize = 64;

/// The most characters that an idempotency key may have.
const KEY: usize = 255;

/// An idempotency key as its user wrote it. An empty one is a slip: everybody's would be the same.
pub fn read_key(text: &str) -> Result<String, String> {
    match (1..=KEY).contains(&text.chars().count()) {
        true => Ok(text.to_owned()),
        false => Err(format!("an idempotency key has 1 to {KEY} characters")),
    }
}

/// What [`TAGS`] says where these are a job's; `None` where there are none.
///
/// # Errors
/// What is wrong with them, in words.
pub fn tag_list(tags: &[String]) -> Result<Option<String>, String> {
    let fits = |tag: &String| {
        (1..=MAX_TAG).contains(&tag.chars().count())
            && !tag.contains(|c: char| c == ',' || c.is_control())
    };
    match tags.len() <= MAX_TAGS && tags.iter().all(fits) {
        true => Ok((!tags.is_empty()).then(|| tags.join(","))),
        false => Err(format!(
            "a job has at most {MAX_TAGS} tags, each of 1 to {MAX_TAG} characters and without commas"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_is_the_brokers_and_a_span_counts_by_its_clock() {
        assert_eq!(read_when("10m"), Ok(When::In(Duration::from_secs(600))));
        let at = When::At(Millis(2_000));
        assert_eq!(read_when("1970-01-01T00:00:02Z"), Ok(at));
        assert_eq!(read_when("1970-01-01T01:00:02+01:00"), Ok(at));
        let past = When::At(Millis(1));
        assert_eq!(read_when("1969-12-31T00:00:00Z"), Ok(past), "never zero");
        for wrong in ["", "soon", "2027-01-31", "2027-01-31T09:00:00", "-5m"] {
            assert!(read_when(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn unique_is_until_an_event_or_for_a_span() {
        assert_eq!(read_until("start"), Ok(Until::Start));
        assert_eq!(read_until("90s"), Ok(Until::For(Duration::from_secs(90))));
        assert!(read_until("forever").unwrap_err().contains("`forever`"));
    }
}
