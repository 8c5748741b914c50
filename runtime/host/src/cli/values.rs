//! `lovage config` and `lovage secrets`: what modules read by name.

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use lovage_queue::broker::{Place, Shelf};
use lovage_queue::client::Client;
use lovage_queue::grant::check_key;
use serde_json::json;

use super::Context;
use super::exit::Verdict;
use super::output::table;
use crate::vault::{self, Keyring, MAX_VALUE, VaultError};

/// Values that modules read by name
///
/// A module that was granted `config KEY` reads it by `wasi:config`. They are readable by
/// whoever may administer: what must not be is a secret. Without a command: `list`.
#[derive(Debug, Args)]
pub(super) struct ConfigCommand {
    #[command(subcommand)]
    command: Option<OfConfig>,
}

#[derive(Debug, Subcommand)]
enum OfConfig {
    /// List all values
    List,
    /// Show a value
    Get {
        /// Its name
        key: String,
    },
    /// Set a value
    Set {
        /// Its name
        key: String,
        /// What it is
        value: String,
    },
    /// Remove a value
    Remove {
        /// Its name
        key: String,
    },
}

const EXAMPLES: &str = "\
Examples:
    lovage secrets key > key && chmod 600 key
    LOVAGE_SECRETS__KEY_FILE=key lovage secrets set smtp-password < password
    lovage secrets remove smtp-password";

/// Secrets that modules read by name
///
/// A module that was granted `secret KEY` reads it by `wasi:config`. A secret is encrypted
/// with a key that only the operator holds (`secrets.key_file`, or LOVAGE_SECRETS__KEY),
/// and is never shown again. These commands need the broker itself; a server has its own
/// way. Without a command: `list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SecretsCommand {
    #[command(subcommand)]
    command: Option<OfSecrets>,
}

#[derive(Debug, Subcommand)]
enum OfSecrets {
    /// List the names of all secrets
    List,
    Set(SetSecret),
    /// Remove a secret
    Remove {
        /// Its name
        key: String,
    },
    /// Encrypt all secrets of the tenant with the first key
    ///
    /// Those that need another key for that are opened with it: put the new key before the
    /// old one, on every worker, then rotate, then take the old one away.
    Rotate,
    /// Make a key, and print it
    Key,
}

/// Set a secret
///
/// Its value is read from standard input, without a line's end behind it.
#[derive(Debug, Args)]
struct SetSecret {
    /// Its name
    key: String,
    /// Read the value from a file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl ConfigCommand {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        let (broker, tenant) = (client.broker(), client.tenant());
        match self.command.unwrap_or(OfConfig::List) {
            OfConfig::List => {
                let entries = broker.entries(tenant, Shelf::Config).await?;
                let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
                let json = entries
                    .iter()
                    .map(|(key, it)| json!({"key": key, "value": text(it)}));
                context.out.print(&json.collect(), || {
                    let rows = entries.iter().map(|(key, it)| [key.clone(), text(it)]);
                    table(["key", "value"], rows)
                })
            }
            OfConfig::Get { key } => {
                let value = broker.entry(tenant, Shelf::Config, named(&key)?).await?;
                let value = value.ok_or_else(|| missing("value", &key))?;
                let value = String::from_utf8_lossy(&value).into_owned();
                let json = json!({"key": key, "value": value});
                context.out.print(&json, || value.clone())
            }
            OfConfig::Set { key, value } => {
                named(&key)?;
                if value.len() > MAX_VALUE {
                    let said = format!("a value has at most {MAX_VALUE} bytes");
                    return Err(Verdict::Usage(said).into());
                }
                let put = broker.put_entry(tenant, Shelf::Config, &key, value.as_bytes());
                put.await?;
                let json = json!({"key": key, "value": value});
                context.out.print(&json, || format!("`{key}` is set"))
            }
            OfConfig::Remove { key } => remove(context, &client, Shelf::Config, &key).await,
        }
    }
}

impl SecretsCommand {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let command = self.command.unwrap_or(OfSecrets::List);
        if let OfSecrets::Key = command {
            let key = vault::new_key()?;
            return context.out.print(&json!({"key": key}), || key.clone());
        }
        let place: Place = context.place_of_broker("secrets")?;
        let client = Client::over(place.connect().await?, &context.config.tenant);
        match command {
            OfSecrets::List | OfSecrets::Key => list(context, &client).await,
            OfSecrets::Set(it) => it.run(context, &client).await,
            OfSecrets::Remove { key } => remove(context, &client, Shelf::Secrets, &key).await,
            OfSecrets::Rotate => rotate(context, &client).await,
        }
    }
}

async fn list(context: &Context, client: &Client) -> anyhow::Result<()> {
    let (broker, tenant) = (client.broker(), client.tenant());
    let entries = broker.entries(tenant, Shelf::Secrets).await?;
    let json = entries.iter().map(|(key, _)| json!({"key": key}));
    context.out.print(&json.collect(), || {
        let rows = entries.iter().map(|(key, _)| [key.clone()]);
        table(["key"], rows)
    })
}

impl SetSecret {
    async fn run(self, context: &Context, client: &Client) -> anyhow::Result<()> {
        let (key, keyring) = (named(&self.key)?, keyring(context)?);
        let sealed = keyring.seal(client.tenant(), key, &self.value()?)?;
        let (broker, tenant) = (client.broker(), client.tenant());
        broker
            .put_entry(tenant, Shelf::Secrets, key, &sealed)
            .await?;
        let json = json!({"key": key, "set": true});
        context
            .out
            .print(&json, || format!("secret `{key}` is set"))
    }

    /// What was given, and no more of it than may be.
    fn value(&self) -> anyhow::Result<String> {
        let mut bytes = Vec::new();
        let most = MAX_VALUE as u64 + 2;
        let read = match &self.file {
            None => std::io::stdin().take(most).read_to_end(&mut bytes),
            Some(file) => {
                std::fs::File::open(file).and_then(|it| it.take(most).read_to_end(&mut bytes))
            }
        };
        read.map_err(|e| Verdict::Usage(format!("cannot read the value: {e}")))?;
        let text = String::from_utf8(bytes);
        // Its text is not told.
        let text = text.map_err(|_| Verdict::Usage("the value is no UTF-8 text".into()))?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
    }
}

async fn rotate(context: &Context, client: &Client) -> anyhow::Result<()> {
    let keyring = keyring(context)?;
    let (broker, tenant) = (client.broker(), client.tenant());
    let (mut rotated, mut kept) = (0, 0);
    for (key, sealed) in broker.entries(tenant, Shelf::Secrets).await? {
        if keyring.is_current(&sealed) {
            kept += 1;
            continue;
        }
        let value = keyring.open(tenant, &key, &sealed)?;
        // Who has set it anew meanwhile has done so with a key of today.
        if broker.entry(tenant, Shelf::Secrets, &key).await? != Some(sealed) {
            continue;
        }
        let sealed = keyring.seal(tenant, &key, &value)?;
        broker
            .put_entry(tenant, Shelf::Secrets, &key, &sealed)
            .await?;
        rotated += 1;
    }
    let json = json!({"rotated": rotated, "kept": kept});
    context.out.print(&json, || {
        format!("{rotated} secrets are encrypted anew, {kept} had that key already")
    })
}

fn keyring(context: &Context) -> anyhow::Result<Keyring> {
    Ok(context.config.keyring()?.ok_or(VaultError::NoKey)?)
}

async fn remove(context: &Context, client: &Client, shelf: Shelf, key: &str) -> anyhow::Result<()> {
    let (broker, tenant) = (client.broker(), client.tenant());
    if !broker.remove_entry(tenant, shelf, named(key)?).await? {
        let what = match shelf {
            Shelf::Secrets => "secret",
            _ => "value",
        };
        return Err(missing(what, key).into());
    }
    let json = json!({"key": key, "removed": true});
    context.out.print(&json, || format!("`{key}` is gone"))
}

fn missing(what: &str, key: &str) -> Verdict {
    Verdict::Missing(format!("there is no {what} `{key}`"))
}

fn named(key: &str) -> anyhow::Result<&str> {
    check_key(key).map_err(|e| Verdict::Usage(format!("`{key}` is no name of a value: {e}")))?;
    Ok(key)
}
