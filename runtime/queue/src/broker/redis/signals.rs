//! What this process hears of others by Redis' channels: a connection for each
//! worker that listens, and one for all who wait for results.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use redis::Client;
use tokio::sync::{Notify, mpsc, watch};

use crate::broker::{Signal, Signals};
use crate::job::JobId;

/// How long to wait before the next try to reach the server.
const AGAIN: Duration = Duration::from_millis(200);

/// Something came over a channel.
enum Heard<'a> {
    /// All channels are listened to. From here on nothing is missed; before it,
    /// anything may have been.
    Connected,
    /// A message.
    Message(&'a [u8]),
}

/// Listens until the connection breaks.
async fn follow(
    client: &Client,
    channels: &[Vec<u8>],
    mut hear: impl FnMut(Heard<'_>),
) -> redis::RedisResult<()> {
    let mut connection = client.get_async_pubsub().await?;
    for channel in channels {
        connection.subscribe(channel.as_slice()).await?;
    }
    hear(Heard::Connected);
    let mut messages = connection.into_on_message();
    while let Some(message) = messages.next().await {
        hear(Heard::Message(message.get_payload_bytes()));
    }
    Ok(())
}

/// Listens again and again, until dropped.
async fn follow_always(client: &Client, channels: &[Vec<u8>], mut hear: impl FnMut(Heard<'_>)) {
    loop {
        if let Err(e) = follow(client, channels, &mut hear).await {
            tracing::debug!(error = %e, "a connection for signals broke");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// A worker's signals, for as long as somebody takes them and the broker is there.
pub(super) fn listen(
    client: Client,
    channels: Vec<Vec<u8>>,
    mut broker: watch::Receiver<()>,
) -> Signals {
    let (tell, signals) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let hear = |heard: Heard<'_>| {
            let signal = match heard {
                Heard::Connected => Signal::Listening,
                Heard::Message(b"work") => Signal::Work,
                Heard::Message(b"due") => Signal::Due,
                Heard::Message(b"staged") => Signal::Staged,
                Heard::Message(other) => match other.strip_prefix(b"cancel") {
                    // An earlier Lovage does not say whose: the next heartbeat does.
                    Some(job) => to_cancel(job).unwrap_or(Signal::Listening),
                    // A newer Lovage may say more.
                    None => return,
                },
            };
            let _ = tell.send(signal);
        };
        tokio::select! {
            () = follow_always(&client, &channels, hear) => {}
            () = tell.closed() => {}
            // Nothing is ever sent: the one change is that the sender is gone.
            _ = broker.changed() => {}
        }
    });
    signals
}

/// The job of a tenant that is to stop.
fn to_cancel(job: &[u8]) -> Option<Signal> {
    let (id, tenant) = job.split_first_chunk()?;
    let tenant = str::from_utf8(tenant).ok().filter(|it| !it.is_empty())?;
    Some(Signal::Cancel(tenant.to_owned(), JobId(*id)))
}

/// A message of an end: whose it is, which, and its record. `None` for one of an earlier
/// Lovage, which begins with the id: none of ours has this first byte.
fn end(message: &[u8]) -> Option<(&str, JobId, &[u8])> {
    let (length, rest) = message.strip_prefix(b"\xff")?.split_first()?;
    let (tenant, rest) = rest.split_at_checked(usize::from(*length))?;
    let (id, record) = rest.split_first_chunk()?;
    Some((str::from_utf8(tenant).ok()?, JobId(*id), record))
}

/// Who in this process waits for which job's end.
pub(super) struct Waiters {
    waiting: Mutex<HashMap<JobId, Vec<Arc<Waiter>>>>,
    connected: watch::Sender<bool>,
}

/// One who waits.
struct Waiter {
    /// Whose jobs they are: another tenant's may have the same ids.
    tenant: String,
    heard: Mutex<Unread>,
    told: Notify,
}

/// Jobs that have ended, each with its record; empty where that was too long to be
/// sent.
pub(super) type Ends = HashMap<JobId, Vec<u8>>;

/// What a waiter was told and has not looked at.
#[derive(Default)]
struct Unread {
    ended: Ends,
    reconnected: bool,
}

/// What a waiter is told.
pub(super) enum News {
    /// These jobs have ended.
    Ended(Ends),
    /// Word of some may have been lost: it must register again.
    Reconnected,
}

impl Waiter {
    fn tell(&self, what: impl FnOnce(&mut Unread)) {
        what(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        self.told.notify_one();
    }
}

impl Waiters {
    /// Starts listening, until the broker is gone.
    pub(super) fn start(
        client: Client,
        channels: Vec<Vec<u8>>,
        mut broker: watch::Receiver<()>,
    ) -> Arc<Self> {
        let it = Arc::new(Waiters {
            waiting: Mutex::default(),
            connected: watch::Sender::new(false),
        });
        let listening = it.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = follow_always(&client, &channels, |heard| listening.hear(heard)) => {}
                _ = broker.changed() => {}
            }
        });
        it
    }

    fn hear(&self, heard: Heard<'_>) {
        let waiting = self.lock();
        match heard {
            Heard::Connected => {
                for waiter in waiting.values().flatten() {
                    waiter.tell(|it| it.reconnected = true);
                }
                drop(waiting);
                self.connected.send_replace(true);
            }
            Heard::Message(message) => {
                let waiters = |id| waiting.get(&id).into_iter().flatten();
                if let Some((tenant, id, record)) = end(message) {
                    for waiter in waiters(id).filter(|it| it.tenant == tenant) {
                        waiter.tell(|it| it.ended.extend([(id, record.to_vec())]));
                    }
                } else if let Some((id, _)) = message.split_first_chunk() {
                    // Whose it is was not said: whoever it may be looks again.
                    for waiter in waiters(JobId(*id)) {
                        waiter.tell(|it| it.reconnected = true);
                    }
                }
            }
        }
    }

    /// A place to wait for the end of a tenant's jobs, once the channels are listened to.
    pub(super) async fn place(self: &Arc<Self>, tenant: &str, ids: &[JobId]) -> Place {
        let mut connected = self.connected.subscribe();
        let _ = connected.wait_for(|is| *is).await;
        let waiter = Arc::new(Waiter {
            tenant: tenant.to_owned(),
            heard: Mutex::default(),
            told: Notify::new(),
        });
        let mut waiting = self.lock();
        for id in ids {
            waiting.entry(*id).or_default().push(waiter.clone());
        }
        Place {
            of: self.clone(),
            ids: ids.to_vec(),
            waiter,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Vec<Arc<Waiter>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A registered wait; it is undone when dropped.
pub(super) struct Place {
    of: Arc<Waiters>,
    ids: Vec<JobId>,
    waiter: Arc<Waiter>,
}

impl Place {
    /// The next news.
    pub(super) async fn news(&self) -> News {
        loop {
            let heard = self.waiter.heard.lock();
            let unread = std::mem::take(&mut *heard.unwrap_or_else(PoisonError::into_inner));
            if unread.reconnected {
                return News::Reconnected;
            }
            if !unread.ended.is_empty() {
                return News::Ended(unread.ended);
            }
            self.waiter.told.notified().await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.of.lock();
        for id in &self.ids {
            if let Some(waiters) = waiting.get_mut(id) {
                waiters.retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
                if waiters.is_empty() {
                    waiting.remove(id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Partition;

    fn waiters() -> Arc<Waiters> {
        Arc::new(Waiters {
            waiting: Mutex::default(),
            connected: watch::Sender::new(true),
        })
    }

    fn message(tenant: &str, id: JobId) -> Vec<u8> {
        let length = tenant.len() as u8;
        [&[0xff, length][..], tenant.as_bytes(), &id.0, b"record"].concat()
    }

    #[tokio::test]
    async fn an_end_is_told_to_those_who_wait_for_it_in_its_tenant() {
        let (all, id) = (waiters(), JobId::new(Partition(0)));
        let [a, b] = [all.place("a", &[id]).await, all.place("b", &[id]).await];
        all.hear(Heard::Message(&message("a", id)));
        all.hear(Heard::Message(&message("b", JobId::new(Partition(0)))));
        let News::Ended(ended) = a.news().await else {
            panic!("it was told whole");
        };
        assert_eq!(ended, Ends::from([(id, b"record".to_vec())]));
        assert!(b.waiter.heard.lock().unwrap().ended.is_empty());
    }

    #[tokio::test]
    async fn whoever_may_be_meant_looks_again_where_that_was_not_said() {
        let (all, id) = (waiters(), JobId::new(Partition(0)));
        let other = all.place("a", &[JobId::new(Partition(0))]).await;
        for word in ["", "record"] {
            let places = [all.place("a", &[id]).await, all.place("b", &[id]).await];
            all.hear(Heard::Message(&[&id.0, word.as_bytes()].concat()));
            for it in &places {
                assert!(matches!(it.news().await, News::Reconnected));
            }
        }
        for cut in 0..message("a", id).len() - b"record".len() {
            all.hear(Heard::Message(&message("a", id)[..cut]));
        }
        assert!(!other.waiter.heard.lock().unwrap().reconnected);
    }

    #[test]
    fn a_cancel_says_whose_job_it_is() {
        let id = JobId::new(Partition(0));
        let said = [&id.0[..], b"a"].concat();
        assert_eq!(to_cancel(&said), Some(Signal::Cancel("a".into(), id)));
        assert_eq!(to_cancel(&id.0), None, "an earlier Lovage");
        assert_eq!(to_cancel(b"short"), None);
    }
}
