//! The ledger over HTTP. What is told is a worker's.

use std::borrow::Cow;

use serde_bytes::ByteBuf;

use super::wire::{Behind, Days, Lanes, Minutes, OfShelf, PutEntry, Seen};
use super::{Operation, RemoteBroker, of_workers};
use crate::broker::{
    Events, LaneCounts, Ledger, Minute, Result, Shelf, Tally, Usage, WorkerStatus,
};
use crate::clock::Millis;

#[async_trait::async_trait]
impl Ledger for RemoteBroker {
    async fn put_entry(&self, tenant: &str, shelf: Shelf, name: &str, bytes: &[u8]) -> Result<()> {
        let (name, bytes) = (name.into(), ByteBuf::from(bytes));
        let request = PutEntry { shelf, name, bytes };
        self.run(tenant, Operation::PutEntry, &request).await
    }

    async fn remove_entry(&self, tenant: &str, shelf: Shelf, name: &str) -> Result<bool> {
        let name = name.into();
        let request = OfShelf { shelf, name };
        self.run(tenant, Operation::RemoveEntry, &request).await
    }

    async fn entry(&self, tenant: &str, shelf: Shelf, name: &str) -> Result<Option<Vec<u8>>> {
        let name = name.into();
        let request = OfShelf { shelf, name };
        let bytes: Option<ByteBuf> = self.run(tenant, Operation::Entry, &request).await?;
        Ok(bytes.map(ByteBuf::into_vec))
    }

    async fn entries(&self, tenant: &str, shelf: Shelf) -> Result<Vec<(String, Vec<u8>)>> {
        let entries: Vec<(String, ByteBuf)> = self.run(tenant, Operation::Entries, &shelf).await?;
        let entry = |(name, it): (String, ByteBuf)| (name, it.into_vec());
        Ok(entries.into_iter().map(entry).collect())
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
