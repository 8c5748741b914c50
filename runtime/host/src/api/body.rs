//! Bodies of requests and forms of answers: JSON, or MessagePack where that is asked for.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use lovage_queue::arguments::{MAX_VALUES, bounded, bounded_json, exact_json};
use serde::de::{DeserializeOwned, Error as _, IntoDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_path_to_error::Segment;

use super::Shared;
use super::problem::{Kind, Problem};
use crate::units::Span;

pub(super) const JSON: &str = "application/json";
pub(super) const MSGPACK: &str = "application/msgpack";
pub(super) const BYTES: &str = "application/octet-stream";

/// Values that may lie in a body, names included, so that what is made of it is no
/// hundred times its bytes: room for the largest arguments and what stands around them.
const MAX_BODY_VALUES: usize = MAX_VALUES + 200_000;
/// Bytes that are shown of where something in a body is wrong.
const SHOWN: usize = 512;
/// How much more of a body is read that is refused, and for how long.
const DRAINED: usize = 32 << 20;
const DRAIN: Duration = Duration::from_secs(2);

/// How large the body of a request may be: what its token allows, put there once that is
/// known.
#[derive(Clone, Copy)]
pub(super) struct BodyLimit(pub(super) u64);

/// How long it may take to arrive.
#[derive(Clone, Copy)]
pub(super) struct BodyPatience(pub(super) Duration);

/// A form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    MsgPack,
}

impl Form {
    /// What the request asks for.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let accepted = accepted(headers);
        let of = |range: &str| match range {
            "" | "*/*" | "application/*" | JSON => Some(Form::Json),
            MSGPACK | "application/x-msgpack" => Some(Form::MsgPack),
            _ => None,
        };
        // What else an operation has, it looks for itself.
        let other =
            |range: &str| range == BYTES || range == "text/event-stream" || range == "text/plain";
        if accepted.is_empty() || accepted.iter().any(|it| other(it)) {
            return Ok(Form::Json);
        }
        accepted.iter().find_map(|it| of(it)).ok_or_else(|| {
            Problem::new(
                Kind::NotAcceptable,
                format!(
                    "answers are `{JSON}` or `{MSGPACK}`, not `{}`",
                    accepted.join(", ")
                ),
            )
        })
    }

    /// An answer in this form.
    pub(super) fn answer<T: Serialize + ?Sized>(self, status: StatusCode, value: &T) -> Response {
        let packed = match self {
            Form::Json => serde_json::to_vec(value).map_err(|e| e.to_string()),
            Form::MsgPack => rmp_serde::to_vec_named(value).map_err(|e| e.to_string()),
        };
        let kind = match self {
            Form::Json => JSON,
            Form::MsgPack => MSGPACK,
        };
        match packed {
            Ok(bytes) => typed(status, kind, bytes),
            Err(e) => Problem::new(Kind::Internal, e).into_response(),
        }
    }
}

/// An answer of these bytes.
pub(super) fn typed(status: StatusCode, kind: &'static str, bytes: Vec<u8>) -> Response {
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
    (status, headers, bytes).into_response()
}

/// The types that a request takes for an answer, in their order; whatever it says of how
/// much it wants them.
pub(super) fn accepted(headers: &HeaderMap) -> Vec<&str> {
    let values = headers.get_all(header::ACCEPT).iter();
    let values = values.filter_map(|it| it.to_str().ok());
    values
        .flat_map(|it| it.split(','))
        .map(|it| it.split(';').next().unwrap_or_default().trim())
        .collect()
}

/// The type of a request's body, without its parameters.
pub(super) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|it| it.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// A request's body, read whole: it has a largest size and a longest time.
pub(super) async fn whole(request: Request) -> Result<Bytes, Problem> {
    let limit = request.extensions().get::<BodyLimit>();
    let limit = limit.map_or(0, |it| it.0);
    let patience = request.extensions().get::<BodyPatience>();
    let patience = patience.map_or(Duration::ZERO, |it| it.0);
    let (parts, mut body) = request.into_parts();
    let said = parts.headers.get(header::CONTENT_LENGTH);
    let said = said.and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    if said.is_some_and(|said| said > limit) {
        // What waits to be asked for is refused before it is sent.
        if !parts.headers.contains_key(header::EXPECT) {
            drain(body).await;
        }
        return Err(too_large(limit));
    }
    let limited = Limited::new(&mut body, most);
    match tokio::time::timeout(patience, limited.collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(e)) if e.is::<LengthLimitError>() => {
            drain(body).await;
            Err(too_large(limit))
        }
        Ok(Err(e)) => Err(Problem::bad(format!("the body broke off: {e}"))),
        Err(_) => Err(Problem::new(
            Kind::Timeout,
            format!("the body did not arrive within {}", Span(patience)),
        )),
    }
}

/// Reads on for a while without keeping any of it: a client that is cut off while it still
/// sends does not get to read the answer.
async fn drain(mut body: Body) {
    let read = async {
        let mut left = DRAINED;
        while left > 0
            && let Some(Ok(frame)) = body.frame().await
        {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        }
    };
    let _ = tokio::time::timeout(DRAIN, read).await;
}

fn too_large(limit: u64) -> Problem {
    Problem::new(
        Kind::TooLarge,
        format!("the body may have {limit} bytes with this token"),
    )
}

/// A body of JSON or MessagePack.
pub(super) struct Parsed<T> {
    pub(super) value: T,
    /// Whether it came as JSON, in which bytes are Base64 texts.
    pub(super) is_json: bool,
}

impl<T: DeserializeOwned> FromRequest<Shared> for Parsed<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Shared) -> Result<Self, Problem> {
        let kind = content_type(request.headers()).to_owned();
        let is_json = match &*kind {
            JSON => true,
            MSGPACK | "application/x-msgpack" => false,
            other => {
                return Err(Problem::new(
                    Kind::UnsupportedMediaType,
                    format!("a body is `{JSON}` or `{MSGPACK}`, not `{other}`"),
                ));
            }
        };
        let bytes = whole(request).await?;
        let bounded = match is_json {
            true => bounded_json(&bytes, MAX_BODY_VALUES),
            false => bounded(&bytes, MAX_BODY_VALUES).map(drop),
        };
        bounded.map_err(|e| Problem::bad(format!("the body: {e}")))?;
        let value = match is_json {
            true => parse_json(&bytes)?,
            false => parse_packed(&bytes)?,
        };
        Ok(Parsed { value, is_json })
    }
}

fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let value = serde_json::from_slice(bytes).map_err(|e| {
        let again = &mut serde_json::Deserializer::from_slice(bytes);
        misplaced(&e, serde_path_to_error::deserialize::<_, T>(again))
    })?;
    // Behind it, since what has a type of its own tells its place.
    let exact = exact_json(bytes);
    exact.map_err(|e| Problem::new(Kind::Invalid, format!("the body: {e}")))?;
    Ok(value)
}

fn parse_packed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // Else a list would do, of values in the order of our fields.
    if !matches!(bytes.first(), Some(0x80..=0x8f | 0xde | 0xdf)) {
        return Err(Problem::bad("the body: it is no map"));
    }
    let mut left = bytes;
    let value = rmp_serde::from_read(&mut left).map_err(|e| {
        let again = &mut rmp_serde::Deserializer::new(bytes);
        misplaced(&e, serde_path_to_error::deserialize::<_, T>(again))
    })?;
    match left.len() {
        0 => Ok(value),
        more => Err(Problem::bad(format!(
            "the body: {more} bytes follow its end"
        ))),
    }
}

/// What is wrong with a body, with its place where that is known: it is looked for in a body
/// that is wrong alone, since to keep track of it takes time.
fn misplaced<T, E: std::error::Error>(
    e: &E,
    again: Result<T, serde_path_to_error::Error<E>>,
) -> Problem {
    let path = again.err().map(|it| it.path().clone());
    let mut pointer = String::new();
    for part in path.iter().flatten() {
        let part = match part {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { .. } | Segment::Unknown => break,
        };
        pointer = format!("{pointer}/{part}");
    }
    // Names of it are a stranger's.
    pointer.truncate(pointer.floor_char_boundary(SHOWN));
    match pointer.is_empty() {
        true => Problem::bad(format!("the body: {e}")),
        false => Problem::bad(format!("the body: {e} (at `{pointer}`)")).at(&pointer),
    }
}

/// A whole number. That is what `7.0` is too, by JSON Schema.
pub(super) fn maybe_number<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
    it: D,
) -> Result<Option<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Whole(u64),
        Broken(f64),
    }
    let written = Option::<Written>::deserialize(it);
    let number = match written.map_err(|_| D::Error::custom("it must be a whole number"))? {
        None => return Ok(None),
        Some(Written::Whole(number)) => Some(number),
        Some(Written::Broken(number)) => whole_number(number),
    };
    let number = number.and_then(|it| T::try_from(it).ok());
    let wrong = || D::Error::custom("a whole number is too large, negative, or none");
    number.map(Some).ok_or_else(wrong)
}

/// The whole number that a broken one is, where it is written so.
pub(super) fn whole_number(number: f64) -> Option<u64> {
    let is_whole = number.fract() == 0.0 && (0.0..2_f64.powi(53)).contains(&number);
    is_whole.then_some(number as u64)
}

/// One of some words. MessagePack takes their numbers too, which are nobody's business.
pub(super) fn word<'de, D: Deserializer<'de>, T: DeserializeOwned>(it: D) -> Result<T, D::Error> {
    let text = String::deserialize(it)?;
    T::deserialize(text.into_deserializer())
}

/// The same where there may be none.
pub(super) fn maybe_word<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    it: D,
) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(it)?;
    text.map(|it| T::deserialize(it.into_deserializer()))
        .transpose()
}

/// The same where there may be many.
pub(super) fn maybe_words<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    it: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let texts = Option::<Vec<String>>::deserialize(it)?;
    let words = texts.map(|all| {
        all.into_iter()
            .map(|it| T::deserialize(it.into_deserializer()))
    });
    words.map(Iterator::collect).transpose()
}

/// The parameters behind the `?`.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(value) = Query::try_from_uri(&parts.uri)
            .map_err(|e| Problem::bad(format!("the parameters: {}", e.body_text())))?;
        Ok(Params(value))
    }
}

/// What stands in a path.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        let axum::extract::Path(value) =
            path.map_err(|e| Problem::missing(format!("the path: {}", e.body_text())))?;
        Ok(Path(value))
    }
}

/// An empty body.
pub(super) fn nothing() -> Response {
    (StatusCode::NO_CONTENT, Body::empty()).into_response()
}
