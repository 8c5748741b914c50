//! What happens, for as many listeners as there are: each tenant's events are read once
//! from the broker, and lie in a ring that all of its listeners read from.
//!
//! A listener is a place in the ring. So a slow one costs the others nothing: where the
//! ring has gone on without it, it is told that it has missed something.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use lovage_queue::broker::{Broker, BrokerError};
use lovage_queue::event::Event;
use tokio::sync::watch;

/// Events in a ring.
const RING: usize = 2_000;
/// Events that are read at once.
const PAGE: u32 = 500;
/// How often the broker is asked while somebody listens.
const ASK: Duration = Duration::from_millis(100);
/// How often while it is away.
const AWAY: Duration = Duration::from_secs(1);

/// Something that happened, and the cursor behind it.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) cursor: String,
    pub(super) what: What,
}

/// What a listener is told.
#[derive(Debug)]
pub(super) enum What {
    /// Something happened: with its name, and as JSON, which is made once for all.
    Event(Event, String, String),
    /// What happened is not known here, as of a later version.
    Unknown,
    /// Some events are missing here.
    Gap,
}

impl Told {
    fn gap(cursor: String) -> Self {
        Told {
            cursor,
            what: What::Gap,
        }
    }
}

/// The rings of all tenants.
pub(super) struct Feeds {
    broker: Arc<dyn Broker>,
    /// Each lives for as long as somebody listens.
    feeds: Mutex<HashMap<String, Weak<Feed>>>,
    listeners: Arc<AtomicUsize>,
}

struct Feed {
    ring: Mutex<Ring>,
    /// Changes with each event.
    news: watch::Sender<u64>,
}

#[derive(Default)]
struct Ring {
    /// The cursor before the first event.
    base: String,
    /// The number of the first event.
    first: u64,
    events: VecDeque<Arc<Told>>,
}

impl Ring {
    fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    fn get(&self, number: u64) -> Option<Arc<Told>> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.events.get(place).cloned()
    }

    /// The number of the event behind a cursor, if the cursor is one of the ring's.
    fn behind(&self, cursor: &str) -> Option<u64> {
        if self.base == cursor {
            return Some(self.first);
        }
        let place = self.events.iter().position(|it| it.cursor == cursor)?;
        Some(self.first + place as u64 + 1)
    }

    /// The cursor behind the last event.
    fn cursor(&self) -> &str {
        self.events.back().map_or(&self.base, |it| &it.cursor)
    }

    fn push(&mut self, told: Told) {
        if self.events.len() >= RING
            && let Some(oldest) = self.events.pop_front()
        {
            self.base.clone_from(&oldest.cursor);
            self.first += 1;
        }
        self.events.push_back(Arc::new(told));
    }
}

impl Feed {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, some: impl IntoIterator<Item = Told>) {
        let mut ring = self.ring();
        some.into_iter().for_each(|it| ring.push(it));
        self.news.send_replace(ring.end());
    }
}

impl Feeds {
    pub(super) fn new(broker: Arc<dyn Broker>) -> Self {
        Feeds {
            broker,
            feeds: Mutex::default(),
            listeners: Arc::default(),
        }
    }

    /// Lets all who listen know of something that was done here. Where that fails, they
    /// miss it: what was done is done.
    pub(super) async fn tell(&self, tenant: &str, event: &Event) {
        if let Err(e) = self.broker.tell(tenant, &[], &[event.encode()]).await {
            tracing::warn!(error = %e, "could not tell of an event");
        }
    }

    /// How many listen.
    pub(super) fn listeners(&self) -> usize {
        self.listeners.load(Ordering::Relaxed)
    }

    /// Listens from a cursor on, or from now on.
    pub(super) async fn listen(
        &self,
        tenant: &str,
        after: Option<String>,
    ) -> Result<Listener, BrokerError> {
        let feed = match self.running(tenant) {
            Some(feed) => feed,
            None => {
                let now = self.broker.events(tenant, None, 1).await?;
                self.start(tenant, now.cursor)
            }
        };
        self.listeners.fetch_add(1, Ordering::Relaxed);
        let news = feed.news.subscribe();
        let (next, begin) = {
            let ring = feed.ring();
            (ring.end(), ring.cursor().to_owned())
        };
        Ok(Listener {
            begin: after.is_none().then_some(begin),
            broker: self.broker.clone(),
            tenant: tenant.to_owned(),
            feed,
            news,
            next,
            behind: after,
            backlog: VecDeque::new(),
            listeners: self.listeners.clone(),
        })
    }

    fn running(&self, tenant: &str) -> Option<Arc<Feed>> {
        self.feeds().get(tenant)?.upgrade()
    }

    fn start(&self, tenant: &str, cursor: String) -> Arc<Feed> {
        let mut feeds = self.feeds();
        // Somebody else may have been faster.
        if let Some(feed) = feeds.get(tenant).and_then(Weak::upgrade) {
            return feed;
        }
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let feed = Arc::new(Feed {
            ring: Mutex::new(Ring {
                base: cursor.clone(),
                ..Ring::default()
            }),
            news: watch::Sender::new(0),
        });
        feeds.insert(tenant.to_owned(), Arc::downgrade(&feed));
        let reader = read(
            self.broker.clone(),
            tenant.to_owned(),
            Arc::downgrade(&feed),
            cursor,
        );
        tokio::spawn(reader);
        feed
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<String, Weak<Feed>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a tenant's events into its ring, as long as somebody listens.
async fn read(broker: Arc<dyn Broker>, tenant: String, feed: Weak<Feed>, mut cursor: String) {
    while feed.strong_count() > 0 {
        let wait = match broker.events(&tenant, Some(&cursor), PAGE).await {
            Ok(some) => {
                let full = some.events.len() == PAGE as usize;
                let missed = some.missed.then(|| Told::gap(cursor.clone()));
                cursor = some.cursor;
                let Some(feed) = feed.upgrade() else { return };
                if missed.is_some() || !some.events.is_empty() {
                    feed.push(missed.into_iter().chain(some.events.into_iter().map(told)));
                }
                if full { Duration::ZERO } else { ASK }
            }
            Err(e) => {
                tracing::warn!(error = %e, "could not read events; will try again");
                AWAY
            }
        };
        tokio::time::sleep(wait).await;
    }
}

fn told((cursor, bytes): (String, Vec<u8>)) -> Told {
    let what = Event::decode(&bytes).and_then(|event| {
        let json = serde_json::to_value(&event).ok()?;
        let name = json.get("event")?.as_str()?.to_owned();
        Some(What::Event(event, name, json.to_string()))
    });
    Told {
        cursor,
        what: what.unwrap_or(What::Unknown),
    }
}

/// Somebody who listens.
pub(super) struct Listener {
    broker: Arc<dyn Broker>,
    tenant: String,
    feed: Arc<Feed>,
    news: watch::Receiver<u64>,
    begin: Option<String>,
    /// The number of the next event in the ring.
    next: u64,
    /// The cursor from which on it is yet to come to the ring.
    behind: Option<String>,
    backlog: VecDeque<Arc<Told>>,
    listeners: Arc<AtomicUsize>,
}

impl Listener {
    /// The cursor from which on it listens, where it has brought none: whoever has heard
    /// nothing yet goes on from it.
    pub(super) fn begin(&self) -> Option<&str> {
        self.begin.as_deref()
    }

    /// The next event; waits until there is one.
    pub(super) async fn next(&mut self) -> Arc<Told> {
        loop {
            if let Some(told) = self.backlog.pop_front() {
                return told;
            }
            if let Some(cursor) = self.behind.clone() {
                self.catch_up(cursor).await;
                continue;
            }
            {
                let ring = self.feed.ring();
                if let Some(told) = ring.get(self.next) {
                    self.next += 1;
                    return told;
                }
                if self.next < ring.first {
                    self.next = ring.end();
                    return Arc::new(Told::gap(ring.cursor().to_owned()));
                }
            }
            // Its sender lies in the feed, which we hold.
            let _ = self.news.changed().await;
        }
    }

    /// Comes to the ring, or a page nearer to it.
    async fn catch_up(&mut self, cursor: String) {
        if let Some(next) = self.feed.ring().behind(&cursor) {
            self.next = next;
            self.behind = None;
            return;
        }
        match self.broker.events(&self.tenant, Some(&cursor), PAGE).await {
            Ok(some) => {
                if some.missed {
                    let gap = Told::gap(some.cursor.clone());
                    self.backlog.push_back(Arc::new(gap));
                }
                self.backlog
                    .extend(some.events.into_iter().map(told).map(Arc::new));
                let is_there = some.cursor == cursor;
                self.behind = Some(some.cursor);
                if is_there {
                    // The ring's reader has yet to see what we have seen.
                    tokio::time::sleep(ASK).await;
                }
            }
            Err(BrokerError::Invalid(_)) => {
                // No cursor of ours: it begins anew, and is told so.
                self.behind = None;
                self.backlog.push_back(Arc::new(Told::gap(String::new())));
            }
            Err(_) => tokio::time::sleep(AWAY).await,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use lovage_queue::broker::Place;

    use super::*;

    /// A broker of a test's own, and the folder that it goes with.
    async fn feeds() -> (tempfile::TempDir, Feeds) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("lovage.db").display());
        let place: Place = url.parse().unwrap();
        (folder, Feeds::new(place.connect().await.unwrap()))
    }

    fn some(numbers: std::ops::Range<u64>) -> impl Iterator<Item = Told> {
        numbers.map(|n| Told {
            cursor: format!("c{n}"),
            what: What::Unknown,
        })
    }

    #[tokio::test]
    async fn who_is_left_behind_by_the_ring_is_told_of_a_gap() {
        let (_folder, feeds) = feeds().await;
        let mut slow = feeds.listen("default", None).await.unwrap();
        let mut quick = feeds.listen("default", None).await.unwrap();
        let feed = feeds.running("default").unwrap();
        for start in [0, RING as u64] {
            feed.push(some(start..start + RING as u64));
            for n in start..start + RING as u64 {
                assert_eq!(quick.next().await.cursor, format!("c{n}"));
            }
        }
        let gap = slow.next().await;
        assert!(matches!(gap.what, What::Gap));
        // From where it was told to read anew it hears all.
        assert_eq!(gap.cursor, format!("c{}", 2 * RING - 1));
        feed.push(some(9_000..9_001));
        assert_eq!(slow.next().await.cursor, "c9000");
        assert_eq!(quick.next().await.cursor, "c9000");
        assert_eq!(feeds.listeners(), 2);
        drop((slow, quick));
        assert_eq!(feeds.listeners(), 0);
    }

    #[tokio::test]
    async fn a_cursor_of_the_ring_goes_on_without_the_broker() {
        let (_folder, feeds) = feeds().await;
        let _first = feeds.listen("default", None).await.unwrap();
        let feed = feeds.running("default").unwrap();
        feed.push(some(0..5));
        let after = Some("c2".to_owned());
        let mut second = feeds.listen("default", after).await.unwrap();
        assert_eq!(second.next().await.cursor, "c3");
        assert_eq!(second.next().await.cursor, "c4");
    }
}
