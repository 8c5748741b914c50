//! Flows and nodes that are new.

use std::collections::BTreeMap;

use rusqlite::params;

use super::free::{START, free_joint};
use super::{At, Stop, ends};
use crate::broker::sqlite::db::time;
use crate::broker::sqlite::enqueue::{self, Ready};
use crate::broker::sqlite::fault::Done;
use crate::broker::sqlite::sql::sql;
use crate::broker::sqlite::step::Step;
use crate::broker::sqlite::tenants;
use crate::broker::{BrokerError, FlowNode, FlowState, NewFlow, Result};
use crate::clock::millis;
use crate::job::{JobId, WithoutNode};

/// A node with its call encoded, which is done before the writer is troubled.
pub(in super::super) struct Node {
    ready: Ready,
    needs: Vec<u32>,
    joins: Option<u32>,
    /// Whether any of its needs frees it.
    is_handler: bool,
}

impl Node {
    /// Encodes.
    pub(in super::super) fn new(node: &FlowNode) -> Result<Self> {
        let handles = |seat: crate::job::Seat| seat.without == WithoutNode::Handles;
        Ok(Node {
            ready: Ready::new(&node.job)?,
            needs: node.needs.clone(),
            joins: node.job.seat.and_then(|seat| seat.joins),
            is_handler: node.job.seat.is_some_and(handles),
        })
    }
}

fn missing(flow: JobId) -> BrokerError {
    BrokerError::Missing(format!("flow {flow}"))
}

/// Begins a flow; one that is there stays as it is.
pub(in super::super) fn begin(step: &mut Step<'_>, tenant: &str, flow: &NewFlow) -> Done<()> {
    tenants::check_new(step, tenant)?;
    let row = params![
        tenant,
        flow.id.0,
        flow.name,
        flow.nodes,
        flow.keep.map(|span| millis(span).cast_signed()),
        time(step.now)
    ];
    if step.db.run(sql!("flows", "begin"), row)? == 0 {
        return Ok(());
    }
    let n = step.db.last_insert();
    step.db
        .run(sql!("flows", "keep_about"), params![n, flow.about])?;
    Ok(())
}

/// How many nodes a flow will have, and has.
pub(super) fn extent(step: &Step<'_>, n: i64) -> Done<(u32, u32)> {
    let extent = step.db.one(sql!("flows", "extent"), [n], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(extent.unwrap_or_default())
}

/// Adds nodes behind those that are there.
pub(in super::super) fn add(
    step: &mut Step<'_>,
    tenant: &str,
    id: JobId,
    first: u32,
    nodes: &[Node],
) -> Done<()> {
    let at = step.flow(tenant, id)?.ok_or_else(|| missing(id))?;
    let flow = step.flows.at(at);
    if (flow.state, flow.stop) != (Some(FlowState::Building), Stop::No) {
        return Err(missing(id).into());
    }
    let n = flow.n;
    let (whole, added) = extent(step, n)?;
    let end = u64::from(first) + nodes.len() as u64;
    if first > added || end > u64::from(whole) {
        let said =
            format!("nodes {first} to {end} of flow {id} cannot follow {added}, it has {whole}");
        return Err(BrokerError::Invalid(said).into());
    }
    let known = (added - first) as usize;
    tenants::check_new(step, tenant)?;
    let sizes = nodes.iter().skip(known).map(|it| it.ready.size());
    let (count, bytes) = sizes.fold((0, 0), |(count, bytes), it| (count + 1, bytes + it));
    tenants::check_quota(step, tenant, count, bytes)?;
    let mut members: BTreeMap<u32, i64> = BTreeMap::new();
    for (place, node) in (first..).zip(nodes).skip(known) {
        add_one(step, at, tenant, place, node)?;
        if let Some(joint) = node.joins {
            *members.entry(joint).or_default() += 1;
        }
    }
    for (joint, count) in members {
        step.db
            .run(sql!("flows", "add_members"), params![n, joint, count])?;
    }
    if end > u64::from(added) {
        step.db
            .run(sql!("flows", "grown"), params![n, end as i64])?;
    }
    Ok(())
}

fn add_one(step: &mut Step<'_>, at: At, tenant: &str, place: u32, node: &Node) -> Done<()> {
    let job = enqueue::add_pending(step, tenant, &node.ready)?;
    let flow = step.flows.at(at);
    flow.pending += 1;
    let n = flow.n;
    let waits = match node.needs.len() {
        several @ 2.. if !node.is_handler => several as i64,
        _ => 0,
    };
    step.db
        .run(sql!("flows", "add_node"), params![job, n, place, waits])?;
    if node.needs.is_empty() {
        step.db
            .run(sql!("flows", "add_edge"), params![n, START, place])?;
    }
    for joint in &node.needs {
        step.db
            .run(sql!("flows", "add_edge"), params![n, joint, place])?;
    }
    Ok(())
}

/// The same of one that is there and can begin; what is not is none of its maker's
/// concern any more.
pub(in super::super) fn start_if_whole(step: &mut Step<'_>, tenant: &str, id: JobId) -> Done<()> {
    let Some(at) = step.flow(tenant, id)? else {
        return Ok(());
    };
    let flow = step.flows.at(at);
    let (n, building) = (flow.n, flow.state == Some(FlowState::Building));
    let (whole, added) = extent(step, n)?;
    match building && added == whole {
        true => start(step, tenant, id),
        false => Ok(()),
    }
}

/// Lets a flow begin that is whole.
pub(in super::super) fn start(step: &mut Step<'_>, tenant: &str, id: JobId) -> Done<()> {
    let at = step.flow(tenant, id)?.ok_or_else(|| missing(id))?;
    let flow = step.flows.at(at);
    match flow.state {
        None => return Err(missing(id).into()),
        Some(FlowState::Building) => {}
        Some(_) => return Ok(()),
    }
    let n = flow.n;
    let (whole, added) = extent(step, n)?;
    if added < whole {
        let said = format!("flow {id} is not whole: it has {added} of {whole} nodes");
        return Err(BrokerError::Invalid(said).into());
    }
    let flow = step.flows.at(at);
    // One that is cancelled as it is built ends by that.
    if flow.stop == Stop::No {
        flow.state = Some(FlowState::Running);
        flow.is_turned = true;
        free_joint(step, at, START)?;
        ends::look_over(step, at, false)?;
    }
    Ok(())
}
