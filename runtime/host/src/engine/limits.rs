//! What an attempt may use, and the limiter that holds it to its memory.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

use crate::net::{Bounds, TcpBounds};

/// Core instances that one component may hold. A Python component has 30-odd.
pub(crate) const CORE_INSTANCES: u32 = 40;
/// Linear memories that one component may hold.
pub(crate) const MEMORIES: u32 = 4;
/// Tables that one component may hold.
pub(crate) const TABLES: u32 = 4;
/// Elements of one table. Python's, the largest seen, has 5,672.
pub(crate) const TABLE_ELEMENTS: usize = 20_000;
/// Resources (streams, pollables, ...) that an attempt may hold open.
pub(crate) const HANDLES: usize = 10_000;
/// Of WASI's own resources, each of which may hold some of the host's memory: a field of
/// headers up to [`FIELDS`], a body that is written two chunks.
pub(crate) const RESOURCES: usize = 1_000;
/// Bytes of one list of headers.
pub(crate) const FIELDS: usize = 64 * 1024;
/// Bytes that a guest may hand over in one call, whatever its memory: more than
/// this is refused before it is copied.
const TRANSFER: usize = 128 * MIB as usize;
/// The same of `describe`, which has at most 4 MiB to say.
pub(crate) const DESCRIPTION: usize = 16 * MIB as usize;

const MIB: u64 = 1024 * 1024;

/// The bounds of one attempt. Every one of them is enforced by the engine; none
/// relies on the module's goodwill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Units of wasmtime's fuel. A budget, and no clock: what a unit costs in
    /// time varies a thousandfold between instructions.
    pub fuel: u64,
    /// Bytes of linear memory, over all of a component's memories.
    pub memory: u64,
    /// Wall-clock time, from the moment that the attempt has its slot.
    pub deadline: Duration,
    /// Wall-clock time after which the task's own `cancelled()` answers true.
    /// What it returns after that counts as ever.
    pub soft_deadline: Option<Duration>,
    /// Bytes of the result.
    pub result: usize,
    /// Bytes that are kept of what the task writes to stdout and stderr.
    pub log: usize,
    /// Bytes of one checkpoint.
    pub checkpoint: usize,
    /// Jobs that may be enqueued in one call.
    pub jobs: usize,
    /// Bytes of the input of a job that is enqueued.
    pub input: usize,
    /// Calls that reach the host: checkpoints, restores and enqueues.
    pub calls: u32,
    /// Bytes that those calls move, both ways.
    pub moved: u64,
    /// Calls of everything that a module imports, those that reach the host included.
    pub imports: u64,
    /// Requests over HTTP.
    pub http: Bounds,
    /// Connections by TCP.
    pub tcp: TcpBounds,
    /// Bytes of a scratch folder, whatever was granted.
    pub scratch: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            fuel: 100_000_000_000,
            memory: 128 * MIB,
            deadline: Duration::from_secs(60),
            soft_deadline: None,
            result: 16 * MIB as usize,
            log: 64 * 1024,
            checkpoint: MIB as usize,
            jobs: 1_000,
            input: 16 * MIB as usize,
            calls: 10_000,
            moved: 256 * MIB,
            imports: 10_000_000,
            http: Bounds::default(),
            tcp: TcpBounds::default(),
            scratch: 64 * MIB,
        }
    }
}

impl Limits {
    /// What `describe` gets: it has nothing to compute, only to answer. A
    /// Python module runs its imports at build time, so this is ample.
    pub fn of_describe() -> Self {
        Limits {
            fuel: 2_000_000_000,
            memory: 256 * MIB,
            deadline: Duration::from_secs(10),
            calls: 0,
            ..Limits::default()
        }
    }

    /// Bytes that the guest may hand over in one call. Results past the limit
    /// are told apart from broken ones by their length, so up to the guest's
    /// own memory they are copied first.
    pub(crate) fn transfer(&self) -> usize {
        let memory = usize::try_from(self.memory).unwrap_or(usize::MAX);
        memory.min(TRANSFER.max(self.result.saturating_mul(4)))
    }
}

/// The most that a task or a call may ask for, whatever it says. What is past it is held
/// to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// Units of fuel.
    pub fuel: u64,
    /// Bytes of linear memory.
    pub memory: u64,
    /// Wall-clock time of an attempt.
    pub deadline: Duration,
}

impl Default for Ceilings {
    fn default() -> Self {
        Ceilings {
            fuel: 10_000_000_000_000,
            memory: 4096 * MIB,
            deadline: Duration::from_secs(24 * 3600),
        }
    }
}

impl Limits {
    /// The same, within the ceilings.
    pub fn held_to(self, most: &Ceilings) -> Self {
        Limits {
            fuel: self.fuel.min(most.fuel),
            memory: self.memory.min(most.memory),
            deadline: self.deadline.min(most.deadline),
            ..self
        }
    }
}

/// Counts linear memory, and refuses what goes past the limit. A refused
/// growth is no trap: the guest is told -1, and most then abort. So it is
/// recorded here, and the outcome read from the record.
#[derive(Debug)]
pub(crate) struct Limiter {
    limit: u64,
    held: u64,
    peak: u64,
    refused: bool,
}

impl Limiter {
    pub(crate) fn new(limit: u64) -> Self {
        Limiter {
            limit,
            held: 0,
            peak: 0,
            refused: false,
        }
    }

    /// The most memory that was held, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }

    /// Whether a growth was refused.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = desired.saturating_sub(current) as u64;
        let held = self.held.saturating_add(grown);
        // Past the memory's own maximum the growth fails whatever is said here,
        // and that is the module's choice, not our limit.
        if maximum.is_some_and(|maximum| desired > maximum) {
            self.refused |= held > self.limit;
            return Ok(false);
        }
        if held > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.held = held;
        self.peak = self.peak.max(held);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_over_all_memories_and_refusals_are_recorded() {
        let mut limiter = Limiter::new(300);
        assert!(limiter.memory_growing(0, 100, None).unwrap());
        assert!(limiter.memory_growing(0, 100, None).unwrap());
        assert!(!limiter.refused());
        assert!(!limiter.memory_growing(100, 201, None).unwrap());
        assert!(limiter.refused());
        assert!(limiter.memory_growing(100, 200, None).unwrap());
        assert_eq!(limiter.peak(), 300);
    }

    #[test]
    fn a_memory_that_reaches_its_own_maximum_has_not_reached_ours() {
        let mut limiter = Limiter::new(1_000);
        assert!(!limiter.memory_growing(100, 200, Some(150)).unwrap());
        assert!(!limiter.refused());
    }

    #[test]
    fn whatever_is_asked_for_the_ceilings_hold() {
        let most = Ceilings {
            fuel: 10,
            memory: 20,
            deadline: Duration::from_secs(30),
        };
        let asked = Limits {
            fuel: u64::MAX,
            memory: 19,
            deadline: Duration::MAX,
            ..Limits::default()
        };
        let held = asked.held_to(&most);
        assert_eq!(
            (held.fuel, held.memory, held.deadline),
            (10, 19, most.deadline)
        );
        assert_eq!(
            Limits::default().held_to(&Ceilings::default()),
            Limits::default()
        );
    }

    #[test]
    fn tables_are_bounded() {
        let mut limiter = Limiter::new(0);
        assert!(limiter.table_growing(0, TABLE_ELEMENTS, None).unwrap());
        assert!(!limiter.table_growing(0, TABLE_ELEMENTS + 1, None).unwrap());
    }
}
