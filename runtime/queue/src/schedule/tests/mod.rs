//! The room's tests. Times are written in UTC, as `2026-03-29T01:00Z`.

mod check;
mod cron;
mod plan;
mod properties;
mod sun;
mod triggers;
mod zones;

use std::time::Duration;

use super::*;
use crate::clock::processor_time;

fn at(text: &str) -> Millis {
    let time: jiff::Timestamp = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
    Millis(time.as_millisecond() as u64)
}

fn text(at: Millis) -> String {
    let time = jiff::Timestamp::from_millisecond(at.0 as i64).unwrap();
    let text = time.to_string().replace('Z', "");
    format!("{}Z", text.strip_suffix(":00").unwrap_or(&text))
}

fn cron(line: &str) -> Trigger {
    cron_in(line, "UTC")
}

fn cron_in(line: &str, zone: &str) -> Trigger {
    Trigger::Cron {
        line: line.into(),
        zone: zone.into(),
    }
}

fn every(seconds: u64) -> Trigger {
    Trigger::Every {
        period: Duration::from_secs(seconds),
        from: None,
    }
}

fn completed(task: &str, zone: &str) -> Trigger {
    Trigger::Completed {
        module: "m".into(),
        task: task.into(),
        zone: zone.into(),
    }
}

fn schedule(trigger: Trigger) -> Schedule {
    Schedule::new("m.t", trigger, ScheduledCall::new("m", "t", vec![0x80]))
}

/// The first `count` fires after a time.
fn fires(trigger: &Trigger, after: &str, count: usize) -> Vec<String> {
    let mut after = at(after);
    let next = || {
        after = trigger.next(after)?;
        Some(text(after))
    };
    std::iter::from_fn(next).take(count).collect()
}
