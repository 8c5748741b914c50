//! From a digest to something that runs: the module out of the engine's memory,
//! its disk or the registry, and the manifest that goes with it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use lovage_queue::broker::{Broker, BrokerError};
use lovage_queue::registry::{Digest, Manifest};
use lovage_queue::task::Failure;

use super::session::Session;
use crate::engine::{Engine, LoadError, Module};

/// A job waits so long for its module; one that takes longer is compiled aside
/// while the job goes back, so that it holds up no other.
const PATIENCE: Duration = Duration::from_millis(100);
/// Manifests in memory. They are small, and a thousand tenants have some.
const MANIFESTS: usize = 10_000;

/// By tenant too: a tenant has no module that it did not push.
#[derive(Default)]
struct Manifests {
    tenants: HashMap<Digest, HashMap<String, Arc<Manifest>>>,
    count: usize,
}

impl Manifests {
    fn get(&self, tenant: &str, digest: Digest) -> Option<Arc<Manifest>> {
        self.tenants.get(&digest)?.get(tenant).cloned()
    }

    fn put(&mut self, tenant: &str, digest: Digest, manifest: Arc<Manifest>) {
        if self.count >= MANIFESTS {
            *self = Manifests::default();
        }
        let tenants = self.tenants.entry(digest).or_default();
        if tenants.insert(tenant.to_owned(), manifest).is_none() {
            self.count += 1;
        }
    }
}

/// A module that a job can run.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) module: Module,
    pub(super) manifest: Arc<Manifest>,
}

/// Why a job's module is not there.
pub(super) enum Unloadable {
    /// It will be later.
    NotYet,
    /// It never will be.
    Never(Failure),
}

#[derive(Clone)]
pub(super) struct Modules {
    engine: Engine,
    broker: Arc<dyn Broker>,
    manifests: Arc<RwLock<Manifests>>,
}

impl Modules {
    pub(super) fn new(engine: Engine, broker: Arc<dyn Broker>) -> Self {
        Modules {
            engine,
            broker,
            manifests: Arc::default(),
        }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The module, at once or after a short wait.
    pub(super) async fn get(&self, tenant: &str, digest: Digest) -> Result<Loaded, Unloadable> {
        if let Some(loaded) = self.at_hand(tenant, digest) {
            return Ok(loaded);
        }
        let (this, tenant) = (self.clone(), tenant.to_owned());
        // A task of its own: it goes on when the job no longer waits.
        let load = tokio::spawn(async move { this.load(&tenant, digest).await });
        match tokio::time::timeout(PATIENCE, load).await {
            Ok(Ok(loaded)) => loaded,
            _ => Err(Unloadable::NotYet),
        }
    }

    fn at_hand(&self, tenant: &str, digest: Digest) -> Option<Loaded> {
        let module = self.engine.cached(digest)?;
        let manifests = self.manifests.read();
        let manifest = manifests
            .unwrap_or_else(PoisonError::into_inner)
            .get(tenant, digest)?;
        Some(Loaded { module, manifest })
    }

    /// Loads a module, however long it takes.
    async fn load(&self, tenant: &str, digest: Digest) -> Result<Loaded, Unloadable> {
        let never = |text: String| Unloadable::Never(Failure::fatal("no-module", text));
        let manifest = match self.broker.manifest(tenant, digest).await {
            Ok(Some(manifest)) => Arc::new(manifest),
            Ok(None) => return Err(never(format!("there is no module {digest}"))),
            Err(e @ BrokerError::Corrupt { .. }) => return Err(never(e.to_string())),
            Err(_) => return Err(Unloadable::NotYet),
        };
        let fetch = || self.broker.module(tenant, digest);
        let module = self.engine.load(digest, fetch).await.map_err(|e| match e {
            LoadError::Fetch(BrokerError::Corrupt { .. })
            | LoadError::Missing(_)
            | LoadError::Corrupt(_)
            | LoadError::Refused(_) => never(e.to_string()),
            LoadError::Fetch(_) | LoadError::Engine(_) => {
                tracing::warn!(%digest, error = %e, "could not load a module; will try again");
                Unloadable::NotYet
            }
        })?;
        let manifests = self.manifests.write();
        manifests
            .unwrap_or_else(PoisonError::into_inner)
            .put(tenant, digest, manifest.clone());
        Ok(Loaded { module, manifest })
    }
}

/// Compiles what is staged and tells the broker, so that a release becomes
/// active only when the workers can run it at once.
pub(super) async fn compile_staged(session: Arc<Session>) {
    let staged = session
        .staged
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(mut staged) = staged else { return };
    let at_work = Arc::new(Mutex::new(HashSet::new()));
    while let Some((tenant, digest)) = staged.recv().await {
        // Each heartbeat tells of it until the broker has this worker's word.
        if !lock(&at_work).insert((tenant.clone(), digest)) {
            continue;
        }
        let (session, at_work) = (session.clone(), at_work.clone());
        tokio::spawn(async move {
            match session.modules.load(&tenant, digest).await {
                Ok(_) => session.pulse.compiled(tenant.clone(), digest, None),
                Err(Unloadable::Never(failure)) => {
                    session
                        .pulse
                        .compiled(tenant.clone(), digest, Some(failure.message));
                }
                Err(Unloadable::NotYet) => {}
            }
            lock(&at_work).remove(&(tenant, digest));
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
