//! What a job does with its tenant's buckets, as far as its module was granted them.
//!
//! The engine has looked at the bounds and the grants; both are looked at again here, since
//! what runs a module may have been taken over by it.

use lovage_queue::broker::{Broker, BrokerError, Swapped};
use lovage_queue::bucket::MAX_PAGE;
use lovage_queue::grant::Grants;
use serde_bytes::ByteBuf;

use super::host::unavailable;
use crate::engine::{BucketCall, BucketReply, BucketRequest, CallError, was};

/// Does something with a bucket of a tenant's.
pub(super) async fn answer(
    broker: &dyn Broker,
    tenant: &str,
    grants: &Grants,
    request: BucketRequest,
) -> Result<BucketReply, CallError> {
    let BucketRequest { bucket, does } = request;
    if !grants.bucket(&bucket) {
        let text = "the module was not granted that bucket";
        return Err(CallError::Denied(text.into()));
    }
    let done = does_to(broker, tenant, &bucket, does).await;
    done.map_err(refused)
}

async fn does_to(
    broker: &dyn Broker,
    tenant: &str,
    bucket: &str,
    does: BucketCall,
) -> Result<BucketReply, BrokerError> {
    Ok(match does {
        BucketCall::Get(keys) => {
            let values = broker.get_many(tenant, bucket, &keys).await?;
            let values = values.into_iter().map(|it| it.map(ByteBuf::from));
            BucketReply::Values(values.collect())
        }
        BucketCall::Set(pairs) => {
            let pairs = pairs.into_iter().map(|(key, it)| (key, it.into_vec()));
            let pairs: Vec<_> = pairs.collect();
            broker.set_many(tenant, bucket, &pairs).await?;
            BucketReply::Done
        }
        BucketCall::Delete(keys) => {
            broker.delete_many(tenant, bucket, &keys).await?;
            BucketReply::Done
        }
        BucketCall::Exists(key) => {
            let is = broker.exist(tenant, bucket, &[key]).await?;
            BucketReply::Is(is.contains(&true))
        }
        BucketCall::Keys(after) => {
            let after = after.unwrap_or_default();
            let keys = broker.keys(tenant, bucket, &after, MAX_PAGE).await?;
            let more = keys.len() == MAX_PAGE as usize;
            BucketReply::Keys(keys, more)
        }
        BucketCall::Increment(key, by) => {
            BucketReply::Number(broker.increment(tenant, bucket, &key, by).await?)
        }
        BucketCall::Swap {
            key,
            expected,
            value,
        } => {
            // The broker compares values, and a handle has only the hash of one.
            let keys = [key];
            let there = broker.get_many(tenant, bucket, &keys).await?.pop();
            let there = there.flatten();
            if was(there.as_deref()) != expected {
                return Ok(BucketReply::Swapped(Err(was(there.as_deref()))));
            }
            let swap = broker.swap(tenant, bucket, &keys[0], there.as_deref(), &value);
            BucketReply::Swapped(match swap.await? {
                Swapped::Done => Ok(()),
                Swapped::Not(now) => Err(was(now.as_deref())),
            })
        }
    })
}

/// What the module's author hears.
fn refused(e: BrokerError) -> CallError {
    match e {
        BrokerError::Invalid(text) => CallError::Invalid(text),
        BrokerError::Quota { .. } => CallError::Limit(e.to_string()),
        e => unavailable(&e),
    }
}

#[cfg(test)]
mod tests {
    use lovage_queue::broker::sqlite::SqliteBroker;
    use lovage_queue::broker::{Buckets, Tenants};
    use lovage_queue::clock::Clock;
    use lovage_queue::tenant::{Quota, Tenant};

    use super::*;

    fn asks(bucket: &str, does: BucketCall) -> BucketRequest {
        let bucket = bucket.to_owned();
        BucketRequest { bucket, does }
    }

    fn sets(size: usize) -> BucketCall {
        BucketCall::Set(vec![("k".into(), vec![0; size].into())])
    }

    /// An engine that was taken over asks for whatever it likes.
    #[tokio::test]
    async fn what_was_not_granted_is_denied_whoever_asks() {
        let dir = tempfile::tempdir().unwrap();
        let broker = SqliteBroker::open(&dir.path().join("db"), Clock::Store).await;
        let broker = broker.unwrap();
        let quota = Quota {
            bytes: Some(10),
            ..Quota::default()
        };
        let tenant = Tenant {
            quota,
            ..Tenant::new("acme")
        };
        broker.create_tenant(&tenant).await.unwrap();
        let grants = Grants(["bucket own".parse().unwrap()].into());
        let ask = async |request| answer(&broker, "acme", &grants, request).await;
        for bucket in ["other", "own/", "", "own2"] {
            for does in [sets(1), BucketCall::Get(vec!["k".into()])] {
                let denied = ask(asks(bucket, does)).await;
                assert!(matches!(denied, Err(CallError::Denied(_))), "{denied:?}");
            }
        }
        assert_eq!(broker.buckets("acme").await.unwrap(), []);
        assert_eq!(ask(asks("own", sets(9))).await, Ok(BucketReply::Done));
        // The bounds hold as well, and a quota says its name.
        let Err(CallError::Limit(said)) = ask(asks("own", sets(11))).await else {
            panic!("a quota is no more")
        };
        assert!(said.contains("quota `bytes` of 10"), "{said}");
        let large = ask(asks("own", sets((1 << 20) + 1))).await;
        assert!(matches!(large, Err(CallError::Invalid(_))), "{large:?}");
        let keys = vec!["k".to_owned(); 1_001];
        let many = ask(asks("own", BucketCall::Get(keys))).await;
        assert!(matches!(many, Err(CallError::Invalid(_))), "{many:?}");
        // A swap goes by what is there when it is done.
        let swap = |expected| BucketCall::Swap {
            key: "k".into(),
            expected,
            value: b"new".to_vec().into(),
        };
        let now = was(Some(&[0; 9]));
        let not = BucketReply::Swapped(Err(now));
        assert_eq!(ask(asks("own", swap(None))).await, Ok(not));
        let done = BucketReply::Swapped(Ok(()));
        assert_eq!(ask(asks("own", swap(now))).await, Ok(done));
    }
}
