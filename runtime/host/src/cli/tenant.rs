//! `lovage tenant`: who shares the workers, and what each may take.

use std::time::Duration;

use clap::{Args, Subcommand};
use lovage_queue::broker::{Audited, Broker, MAX_TENANTS, TenantChange};
use lovage_queue::task::Rate;
use lovage_queue::tenant::{Deletion, Quota, Tenant as Record};
use serde_json::json;

use super::Context;
use super::exit::Verdict;
use super::limit::{Change, number, rate};
use super::output::table;
use crate::units::{Size, short};
use crate::view::queues::rate_text;
use crate::view::tenants::TenantView;

/// Keys or rows that one step of a deletion takes away.
const STEP: u32 = 1_000;
/// How long to wait before the next while it is asked to stop.
const ASKED: Duration = Duration::from_millis(50);

const EXAMPLES: &str = "\
Examples:
    lovage tenant create acme --running 20 --queued 100000 --bytes 2GiB
    lovage tenant limits acme --fuel 500000000000 --rate none
    lovage tenant suspend acme
    lovage token create --tenant acme --name ci --role deployer";

/// Tenants: who shares the workers, and what each may take
///
/// A tenant has modules, jobs, queues, schedules and tokens of its own, and sees nothing
/// of the others. One that was never created is there all the same, and may take
/// everything; so may `default`, which is always there, until a quota says otherwise.
/// It needs the broker's own URL: no token of a server sees other tenants.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(super) struct Tenant {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Create(Create),
    /// List tenants that were created, with what they have taken
    List,
    Limits(Limits),
    Suspend(Suspend),
    Resume(Resume),
    Delete(Delete),
}

/// Create a tenant
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct Create {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    terms: Terms,
}

/// Show and change what a tenant may take
///
/// What is not named stays as it is. It holds at once and whatever the number of workers.
/// What may not start waits aside and holds up nobody else; what is too much to be taken
/// in is refused, with the quota's name. A tenant's own limits (`lovage limit tenant`)
/// hold as far as they are stricter.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct Limits {
    /// The tenant
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    terms: Terms,
}

/// Let nothing of a tenant start, and take in nothing new of it
///
/// What runs goes on, and its results are recorded.
#[derive(Debug, Args)]
struct Suspend {
    /// The tenant
    #[arg(value_name = "NAME")]
    name: String,
}

/// Let a suspended tenant go on at once
#[derive(Debug, Args)]
struct Resume {
    /// The tenant
    #[arg(value_name = "NAME")]
    name: String,
}

/// Delete a tenant with all that it has, for good
///
/// Jobs, flows, schedules, modules, blobs, tokens and history. From now on nothing new of
/// it is taken, and what runs is asked to stop; three seconds later all of it is taken
/// away. A deletion that was interrupted goes on with the same command.
#[derive(Debug, Args)]
struct Delete {
    /// The tenant
    #[arg(value_name = "NAME")]
    name: String,
}

/// Quotas, each with `none` to lift it.
#[derive(Debug, Args)]
struct Terms {
    /// How many of its jobs may run at once
    #[arg(long, value_name = "N|none", value_parser = number)]
    running: Option<Change<u32>>,
    /// How often its jobs may start, as in `100/s` or `5/10m`
    #[arg(long, value_name = "RATE|none", value_parser = rate)]
    rate: Option<Change<Rate>>,
    /// How many of its jobs there may be that have not ended
    #[arg(long, value_name = "N|none", value_parser = long)]
    queued: Option<Change<u64>>,
    /// How much its jobs, blobs and modules may take, as in `2GiB`
    #[arg(long, value_name = "SIZE|none", value_parser = size)]
    bytes: Option<Change<u64>>,
    /// How many names of modules it may have
    #[arg(long, value_name = "N|none", value_parser = number)]
    modules: Option<Change<u32>>,
    /// How large a module may be
    #[arg(long, value_name = "SIZE|none", value_parser = size)]
    module_size: Option<Change<u64>>,
    /// How much fuel its jobs may burn in a minute
    #[arg(long, value_name = "UNITS|none", value_parser = long)]
    fuel: Option<Change<u64>>,
    /// Its share of the workers beside those of the others, 1 to 1000
    #[arg(long, value_name = "N")]
    weight: Option<u32>,
}

impl Terms {
    fn apply(&self, weight: &mut u32, quota: &mut Quota) {
        *weight = self.weight.unwrap_or(*weight);
        Change::make(self.running, &mut quota.running);
        Change::make(self.rate, &mut quota.rate);
        Change::make(self.queued, &mut quota.queued);
        Change::make(self.bytes, &mut quota.bytes);
        Change::make(self.modules, &mut quota.modules);
        Change::make(self.module_size, &mut quota.module_size);
        Change::make(self.fuel, &mut quota.fuel);
    }

    fn names_any(&self) -> bool {
        let named = [
            self.running.is_some(),
            self.rate.is_some(),
            self.queued.is_some(),
            self.bytes.is_some(),
            self.modules.is_some(),
            self.module_size.is_some(),
            self.fuel.is_some(),
            self.weight.is_some(),
        ];
        named.contains(&true)
    }
}

impl Tenant {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let broker = context.place_of_broker("tenant")?.connect().await?;
        let broker = &Audited::by(broker, &format!("user {}", super::user()));
        match self.command {
            Command::Create(it) => create(context, broker, it).await,
            Command::List => list(context, broker).await,
            Command::Limits(it) => limits(context, broker, it).await,
            Command::Suspend(it) => suspend(context, broker, &it.name, true).await,
            Command::Resume(it) => suspend(context, broker, &it.name, false).await,
            Command::Delete(it) => delete(context, broker, &it.name).await,
        }
    }
}

async fn create(context: &Context, broker: &dyn Broker, it: Create) -> anyhow::Result<()> {
    let mut tenant = Record::new(&it.name);
    it.terms.apply(&mut tenant.weight, &mut tenant.quota);
    if !broker.create_tenant(&tenant).await? {
        let said = format!(
            "there is a tenant `{}` already: `lovage tenant limits` changes it",
            it.name
        );
        return Err(Verdict::Refused(said).into());
    }
    show(context, broker, &it.name).await
}

async fn limits(context: &Context, broker: &dyn Broker, it: Limits) -> anyhow::Result<()> {
    let mut tenant = find(broker, &it.name).await?;
    if it.terms.names_any() {
        it.terms.apply(&mut tenant.weight, &mut tenant.quota);
        let change = TenantChange::Terms(tenant.weight, tenant.quota);
        broker.change_tenant(&it.name, &change).await?;
    }
    show(context, broker, &it.name).await
}

async fn suspend(
    context: &Context,
    broker: &dyn Broker,
    name: &str,
    suspended: bool,
) -> anyhow::Result<()> {
    find(broker, name).await?;
    let change = TenantChange::Suspended(suspended);
    broker.change_tenant(name, &change).await?;
    let json = json!({"name": name, "suspended": suspended});
    context.out.print(&json, || match suspended {
        true => format!("`{name}` is suspended: nothing of it starts, and nothing new is taken"),
        false => format!("`{name}` goes on"),
    })
}

async fn delete(context: &Context, broker: &dyn Broker, name: &str) -> anyhow::Result<()> {
    let mut calls = 0;
    loop {
        match broker.delete_tenant(name, STEP).await? {
            Deletion::Done => break,
            Deletion::Missing if calls == 0 => return Err(missing(name).into()),
            // Somebody else has deleted it to its end.
            Deletion::Missing => break,
            Deletion::More => tokio::time::sleep(ASKED).await,
        }
        calls += 1;
    }
    let json = json!({"name": name, "deleted": true});
    context.out.print(&json, || {
        format!("`{name}` is deleted: nothing of it is left")
    })
}

async fn list(context: &Context, broker: &dyn Broker) -> anyhow::Result<()> {
    let (mut views, mut after) = (Vec::new(), String::new());
    loop {
        let page = broker.tenants(&after, MAX_TENANTS).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.name);
        for tenant in &page {
            let usage = broker.usage_of(&tenant.name).await?;
            views.push(TenantView::of(tenant, &usage));
        }
    }
    context.out.print(&json!(views), || {
        let of = |used: u64, most: Option<String>| match most {
            Some(most) => format!("{}/{most}", short(used)),
            None => short(used),
        };
        let rows = views.iter().map(|it| {
            let (quota, used) = (&it.quota, &it.used);
            let bytes = Size(used.bytes).to_string();
            [
                it.name.clone(),
                it.state.to_owned(),
                it.weight.to_string(),
                of(used.running, quota.running.map(|it| it.to_string())),
                of(used.queued, quota.queued.map(short)),
                match quota.bytes {
                    Some(most) => format!("{bytes}/{}", Size(most)),
                    None => bytes,
                },
                of(used.modules, quota.modules.map(|it| it.to_string())),
                quota.rate.clone().unwrap_or_else(|| "-".into()),
                quota.fuel.map_or_else(
                    || "-".into(),
                    |it| format!("{}/{}", short(used.fuel), short(it)),
                ),
            ]
        });
        let head = [
            "tenant", "state", "weight", "running", "queued", "bytes", "modules", "rate", "fuel/m",
        ];
        table(head, rows)
    })
}

/// A tenant as it is now.
async fn show(context: &Context, broker: &dyn Broker, name: &str) -> anyhow::Result<()> {
    let tenant = find(broker, name).await?;
    let usage = broker.usage_of(name).await?;
    let json = json!(TenantView::of(&tenant, &usage));
    context.out.print(&json, || match words(&tenant) {
        words if words.is_empty() => format!("`{name}` may take everything"),
        words => format!("`{name}` may take: {words}"),
    })
}

async fn find(broker: &dyn Broker, name: &str) -> anyhow::Result<Record> {
    let found = broker.find_tenant(name).await?;
    Ok(found.ok_or_else(|| missing(name))?)
}

fn missing(name: &str) -> Verdict {
    Verdict::Missing(format!(
        "there is no tenant `{name}`: `lovage tenant create` makes one"
    ))
}

/// A quota in a few words.
fn words(tenant: &Record) -> String {
    let quota = &tenant.quota;
    let parts = [
        quota.running.map(|it| format!("{it} at once")),
        quota.rate.map(rate_text),
        quota.queued.map(|it| format!("{it} queued")),
        quota.bytes.map(|it| format!("{} stored", Size(it))),
        quota.modules.map(|it| format!("{it} modules")),
        quota.module_size.map(|it| format!("{} a module", Size(it))),
        quota.fuel.map(|it| format!("{it} fuel a minute")),
        (tenant.weight != 1).then(|| format!("weight {}", tenant.weight)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn long(text: &str) -> Result<Change<u64>, String> {
    match text {
        "none" => Ok(Change::Lift),
        _ => text
            .parse()
            .map(Change::To)
            .map_err(|_| format!("`{text}` is no number: write one, or `none`")),
    }
}

fn size(text: &str) -> Result<Change<u64>, String> {
    match text {
        "none" => Ok(Change::Lift),
        _ => text
            .parse()
            .map(|Size(bytes)| Change::To(bytes))
            .map_err(|e| format!("{e}; or `none`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_and_told_in_a_few_words() {
        let mut tenant = Record::new("acme");
        assert_eq!(words(&tenant), "");
        let terms = Terms {
            running: Some(Change::To(5)),
            rate: rate("100/s").ok(),
            queued: long("7").ok(),
            bytes: size("2GiB").ok(),
            modules: None,
            module_size: None,
            fuel: long("none").ok(),
            weight: Some(3),
        };
        terms.apply(&mut tenant.weight, &mut tenant.quota);
        assert_eq!(
            words(&tenant),
            "5 at once, 100/s, 7 queued, 2.0GiB stored, weight 3"
        );
        assert!(long("-1").is_err() && size("much").is_err());
    }
}
