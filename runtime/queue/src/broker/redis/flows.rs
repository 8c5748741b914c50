//! Flows on Redis: each operation's way into its script.

use std::time::Duration;

use super::reply::Reply;
use super::{RedisBroker, Result, scripts};
use crate::broker::{
    BrokerError, FlowNode, FlowState, FlowStatus, Flows, MAX_FLOWS_LISTED, NewFlow, check_flow,
    check_nodes,
};
use crate::clock::{Millis, millis};
use crate::job::{JobId, State};
use crate::record;

/// Nodes a step: Redis does nothing else meanwhile.
const STEP: usize = 500;
/// Joints that they need together, and bytes that they take: past either a step has fewer
/// nodes.
const NEEDS: usize = 2_000;
const BYTES: usize = 1 << 20;

fn missing(flow: JobId) -> BrokerError {
    BrokerError::Missing(format!("flow {flow}"))
}

impl RedisBroker {
    async fn add_some(
        &self,
        tenant: &str,
        flow: JobId,
        first: usize,
        nodes: &[FlowNode],
    ) -> Result<()> {
        let mut command = self.of_tenant(&scripts::ADD_NODES, tenant);
        command.arg(flow.to_string()).arg(first);
        for FlowNode { job, needs } in nodes {
            let invalid = |e: record::RecordError| BrokerError::Invalid(e.to_string());
            let (version, call) = record::encode_new(job).map_err(invalid)?;
            let needs: Vec<u8> = needs.iter().flat_map(|it| it.to_le_bytes()).collect();
            command
                .arg(&job.id.0)
                .arg(&[version, job.priority, job.crash_limit])
                .arg(call)
                .arg(needs);
        }
        let mut reply = self.list_of(&scripts::ADD_NODES, &command).await?;
        match &reply.bytes()?[..] {
            b"ok" => Ok(()),
            b"gap" => {
                let (there, all) = (reply.number()?, reply.number()?);
                Err(BrokerError::Invalid(format!(
                    "nodes {first} to {} do not follow the {there} of {all} that flow {flow} has",
                    first + nodes.len()
                )))
            }
            b"missing" => Err(BrokerError::Missing(format!("blob {}", reply.text()?))),
            _ => Err(missing(flow)),
        }
    }

    async fn hold(&self, tenant: &str, flow: JobId, verb: &str) -> Result<i64> {
        let mut command = self.of_tenant(&scripts::HOLD_FLOW, tenant);
        command.arg(flow.to_string()).arg(verb);
        match self.run(&scripts::HOLD_FLOW, &command).await? {
            redis::Value::Int(number) => Ok(number),
            other => Err(super::unexpected(
                "hold_flow",
                &format!("no number but {other:?}"),
            )),
        }
    }
}

#[async_trait::async_trait]
impl Flows for RedisBroker {
    async fn begin_flow(&self, tenant: &str, flow: &NewFlow) -> Result<()> {
        check_flow(tenant, flow, self.partitions)?;
        let mut command = self.of_tenant(&scripts::BEGIN_FLOW, tenant);
        command
            .arg(flow.id.to_string())
            .arg(&flow.name)
            .arg(flow.nodes);
        match flow.keep {
            Some(span) => command.arg(millis(span)),
            None => command.arg(""),
        };
        command.arg(&flow.about);
        self.number_of(&scripts::BEGIN_FLOW, &command)
            .await
            .map(drop)
    }

    async fn add_nodes(
        &self,
        tenant: &str,
        flow: JobId,
        first: u32,
        nodes: &[FlowNode],
    ) -> Result<()> {
        check_nodes(tenant, flow, nodes, self.partitions)?;
        let mut at = 0;
        while at < nodes.len() {
            let count = step(&nodes[at..]);
            let some = &nodes[at..at + count];
            self.add_some(tenant, flow, first as usize + at, some)
                .await?;
            at += count;
        }
        Ok(())
    }

    async fn start_flow(&self, tenant: &str, flow: JobId) -> Result<()> {
        match self.hold(tenant, flow, "start").await? {
            -1 => Err(missing(flow)),
            -2 => Err(BrokerError::Invalid(format!(
                "flow {flow} lacks some of its nodes: add them first"
            ))),
            _ => Ok(()),
        }
    }

    async fn flow(&self, tenant: &str, flow: JobId) -> Result<Option<FlowStatus>> {
        let mut command = self.of_tenant(&scripts::FLOWS, tenant);
        command.arg(flow.to_string());
        let mut reply = self.list_of(&scripts::FLOWS, &command).await?;
        match reply.is_empty() {
            true => Ok(None),
            false => read_flow(&mut reply).map(Some),
        }
    }

    async fn about_flow(&self, tenant: &str, flow: JobId) -> Result<Option<Vec<u8>>> {
        let mut command = self.of_tenant(&scripts::ABOUT_FLOW, tenant);
        command.arg(flow.to_string());
        self.bytes_of(&scripts::ABOUT_FLOW, &command).await
    }

    async fn flows(&self, tenant: &str, offset: u64, limit: u32) -> Result<Vec<FlowStatus>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut command = self.of_tenant(&scripts::FLOWS, tenant);
        command.arg("").arg(offset).arg(limit.min(MAX_FLOWS_LISTED));
        let mut reply = self.list_of(&scripts::FLOWS, &command).await?;
        let mut flows = Vec::new();
        while !reply.is_empty() {
            flows.push(read_flow(&mut reply)?);
        }
        Ok(flows)
    }

    async fn flow_nodes(
        &self,
        tenant: &str,
        flow: JobId,
        first: u32,
        count: u32,
    ) -> Result<Vec<(JobId, Option<State>)>> {
        let mut nodes = Vec::new();
        let mut from = first;
        let end = first.saturating_add(count.min(crate::broker::MAX_BATCH as u32));
        while from < end {
            let some = (end - from).min(2 * STEP as u32);
            let mut command = self.of_tenant(&scripts::NODES, tenant);
            command.arg(flow.to_string()).arg(from).arg(some);
            let mut reply = self.list_of(&scripts::NODES, &command).await?;
            let (ids, states) = (reply.ids()?, reply.bytes()?);
            let read = |digit: u8| State::from_code(digit.wrapping_sub(b'0'));
            let short = ids.len() < some as usize;
            nodes.extend(ids.into_iter().zip(states.into_iter().map(read)));
            if short {
                break;
            }
            from += some;
        }
        Ok(nodes)
    }

    async fn cancel_flow(&self, tenant: &str, flow: JobId) -> Result<bool> {
        Ok(self.hold(tenant, flow, "cancel").await? == 1)
    }

    async fn retry_flow(&self, tenant: &str, flow: JobId) -> Result<bool> {
        Ok(self.hold(tenant, flow, "retry").await? == 1)
    }
}

/// How many of these are added in one step.
fn step(nodes: &[FlowNode]) -> usize {
    let (mut needs, mut bytes) = (0, 0);
    let fits = |it: &&FlowNode| {
        needs += it.needs.len();
        bytes += it.job.input.inline().map_or(0, <[u8]>::len);
        needs <= NEEDS && bytes <= BYTES
    };
    nodes.iter().take(STEP).take_while(fits).count().max(1)
}

fn read_flow(reply: &mut Reply) -> Result<FlowStatus> {
    let id = reply.text()?.parse();
    let id = id.map_err(|_| super::unexpected("flows", "an id that is none"))?;
    let name = reply.text()?;
    let state = FlowState::from_letter(&reply.text()?);
    let state = state.ok_or_else(|| super::unexpected("flows", "a state that is none"))?;
    let mut number = || reply.number();
    let (nodes, pending) = (number()? as u32, number()? as u32);
    let (completed, failed) = (number()? as u32, number()? as u32);
    let (begun, ended) = (Millis(number()?), Millis(number()?));
    Ok(FlowStatus {
        id,
        name,
        state,
        nodes,
        pending,
        completed,
        failed,
        begun,
        ended,
        keep: reply.text()?.parse().ok().map(Duration::from_millis),
    })
}
