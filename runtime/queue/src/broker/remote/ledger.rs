//! The ledger over HTTP: to look at. What is told is a worker's, and the shelves are the
//! server's own.

use std::borrow::Cow;

use serde_bytes::ByteBuf;

use super::wire::{Behind, Days, Lanes, Minutes, Seen};
use super::{Operation, RemoteBroker, of_workers};
use crate::broker::{
    BrokerError, Events, LaneCounts, Ledger, Minute, Result, Shelf, Tally, Usage, WorkerStatus,
};
use crate::clock::Millis;

/// The answer to what would show or change who may use the server.
fn of_server<T>(shelf: Shelf) -> Result<T> {
    let name = shelf.as_str();
    Err(BrokerError::Invalid(format!(
        "a server keeps its {name} to itself: ask for them at `/v1/{name}`"
    )))
}

#[async_trait::async_trait]
impl Ledger for RemoteBroker {
    async fn put_entry(&self, _: &str, shelf: Shelf, _: &str, _: &[u8]) -> Result<()> {
        of_server(shelf)
    }

    async fn remove_entry(&self, _: &str, shelf: Shelf, _: &str) -> Result<bool> {
        of_server(shelf)
    }

    async fn entry(&self, _: &str, shelf: Shelf, _: &str) -> Result<Option<Vec<u8>>> {
        of_server(shelf)
    }

    async fn entries(&self, _: &str, shelf: Shelf) -> Result<Vec<(String, Vec<u8>)>> {
        of_server(shelf)
    }

    async fn tell(&self, _: &str, _: &[Tally], _: &[Vec<u8>]) -> Result<()> {
        of_workers()
    }

    async fn history(&self, tenant: &str, from: Millis, minutes: u32) -> Result<Vec<Minute>> {
        let request = Minutes { from, minutes };
        self.run(tenant, Operation::History, &request).await
    }

    async fn usage(&self, tenant: &str, from: Millis, days: u32) -> Result<Vec<Usage>> {
        self.run(tenant, Operation::Usage, &Days { from, days })
            .await
    }

    async fn events(&self, tenant: &str, after: Option<&str>, limit: u32) -> Result<Events> {
        let after = after.map(Cow::Borrowed);
        let request = Behind { after, limit };
        let seen: Seen = self.run(tenant, Operation::Events, &request).await?;
        let event = |(cursor, it): (String, ByteBuf)| (cursor, it.into_vec());
        Ok(Events {
            events: seen.events.into_iter().map(event).collect(),
            cursor: seen.cursor,
            missed: seen.missed,
        })
    }

    async fn workers(&self, tenant: &str) -> Result<Vec<WorkerStatus>> {
        self.run(tenant, Operation::Workers, &()).await
    }

    async fn lanes(&self, tenant: &str, queue: &str, limit: u32) -> Result<Vec<LaneCounts>> {
        let queue = queue.into();
        self.run(tenant, Operation::Lanes, &Lanes { queue, limit })
            .await
    }
}
