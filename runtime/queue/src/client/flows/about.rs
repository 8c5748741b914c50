//! What is kept of how a flow was written: enough to draw it, and to find its results,
//! without reading its jobs.

use serde::{Deserialize, Serialize};

use super::ClientError;
use crate::broker::{MAX_ABOUT, corrupt};
use crate::flow::{Plan, Shape};
use crate::job::JobId;

/// No more is unpacked than this: what is packed comes from a store.
const MAX_UNPACKED: u64 = 64 << 20;
/// Fast, and what alike steps have in common goes.
const LEVEL: i32 = 3;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    /// How it was written, by the places of its nodes.
    #[serde(rename = "s")]
    pub(super) shape: Shape,
    /// The tasks of its nodes in the order of their places, each with how many lie side
    /// by side.
    #[serde(rename = "t")]
    pub(super) tasks: Vec<(String, u32)>,
    /// What tells its contents from others', where it has a key.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<[u8; 32]>,
}

impl About {
    pub(super) fn of(plan: &Plan) -> Self {
        let mut tasks: Vec<(String, u32)> = Vec::new();
        let mut last = None;
        for node in &plan.nodes {
            let task = &node.call.task;
            match tasks.last_mut() {
                Some((_, count)) if last == Some(task) => *count += 1,
                _ => tasks.push((task.to_string(), 1)),
            }
            last = Some(task);
        }
        About {
            shape: plan.shape.clone(),
            tasks,
            digest: None,
        }
    }

    pub(super) fn pack(&self) -> Result<Vec<u8>, ClientError> {
        let bytes = rmp_serde::to_vec_named(self).expect("a vector takes all writes");
        let packed = zstd::bulk::compress(&bytes, LEVEL).expect("a vector takes all writes");
        match packed.len() > MAX_ABOUT || bytes.len() as u64 > MAX_UNPACKED {
            true => Err(ClientError::Detailed(packed.len().max(MAX_ABOUT + 1))),
            false => Ok(packed),
        }
    }

    pub(super) fn unpack(flow: JobId, packed: &[u8]) -> Result<Self, ClientError> {
        let wrong = |reason: &str| corrupt(format!("flow {flow}"), reason);
        let size = zstd::zstd_safe::get_frame_content_size(packed)
            .ok()
            .flatten();
        let size = size.filter(|it| *it <= MAX_UNPACKED);
        let size = size.ok_or_else(|| wrong("what is kept about it is no frame"))?;
        let bytes = zstd::bulk::decompress(packed, size as usize);
        let bytes = bytes.map_err(|e| wrong(&e.to_string()))?;
        rmp_serde::from_slice(&bytes).map_err(|e| wrong(&e.to_string()).into())
    }
}
