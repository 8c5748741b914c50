//! What modules were granted, as a worker knows it.
//!
//! 1. A module that wants nothing costs nothing: nobody looks.
//! 2. What is known holds for a second; in the second after it, it is still used while it
//!    is looked up aside. So a revocation is in force after two seconds at most, and a busy
//!    module waits for the broker once.
//! 3. What nobody has asked for in longer than that is looked up first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lovage_queue::broker::{Broker, BrokerError, Shelf};
use lovage_queue::grant::Grants;
use lovage_queue::granted::Granted;
use lovage_queue::registry::{Digest, Manifest};

use super::session::Session;

/// For how long what is known holds.
const HOLDS: Duration = Duration::from_secs(1);
/// For how long it is used while it is looked up again.
const LATEST: Duration = Duration::from_secs(2);
/// Modules that are remembered.
const MODULES: usize = 10_000;

/// Whose grants: those of a module's name, within what a digest wants.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Of {
    tenant: String,
    module: String,
    digest: Digest,
}

/// What is known of all of them.
#[derive(Default)]
pub(super) struct Granting(Mutex<HashMap<Of, Arc<Entry>>>);

#[derive(Default)]
struct Entry {
    known: Mutex<Option<(Instant, Arc<Grants>)>>,
    /// Held by the one that asks the broker.
    asking: tokio::sync::Mutex<()>,
}

impl Entry {
    /// What was known so short a time ago.
    fn known(&self, within: Duration) -> Option<Arc<Grants>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, grants) = known.as_ref()?;
        (since.elapsed() < within).then(|| grants.clone())
    }

    /// Asks the broker, unless somebody else has just done so.
    async fn ask(
        &self,
        broker: &dyn Broker,
        of: &Of,
        wants: &Grants,
    ) -> Result<Arc<Grants>, BrokerError> {
        let _asking = self.asking.lock().await;
        if let Some(grants) = self.known(HOLDS) {
            return Ok(grants);
        }
        // From before the question: what changes meanwhile is not known for longer.
        let since = Instant::now();
        let entry = broker.entry(&of.tenant, Shelf::Grants, &of.module).await?;
        let granted = entry.map_or(Some(Granted::default()), |it| Granted::decode(&it));
        let granted = granted.unwrap_or_else(|| {
            tracing::warn!(
                tenant = of.tenant,
                module = of.module,
                "what a module was granted cannot be read: it has nothing"
            );
            Granted::default()
        });
        let grants = Arc::new(wants.within(&granted.grants()));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((since, grants.clone()));
        Ok(grants)
    }
}

impl Granting {
    fn entry(&self, of: &Of) -> Arc<Entry> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(of) {
            return entry.clone();
        }
        // What is known can be had again.
        if entries.len() >= MODULES {
            entries.clear();
        }
        entries.entry(of.clone()).or_default().clone()
    }
}

/// What an attempt that begins now may reach: what its module wants and was granted.
pub(super) async fn of(
    session: &Arc<Session>,
    tenant: &str,
    module: &str,
    digest: Digest,
    manifest: &Arc<Manifest>,
) -> Result<Arc<Grants>, BrokerError> {
    if manifest.wants.is_empty() {
        return Ok(Arc::default());
    }
    let of = Of {
        tenant: tenant.to_owned(),
        module: module.to_owned(),
        digest,
    };
    let entry = session.granting.entry(&of);
    if let Some(grants) = entry.known(HOLDS) {
        return Ok(grants);
    }
    let Some(grants) = entry.known(LATEST) else {
        return entry.ask(&*session.broker, &of, &manifest.wants).await;
    };
    // Only one of those that come by looks it up.
    if entry.asking.try_lock().is_ok() {
        let (session, manifest) = (session.clone(), manifest.clone());
        let threads = session.threads.clone();
        threads.spawn(async move {
            if let Err(e) = entry.ask(&*session.broker, &of, &manifest.wants).await {
                tracing::warn!(tenant = of.tenant, module = of.module, error = %e, "could not look up what a module was granted");
            }
        });
    }
    Ok(grants)
}
