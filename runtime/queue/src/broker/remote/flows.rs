//! Flows over HTTP.

use super::wire::{Nodes, OfFlow, Places, Stretch};
use super::{Operation, RemoteBroker};
use crate::broker::{FlowNode, FlowStatus, Flows, NewFlow, Result};
use crate::job::{JobId, State};
use serde_bytes::ByteBuf;

/// Nodes with large inputs are added fewer at a time: what a request has of them, in
/// bytes.
const MAX_ADDED: usize = 16 * 1024 * 1024;

/// How many of these nodes go into the next request: at least one.
fn share(nodes: &[FlowNode]) -> usize {
    let mut size = 0;
    let fits = nodes.iter().take_while(|it| {
        size += it.job.input.inline().map_or(0, <[u8]>::len);
        size <= MAX_ADDED
    });
    fits.count().max(1).min(nodes.len())
}

#[async_trait::async_trait]
impl Flows for RemoteBroker {
    async fn begin_flow(&self, tenant: &str, flow: &NewFlow) -> Result<()> {
        self.run(tenant, Operation::BeginFlow, flow).await
    }

    async fn add_nodes(
        &self,
        tenant: &str,
        flow: JobId,
        mut first: u32,
        mut nodes: &[FlowNode],
    ) -> Result<()> {
        loop {
            let (some, rest) = nodes.split_at(share(nodes));
            let request = Nodes {
                flow,
                first,
                nodes: some.into(),
            };
            self.run::<()>(tenant, Operation::AddNodes, &request)
                .await?;
            if rest.is_empty() {
                return Ok(());
            }
            first = first.saturating_add(some.len() as u32);
            nodes = rest;
        }
    }

    async fn start_flow(&self, tenant: &str, flow: JobId) -> Result<()> {
        self.run(tenant, Operation::StartFlow, &OfFlow { flow })
            .await
    }

    async fn flow(&self, tenant: &str, flow: JobId) -> Result<Option<FlowStatus>> {
        self.run(tenant, Operation::Flow, &OfFlow { flow }).await
    }

    async fn about_flow(&self, tenant: &str, flow: JobId) -> Result<Option<Vec<u8>>> {
        let asked = OfFlow { flow };
        let about: Option<ByteBuf> = self.run(tenant, Operation::AboutFlow, &asked).await?;
        Ok(about.map(ByteBuf::into_vec))
    }

    async fn flows(&self, tenant: &str, offset: u64, limit: u32) -> Result<Vec<FlowStatus>> {
        let request = Stretch { offset, limit };
        self.run(tenant, Operation::Flows, &request).await
    }

    async fn flow_nodes(
        &self,
        tenant: &str,
        flow: JobId,
        first: u32,
        count: u32,
    ) -> Result<Vec<(JobId, Option<State>)>> {
        let request = Places { flow, first, count };
        self.run(tenant, Operation::FlowNodes, &request).await
    }

    async fn cancel_flow(&self, tenant: &str, flow: JobId) -> Result<bool> {
        self.run(tenant, Operation::CancelFlow, &OfFlow { flow })
            .await
    }

    async fn retry_flow(&self, tenant: &str, flow: JobId) -> Result<bool> {
        self.run(tenant, Operation::RetryFlow, &OfFlow { flow })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{NewJob, Partition};

    #[test]
    fn large_nodes_go_fewer_at_a_time() {
        let node = |size: usize| FlowNode {
            job: NewJob::new(JobId::new(Partition(0)), "m", "t", vec![0; size]),
            needs: vec![],
        };
        let small = vec![node(1); 1_000];
        assert_eq!(share(&small), 1_000);
        assert_eq!(share(&[node(MAX_ADDED + 1), node(1)]), 1, "one always goes");
        let large = vec![node(MAX_ADDED / 2); 3];
        assert_eq!(share(&large), 2);
        assert_eq!(share(&[]), 0);
    }
}
