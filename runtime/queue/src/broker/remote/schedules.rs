//! Schedules over HTTP.

use std::borrow::Cow;

use super::wire::{Behind, Declare, FireNow, Named, PauseSchedule};
use super::{Operation, RemoteBroker, of_workers};
use crate::broker::{Declared, Due, FireOutcome, Fired, Firing, Owner, Planned, Result, Schedules};
use crate::clock::Millis;
use crate::job::Partition;

#[async_trait::async_trait]
impl Schedules for RemoteBroker {
    async fn time(&self, tenant: &str) -> Result<Millis> {
        self.run(tenant, Operation::Time, &()).await
    }

    async fn declare(
        &self,
        tenant: &str,
        owner: &Owner,
        schedules: &[Declared],
        whole: bool,
    ) -> Result<()> {
        // A configuration file is a worker's, a module's are declared by its push.
        if *owner != Owner::Operator || whole {
            return of_workers();
        }
        let schedules = schedules.into();
        self.run(tenant, Operation::Declare, &Declare { schedules })
            .await
    }

    async fn schedules(
        &self,
        tenant: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Planned>> {
        let after = after.map(Cow::Borrowed);
        let request = Behind { after, limit };
        self.run(tenant, Operation::Schedules, &request).await
    }

    async fn schedule(&self, tenant: &str, name: &str) -> Result<Option<(Planned, Vec<Fired>)>> {
        let name = name.into();
        self.run(tenant, Operation::Schedule, &Named { name }).await
    }

    async fn pause_schedule(
        &self,
        tenant: &str,
        name: &str,
        paused: bool,
        due: Option<Millis>,
    ) -> Result<bool> {
        let name = name.into();
        let request = PauseSchedule { name, paused, due };
        self.run(tenant, Operation::PauseSchedule, &request).await
    }

    async fn remove_schedule(&self, tenant: &str, name: &str) -> Result<bool> {
        let name = name.into();
        self.run(tenant, Operation::RemoveSchedule, &Named { name })
            .await
    }

    async fn due(&self, _: Partition, _: u32) -> Result<Due> {
        of_workers()
    }

    async fn fire(&self, firing: &Firing) -> Result<Option<Vec<FireOutcome>>> {
        if firing.turn.is_some() {
            return of_workers();
        }
        let (name, fires) = (Cow::from(&firing.name), Cow::from(&firing.fires));
        let request = FireNow { name, fires };
        self.run(&firing.tenant, Operation::Fire, &request).await
    }
}
