//! The sections of the configuration.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::api::{Origin, OriginError};
use crate::units::{Size, Span};

/// What nobody is shown.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// `[worker]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Queues with weights: `high=3,default`.
    pub queues: String,
    /// How many jobs run at once.
    pub concurrency: usize,
    /// Threads for guests.
    pub threads: usize,
    /// How often it gives a sign of life.
    pub heartbeat: Span,
    /// How long it counts as alive without one.
    pub lease: Span,
    /// How long running jobs may go on once it is asked to stop.
    pub grace: Span,
    /// Where attempts run.
    pub isolation: Isolation,
    /// How many processes there are for them, where they have their own: one a tenant.
    pub sandboxes: usize,
    /// Memory that one of these may hold.
    pub sandbox_memory: Size,
    /// Where its metrics are served, as in `127.0.0.1:9464`; nowhere where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
}

/// Where attempts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// In the worker itself.
    None,
    /// In child processes, one a tenant.
    Process,
}

impl Isolation {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Isolation::None => "none",
            Isolation::Process => "process",
        }
    }
}

/// `[serve]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeConfig {
    /// Where it listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// A certificate chain as a PEM file: connections are encrypted then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// Its private key as a PEM file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// How large a request's body may be.
    pub body: Size,
    /// How often a token may be used that does not say itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
    /// Whose pages may use it beside its own, as `https://app.example`; `*` for anybody's.
    pub origins: Vec<String>,
    /// How long requests may go on once it is asked to stop.
    pub grace: Span,
}

impl Default for ServeConfig {
    fn default() -> Self {
        ServeConfig {
            listen: None,
            certificate: None,
            key: None,
            // An input of the largest size, as Base64 in JSON.
            body: Size(24 << 20),
            rate: None,
            origins: Vec::new(),
            grace: Span(Duration::from_secs(30)),
        }
    }
}

impl ServeConfig {
    /// Whose pages may use it.
    pub(crate) fn origins(&self) -> Result<Vec<Origin>, OriginError> {
        self.origins.iter().map(|it| it.parse()).collect()
    }
}

/// Where the HTTP API listens where nothing is said.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7777);

/// `[limits]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Units of fuel.
    pub fuel: u64,
    /// Linear memory.
    pub memory: Size,
    /// Wall-clock time.
    pub timeout: Span,
    /// The result.
    pub result: Size,
    /// The log of an attempt.
    pub log: Size,
    /// The most fuel that a task or a call may ask for.
    pub max_fuel: u64,
    /// The most memory.
    pub max_memory: Size,
    /// The most time.
    pub max_timeout: Span,
    /// The largest scratch folder, whatever was granted.
    pub max_scratch: Size,
}

/// `[compile]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompileConfig {
    /// Memory that the compilation of one module may take.
    pub memory: Size,
    /// How much processor time it may take; and four times as long by the clock.
    pub timeout: Span,
}

/// `[http]`: what tasks' requests to other hosts are held to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// How many an attempt may make.
    pub requests: u32,
    /// How large a request's body may be, and an answer's.
    pub body: Size,
    /// How long one may take.
    pub timeout: Span,
    /// A PEM file with certificates that are trusted beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// `[tcp]`: what tasks' connections to other hosts are held to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcpConfig {
    /// How many an attempt may have open at a time.
    pub connections: u32,
    /// How much an attempt may send and receive over all of them.
    pub bytes: Size,
}

/// `[hooks]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HooksConfig {
    /// Whether web-hooks may go to addresses that are not public.
    pub private: bool,
}

/// `[retention]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    /// Completed and cancelled jobs.
    pub completed: Span,
    /// Discarded jobs.
    pub discarded: Span,
    /// At most so many of a kind in a tenant.
    pub count: u64,
    /// At most so many bytes in a tenant, inputs and results included.
    pub bytes: Size,
}

/// `[secrets]`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsConfig {
    /// A file with the keys of secrets, one a line: the first encrypts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The keys themselves, which go before the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
}

/// `[telemetry]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// A collector for traces, as in `http://localhost:4318`; none where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<String>,
    /// The share of traces that are kept, of those that begin here: 0 to 1.
    pub sample: f64,
    /// How the log is written.
    pub log: LogFormat,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}
