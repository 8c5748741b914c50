//! The way out of one attempt: holds it to what it was granted, and to its bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lovage_queue::grant::Grants;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::dial::Dialer;
use super::http::{Bounds, HttpAnswer, HttpFailure, HttpRequest};

/// Sends an attempt's requests. Whatever asks may have been taken over by a module: so
/// all is judged here, whoever has judged it before.
pub struct Gate {
    dialer: Arc<Dialer>,
    /// Where sockets are: the threads of guests know none.
    threads: Handle,
    grants: Arc<Grants>,
    bounds: Bounds,
    requests: AtomicU32,
}

impl Gate {
    /// The one of an attempt.
    pub fn new(dialer: Arc<Dialer>, threads: Handle, grants: Arc<Grants>, bounds: Bounds) -> Self {
        Gate {
            dialer,
            threads,
            grants,
            bounds,
            requests: AtomicU32::new(0),
        }
    }

    /// Sends a request. Where nobody waits for its answer any more, it is given up.
    ///
    /// # Errors
    /// See [`HttpFailure`].
    pub async fn http(&self, request: HttpRequest) -> Result<HttpAnswer, HttpFailure> {
        let most = self.bounds.requests;
        if self.requests.fetch_add(1, Ordering::Relaxed) >= most {
            return Err(HttpFailure::TooMany(most));
        }
        let target = request.target(&self.grants)?;
        let (dialer, bounds) = (self.dialer.clone(), self.bounds.clone());
        // It aborts what is under way when it is dropped.
        let mut sending = JoinSet::new();
        let sent = async move { dialer.send(target, request, &bounds).await };
        sending.spawn_on(sent, &self.threads);
        match sending.join_next().await {
            Some(Ok(answered)) => answered,
            // The worker ends.
            _ => Err(HttpFailure::Broken("the host is at its end".into())),
        }
    }
}
