//! The engine's settings, and what they make of wasmtime's.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::apart::Compiler;
use super::limits::{CORE_INSTANCES, Limits, MEMORIES, TABLE_ELEMENTS, TABLES};

/// Linear memory of a slot that is wiped in place rather than given back to the
/// kernel: the page faults of getting it again cost more.
const KEEP_MEMORY: usize = 1024 * 1024;
/// The same for tables.
const KEEP_TABLES: usize = 64 * 1024;
/// The same for stacks: all of it is wiped, however little the guest used.
const KEEP_STACK: usize = 8 * 1024;
/// Stack that wasm may use. Twice wasmtime's default: Python recurses deep.
const WASM_STACK: usize = 1024 * 1024;
/// Stack of a fiber; what is above the former is for host functions.
const FIBER_STACK: usize = 2 * 1024 * 1024;
/// Metadata of a core instance and of a whole component.
const INSTANCE_SIZE: usize = 1024 * 1024;
/// Frames of a trap's backtrace. They are for its message; a deep recursion
/// says nothing more with a thousand.
const FRAMES: usize = 16;

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Instances that may run at once. Each slot costs address space, and the
    /// memory that its last guest left resident (about 1 MiB).
    pub instances: u32,
    /// The most linear memory that any one memory may have, whatever an
    /// attempt's limits say: 256 MiB to 4 GiB.
    pub max_memory: u64,
    /// How often running guests come back to the executor.
    pub tick: Duration,
    /// The folder of compiled modules; `None` for none.
    pub cache: Option<PathBuf>,
    /// Bytes that the folder may hold.
    pub cache_bytes: u64,
    /// Bytes that compiled modules may hold in memory. Whatever was not used for
    /// longest leaves first, and comes back from the folder.
    pub module_bytes: u64,
    /// Whether a compilation takes all cores. A worker's must not, since jobs
    /// run on them; a CLI's should.
    pub parallel_compile: bool,
    /// Who compiles modules, if not this process.
    pub compiler: Option<Arc<dyn Compiler>>,
    /// Whether modules run in other processes: then they are kept as artifacts, and no code
    /// of them comes into this one.
    pub elsewhere: bool,
    /// What an attempt gets where neither its task nor its caller says.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            instances: 64,
            max_memory: 4 << 30,
            tick: Duration::from_millis(1),
            cache: None,
            cache_bytes: 4 << 30,
            module_bytes: 1 << 30,
            parallel_compile: false,
            compiler: None,
            elsewhere: false,
            limits: Limits::default(),
        }
    }
}

impl Settings {
    /// The largest memory, within its bounds and in whole pages.
    fn max_memory(&self) -> usize {
        const PAGE: u64 = 64 * 1024;
        let memory = self.max_memory.clamp(256 << 20, 4 << 30);
        usize::try_from(memory / PAGE * PAGE).unwrap_or(usize::MAX)
    }

    /// Wasmtime's configuration.
    pub(super) fn wasmtime(&self) -> Config {
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            // The budget.
            .consume_fuel(true)
            // Yields, deadline and cancellation.
            .epoch_interruption(true)
            // A third of the cost of a fresh instance. Without it a component
            // that uses the async builtins does not compile.
            .concurrency_support(false)
            .memory_init_cow(true)
            .max_wasm_stack(WASM_STACK)
            .async_stack_size(FIBER_STACK)
            .async_stack_zeroing(true)
            .wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES))
            .parallel_compilation(self.parallel_compile)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(self.pool()));
        config
    }

    /// What a slot has: enough for every toolchain's components.
    fn pool(&self) -> PoolingAllocationConfig {
        let instances = self.instances.max(1);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances)
            .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
            .total_memories(instances.saturating_mul(MEMORIES))
            .total_tables(instances.saturating_mul(TABLES))
            .total_stacks(instances)
            .max_core_instances_per_component(CORE_INSTANCES)
            .max_memories_per_component(MEMORIES)
            .max_tables_per_component(TABLES)
            .max_memories_per_module(MEMORIES)
            .max_tables_per_module(TABLES)
            .table_elements(TABLE_ELEMENTS)
            .max_core_instance_size(INSTANCE_SIZE)
            .max_component_instance_size(INSTANCE_SIZE)
            .max_memory_size(self.max_memory())
            .linear_memory_keep_resident(KEEP_MEMORY)
            .table_keep_resident(KEEP_TABLES)
            .async_stack_keep_resident(KEEP_STACK)
            // A module's next attempt finds its slot as it left it.
            .max_unused_warm_slots(u32::MAX)
            // Wipes only the pages that were written. `Auto`: kernels before
            // 6.7 lack it.
            .pagemap_scan(Enabled::Auto);
        pool
    }
}
