//! Tokens: to make them, to look at them, and to make them worth nothing.

use lovage_queue::clock::Millis;
use lovage_queue::task::check_name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{Administer, Caller};
use super::body::{Parsed, Path, maybe_number, nothing, word};
use super::problem::{Problem, Reply};
use super::shapes::{Rate, Span as SpanText};
use super::token::{NewToken, Role, Token, TokenView};
use crate::units::Span;
use crate::view::queues::read_rate;

/// All tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tokens {
    /// The oldest first.
    tokens: Vec<TokenView>,
}

/// List tokens
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens",
    responses((status = 200, description = "All of them", body = Tokens)))]
pub(super) async fn list(caller: Caller<Administer>) -> Reply {
    let client = &caller.client;
    let tokens = Token::list(&**client.broker(), client.tenant()).await?;
    let tokens = tokens.iter().map(TokenView::of).collect();
    Ok(caller.answer(&Tokens { tokens }))
}

/// What a token shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
pub(super) struct TokenBody {
    /// What it is for.
    #[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$", example = "ci")]
    name: String,
    /// What it allows.
    #[serde(deserialize_with = "word")]
    role: Role,
    /// How long it is valid, as in `30d`; without it, until it is revoked.
    #[schema(value_type = Option<SpanText>, example = "30d")]
    expires: Option<Span>,
    /// How often it may be used, of each server, as in `1000/s`.
    #[schema(value_type = Option<Rate>, example = "1000/s")]
    rate: Option<String>,
    /// How large the bodies of its requests may be, in bytes.
    #[serde(default, deserialize_with = "maybe_number")]
    body: Option<u64>,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Created {
    /// What is to be sent, as `Authorization: Bearer …`. It is shown this once.
    token: String,
    #[serde(flatten)]
    about: TokenView,
}

/// Make a token
///
/// Its text is in the answer, and never to be had again.
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens",
    request_body(content((TokenBody = "application/json"), (TokenBody = "application/msgpack"))),
    responses((status = 201, description = "It is valid", body = Created)))]
pub(super) async fn create(caller: Caller<Administer>, body: Parsed<TokenBody>) -> Reply {
    let body = body.value;
    check_name(&body.name, "token").map_err(|e| Problem::bad(e.to_string()).at("/name"))?;
    let rate = body.rate.as_deref().map(read_rate).transpose();
    let new = NewToken {
        name: body.name,
        role: body.role,
        expires: body.expires.map(|it| Millis::of_this_host().after(it.0)),
        rate: rate.map_err(|e| Problem::bad(e).at("/rate"))?,
        body: body.body,
    };
    let client = &caller.client;
    let made = Token::create(&**client.broker(), client.tenant(), new).await;
    let (token, text) = made?;
    Ok(caller.made(&Created {
        token: text,
        about: TokenView::of(&token),
    }))
}

/// Revoke a token
///
/// From a second later on it is refused everywhere.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "tokens", params(("id" = String, Path)),
    responses((status = 204, description = "It is worth nothing")))]
pub(super) async fn revoke(caller: Caller<Administer>, Path(id): Path<String>) -> Reply {
    let client = &caller.client;
    match Token::revoke(&**client.broker(), client.tenant(), &id).await? {
        true => Ok(nothing()),
        false => Err(Problem::missing(format!("there is no token `{id}`"))),
    }
}
