//! `lovage buckets`: what tasks keep from one job to the next.

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use lovage_queue::bucket::{self, BucketError, MAX_PAGE, MAX_VALUE};
use lovage_queue::client::Client;
use serde_json::json;

use super::Context;
use super::exit::Verdict;
use super::output::table;
use crate::units::Size;
use crate::view::base64;
use crate::view::buckets::BucketView;

const EXAMPLES: &str = "\
Examples:
    lovage buckets keys sessions
    lovage buckets get sessions ann > ann.json
    lovage buckets set sessions ann < ann.json
    lovage buckets delete sessions ann
    lovage buckets delete sessions";

/// Buckets: keys with values that tasks keep
///
/// A module that was granted `bucket NAME` reads and writes its keys by `wasi:keyvalue`. A
/// bucket is there with its first key, and gone with its last one; its bytes count for the
/// tenant's quota. Without a command: `list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Buckets {
    #[command(subcommand)]
    command: Option<OfBuckets>,
}

#[derive(Debug, Subcommand)]
enum OfBuckets {
    /// List all buckets, with their keys and bytes
    List,
    Keys(Keys),
    /// Print a key's value, as it is; with --json as Base64
    Get {
        /// The bucket
        bucket: String,
        /// The key
        key: String,
    },
    Set(Set),
    /// Delete a key; or a bucket with all its keys, for good
    Delete {
        /// The bucket
        bucket: String,
        /// The key
        key: Option<String>,
    },
}

/// List a bucket's keys, in order
#[derive(Debug, Args)]
struct Keys {
    /// The bucket
    bucket: String,
    /// Only those behind this one
    #[arg(
        long,
        value_name = "KEY",
        default_value = "",
        hide_default_value = true
    )]
    after: String,
    /// At most so many [default: 100]
    #[arg(
        long,
        short = 'n',
        value_name = "N",
        default_value_t = 100,
        hide_default_value = true
    )]
    limit: u32,
}

/// Set a key
///
/// To what stands behind it, else to a file, else to standard input as it is.
#[derive(Debug, Args)]
struct Set {
    /// The bucket
    bucket: String,
    /// The key
    key: String,
    /// What it is
    value: Option<String>,
    /// Read the value from a file
    #[arg(long, value_name = "FILE", conflicts_with = "value")]
    file: Option<PathBuf>,
}

impl Buckets {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let client = context.client().await?;
        match self.command.unwrap_or(OfBuckets::List) {
            OfBuckets::List => list(context, &client).await,
            OfBuckets::Keys(it) => it.run(context, &client).await,
            OfBuckets::Get { bucket, key } => get(context, &client, &bucket, key).await,
            OfBuckets::Set(it) => it.run(context, &client).await,
            OfBuckets::Delete {
                bucket,
                key: Some(key),
            } => unset(context, &client, &bucket, key).await,
            OfBuckets::Delete { bucket, key: None } => delete(context, &client, &bucket).await,
        }
    }
}

async fn list(context: &Context, client: &Client) -> anyhow::Result<()> {
    let buckets = client.broker().buckets(client.tenant()).await?;
    let buckets: Vec<_> = buckets.into_iter().map(BucketView::of).collect();
    context.out.print(&json!(buckets), || {
        let row = |it: &BucketView| {
            let keys = it.keys.to_string();
            [it.bucket.clone(), keys, Size(it.bytes).to_string()]
        };
        table(["bucket", "keys", "size"], buckets.iter().map(row))
    })
}

impl Keys {
    async fn run(self, context: &Context, client: &Client) -> anyhow::Result<()> {
        usable(bucket::check_bucket(&self.bucket))?;
        let (mut keys, mut after) = (Vec::new(), self.after);
        while (keys.len() as u32) < self.limit {
            let most = (self.limit - keys.len() as u32).min(MAX_PAGE);
            let broker = client.broker();
            let page = broker.keys(client.tenant(), &self.bucket, &after, most);
            let page = page.await?;
            let Some(last) = page.last() else { break };
            after.clone_from(last);
            keys.extend(page);
        }
        context.out.print(&json!(keys), || keys.join("\n"))
    }
}

async fn get(context: &Context, client: &Client, bucket: &str, key: String) -> anyhow::Result<()> {
    named(bucket, &key)?;
    let keys = [key];
    let found = client
        .broker()
        .get_many(client.tenant(), bucket, &keys)
        .await?;
    let [key] = keys;
    let missing = || Verdict::Missing(format!("bucket `{bucket}` has no key `{key}`"));
    let value = found.into_iter().next().flatten().ok_or_else(missing)?;
    context.out.stream(&value)?;
    let json = json!({"bucket": bucket, "key": key, "value": base64(&value)});
    context.out.conclude(&json)
}

impl Set {
    async fn run(self, context: &Context, client: &Client) -> anyhow::Result<()> {
        named(&self.bucket, &self.key)?;
        let value = self.value()?;
        usable(bucket::check_value(&value))?;
        let pairs = [(self.key, value)];
        let set = client
            .broker()
            .set_many(client.tenant(), &self.bucket, &pairs);
        set.await?;
        let (bucket, [(key, value)]) = (self.bucket, pairs);
        let json = json!({"bucket": bucket, "key": key, "bytes": value.len()});
        context
            .out
            .print(&json, || format!("`{key}` of bucket `{bucket}` is set"))
    }

    /// What was given, and hardly more of it than may be.
    fn value(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let most = MAX_VALUE as u64 + 1;
        let read = match (&self.value, &self.file) {
            (Some(value), _) => return Ok(value.clone().into_bytes()),
            (None, None) => std::io::stdin().take(most).read_to_end(&mut bytes),
            (None, Some(file)) => {
                std::fs::File::open(file).and_then(|it| it.take(most).read_to_end(&mut bytes))
            }
        };
        read.map_err(|e| Verdict::Usage(format!("cannot read the value: {e}")))?;
        Ok(bytes)
    }
}

async fn unset(
    context: &Context,
    client: &Client,
    bucket: &str,
    key: String,
) -> anyhow::Result<()> {
    named(bucket, &key)?;
    let keys = [key];
    let broker = client.broker();
    let gone = broker.delete_many(client.tenant(), bucket, &keys).await?;
    let [key] = keys;
    if gone == 0 {
        let said = format!("bucket `{bucket}` has no key `{key}`");
        return Err(Verdict::Missing(said).into());
    }
    let json = json!({"bucket": bucket, "key": key, "deleted": true});
    context
        .out
        .print(&json, || format!("`{key}` of bucket `{bucket}` is gone"))
}

async fn delete(context: &Context, client: &Client, bucket: &str) -> anyhow::Result<()> {
    usable(bucket::check_bucket(bucket))?;
    if !client.delete_bucket(bucket).await? {
        return Err(Verdict::Missing(format!("there is no bucket `{bucket}`")).into());
    }
    let json = json!({"bucket": bucket, "deleted": true});
    context
        .out
        .print(&json, || format!("bucket `{bucket}` is gone"))
}

fn named(bucket: &str, key: &str) -> anyhow::Result<()> {
    usable(bucket::check_bucket(bucket))?;
    usable(bucket::check_key(key))
}

fn usable(checked: Result<(), BucketError>) -> anyhow::Result<()> {
    checked.map_err(|e| Verdict::Usage(e.to_string()).into())
}
