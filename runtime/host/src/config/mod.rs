//! Configuration: defaults, then `lovage.toml`, then `LOVAGE_*`, then flags.
//!
//! The defaults stand on top here, all but those of `[sql.NAME]`; `sections` says what there
//! is, `sql` the same of databases, `variables` which variables are keys, `rooms` what each
//! room needs of it, and `located` where an error comes from.

mod located;
mod rooms;
mod sections;
mod sql;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use figment::value::Value;
use lovage_queue::broker::Retention;
use lovage_queue::clock::Millis;
use lovage_queue::schedule::{Schedule, ScheduleError};
use lovage_queue::task::{DEFAULT_QUEUE, DEFAULT_TENANT, check_name};
use serde::{Deserialize, Serialize};

use self::located::located;
pub use self::sections::*;
pub use self::sql::SqlConfig;
use crate::engine::{Ceilings, Limits};
use crate::sandbox::compiler::Apart;
use crate::timetable::Entry;
use crate::units::{Size, Span};
use crate::vault::Keyring;
use crate::view::queues::read_rate;
use crate::worker;

/// The file that is read where none is named.
pub const FILE: &str = "lovage.toml";
/// Where the embedded broker lives where nothing else is said: in the folder
/// that one works in.
pub const BROKER: &str = "sqlite:.lovage/lovage.db";
/// The folder of [`BROKER`].
pub const FOLDER: &str = ".lovage";
/// What a compiler needs for the smallest module.
const LEAST_MEMORY: u64 = 64 << 20;

/// All that can be configured.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the broker is: `redis://…`, `rediss://…` or `sqlite:path`; or the server in
    /// front of it, `https://…`.
    pub broker: String,
    /// What opens that server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// A PEM file with further certificates that are trusted of that server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Whose jobs and modules commands see.
    pub tenant: String,
    /// The folder of compiled modules.
    pub cache: PathBuf,
    /// What a worker serves, and how.
    pub worker: Worker,
    /// The HTTP API.
    pub serve: ServeConfig,
    /// What an attempt may use where neither the call nor the task says.
    pub limits: LimitsConfig,
    /// What the compilation of a module may take.
    pub compile: CompileConfig,
    /// What tasks' requests to other hosts are held to.
    pub http: HttpConfig,
    /// Tasks' connections by TCP.
    pub tcp: TcpConfig,
    /// Where web-hooks may go.
    pub hooks: HooksConfig,
    /// How long finished jobs are kept.
    pub retention: RetentionConfig,
    /// What a process tells of itself, and to whom.
    pub telemetry: TelemetryConfig,
    /// What encrypts secrets.
    pub secrets: SecretsConfig,
    /// Schedules by name, which a worker declares when it starts. Where there is no
    /// such section it leaves those that are there alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedules: Option<BTreeMap<String, Entry>>,
    /// Databases by name, which modules may be granted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sql: BTreeMap<String, SqlConfig>,
}

impl Default for Config {
    fn default() -> Self {
        let worker = worker::Settings::default();
        let (limits, most) = (Limits::default(), Ceilings::default());
        let retention = Retention::default();
        let compile = Apart::default();
        Config {
            broker: BROKER.into(),
            token: None,
            ca: None,
            tenant: DEFAULT_TENANT.into(),
            cache: cache_folder(),
            worker: Worker {
                queues: DEFAULT_QUEUE.into(),
                concurrency: worker.concurrency,
                threads: worker.threads,
                heartbeat: Span(worker.heartbeat),
                lease: Span(worker.lease),
                grace: Span(worker.grace),
                isolation: Isolation::None,
                sandboxes: 16,
                sandbox_memory: Size(4 << 30),
                metrics: None,
            },
            serve: ServeConfig::default(),
            limits: LimitsConfig {
                fuel: limits.fuel,
                memory: Size(limits.memory),
                timeout: Span(limits.deadline),
                result: Size(limits.result as u64),
                log: Size(limits.log as u64),
                max_fuel: most.fuel,
                max_memory: Size(most.memory),
                max_timeout: Span(most.deadline),
                max_scratch: Size(limits.scratch),
            },
            compile: CompileConfig {
                memory: Size(compile.memory),
                timeout: Span(compile.timeout),
            },
            http: HttpConfig {
                requests: limits.http.requests,
                body: Size(limits.http.body as u64),
                timeout: Span(limits.http.time),
                ca: None,
            },
            tcp: TcpConfig {
                connections: limits.tcp.connections,
                bytes: Size(limits.tcp.bytes),
            },
            hooks: HooksConfig::default(),
            retention: RetentionConfig {
                completed: Span(retention.completed),
                discarded: Span(retention.discarded),
                count: retention.count,
                bytes: Size(retention.bytes),
            },
            telemetry: TelemetryConfig {
                otlp: None,
                sample: 1.0,
                log: LogFormat::Text,
            },
            secrets: SecretsConfig::default(),
            schedules: None,
            sql: BTreeMap::new(),
        }
    }
}

fn cache_folder() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    base.or_else(home)
        .unwrap_or_else(|| ".lovage".into())
        .join("lovage")
}

/// A configuration that cannot be used: what is wrong, and where it says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ConfigError {
    /// A file with the line, a variable, or a flag.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

impl Config {
    /// Reads the configuration. A `file` that was named must exist; the usual
    /// one need not. `flags` are keys with their values.
    ///
    /// # Errors
    /// An unknown key or a wrong value, with its place.
    pub fn read(file: Option<&Path>, flags: &[(&str, Value)]) -> Result<Self, ConfigError> {
        if let Some(file) = file.filter(|file| !file.is_file()) {
            let problem = "there is no such file".into();
            return Err(ConfigError {
                place: file.display().to_string(),
                problem,
            });
        }
        let mut figment = Figment::from(Serialized::defaults(Config::default()));
        let file = file.or_else(|| Some(Path::new(FILE)).filter(|usual| usual.is_file()));
        if let Some(file) = file {
            figment = figment.merge(Toml::file_exact(file));
        }
        for variables in variables::all() {
            figment = figment.merge(variables);
        }
        for (key, value) in flags {
            figment = figment.merge(Serialized::default(key, value));
        }
        let config: Config = figment.extract().map_err(|e| located(&e))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let wrong = |place: &str, problem: String| ConfigError {
            place: format!("`{place}`"),
            problem,
        };
        check_name(&self.tenant, "tenant").map_err(|e| wrong("tenant", e.to_string()))?;
        parse_queues(&self.worker.queues).map_err(|e| wrong("worker.queues", e))?;
        if let Some(schedules) = &self.schedules {
            for (name, entry) in schedules {
                let place = format!("schedules.{name}");
                let schedule = entry.schedule(name);
                let schedule = schedule.map_err(|e| wrong(&place, e))?;
                match schedule.check(Millis::of_this_host()) {
                    // One whose end is past may stay in the file.
                    Ok(()) | Err(ScheduleError::Never(_)) => {}
                    Err(e) => return Err(wrong(&place, e.to_string())),
                }
            }
        }
        self.sql.iter().try_for_each(|(name, it)| it.check(name))?;
        if self.serve.certificate.is_some() != self.serve.key.is_some() {
            let said = "a certificate and its key go together: name both, or none";
            return Err(wrong("serve.certificate", said.into()));
        }
        if let Some(rate) = &self.serve.rate {
            read_rate(rate).map_err(|e| wrong("serve.rate", e))?;
        }
        let origins = self.serve.origins();
        origins.map_err(|e| wrong("serve.origins", e.to_string()))?;
        if !(0.0..=1.0).contains(&self.telemetry.sample) {
            let problem = "is a share, from 0 to 1".into();
            return Err(wrong("telemetry.sample", problem));
        }
        let zero = |place: &str| wrong(place, "must not be zero".into());
        if self.worker.concurrency == 0 {
            return Err(zero("worker.concurrency"));
        }
        if self.worker.sandboxes == 0 {
            return Err(zero("worker.sandboxes"));
        }
        if self.worker.heartbeat.0.is_zero() {
            return Err(zero("worker.heartbeat"));
        }
        if self.compile.timeout.0.is_zero() {
            return Err(zero("compile.timeout"));
        }
        if self.compile.memory.0 < LEAST_MEMORY {
            let problem = "must be at least 64 MiB, or no module can be compiled".into();
            return Err(wrong("compile.memory", problem));
        }
        if self.worker.lease.0 < self.worker.heartbeat.0 * 2 {
            let problem =
                "must be at least twice `worker.heartbeat`, or one late sign of life loses it"
                    .into();
            return Err(wrong("worker.lease", problem));
        }
        Ok(())
    }

    /// The keys of secrets, if it says where they are.
    ///
    /// # Errors
    /// A file that cannot be read, and what is no key.
    pub fn keyring(&self) -> Result<Option<Keyring>, ConfigError> {
        let SecretsConfig { key_file, key } = &self.secrets;
        let wrong = |place: &str, problem: String| ConfigError {
            place: place.to_owned(),
            problem,
        };
        if let Some(key) = key {
            let read = Keyring::read(&key.0);
            let read = read.map_err(|e| wrong("secrets.key", e.to_string()))?;
            return Ok(Some(read));
        }
        let Some(file) = key_file else {
            return Ok(None);
        };
        let place = file.display().to_string();
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|e| wrong(&place, format!("cannot read the key: {e}")))?;
        let read = Keyring::read(&text).map_err(|e| wrong(&place, e.to_string()))?;
        Ok(Some(read))
    }

    /// The schedules that the file declares; `None` where it says nothing of any.
    pub fn schedules(&self) -> Option<Vec<Schedule>> {
        let schedules = self.schedules.as_ref()?.iter();
        // All of them were read when the configuration was.
        Some(
            schedules
                .filter_map(|(name, it)| it.schedule(name).ok())
                .collect(),
        )
    }
}

/// Reads `high=3,default`.
pub fn parse_queues(text: &str) -> Result<Vec<(String, u32)>, String> {
    let mut queues: Vec<(String, u32)> = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
        let name = check_name(name.trim(), "queue").map_err(|e| e.to_string())?;
        let weight = weight
            .trim()
            .parse()
            .ok()
            .filter(|weight| (1..=1000).contains(weight));
        let weight = weight.ok_or_else(|| {
            format!("the weight of queue `{name}` is not a number from 1 to 1000")
        })?;
        if queues.iter().any(|(other, _)| other == name) {
            return Err(format!("queue `{name}` is named twice"));
        }
        queues.push((name.to_owned(), weight));
    }
    Ok(queues)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn queues_have_weights() {
        let queues = parse_queues("high=3, default").unwrap();
        assert_eq!(queues, [("high".into(), 3), ("default".into(), 1)]);
        for wrong in ["", "a=0", "a=x", "a,a", "A"] {
            assert!(parse_queues(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn flags_go_before_the_file_and_the_file_before_the_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(
            &file,
            "tenant = 'a'\n[worker]\nconcurrency = 3\ngrace = '5s'\n",
        )
        .unwrap();
        let flags = [("worker.queues", "x=2".into()), ("tenant", "b".into())];
        let config = Config::read(Some(&file), &flags).unwrap();
        assert_eq!(
            (config.tenant.as_str(), config.worker.concurrency),
            ("b", 3)
        );
        assert_eq!(config.worker().queues, [("x".into(), 2)]);
        assert_eq!(config.worker().grace, Duration::from_secs(5));
        assert_eq!(config.worker().lease, Duration::from_secs(10));
    }

    #[test]
    fn an_error_names_the_file_the_line_and_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        for (text, line, said) in [
            (
                "broker = 'x:'\n\n[worker]\ncurrency = 3\n",
                ":4: `worker.currency`",
                "unknown field",
            ),
            (
                "[tcp]\nbits = 1\n",
                ":2: `tcp.bits`",
                "expected `connections` or `bytes`",
            ),
            (
                "tenant = 'a'\n[worker]\nlease = 'soon'\n",
                ":3: `worker.lease`",
                "no span of time",
            ),
            (
                "[limits]\nfuel = 'much'\n",
                ":2: `limits.fuel`",
                "invalid type",
            ),
        ] {
            std::fs::write(&file, text).unwrap();
            let e = Config::read(Some(&file), &[]).unwrap_err().to_string();
            assert!(e.contains(line) && e.contains(said), "{text}: {e}");
        }
        let e = Config::read(Some(Path::new("/nowhere.toml")), &[]).unwrap_err();
        assert!(e.to_string().contains("no such file"), "{e}");
    }
}
