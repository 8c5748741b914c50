//! The server's log of slow commands: which script keeps it longest from all others.

use std::time::Duration;

use redis::{Cmd, FromRedisValue, Value};

use super::connection::{Connection, unexpected};
use super::scripts;
use crate::broker::{LongStep, Result, StepWatch};

/// What is watched, and how many notes are kept: in microseconds, and so many that a
/// long one is not lost among them.
const SETTINGS: [(&str, &str); 2] = [
    ("slowlog-log-slower-than", "1000"),
    ("slowlog-max-len", "20000"),
];

/// A note's number, when it was taken, microseconds, the command as far as it is kept.
type Entry = (u64, u64, u64, Vec<Value>);

impl Connection {
    pub(super) async fn watch_steps(&self) -> Result<Option<StepWatch>> {
        let mut get = redis::cmd("CONFIG");
        get.arg("GET");
        SETTINGS.iter().for_each(|(name, _)| {
            get.arg(name);
        });
        // Who may not ask may not set either: a server that others run.
        let Ok(settings) = self.ask::<Vec<(String, String)>>(&get).await else {
            return Ok(None);
        };
        let newest = self.notes(1).await?;
        let since = newest.first().map_or(0, |it| it.0 + 1);
        let set = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(match self.set(&set).await {
            Ok(()) => Some(StepWatch { settings, since }),
            Err(_) => None,
        })
    }

    pub(super) async fn longest_step(&self, watch: StepWatch) -> Result<Option<LongStep>> {
        let notes = self.notes(-1).await?;
        self.set(&watch.settings).await?;
        let since = notes.into_iter().filter(|it| it.0 >= watch.since);
        // A command of a script may have a note of its own, beside the script's.
        let steps = since.filter_map(|(.., micros, command)| {
            Some(LongStep {
                name: script_of(&command)?.to_owned(),
                took: Duration::from_micros(micros),
            })
        });
        Ok(steps.max_by_key(|it| it.took))
    }

    /// The newest so many.
    async fn notes(&self, count: i64) -> Result<Vec<Entry>> {
        let mut get = redis::cmd("SLOWLOG");
        get.arg("GET").arg(count);
        let entries: Vec<Vec<Value>> = self.ask(&get).await?;
        let entry = |mut it: Vec<Value>| {
            it.truncate(4);
            redis::from_redis_value(Value::Array(it))
                .map_err(|e| unexpected("slowlog", &e.to_string()))
        };
        entries.into_iter().map(entry).collect()
    }

    async fn set(&self, settings: &[(String, String)]) -> Result<()> {
        let mut set = redis::cmd("CONFIG");
        set.arg("SET");
        for (name, value) in settings {
            set.arg(name).arg(value);
        }
        self.ask(&set).await
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let answer = self.plain(command).await?;
        redis::from_redis_value(answer).map_err(|e| unexpected("config", &e.to_string()))
    }
}

/// The operation whose script that is.
fn script_of(command: &[Value]) -> Option<&'static str> {
    let sha = String::from_redis_value_ref(command.get(1)?).ok()?;
    let mut scripts = scripts::all().into_iter();
    scripts.find(|it| it.sha == sha).map(|it| it.name)
}
