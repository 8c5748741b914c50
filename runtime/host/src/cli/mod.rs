//! The commands, one a file.
//!
//! # Layout
//! - this file: the command line, and what every command has at hand
//! - `exit`: exit codes, decided in one place
//! - `output`: tables, JSON, progress
//! - what several commands share: `arguments` (`name=value`), `batch` (JSON lines),
//!   `budget` and `terms` (flags of a call), `select` (which jobs), `fate` (what
//!   became of them), `language` and `template` (what `new` and `build` know of each)
//! - one file a command

mod arguments;
mod audit;
mod batch;
mod bench;
mod buckets;
mod budget;
mod build;
mod call;
mod cancel;
mod client;
mod dead;
mod dev;
pub mod exit;
mod fate;
mod flow;
mod grants;
mod hooks;
mod job;
mod jobs;
mod language;
mod limit;
mod limits;
mod new;
mod output;
mod pause;
mod push;
mod queues;
mod releases;
mod rollback;
mod run;
mod schedules;
mod select;
mod serve;
mod template;
mod tenant;
mod terms;
mod token;
mod usage;
mod values;
mod worker;
mod workers;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use figment::value::Value;
use lovage_queue::broker::{BrokerError, Place};
use lovage_queue::client::Client;

use crate::config::{self, Config, LogFormat};
use crate::engine::Engine;
use crate::telemetry::{Telemetry, Traces};
use exit::Verdict;
use output::Output;

const ABOUT: &str = "A distributed task queue whose tasks are WebAssembly components";

const LONG_ABOUT: &str = "\
A distributed task queue whose tasks are WebAssembly components.

Write tasks in any language that targets WebAssembly, build them into a module,
push it, and call its tasks. Workers run each attempt in a fresh sandbox with
limits on fuel, memory and time. A push makes a release live on every worker at
once, without a restart.

    lovage dev                               start a worker with an embedded broker
    lovage new hello && lovage build hello   make a module
    lovage push hello/hello.wasm             make it live
    lovage call hello.greet name=World --wait";

const AFTER: &str = "\
Configuration: defaults, then `lovage.toml`, then `LOVAGE_*` variables (two
underscores between section and key: LOVAGE_WORKER__CONCURRENCY), then flags.
LOVAGE_LOG filters what is logged, as in `info` or `lovage=debug`.

Exit codes:
    0  done
    1  the job, the flow or the task failed
    2  wrong usage or configuration
    3  the broker cannot be reached or used, is busy, or it, a queue or a quota is full
    4  what was named does not exist
    5  a module, call, change, token or suspended tenant was refused, or a push awaits approval
    6  the time was up before the job, or the flow, ended
    7  anything else";

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "lovage", version, about = ABOUT, long_about = LONG_ABOUT, after_help = AFTER)]
#[command(max_term_width = 100, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// What is logged where `LOVAGE_LOG` says nothing: a benchmark starts so many
    /// workers that their words would bury its own.
    pub fn log(&self) -> &'static str {
        match self.command {
            Command::Bench(_) => "warn",
            _ => "info",
        }
    }
}

/// What stands above the flags of all commands, so that each one's own are seen.
const EVERYWHERE: &str = "Everywhere";

#[derive(Debug, Args)]
struct Global {
    /// Where the broker is: `redis://host:port/db`, `rediss://…` or `sqlite:path`; or
    /// a server in front of it: `https://host:port`, with LOVAGE_TOKEN
    /// [default: sqlite:.lovage/lovage.db]
    #[arg(long, global = true, value_name = "URL", help_heading = EVERYWHERE)]
    broker: Option<String>,
    /// Whose jobs and modules these are [default: default]
    #[arg(long, global = true, value_name = "NAME", help_heading = EVERYWHERE)]
    tenant: Option<String>,
    /// The configuration file [default: lovage.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    config: Option<PathBuf>,
    /// Print JSON, one value
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
}

// What help says of each stands on its own struct: a doc comment here would
// take its place.
#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::Dev),
    Worker(worker::Worker),
    Serve(serve::Serve),
    Token(token::Token),
    Tenant(tenant::Tenant),
    Hooks(hooks::Hooks),
    Audit(audit::Audit),
    Workers(workers::Workers),
    Usage(usage::Usage),
    New(new::New),
    Build(build::Build),
    Push(push::Push),
    Releases(releases::Releases),
    Rollback(rollback::Rollback),
    Grants(grants::GrantsCommand),
    Config(values::ConfigCommand),
    Secrets(values::SecretsCommand),
    Buckets(buckets::Buckets),
    Client(client::ClientCommand),
    Run(run::Run),
    // It has so many flags that it would make all commands large.
    Call(Box<call::Call>),
    Job(job::Job),
    Jobs(jobs::Jobs),
    Cancel(cancel::Cancel),
    Dead(dead::Dead),
    Queues(queues::Queues),
    Limit(limit::Limit),
    Limits(limits::Limits),
    Pause(pause::Pause),
    Resume(pause::Resume),
    Schedules(schedules::Schedules),
    Flow(flow::Flow),
    Bench(bench::Bench),
}

/// What every command has at hand.
struct Context {
    config: Config,
    /// The file that the configuration was read from, if one was named.
    file: Option<PathBuf>,
    out: Output,
    /// Where what it does is traced, if anywhere.
    traces: Traces,
}

impl Context {
    fn place(&self) -> anyhow::Result<Place> {
        // The default's folder is ours to make; a path that somebody wrote may
        // be a slip, and the broker says so.
        if self.uses_default_broker() {
            std::fs::create_dir_all(config::FOLDER).map_err(|e| BrokerError::Unsuitable {
                place: self.config.broker.clone(),
                reason: format!("cannot make the folder `{}`: {e}", config::FOLDER),
            })?;
        }
        Ok(match self.config.broker.parse()? {
            Place::Http(address) => {
                let token = self.config.token.as_ref().map(|it| &*it.0);
                let ca = self.config.ca.clone();
                Place::Http(address.or_token(token).trusting(ca))
            }
            other => other,
        })
    }

    /// The place, for a command that does a worker's work: leases and signals are between
    /// a worker and the broker itself. So is what tenants there are.
    fn place_of_broker(&self, command: &str) -> anyhow::Result<Place> {
        match self.place()? {
            Place::Http(address) => Err(Verdict::Usage(format!(
                "`lovage {command}` needs the broker itself, not the server at {address}: give `--broker` a `redis://…` or `sqlite:` URL"
            ))
            .into()),
            place => Ok(place),
        }
    }

    fn uses_default_broker(&self) -> bool {
        self.config.broker == config::BROKER
    }

    async fn client(&self) -> anyhow::Result<Client> {
        let place = self.place()?;
        let is_server = matches!(place, Place::Http(_));
        let client = Client::over(place.connect().await?, &self.config.tenant);
        // What is done through a server the server has on its log.
        Ok(self.traced(match is_server {
            true => client,
            false => client.audited(&format!("user {}", user())),
        }))
    }

    /// What a process that serves tells of itself.
    fn telemetry(&self) -> Telemetry {
        Telemetry {
            traces: self.traces.clone(),
            ..Telemetry::default()
        }
    }

    /// A client whose calls are traced where traces are.
    fn traced(&self, client: Client) -> Client {
        match self.traces.is_on() {
            true => client.traced(Arc::new(self.traces.clone())),
            false => client,
        }
    }

    /// An engine for this command alone: it may take all cores to compile.
    fn engine(&self) -> anyhow::Result<Engine> {
        Ok(Engine::new(crate::engine::Settings {
            parallel_compile: true,
            ..self.config.engine()
        })?)
    }
}

/// Who asks, as far as the environment says.
fn user() -> String {
    std::env::var("USER").unwrap_or_else(|_| "unknown".into())
}

/// A command with its configuration.
pub struct Ready {
    config: Config,
    global: Global,
    command: Command,
}

impl Cli {
    /// Reads the configuration.
    ///
    /// # Errors
    /// A configuration that cannot be used.
    pub fn read(self) -> anyhow::Result<Ready> {
        let Cli { global, command } = self;
        let mut flags: Vec<(&str, Value)> = Vec::new();
        flags.extend(global.broker.clone().map(|it| ("broker", it.into())));
        flags.extend(global.tenant.clone().map(|it| ("tenant", it.into())));
        if let Command::Worker(worker::Worker { worker }) | Command::Dev(dev::Dev { worker, .. }) =
            &command
        {
            flags.extend(worker.flags());
        }
        if let Command::Serve(serve::Serve { serve }) | Command::Dev(dev::Dev { serve, .. }) =
            &command
        {
            flags.extend(serve.flags());
        }
        let config = Config::read(global.config.as_deref(), &flags)?;
        Ok(Ready {
            config,
            global,
            command,
        })
    }
}

impl Ready {
    /// How its log is written.
    pub fn log_format(&self) -> LogFormat {
        self.config.telemetry.log
    }
}

/// Runs the command that the user asked for.
///
/// # Errors
/// What went wrong; [`exit::code`] makes an exit code of it.
pub async fn run(ready: Ready) -> anyhow::Result<()> {
    let Ready {
        config,
        global,
        command,
    } = ready;
    let traces = match &config.telemetry.otlp {
        Some(endpoint) => Traces::start(endpoint, config.telemetry.sample)?,
        None => Traces::default(),
    };
    let context = Context {
        config,
        file: global.config,
        out: Output::new(global.json),
        traces: traces.clone(),
    };
    let done = command.run(&context).await;
    // Also of what failed.
    traces.end().await;
    done
}

impl Command {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Command::Dev(it) => it.run(context).await,
            Command::Worker(it) => it.run(context).await,
            Command::Serve(it) => it.run(context).await,
            Command::Token(it) => it.run(context).await,
            Command::Tenant(it) => it.run(context).await,
            Command::Hooks(it) => it.run(context).await,
            Command::Audit(it) => it.run(context).await,
            Command::Workers(it) => it.run(context).await,
            Command::Usage(it) => it.run(context).await,
            Command::New(it) => it.run(context),
            Command::Build(it) => it.run(context).await,
            Command::Push(it) => it.run(context).await,
            Command::Releases(it) => it.run(context).await,
            Command::Rollback(it) => it.run(context).await,
            Command::Grants(it) => it.run(context).await,
            Command::Config(it) => it.run(context).await,
            Command::Secrets(it) => it.run(context).await,
            Command::Buckets(it) => it.run(context).await,
            Command::Client(it) => it.run(context).await,
            Command::Run(it) => it.run(context).await,
            Command::Call(it) => it.run(context).await,
            Command::Job(it) => it.run(context).await,
            Command::Jobs(it) => it.run(context).await,
            Command::Cancel(it) => it.run(context).await,
            Command::Dead(it) => it.run(context).await,
            Command::Queues(it) => it.run(context).await,
            Command::Limit(it) => it.run(context).await,
            Command::Limits(it) => it.run(context).await,
            Command::Pause(it) => it.run(context).await,
            Command::Resume(it) => it.run(context).await,
            Command::Schedules(it) => it.run(context).await,
            Command::Flow(it) => it.run(context).await,
            Command::Bench(it) => it.run(context).await,
        }
    }
}
