//! What tasks used.

use std::collections::BTreeMap;
use std::time::Duration;

use lovage_queue::broker::{BrokerError, Usage};
use lovage_queue::client::Client;
use lovage_queue::clock::{Millis, millis};
use serde::Serialize;
use utoipa::ToSchema;

use super::moment;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What usage is told apart by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageBy {
    /// The days.
    #[default]
    Day,
    /// The tasks.
    Task,
}

/// What attempts used, all together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = Usage)]
pub struct UsageView {
    /// The day in UTC, as in `2026-07-24`, where it is told by days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// `module.task`, where it is told by tasks; empty for those beyond the first 200 of a
    /// day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// How many they were, whatever came of them.
    pub attempts: u64,
    /// Their CPU time, in seconds.
    pub cpu: f64,
    /// The most memory of each times how long it ran, in MiB times seconds.
    pub memory_time: f64,
    /// The fuel that they burnt.
    pub fuel: u64,
    /// For how many seconds they ran.
    pub seconds: f64,
}

impl UsageView {
    fn add(&mut self, it: &Usage) {
        self.attempts += it.attempts;
        self.cpu += it.cpu.as_secs_f64();
        self.memory_time += it.memory_time as f64 / (1024.0 * 1000.0);
        self.fuel = self.fuel.saturating_add(it.fuel);
        self.seconds += it.ran.as_secs_f64();
    }
}

/// What was used on so many days, the day of now included.
///
/// # Errors
/// The broker's own.
pub async fn usage(client: &Client, days: u32, by: UsageBy) -> Result<Vec<UsageView>, BrokerError> {
    let (broker, tenant) = (client.broker(), client.tenant());
    let now = broker.time(tenant).await?;
    let from = now.0.saturating_sub(millis(DAY * days.saturating_sub(1)));
    let used = broker.usage(tenant, Millis(from), days).await?;
    Ok(sums(&used, by))
}

fn sums(used: &[Usage], by: UsageBy) -> Vec<UsageView> {
    let mut sums = BTreeMap::new();
    for it in used {
        let (day, task) = match by {
            UsageBy::Day => (Some(date(it.day)), None),
            UsageBy::Task => (None, Some(it.task.clone())),
        };
        let sum = sums
            .entry((day.clone(), task.clone()))
            .or_insert_with(|| UsageView {
                day,
                task,
                ..UsageView::default()
            });
        sum.add(it);
    }
    sums.into_values().collect()
}

fn date(day: Millis) -> String {
    let moment = moment(day);
    moment.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_summed_by_day_or_by_task() {
        let of = |day: u64, task: &str| Usage {
            day: Millis(1_784_851_200_000 + day * millis(DAY)),
            task: task.into(),
            attempts: 2,
            cpu: Duration::from_millis(500),
            memory_time: 2 * 1024 * 1000,
            fuel: 7,
            ran: Duration::from_secs(1),
        };
        let used = [of(0, "m.a"), of(0, "m.b"), of(1, "m.b")];
        let days = sums(&used, UsageBy::Day);
        let told = |it: &UsageView| (it.attempts, it.cpu, it.memory_time, it.fuel, it.seconds);
        assert_eq!(days[0].day.as_deref(), Some("2026-07-24"));
        assert_eq!(told(&days[0]), (4, 1.0, 4.0, 14, 2.0));
        assert_eq!(told(&days[1]), (2, 0.5, 2.0, 7, 1.0));
        let tasks = sums(&used, UsageBy::Task);
        assert_eq!(tasks[1].task.as_deref(), Some("m.b"));
        assert_eq!((told(&tasks[1]), tasks.len()), (told(&days[0]), 2));
    }
}
