//! `[sql.NAME]`: databases that modules may be granted by their names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use figment::value::UncasedStr;
use lovage_queue::grant::check_key;
use lovage_queue::task::{DEFAULT_TENANT, check_name};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use super::variables::{PREFIX, is_password};
use super::{Config, ConfigError, Secret};
use crate::sql::settings::Password;
use crate::sql::value::Bounds;
use crate::sql::{Place, Settings};
use crate::units::{Size, Span};

/// `[sql.NAME]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlConfig {
    /// Where it is: `postgres://USER@HOST:PORT/DATABASE`, `sqlite:PATH`.
    pub url: String,
    /// What opens it. `LOVAGE_SQL__NAME__PASSWORD` goes before it.
    #[serde(
        default,
        deserialize_with = "password",
        skip_serializing_if = "Option::is_none"
    )]
    pub password: Option<Secret>,
    /// A file that it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// A PEM file with certificates that are trusted beside the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// Who may be granted it.
    #[serde(default = "tenants")]
    pub tenants: BTreeSet<String>,
    /// Connections at a time, of each worker.
    #[serde(default = "pool")]
    pub pool: usize,
    /// How long one is kept that nobody uses.
    #[serde(default = "idle")]
    pub idle: Span,
    /// How long a statement may take.
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// Rows that it may bring back.
    #[serde(default = "rows")]
    pub rows: usize,
    /// Bytes of them.
    #[serde(default = "bytes")]
    pub bytes: Size,
    /// Whether nothing may be changed.
    #[serde(default)]
    pub read_only: bool,
}

fn tenants() -> BTreeSet<String> {
    [DEFAULT_TENANT.to_owned()].into()
}

fn pool() -> usize {
    4
}

fn idle() -> Span {
    Span(Duration::from_secs(5 * 60))
}

fn timeout() -> Span {
    Span(Duration::from_secs(30))
}

fn rows() -> usize {
    10_000
}

fn bytes() -> Size {
    Size(8 << 20)
}

/// What a statement may bring back at most, whatever is said: a worker holds all of it.
const MOST_BYTES: u64 = 128 << 20;
/// Connections at most.
const MOST_POOL: usize = 1_000;

/// A password that is no text is not shown in the error.
fn password<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Read {
        Text(String),
        Other(IgnoredAny),
    }
    match Read::deserialize(deserializer)? {
        Read::Text(text) => Ok(Some(Secret(text))),
        Read::Other(_) => Err(serde::de::Error::custom(
            "a password is a text: put it in quotes",
        )),
    }
}

/// The variable with a connection's password.
fn variable(name: &str) -> String {
    format!("{PREFIX}SQL__{}__PASSWORD", name.to_uppercase())
}

impl SqlConfig {
    pub(super) fn check(&self, name: &str) -> Result<(), ConfigError> {
        let wrong = |key: &str, problem: String| ConfigError {
            place: format!("`sql.{name}{key}`"),
            problem,
        };
        check_key(name).map_err(|e| wrong("", e))?;
        self.url.parse::<Place>().map_err(|e| wrong(".url", e))?;
        if self.tenants.is_empty() {
            return Err(wrong(
                ".tenants",
                "nobody may have it; name somebody".into(),
            ));
        }
        for tenant in &self.tenants {
            check_name(tenant, "tenant").map_err(|e| wrong(".tenants", e.to_string()))?;
        }
        if !(1..=MOST_POOL).contains(&self.pool) {
            let problem = format!("is a number from 1 to {MOST_POOL}");
            return Err(wrong(".pool", problem));
        }
        if self.timeout.0 < Duration::from_millis(1) {
            return Err(wrong(".timeout", "must not be zero".into()));
        }
        if self.rows == 0 {
            return Err(wrong(".rows", "must not be zero".into()));
        }
        if !(1..=MOST_BYTES).contains(&self.bytes.0) {
            return Err(wrong(".bytes", "is a size from 1B to 128MiB".into()));
        }
        Ok(())
    }

    /// Reads the files that it names.
    fn settings(&self, name: &str) -> Result<Settings, ConfigError> {
        let wrong = |place: String, problem: String| ConfigError { place, problem };
        let place: Place = self
            .url
            .parse()
            .map_err(|e| wrong(format!("`sql.{name}.url`"), e))?;
        let trusted = match &self.ca {
            Some(file) => certificates(file).map_err(|e| wrong(file.display().to_string(), e))?,
            None => Vec::new(),
        };
        Ok(Settings {
            place,
            password: self.opens(name)?,
            trusted,
            tenants: self.tenants.clone(),
            pool: self.pool,
            idle: self.idle.0,
            bounds: Bounds {
                time: self.timeout.0,
                rows: self.rows,
                bytes: self.bytes.0 as usize,
            },
            read_only: self.read_only,
        })
    }

    fn opens(&self, name: &str) -> Result<Option<Password>, ConfigError> {
        if let Ok(password) = std::env::var(variable(name)) {
            return Ok(Some(Password(password)));
        }
        if let Some(password) = &self.password {
            return Ok(Some(Password(password.0.clone())));
        }
        let Some(file) = &self.password_file else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(file).map_err(|e| ConfigError {
            place: file.display().to_string(),
            problem: format!("cannot read the password of `sql.{name}`: {e}"),
        })?;
        // An editor ends the last line.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        Ok(Some(Password(text.to_owned())))
    }
}

fn certificates(file: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err("it holds no certificate".into()),
        Err(e) => Err(format!("cannot read certificates: {e}")),
    }
}

impl Config {
    /// The databases, with what opens them.
    ///
    /// # Errors
    /// A file that cannot be read, and a password for no connection.
    pub fn databases(&self) -> Result<BTreeMap<String, Settings>, ConfigError> {
        let known: BTreeSet<String> = self.sql.keys().map(|name| variable(name)).collect();
        let variables = std::env::vars_os().filter_map(|(key, _)| key.into_string().ok());
        for key in variables {
            let ours = key.strip_prefix(PREFIX).map(UncasedStr::new);
            if ours.is_some_and(is_password) && !known.contains(&key) {
                let problem = "there is no `[sql.NAME]` of that name".into();
                return Err(ConfigError {
                    place: key,
                    problem,
                });
            }
        }
        let each = self.sql.iter();
        each.map(|(name, it)| Ok((name.clone(), it.settings(name)?)))
            .collect()
    }
}
