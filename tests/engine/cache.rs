//! From bytes to a module: memory, disk, compiler.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use lovage::engine::{Engine, LoadError, Refusal, Settings};
use lovage_queue::job::Ending;
use lovage_queue::registry::Digest;

use super::{invocation, run_with};
use crate::fixtures::{ECHO, Guest};

fn engine(dir: &Path) -> Engine {
    let cache = Some(dir.to_owned());
    Engine::new(Settings {
        instances: 2,
        cache,
        ..Settings::default()
    })
    .unwrap()
}

fn artifact(dir: &Path, digest: Digest) -> PathBuf {
    let folders = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let folder = folders.into_iter().find(|path| path.is_dir()).unwrap();
    folder.join(format!("{digest}.cwasm"))
}

async fn never() -> Result<Option<Vec<u8>>, Infallible> {
    panic!("it was fetched")
}

#[tokio::test]
async fn a_restarted_engine_compiles_nothing_anew() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = Guest::new(ECHO).build();
    let digest = Digest::of(&bytes);
    let first = engine(dir.path());
    let fetch = || async { Ok::<_, Infallible>(Some(bytes.clone())) };
    assert!(first.cached(digest).is_none());
    first.load(digest, fetch).await.unwrap();
    assert!(first.cached(digest).is_some());
    first.load(digest, never).await.unwrap();

    let second = engine(dir.path());
    let module = second.load(digest, never).await.unwrap();
    assert_eq!(
        (module.digest(), module.size()),
        (digest, bytes.len() as u64)
    );
    let outcome = run_with(&second, &module, invocation(&module)).await;
    assert_eq!(outcome.end.ending(), Ending::Completed);
}

#[tokio::test]
async fn a_module_that_made_room_comes_back_from_its_artifact() {
    let dir = tempfile::tempdir().unwrap();
    // No room for two.
    let engine = Engine::new(Settings {
        instances: 2,
        cache: Some(dir.path().to_owned()),
        module_bytes: 1,
        ..Settings::default()
    })
    .unwrap();
    let one = Guest::new(ECHO).build();
    // A custom section, which nobody reads, makes another module of it.
    let other = [&one[..], &[0, 2, 1, b'x']].concat();
    let first = engine.compile(&one).unwrap();
    let second = engine.compile(&other).unwrap();
    assert_ne!(first.digest(), second.digest());
    assert!(engine.cached(first.digest()).is_none(), "it made room");
    assert!(engine.cached(second.digest()).is_some());
    // Whoever still has it can run it.
    let outcome = run_with(&engine, &first, invocation(&first)).await;
    assert_eq!(outcome.end.ending(), Ending::Completed);

    let back = engine.load(first.digest(), never).await.unwrap();
    let outcome = run_with(&engine, &back, invocation(&back)).await;
    assert_eq!(outcome.end.ending(), Ending::Completed);
    assert!(engine.cached(second.digest()).is_none(), "its turn");
}

#[tokio::test]
async fn an_artifact_that_was_tampered_with_is_compiled_anew() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = Guest::new(ECHO).build();
    let digest = engine(dir.path()).compile(&bytes).unwrap().digest();
    let path = artifact(dir.path(), digest);
    let sound = fs::read(&path).unwrap();
    let mut bent = sound.clone();
    *bent.last_mut().unwrap() ^= 1;
    fs::write(&path, bent).unwrap();

    let fetched = AtomicU32::new(0);
    let fetch = || async {
        fetched.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(Some(bytes.clone()))
    };
    engine(dir.path()).load(digest, fetch).await.unwrap();
    assert_eq!(fetched.load(Ordering::Relaxed), 1);
    // It was written anew, and holds.
    engine(dir.path()).load(digest, never).await.unwrap();

    // Another host's key: its own file is foreign now.
    fs::write(dir.path().join("key"), [7; 32]).unwrap();
    engine(dir.path()).load(digest, fetch).await.unwrap();
    assert_eq!(fetched.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_at_the_same_time_share_one_compilation() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let bytes = Guest::new(ECHO).build();
    let digest = Digest::of(&bytes);
    let fetched = AtomicU32::new(0);
    let fetch = || async {
        fetched.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(Some(bytes.clone()))
    };
    let loads = (0..16).map(|_| engine.load(digest, fetch));
    for module in futures_util::future::join_all(loads).await {
        assert_eq!(module.unwrap().digest(), digest);
    }
    assert_eq!(fetched.into_inner(), 1);
}

#[tokio::test]
async fn what_cannot_be_loaded_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let digest = Digest::of(b"no component");
    let none = engine.load(digest, || async { Ok::<_, &str>(None) }).await;
    assert!(matches!(none, Err(LoadError::Missing(it)) if it == digest));
    let down = engine.load(digest, || async { Err("down") }).await;
    assert!(matches!(down, Err(LoadError::Fetch("down"))));
    let other = || async { Ok::<_, &str>(Some(b"other bytes".to_vec())) };
    let corrupt = engine.load(digest, other).await;
    assert!(matches!(corrupt, Err(LoadError::Corrupt(_))));
    let it = || async { Ok::<_, Infallible>(Some(b"no component".to_vec())) };
    let refused = engine.load(digest, it).await;
    assert!(matches!(refused, Err(LoadError::Refused(Refusal::NotWasm))));
    // The verdict is kept: nothing is fetched for it again.
    let refused = engine.load(digest, never).await;
    assert!(matches!(refused, Err(LoadError::Refused(Refusal::NotWasm))));
}

#[tokio::test]
async fn compiling_aside_gives_the_same_module() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path());
    let bytes = Guest::new(ECHO).build();
    let digest = Digest::of(&bytes);
    assert_eq!(engine.compile_aside(bytes).await.unwrap().digest(), digest);
    assert!(engine.cached(digest).is_some());
    let refused = engine.compile_aside(b"x".to_vec()).await;
    assert!(matches!(refused, Err(LoadError::Refused(Refusal::NotWasm))));
}
