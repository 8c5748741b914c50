//! A push, step by step, and what workers and clients read of it.

use std::time::Duration;

use lovage_queue::registry::{Digest, Manifest};
use lovage_queue::task::{TaskInfo, TaskOptions};

use super::store::{MODULE, Store, TENANT, noise, timed};

/// A small module.
const SIZE: usize = 64 * 1024;
/// The name whose releases come and go.
const NAME: &str = "pushed";

pub(super) fn manifest() -> Manifest {
    let task = TaskInfo {
        name: "add".into(),
        doc: String::new(),
        input_schema: serde_json::json!({}),
        output_schema: serde_json::json!({}),
        options: TaskOptions::default(),
        schedules: Vec::new(),
    };
    Manifest {
        size: SIZE as u64,
        tasks: vec![task],
        wants: Default::default(),
    }
}

/// Stores a module that is not there yet.
async fn stored(store: &Store) -> (Duration, Digest) {
    let (bytes, manifest) = (noise(SIZE), manifest());
    let (took, digest) = timed(store.broker.put(TENANT, &bytes, &manifest)).await;
    (took, digest.expect("room for a module"))
}

/// Stages it; its release's number.
async fn staged(store: &Store, digest: Digest) -> (Duration, u32) {
    let (took, release) = timed(store.broker.stage(TENANT, NAME, digest, "a bench")).await;
    (took, release.expect("the module is there").number)
}

async fn activated(store: &Store, number: u32) -> Duration {
    let (took, done) = timed(store.broker.activate(TENANT, NAME, number)).await;
    done.expect("the release is there");
    took
}

pub(super) async fn put(store: &Store) -> Duration {
    stored(store).await.0
}

pub(super) async fn stage(store: &Store) -> Duration {
    let (_, digest) = stored(store).await;
    let (took, number) = staged(store, digest).await;
    activated(store, number).await;
    took
}

pub(super) async fn activate(store: &Store) -> Duration {
    let (_, digest) = stored(store).await;
    let (_, number) = staged(store, digest).await;
    activated(store, number).await
}

pub(super) async fn readiness(store: &Store) -> Duration {
    let (took, said) = timed(store.broker.readiness(TENANT, store.module)).await;
    said.expect("the broker answers");
    took
}

pub(super) async fn module(store: &Store) -> Duration {
    let (took, bytes) = timed(store.broker.module(TENANT, store.module)).await;
    assert!(bytes.expect("it can be read").is_some());
    took
}

pub(super) async fn manifest_of(store: &Store) -> Duration {
    let (took, manifest) = timed(store.broker.manifest(TENANT, store.module)).await;
    assert!(manifest.expect("it can be read").is_some());
    took
}

pub(super) async fn releases(store: &Store) -> Duration {
    let (took, releases) = timed(store.broker.releases(TENANT, MODULE)).await;
    assert_eq!(releases.expect("they can be read").len(), 1);
    took
}

pub(super) async fn active(store: &Store) -> Duration {
    let (took, active) = timed(store.broker.active(TENANT)).await;
    assert!(!active.expect("they can be read").is_empty());
    took
}
