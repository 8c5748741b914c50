//! Names that both this side and the scripts must know. Those of stored keys,
//! all below the root, are spelled in `scripts/prelude.lua` and nowhere else.

use crate::job::{Partition, WorkerId};

/// A partition's root, the one key that scripts are given: its hash tag keeps
/// all of the partition in one slot of a Redis Cluster.
pub(super) fn root(partition: Partition) -> String {
    format!("lovage:{{{}}}", partition.0)
}

/// Where one worker is spoken to.
pub(super) fn worker_channel(partition: Partition, worker: WorkerId) -> Vec<u8> {
    [root(partition).as_bytes(), b":@w:", &worker.0.to_le_bytes()].concat()
}

/// Where all workers are spoken to.
pub(super) fn workers_channel(partition: Partition) -> Vec<u8> {
    [root(partition).as_bytes(), b":@all"].concat()
}

/// Where one process is told that jobs it waits for have ended. By the name the scripts
/// know what it understands: on `:@c:` an earlier Lovage listens.
pub(super) fn waiter_channel(partition: Partition, waiter: u64) -> Vec<u8> {
    [root(partition).as_bytes(), b":@t:", &waiter.to_le_bytes()].concat()
}
