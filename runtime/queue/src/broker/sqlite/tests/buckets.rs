//! The bounds that no test comes to key by key.

use super::*;
use crate::broker::{Buckets, Swapped};
use crate::bucket::MAX_KEYS;

#[tokio::test]
async fn a_bucket_has_so_many_keys() {
    let (_dir, path) = place();
    let broker = SqliteBroker::open(&path, Clock::Store).await.unwrap();
    let pair = |key: &str| (key.to_owned(), Vec::new());
    let set = async |keys: &[&str]| {
        let pairs: Vec<_> = keys.iter().map(|key| pair(key)).collect();
        broker.set_many(TENANT, "b", &pairs).await
    };
    set(&["x"]).await.unwrap();
    let nearly = MAX_KEYS as i64 - 1;
    let counted = broker.core.write(&broker.clock, move |step| {
        Ok(step.db.run("UPDATE bucket SET keys = ?1", [nearly])?)
    });
    assert_eq!(counted.await.unwrap(), 1);
    let refused = |answer: Result<()>| {
        let said = answer.unwrap_err().to_string();
        assert!(said.contains("at most 1000000 keys"), "{said}");
    };
    refused(set(&["y", "z"]).await);
    set(&["y"]).await.unwrap();
    refused(set(&["z"]).await);
    refused(broker.increment(TENANT, "b", "z", 1).await.map(drop));
    refused(broker.swap(TENANT, "b", "z", None, b"").await.map(drop));
    let swapped = broker.swap(TENANT, "b", "y", Some(b""), b"1").await;
    assert_eq!(swapped.unwrap(), Swapped::Done);
    let gone = broker.delete_many(TENANT, "b", &["x".to_owned()]).await;
    assert_eq!(gone.unwrap(), 1);
    set(&["z"]).await.unwrap();
}
