//! Values and secrets that modules read by name.

use axum::extract::State;
use lovage_queue::broker::Shelf;
use lovage_queue::grant::check_key;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shared;
use super::auth::{Administer, Caller};
use super::body::{Parsed, Path, nothing};
use super::problem::{Kind, Problem, Reply};
use crate::vault::{MAX_VALUE, VaultError};

/// A value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConfigValue)]
pub(super) struct ValueView {
    /// Its name.
    key: String,
    /// What it is.
    value: String,
}

/// All values.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Config)]
pub(super) struct Values {
    /// By name.
    values: Vec<ValueView>,
}

/// List configuration values
///
/// What modules that were granted it read by name.
#[utoipa::path(get, path = "/v1/config", tag = "config",
    responses((status = 200, description = "All of them", body = Values)))]
pub(super) async fn list(caller: Caller<Administer>) -> Reply {
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let entries = broker.entries(tenant, Shelf::Config).await?;
    let value = |(key, bytes): (String, Vec<u8>)| ValueView {
        key,
        value: String::from_utf8_lossy(&bytes).into_owned(),
    };
    let values = entries.into_iter().map(value).collect();
    Ok(caller.answer(&Values { values }))
}

/// What a value shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewValue)]
pub(super) struct ValueBody {
    /// What it is.
    #[schema(max_length = 8192)]
    value: String,
}

impl ValueBody {
    fn checked(self, key: &str) -> Result<String, Problem> {
        check_key(key).map_err(Problem::bad)?;
        match self.value.len() <= MAX_VALUE {
            true => Ok(self.value),
            false => {
                let said = format!("a value has at most {MAX_VALUE} bytes");
                Err(Problem::new(Kind::Invalid, said).at("/value"))
            }
        }
    }
}

/// Set a configuration value
#[utoipa::path(put, path = "/v1/config/{key}", tag = "config",
    params(("key" = String, Path, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")),
    request_body(content((ValueBody = "application/json"), (ValueBody = "application/msgpack"))),
    responses((status = 204, description = "It is set")))]
pub(super) async fn put(
    caller: Caller<Administer>,
    Path(key): Path<String>,
    body: Parsed<ValueBody>,
) -> Reply {
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let value = body.value.checked(&key)?;
    let bytes = value.as_bytes();
    broker.put_entry(tenant, Shelf::Config, &key, bytes).await?;
    Ok(nothing())
}

/// Remove a configuration value
#[utoipa::path(delete, path = "/v1/config/{key}", tag = "config", params(("key" = String, Path)),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn remove(caller: Caller<Administer>, Path(key): Path<String>) -> Reply {
    gone(&caller, Shelf::Config, &key).await
}

/// The names of all secrets.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Secrets {
    /// In order.
    secrets: Vec<String>,
}

/// List secrets
///
/// By their names: what they are is never shown.
#[utoipa::path(get, path = "/v1/secrets", tag = "config",
    responses((status = 200, description = "All of them", body = Secrets)))]
pub(super) async fn list_secrets(caller: Caller<Administer>) -> Reply {
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let entries = broker.entries(tenant, Shelf::Secrets).await?;
    let secrets = entries.into_iter().map(|(key, _)| key).collect();
    Ok(caller.answer(&Secrets { secrets }))
}

/// Set a secret
///
/// It is encrypted with the operator's key before it is kept, and never shown again.
#[utoipa::path(put, path = "/v1/secrets/{key}", tag = "config",
    params(("key" = String, Path, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")),
    request_body(content((ValueBody = "application/json"), (ValueBody = "application/msgpack"))),
    responses((status = 204, description = "It is set")))]
pub(super) async fn put_secret(
    State(api): State<Shared>,
    caller: Caller<Administer>,
    Path(key): Path<String>,
    body: Parsed<ValueBody>,
) -> Reply {
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let value = body.value.checked(&key)?;
    let vault = api.settings.vault.as_ref();
    let vault = vault.ok_or_else(|| {
        Problem::new(
            Kind::Conflict,
            "this server has no key to encrypt secrets with",
        )
    })?;
    let sealed = vault.seal(tenant, &key, &value).map_err(|e| match e {
        VaultError::TooLong => Problem::new(Kind::Invalid, e.to_string()).at("/value"),
        e => Problem::new(Kind::Internal, e.to_string()),
    })?;
    broker
        .put_entry(tenant, Shelf::Secrets, &key, &sealed)
        .await?;
    Ok(nothing())
}

/// Remove a secret
#[utoipa::path(delete, path = "/v1/secrets/{key}", tag = "config", params(("key" = String, Path)),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn remove_secret(caller: Caller<Administer>, Path(key): Path<String>) -> Reply {
    gone(&caller, Shelf::Secrets, &key).await
}

async fn gone(caller: &Caller<Administer>, shelf: Shelf, key: &str) -> Reply {
    let (broker, tenant) = (caller.client.broker(), caller.client.tenant());
    let missing = || Problem::missing(format!("there is no `{key}` of that kind"));
    check_key(key).map_err(|_| missing())?;
    match broker.remove_entry(tenant, shelf, key).await? {
        true => Ok(nothing()),
        false => Err(missing()),
    }
}
