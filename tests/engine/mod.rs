//! The engine, with hand-written guests.

mod batches;
mod buckets;
mod cache;
mod capabilities;
mod endings;
mod http;
mod neighbours;
mod plain;
mod refusals;
mod scratch;
mod spending;
mod tcp;
mod wants;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use lovage::engine::{Engine, Host, Invocation, Module, NoHost, Outcome, Settings};

use crate::fixtures::Guest;

/// What the tests wait for anything that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// An engine with few slots.
fn engine() -> Engine {
    Engine::new(Settings {
        instances: 8,
        ..Settings::default()
    })
    .unwrap()
}

/// The engine of the tests that need none of their own.
static ENGINE: LazyLock<Engine> = LazyLock::new(engine);

fn module(guest: &Guest) -> Module {
    ENGINE.compile(&guest.build()).unwrap()
}

pub(crate) fn invocation(module: &Module) -> Invocation {
    Invocation::local(module.digest(), "go", b"input".to_vec())
}

pub(crate) async fn run_with(engine: &Engine, module: &Module, invocation: Invocation) -> Outcome {
    let host: Arc<dyn Host> = Arc::new(NoHost::default());
    let run = engine.run(module, invocation, host);
    tokio::time::timeout(PATIENCE, run).await.expect("it ends")
}

/// Runs a guest with the default limits.
async fn run(guest: &Guest) -> Outcome {
    let module = module(guest);
    run_with(&ENGINE, &module, invocation(&module)).await
}
