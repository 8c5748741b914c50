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
                Heard::Connected => Signal::Reconnected,
                Heard::Message(b"work") => Signal::Work,
                Heard::Message(b"due") => Signal::Due,
                Heard::Message(b"staged") => Signal::Staged,
                // A newer Lovage may say more.
                Heard::Message(other) => match other.strip_prefix(b"cancel").map(TryInto::try_into)
                {
                    Some(Ok(id)) => Signal::Cancel(JobId(id)),
                    _ => return,
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

/// Who in this process waits for which job's end.
pub(super) struct Waiters {
    waiting: Mutex<HashMap<JobId, Vec<Arc<Waiter>>>>,
    connected: watch::Sender<bool>,
}

/// One who waits.
#[derive(Default)]
struct Waiter {
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
                let Some((id, record)) = message.split_first_chunk() else {
                    return;
                };
                let id = JobId(*id);
                for waiter in waiting.get(&id).into_iter().flatten() {
                    waiter.tell(|it| it.ended.extend([(id, record.to_vec())]));
                }
            }
        }
    }

    /// A place to wait for the end of these jobs, once the channels are listened to.
    pub(super) async fn place(self: &Arc<Self>, ids: &[JobId]) -> Place {
        let mut connected = self.connected.subscribe();
        let _ = connected.wait_for(|is| *is).await;
        let waiter = Arc::new(Waiter::default());
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
