//! What a worker tells of itself with its heartbeats: see
//! [`Heartbeat::about`](crate::broker::Heartbeat).

use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// The most bytes that a heartbeat takes of it.
const MOST: usize = 1024;

/// A worker, for a person who looks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerAbout {
    /// The name of its host.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// Lovage's version.
    pub version: String,
    /// How many jobs it runs at once.
    pub concurrency: u64,
    /// Its queues with their weights; the first of them, where they are very many.
    pub queues: Vec<(String, u32)>,
    /// Since when it works, by its host's clock.
    pub started: Millis,
}

impl WorkerAbout {
    /// Its bytes: a MessagePack map.
    pub fn encode(&self) -> Vec<u8> {
        let mut about = self.clone();
        about.host.truncate(about.host.floor_char_boundary(255));
        loop {
            let bytes = rmp_serde::to_vec_named(&about).expect("it is plain data");
            if bytes.len() <= MOST || about.queues.pop().is_none() {
                return bytes;
            }
        }
    }

    /// What these bytes say, as far as they say anything.
    pub fn decode(bytes: &[u8]) -> Self {
        rmp_serde::from_slice(bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_and_never_too_long() {
        let mut about = WorkerAbout {
            host: "h".into(),
            pid: 7,
            version: "1.2.3".into(),
            concurrency: 20,
            queues: vec![("high".into(), 3)],
            started: Millis(5),
        };
        assert_eq!(WorkerAbout::decode(&about.encode()), about);
        about.queues = (0..500).map(|n| (format!("queue-{n}"), 1)).collect();
        let bytes = about.encode();
        assert!(bytes.len() <= MOST);
        assert_eq!(
            WorkerAbout::decode(&bytes).queues[..],
            about.queues[..WorkerAbout::decode(&bytes).queues.len()]
        );
        assert_eq!(WorkerAbout::decode(b"").pid, 0);
    }
}
