//! One attempt: a fresh instance, one call, an outcome. `batch` has those of many
//! jobs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lovage_queue::registry::Digest;
use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, TypedFunc,
};
use wasmtime::{Store, UpdateDeadline};

use super::batch::{self, Batched};
use super::bindings::lovage::task::types;
use super::host::log::Tap;
use super::host::{Host, State};
use super::invocation::{Cancel, Invocation, JobContext};
use super::limits::{DESCRIPTION, HANDLES, Limits};
use super::meter::metered;
use super::module::{Handler, Linked};
use super::outcome::{self, End, Evidence, Misfit, Outcome, Stop};
use super::{Engine, Refusal};

/// The type of `handler.run`.
type Run = (Result<Vec<u8>, types::Failure>,);

/// Runs `invocation` in an instance of its own. The caller has a slot for it.
pub(super) async fn run(
    engine: &Engine,
    module: &Linked,
    invocation: Invocation,
    host: Arc<dyn Host>,
) -> Outcome {
    let Invocation {
        context,
        task,
        input,
        limits,
        cancel,
        log,
        grants,
    } = invocation;
    let started = Instant::now();
    let state = State::new(context, limits, cancel, log, grants, host);
    let mut store = store(engine, state);
    // To clear up what it left is work for it too.
    let (outcome, cpu) = metered(async {
        let answer = guarded(&mut store, async |store| {
            let instance = module.pre.instantiate_async(&mut *store).await?;
            match &module.handler {
                Handler::Plain(plain) => plain.run(store, &instance, &task, &input).await,
                Handler::Own(handler) => {
                    let run = function::<(&str, &[u8]), Run>(store, &instance, &handler.run)?;
                    Ok(run.call_async(&mut *store, (&task, &input)).await?.0)
                }
            }
        });
        let answer = answer.await;
        conclude(store, started, |limits| match answer {
            Ok(Ok(Ok(result))) if result.len() > limits.result => {
                Ok(outcome::too_large(result.len(), limits))
            }
            Ok(Ok(Ok(result))) => Ok(End::Completed(result)),
            Ok(Ok(Err(failure))) => Ok(End::Failed(outcome::bounded(failure.into()))),
            Ok(Err(error)) => Err(error),
            Err(stop) => Ok(outcome::stopped(stop, limits)),
        })
    })
    .await;
    Outcome { cpu, ..outcome }
}

/// Calls `describe` in an instance of its own, and that of `batches` where there is
/// one; and makes sure that `run` has the type that a call will need.
pub(super) async fn describe(
    engine: &Engine,
    module: &Linked,
    digest: Digest,
    host: Arc<dyn Host>,
) -> Result<(Vec<types::TaskInfo>, Vec<Batched>), Refusal> {
    let asked = asked(engine, module, digest, host, async |store, instance| {
        let Handler::Own(handler) = &module.handler else {
            return Ok(Default::default());
        };
        function::<(&str, &[u8]), Run>(store, instance, &handler.run)?;
        let describe = function::<(), (Vec<types::TaskInfo>,)>(store, instance, &handler.describe)?;
        let (tasks,) = describe.call_async(&mut *store, ()).await?;
        Ok((tasks, batch::describe(store, instance, module).await?))
    });
    asked.await.map_err(|e| e.unwrap_or_else(Refusal::Describe))
}

/// Calls `wants` in an instance of its own, where there is one.
pub(super) async fn wants(
    engine: &Engine,
    module: &Linked,
    digest: Digest,
    host: Arc<dyn Host>,
) -> Result<Vec<String>, Refusal> {
    let Some(wants) = &module.wants else {
        return Ok(Vec::new());
    };
    let asked = asked(engine, module, digest, host, async |store, instance| {
        let wants = function::<(), (Vec<String>,)>(store, instance, wants)?;
        let (lines,) = wants.call_async(&mut *store, ()).await?;
        Ok(lines)
    });
    asked.await.map_err(|e| e.unwrap_or_else(Refusal::Wants))
}

/// Asks a module for what it says of itself, in an instance of its own. It may be of
/// another shape; or what it did instead is told.
async fn asked<T>(
    engine: &Engine,
    module: &Linked,
    digest: Digest,
    host: Arc<dyn Host>,
    ask: impl AsyncFnOnce(&mut Store<State>, &Instance) -> wasmtime::Result<T>,
) -> Result<T, Result<Refusal, String>> {
    let limits = Limits::of_describe();
    let context = JobContext::local(digest, "");
    let started = Instant::now();
    let (cancel, log) = (Cancel::default(), Tap::default());
    let state = State::new(context, limits, cancel, log, Arc::default(), host);
    let mut store = store(engine, state);
    store.set_hostcall_fuel(DESCRIPTION);
    let answer = guarded(&mut store, async |store| {
        let instance = module.pre.instantiate_async(&mut *store).await?;
        ask(store, &instance).await
    })
    .await;
    let error = match answer {
        Ok(Ok(told)) => return Ok(told),
        Ok(Err(error)) => match error.downcast_ref::<Misfit>() {
            Some(misfit) => return Err(Ok(Refusal::World(misfit.to_string()))),
            None => error,
        },
        Err(stop) => stop.into(),
    };
    let outcome = conclude(store, started, |_| Err(error));
    let failure = outcome.end.failure();
    let message = failure.map_or("was stopped", |failure| &failure.message);
    Err(Err(message.to_owned()))
}

/// A function of an export, which must have the type that the contract says.
pub(super) fn function<Params, Return>(
    store: &mut Store<State>,
    instance: &Instance,
    index: &ComponentExportIndex,
) -> wasmtime::Result<TypedFunc<Params, Return>>
where
    Params: ComponentNamedList + Lower,
    Return: ComponentNamedList + Lift,
{
    instance
        .get_typed_func(store, index)
        .map_err(|error| Misfit(super::module::told(&error)).into())
}

/// A store with every bound set.
pub(super) fn store(engine: &Engine, state: State) -> Store<State> {
    let (fuel, transfer) = (state.limits.fuel, state.limits.transfer());
    let mut store = Store::new(engine.wasmtime(), state);
    store.set_fuel(fuel).expect("fuel is switched on");
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(transfer);
    store.set_max_component_handles(HANDLES);
    // At every tick the guest comes back here. It is asked nothing by itself:
    // a guest that never calls the host is stopped all the same.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|context| {
        let state = context.data();
        if state.cancel.is_stopped() {
            return Err(Stop::Cancelled.into());
        }
        if Instant::now() >= state.deadline {
            return Err(Stop::Deadline.into());
        }
        if state.imported > state.limits.imports {
            return Err(Stop::Imports.into());
        }
        // Tokio's own yield, which lets its timers and sockets go first: a
        // plain wake-up would starve them behind spinning guests.
        let turn = Box::pin(tokio::task::yield_now());
        Ok(UpdateDeadline::YieldCustom(1, turn))
    });
    store
}

/// Does `work`, and ends it from outside where it waits for its host past the
/// deadline, or when it is stopped.
pub(super) async fn guarded<T>(
    store: &mut Store<State>,
    work: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<T>,
) -> Result<wasmtime::Result<T>, Stop> {
    let cancel = store.data().cancel.clone();
    let deadline = tokio::time::Instant::from_std(store.data().deadline);
    tokio::select! {
        // In order: most attempts are done at the first poll, and then neither
        // a timer nor a waiter is ever set up.
        biased;
        answer = work(store) => Ok(answer),
        () = cancel.stopped() => Err(Stop::Cancelled),
        () = tokio::time::sleep_until(deadline) => Err(Stop::Deadline),
    }
}

/// Reads the meters but the processor's, and gives the slot back.
pub(super) fn conclude(
    store: Store<State>,
    started: Instant,
    end: impl FnOnce(&Limits) -> wasmtime::Result<End>,
) -> Outcome {
    let state = store.data();
    let limits = &state.limits;
    let log = state.machine.log();
    let end = end(limits).unwrap_or_else(|error| {
        let evidence = Evidence {
            limits,
            refused_memory: state.limiter.refused(),
            log: &log,
        };
        outcome::classify(&error, &evidence)
    });
    let left = store.get_fuel().expect("fuel is switched on");
    let outcome = Outcome {
        end,
        fuel: limits.fuel.saturating_sub(left),
        peak_memory: state.limiter.peak(),
        wall: started.elapsed(),
        cpu: Duration::ZERO,
        log,
    };
    drop(store);
    outcome
}
