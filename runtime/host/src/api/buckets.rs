//! Buckets: what tasks keep, for whoever administers them to look at and to put right.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lovage_queue::bucket::{MAX_PAGE, check_bucket, check_key, check_value};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::auth::{Administer, Caller};
use super::body::{BYTES, JSON, Params, Path, accepted, content_type, nothing, typed, whole};
use super::problem::{Kind, Problem, Reply};
use crate::view::base64;
use crate::view::buckets::BucketView;

/// All buckets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Buckets {
    /// By name.
    buckets: Vec<BucketView>,
}

/// List buckets
///
/// What the tenant's tasks keep from one job to the next: keys with values.
#[utoipa::path(get, path = "/v1/buckets", tag = "buckets",
    responses((status = 200, description = "All of them", body = Buckets)))]
pub(super) async fn list(caller: Caller<Administer>) -> Reply {
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let buckets = broker.buckets(tenant).await?;
    let buckets = buckets.into_iter().map(BucketView::of).collect();
    Ok(caller.answer(&Buckets { buckets }))
}

/// Which keys.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct KeyParams {
    /// Only those behind this one.
    #[param(max_length = 1024)]
    after: Option<String>,
    /// At most so many [100].
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Keys of a bucket.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Keys {
    /// In order. To read on, send the last one as `after`, until there are none.
    keys: Vec<String>,
}

/// List a bucket's keys
#[utoipa::path(get, path = "/v1/buckets/{bucket}", tag = "buckets",
    params(("bucket" = String, Path, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"), KeyParams),
    responses((status = 200, description = "Keys", body = Keys)))]
pub(super) async fn keys(
    caller: Caller<Administer>,
    Path(bucket): Path<String>,
    Params(which): Params<KeyParams>,
) -> Reply {
    check_bucket(&bucket).map_err(|_| no_bucket(&bucket))?;
    let limit = which.limit.unwrap_or(100);
    if !(1..=MAX_PAGE).contains(&limit) {
        let said = format!("`limit` is 1 to {MAX_PAGE}, not {limit}");
        return Err(Problem::bad(said));
    }
    let after = which.after.unwrap_or_default();
    if !after.is_empty() {
        check_key(&after).map_err(|e| Problem::bad(format!("`after`: {e}")))?;
    }
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let keys = broker.keys(tenant, &bucket, &after, limit).await?;
    Ok(caller.answer(&Keys { keys }))
}

/// Delete a bucket
///
/// With all its keys, for good.
#[utoipa::path(delete, path = "/v1/buckets/{bucket}", tag = "buckets", params(("bucket" = String, Path)),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(caller: Caller<Administer>, Path(bucket): Path<String>) -> Reply {
    check_bucket(&bucket).map_err(|_| no_bucket(&bucket))?;
    match caller.client.delete_bucket(&bucket).await? {
        true => Ok(nothing()),
        false => Err(no_bucket(&bucket)),
    }
}

/// A key with its value.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pair {
    /// The key.
    key: String,
    /// The value, as Base64.
    #[schema(content_encoding = "base64")]
    value: String,
}

/// Get a key's value
///
/// As it is with `Accept: application/octet-stream`, else as Base64.
#[utoipa::path(get, path = "/v1/buckets/{bucket}/keys/{key}", tag = "buckets",
    params(("bucket" = String, Path), ("key" = String, Path)),
    responses((status = 200, description = "The value", content((Pair = "application/json"), (Pair = "application/msgpack"), (Vec<u8> = "application/octet-stream")))))]
pub(super) async fn get(
    caller: Caller<Administer>,
    Path((bucket, key)): Path<(String, String)>,
    headers: HeaderMap,
) -> Reply {
    check(&bucket, &key).map_err(|_| no_key(&bucket, &key))?;
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let keys = [key];
    let found = broker.get_many(tenant, &bucket, &keys).await?;
    let [key] = keys;
    let missing = || no_key(&bucket, &key);
    let value = found.into_iter().next().flatten().ok_or_else(missing)?;
    if accepted(&headers).contains(&BYTES) {
        return Ok(typed(StatusCode::OK, BYTES, value));
    }
    let value = base64(&value);
    Ok(caller.answer(&Pair { key, value }))
}

/// What a key's value shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBucketValue {
    /// As Base64.
    #[schema(content_encoding = "base64", max_length = 1398104)]
    value: String,
}

/// Set a key
///
/// To the body as it is, where that is `application/octet-stream`.
#[utoipa::path(put, path = "/v1/buckets/{bucket}/keys/{key}", tag = "buckets",
    params(("bucket" = String, Path, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$"), ("key" = String, Path, min_length = 1, max_length = 1024)),
    request_body(content((NewBucketValue = "application/json"), (Vec<u8> = "application/octet-stream"))),
    responses((status = 204, description = "It is set")))]
pub(super) async fn put(
    caller: Caller<Administer>,
    Path((bucket, key)): Path<(String, String)>,
    request: Request,
) -> Reply {
    check(&bucket, &key)?;
    let value = value_of(request).await?;
    check_value(&value).map_err(|e| Problem::new(Kind::Invalid, e.to_string()))?;
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    broker.set_many(tenant, &bucket, &[(key, value)]).await?;
    Ok(nothing())
}

async fn value_of(request: Request) -> Result<Vec<u8>, Problem> {
    let kind = content_type(request.headers()).to_owned();
    let body = match &*kind {
        BYTES => return Ok(whole(request).await?.to_vec()),
        JSON => whole(request).await?,
        other => {
            let said = format!("a value is `{BYTES}` or `{JSON}`, not `{other}`");
            return Err(Problem::new(Kind::UnsupportedMediaType, said));
        }
    };
    let wrong = |e: serde_json::Error| Problem::bad(format!("the body: {e}"));
    let body: NewBucketValue = serde_json::from_slice(&body).map_err(wrong)?;
    let value = STANDARD.decode(&body.value);
    value.map_err(|e| Problem::new(Kind::Invalid, format!("it is no Base64: {e}")).at("/value"))
}

/// Delete a key
#[utoipa::path(delete, path = "/v1/buckets/{bucket}/keys/{key}", tag = "buckets",
    params(("bucket" = String, Path), ("key" = String, Path)),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn unset(
    caller: Caller<Administer>,
    Path((bucket, key)): Path<(String, String)>,
) -> Reply {
    check(&bucket, &key).map_err(|_| no_key(&bucket, &key))?;
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let keys = [key];
    match broker.delete_many(tenant, &bucket, &keys).await? {
        0 => Err(no_key(&bucket, &keys[0])),
        _ => Ok(nothing()),
    }
}

fn check(bucket: &str, key: &str) -> Result<(), Problem> {
    let checked = check_bucket(bucket).and_then(|()| check_key(key));
    checked.map_err(|e| Problem::bad(e.to_string()))
}

fn no_bucket(bucket: &str) -> Problem {
    Problem::missing(format!("there is no bucket `{}`", shown(bucket)))
}

fn no_key(bucket: &str, key: &str) -> Problem {
    let (bucket, key) = (shown(bucket), shown(key));
    Problem::missing(format!("bucket `{bucket}` has no key `{key}`"))
}

/// As much of a name as an error shows.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}
