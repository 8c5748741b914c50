//! The server's side of [`RemoteBroker`](crate::broker::remote::RemoteBroker): its
//! requests, run on the server's own broker.
//!
//! It knows nothing of HTTP. Whoever does has looked at the token, whose tenant the
//! client is of and which must allow [`Operation::right`]. What is bounded here is what
//! one request reads, and how long it waits.

use std::time::Instant;

use serde::Serialize;
use serde_bytes::ByteBuf;

use super::{Client, ClientError, buckets, grants};
use crate::broker::remote::Operation;
use crate::broker::remote::wire::{
    self, About, Activate, Behind, Bytes, Days, Declare, FireNow, Ids, Jobs, Lanes, MAX_READ,
    MAX_WAIT, Minutes, Named, Nodes, OfDigest, OfFlow, OfShelf, PauseSchedule, Places, PutEntry,
    Seen, Stretch, Wait, Waited, pack, request,
};
use crate::broker::{
    BrokerError, Filter, Firing, FlowNode, MAX_BATCH, NewFlow, Owner, Result, Shelf,
};
use crate::flow::check_flow_name;
use crate::grant::check_key;
use crate::granted::{Approver, Granted};
use crate::hook::Hook;
use crate::job::{JobId, NewJob};
use crate::task::check_name;

/// Schedules of one request.
const MAX_SCHEDULES: u32 = 1_000;
/// Bytes of why a fire can have no job: the schedule's history keeps them.
const MAX_REASON: usize = 1024;

/// Answers one request: the body of the answer, or the error that is
/// [packed](wire::pack_error) as one.
///
/// # Errors
/// The broker's own, and [`BrokerError::Invalid`] for a body that cannot be read, for
/// more than a request may ask for, and for a job that does not fit its task.
pub async fn answer(client: &Client, operation: Operation, body: &[u8]) -> Result<Vec<u8>> {
    use Operation as Op;
    match operation {
        Op::About | Op::Counts | Op::Limits | Op::Time | Op::Active => {
            look(client, operation).await
        }
        Op::Jobs | Op::Wait | Op::List | Op::Blob => read(client, operation, body).await,
        Op::Enqueue | Op::PutBlob | Op::Cancel | Op::Requeue | Op::Delete => {
            write(client, operation, body).await
        }
        Op::Limit | Op::Pause => control(client, operation, body).await,
        Op::Flow | Op::AboutFlow | Op::Flows | Op::FlowNodes => {
            read_flow(client, operation, body).await
        }
        Op::BeginFlow | Op::AddNodes | Op::StartFlow | Op::CancelFlow | Op::RetryFlow => {
            write_flow(client, operation, body).await
        }
        Op::Schedules
        | Op::Schedule
        | Op::Fire
        | Op::Declare
        | Op::PauseSchedule
        | Op::RemoveSchedule => schedule(client, operation, body).await,
        Op::Manifest | Op::Readiness | Op::Releases | Op::Activate => {
            registry(client, operation, body).await
        }
        Op::Entry | Op::Entries | Op::PutEntry | Op::RemoveEntry => {
            shelf(client, operation, body).await
        }
        Op::Acts | Op::History | Op::Usage | Op::Events | Op::Workers | Op::Lanes => {
            ledger(client, operation, body).await
        }
        Op::Buckets
        | Op::ListKeys
        | Op::GetKeys
        | Op::HaveKeys
        | Op::SetKeys
        | Op::UnsetKeys
        | Op::DeleteBucket => buckets::answer(client, operation, body).await,
    }
}

fn done<T: Serialize>(it: T) -> Result<Vec<u8>> {
    Ok(pack(&it))
}

/// A request that belongs to another group: there is none.
fn other(operation: Operation) -> Result<Vec<u8>> {
    unreachable!("`{operation}` is of no such group")
}

/// What the client's side would have refused.
fn refused(e: ClientError) -> BrokerError {
    match e {
        ClientError::Broker(e) => e,
        e @ ClientError::Ungranted { .. } => BrokerError::Denied(e.to_string()),
        e => BrokerError::Invalid(e.to_string()),
    }
}

fn at_most(what: &str, count: usize, most: usize) -> Result<()> {
    match count <= most {
        true => Ok(()),
        false => Err(BrokerError::Invalid(format!(
            "at most {most} {what} go into a request, and not {count}"
        ))),
    }
}

async fn look(client: &Client, operation: Operation) -> Result<Vec<u8>> {
    let (broker, tenant) = (client.broker(), client.tenant());
    match operation {
        Operation::Counts => done(broker.counts(tenant).await?),
        Operation::Limits => done(broker.limits(tenant).await?),
        Operation::Time => done(broker.time(tenant).await?),
        Operation::Active => done(broker.active(tenant).await?),
        Operation::About => done(About {
            partitions: broker.partitions(),
            tenant: tenant.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }),
        operation => other(operation),
    }
}

async fn read(client: &Client, operation: Operation, body: &[u8]) -> Result<Vec<u8>> {
    let (broker, tenant) = (client.broker(), client.tenant());
    match operation {
        Operation::Jobs => {
            let Ids { ids } = request(body)?;
            at_most("jobs", ids.len(), MAX_READ)?;
            done(broker.jobs(tenant, &ids).await?)
        }
        Operation::Wait => {
            let Wait {
                ids,
                at_most: asked,
            } = request(body)?;
            at_most("jobs", ids.len(), MAX_READ)?;
            let (since, most) = (Instant::now(), asked.min(MAX_WAIT));
            let jobs = broker.wait(tenant, &ids, most).await?;
            // A flow is waited for by its id as well, and is no job to be looked at.
            let over = since.elapsed() < most;
            done(Waited { jobs, over })
        }
        Operation::List => {
            let mut filter: Filter = request(body)?;
            filter.limit = filter.limit.min(MAX_READ as u32);
            done(broker.list(tenant, &filter).await?)
        }
        Operation::Blob => {
            let OfDigest { digest } = request(body)?;
            let bytes = broker.blob(tenant, digest).await?;
            done(bytes.map(ByteBuf::from))
        }
        operation => other(operation),
    }
}

async fn write(client: &Client, operation: Operation, body: &[u8]) -> Result<Vec<u8>> {
    let (broker, tenant) = (client.broker(), client.tenant());
    let ids = || -> Result<Vec<JobId>> {
        let Ids { ids } = request(body)?;
        at_most("jobs", ids.len(), MAX_BATCH)?;
        Ok(ids.into_owned())
    };
    match operation {
        Operation::Enqueue => {
            let Jobs { jobs } = request(body)?;
            at_most("jobs", jobs.len(), MAX_BATCH)?;
            client.check(&jobs).await.map_err(refused)?;
            done(broker.enqueue(tenant, &jobs).await?)
        }
        Operation::PutBlob => {
            let Bytes { bytes } = request(body)?;
            at_most("bytes", bytes.len(), super::MAX_INPUT)?;
            done(broker.put_blob(tenant, &bytes).await?)
        }
        Operation::Cancel => done(broker.cancel(tenant, &ids()?).await?),
        Operation::Requeue => done(broker.requeue(tenant, &ids()?).await?),
        Operation::Delete => done(broker.delete(tenant, &ids()?).await?),
        operation => other(operation),
    }
}

async fn control(client: &Client, operation: Operation, body: &[u8]) -> Result<Vec<u8>> {
    let (broker, tenant) = (client.broker(), client.tenant());
    match operation {
        Operation::Limit => {
            let wire::Limit { scope, limit } = request(body)?;
            limit.check(&scope).map_err(BrokerError::Invalid)?;
            done(broker.limit(tenant, &scope, &limit).await?)
        }
        Operation::Pause => {
            let wire::Pause { scope, paused } = request(body)?;
            done(broker.pause(tenant, &scope, paused).await?)
        }
        operation => other(operation),
    }
}

async fn read_flow(client: &Client, operation: Operation, body: &[u8]) -> Result<Vec<u8>> {
    let (broker, tenant) = (client.broker(), client.tenant());
    let flow = || request(body).map(|it: OfFlow| it.flow);
    match operation {
        Operation::Flow => done(broker.flow(tenant, flow()?).await?),
        Operation::AboutFlow => {
            let about = broker.about_flow(tenant, flow()?).await?;
            done(about.map(ByteBuf::from))
        }
        Operation::Flows => {
            let Stretch { offset, limit } = request(body)?;
            done(broker.flows(tenant, offset, limit).await?)
        }
        Operation::FlowNodes => {
            let Places { flow, first, count } = request(body)?;
            done(broker.flow_nodes(tenant, flow, first, count).await?)
        }
        operation => other(operation),
    }
}

async fn write_flow(client: &Client, operation: Operation, body: &[u8]) -> Result<Vec<u8>> {
    let (broker, tenant) = (client.broker(), client.tenant());
    let flow = || request(body).map(|it: OfFlow| it.flow);
    match operation {
        Operation::BeginFlow => {
            let new: NewFlow = request(body)?;
            check_flow_name(&new.name).map_err(|e| BrokerError::Invalid(e.to_string()))?;
            done(broker.begin_flow(tenant, &new).await?)
        }
        Operation::AddNodes => {
            let Nodes { flow, first, nodes } = request(body)?;
            let nodes: Vec<FlowNode> = nodes.into_owned();
            let jobs: Vec<NewJob> = nodes.iter().map(|it| it.job.clone()).collect();
            client.check(&jobs).await.map_err(refused)?;
            done(broker.add_nodes(tenant, flow, first, &nodes).await?)
        }
        Operation::StartFlow => done(broker.start_flow(tenant, flow()?).await?),
        Operation::CancelFlow => done(broker.cancel_flow(tenant, flow()?).await?),
        Operation::RetryFlow => done(broker.retry_flow(tenant, flow()?).await?),
        operation => other(operation),
    }
}

async fn schedule(client: &Client, operation: Operation, body: &[u8]) -> Result<Vec<u8>> {
    let (broker, tenant) = (client.broker(), client.tenant());
    match operation {
        Operation::Schedules => {
            let Behind { after, limit } = request(body)?;
            let limit = limit.min(MAX_SCHEDULES);
            done(broker.schedules(tenant, after.as_deref(), limit).await?)
        }
        Operation::Schedule => {
            let Named { name } = request(body)?;
            done(broker.schedule(tenant, &name).await?)
        }
        Operation::Fire => {
            let FireNow { name, fires } = request(body)?;
            let jobs = fires.iter().filter_map(|it| it.job.clone().ok());
            let jobs: Vec<NewJob> = jobs.collect();
            at_most("fires", fires.len(), 1)?;
            client.check(&jobs).await.map_err(refused)?;
            let mut fires = fires.into_owned();
            for reason in fires.iter_mut().filter_map(|it| it.job.as_mut().err()) {
                reason.truncate(reason.floor_char_boundary(MAX_REASON));
            }
            let firing = Firing {
                tenant: tenant.to_owned(),
                name: name.into_owned(),
                turn: None,
                fires,
            };
            done(broker.fire(&firing).await?)
        }
        Operation::Declare => {
            let Declare { schedules } = request(body)?;
            at_most("schedules", schedules.len(), MAX_SCHEDULES as usize)?;
            let owner = Owner::Operator;
            for it in schedules.iter() {
                client.check_schedule(&it.schedule).await.map_err(refused)?;
            }
            done(broker.declare(tenant, &owner, &schedules, false).await?)
        }
        Operation::PauseSchedule => {
            let PauseSchedule { name, paused, due } = request(body)?;
            done(broker.pause_schedule(tenant, &name, paused, due).await?)
        }
        Operation::RemoveSchedule => {
            let Named { name } = request(body)?;
            match client.remove_schedule(&name).await {
                Ok(()) => done(true),
                Err(ClientError::UnknownSchedule(_)) => done(false),
                Err(e) => Err(refused(e)),
            }
        }
        operation => other(operation),
    }
}

async fn registry(client: &Client, operation: Operation, body: &[u8]) -> Result<Vec<u8>> {
    let (broker, tenant) = (client.broker(), client.tenant());
    let digest = || request(body).map(|it: OfDigest| it.digest);
    match operation {
        Operation::Manifest => done(broker.manifest(tenant, digest()?).await?),
        Operation::Readiness => done(broker.readiness(tenant, digest()?).await?),
        Operation::Releases => {
            let Named { name } = request(body)?;
            done(broker.releases(tenant, &name).await?)
        }
        Operation::Activate => {
            let Activate { name, number } = request(body)?;
            done(client.activate(&name, number).await.map_err(refused)?)
        }
        operation => other(operation),
    }
}

async fn shelf(client: &Client, operation: Operation, body: &[u8]) -> Result<Vec<u8>> {
    let (broker, tenant) = (client.broker(), client.tenant());
    match operation {
        Operation::Entry => {
            let OfShelf { shelf, name } = request(body)?;
            open(shelf)?;
            let bytes = broker.entry(tenant, shelf, &name).await?;
            done(bytes.map(ByteBuf::from))
        }
        Operation::Entries => {
            let shelf = request(body)?;
            open(shelf)?;
            let entries = broker.entries(tenant, shelf).await?;
            let entry = |(name, it): (String, Vec<u8>)| (name, ByteBuf::from(it));
            done(entries.into_iter().map(entry).collect::<Vec<_>>())
        }
        Operation::PutEntry => {
            let PutEntry { shelf, name, bytes } = request(body)?;
            open(shelf)?;
            // Workers take a hook as it lies there.
            let sound = |it: Hook| it.name == *name && it.check().is_ok();
            if shelf == Shelf::Hooks && !Hook::decode(&bytes).is_some_and(sound) {
                return Err(BrokerError::Invalid(format!("`{name}` is no hook")));
            }
            let text = || std::str::from_utf8(&bytes).is_ok();
            if shelf == Shelf::Config && !(check_key(&name).is_ok() && text()) {
                return Err(BrokerError::Invalid(format!("`{name}` is no value")));
            }
            if shelf == Shelf::Grants {
                check_granted(client, &name, &bytes).await?;
            }
            done(broker.put_entry(tenant, shelf, &name, &bytes).await?)
        }
        Operation::RemoveEntry => {
            let OfShelf { shelf, name } = request(body)?;
            open(shelf)?;
            done(broker.remove_entry(tenant, shelf, &name).await?)
        }
        operation => other(operation),
    }
}

/// Nobody over HTTP gets a secret out of the broker, as it lies there either; and what is
/// put there is encrypted by the server.
fn open(shelf: Shelf) -> Result<()> {
    match shelf {
        Shelf::Secrets => Err(BrokerError::Denied(
            "secrets are set at the broker itself, or by `PUT /v1/secrets/{key}`".into(),
        )),
        _ => Ok(()),
    }
}

/// Whether an administrator may have a module granted this.
async fn check_granted(client: &Client, module: &str, bytes: &[u8]) -> Result<()> {
    let invalid = || BrokerError::Invalid(format!("`{module}` is granted what is no grant"));
    check_name(module, "module").map_err(|e| BrokerError::Invalid(e.to_string()))?;
    let granted = Granted::decode(bytes).ok_or_else(invalid)?;
    let before = client.granted(module).await.map_err(refused)?;
    let new = granted.iter().map(|(it, _)| it);
    grants::may(Approver::Admin, new.filter(|it| !before.has(it)))
}

async fn ledger(client: &Client, operation: Operation, body: &[u8]) -> Result<Vec<u8>> {
    let (broker, tenant) = (client.broker(), client.tenant());
    match operation {
        Operation::History => {
            let Minutes { from, minutes } = request(body)?;
            done(broker.history(tenant, from, minutes).await?)
        }
        Operation::Usage => {
            let Days { from, days } = request(body)?;
            done(broker.usage(tenant, from, days).await?)
        }
        Operation::Events => {
            let Behind { after, limit } = request(body)?;
            let seen = broker.events(tenant, after.as_deref(), limit).await?;
            let event = |(cursor, it): (String, Vec<u8>)| (cursor, ByteBuf::from(it));
            done(Seen {
                events: seen.events.into_iter().map(event).collect(),
                cursor: seen.cursor,
                missed: seen.missed,
            })
        }
        Operation::Acts => {
            let wire::Acts { before, limit } = request(body)?;
            done(broker.acts(tenant, before.as_deref(), limit).await?)
        }
        Operation::Workers => {
            let mut workers = broker.workers(tenant).await?;
            // What others run is their operator's to see, at the broker.
            workers.iter_mut().for_each(|it| it.others = 0);
            done(workers)
        }
        Operation::Lanes => {
            let Lanes { queue, limit } = request(body)?;
            done(broker.lanes(tenant, &queue, limit).await?)
        }
        operation => other(operation),
    }
}
