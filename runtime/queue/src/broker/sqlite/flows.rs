//! Flows, as steps.

use super::{SqliteBroker, flow, tenants};
use crate::broker::{
    Broker, FlowNode, FlowStatus, Flows, NewFlow, Result, check_flow, check_nodes,
};
use crate::job::{JobId, State};

#[async_trait::async_trait]
impl Flows for SqliteBroker {
    async fn begin_flow(&self, tenant: &str, new: &NewFlow) -> Result<()> {
        check_flow(tenant, new, self.partitions())?;
        let (tenant, new) = (tenant.to_owned(), new.clone());
        self.core
            .write(&self.clock, move |step| flow::begin(step, &tenant, &new))
            .await
    }

    async fn add_nodes(
        &self,
        tenant: &str,
        id: JobId,
        first: u32,
        nodes: &[FlowNode],
    ) -> Result<()> {
        check_nodes(tenant, id, nodes, self.partitions())?;
        let ready = nodes.iter().map(flow::Node::new);
        let ready: Vec<_> = ready.collect::<Result<_>>()?;
        let tenant = tenant.to_owned();
        self.core
            .write(&self.clock, move |step| {
                flow::add(step, &tenant, id, first, &ready)
            })
            .await
    }

    async fn start_flow(&self, tenant: &str, id: JobId) -> Result<()> {
        let tenant = tenant.to_owned();
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &tenant)?;
                flow::start(step, &tenant, id)
            })
            .await
    }

    async fn flow(&self, tenant: &str, id: JobId) -> Result<Option<FlowStatus>> {
        let tenant = tenant.to_owned();
        self.core
            .read(move |db| flow::status(db, &tenant, id))
            .await
    }

    async fn about_flow(&self, tenant: &str, id: JobId) -> Result<Option<Vec<u8>>> {
        let tenant = tenant.to_owned();
        self.core.read(move |db| flow::about(db, &tenant, id)).await
    }

    async fn flows(&self, tenant: &str, offset: u64, limit: u32) -> Result<Vec<FlowStatus>> {
        let tenant = tenant.to_owned();
        self.core
            .read(move |db| flow::newest(db, &tenant, offset, limit))
            .await
    }

    async fn flow_nodes(
        &self,
        tenant: &str,
        id: JobId,
        first: u32,
        count: u32,
    ) -> Result<Vec<(JobId, Option<State>)>> {
        let tenant = tenant.to_owned();
        self.core
            .read(move |db| flow::nodes(db, &tenant, id, first, count))
            .await
    }

    async fn cancel_flow(&self, tenant: &str, id: JobId) -> Result<bool> {
        let tenant = tenant.to_owned();
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &tenant)?;
                flow::cancel(step, &tenant, id)
            })
            .await
    }

    async fn retry_flow(&self, tenant: &str, id: JobId) -> Result<bool> {
        let tenant = tenant.to_owned();
        self.core
            .write(&self.clock, move |step| {
                tenants::check_here(step, &tenant)?;
                flow::retry(step, &tenant, id)
            })
            .await
    }
}
