//! What Lovage's own client speaks, whose URL is `http://…`: the operations of a broker that
//! producers and operators need, one request each.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use lovage_queue::broker::BrokerError;
use lovage_queue::broker::remote::{Operation, Right, wire};
use lovage_queue::client;

use super::Shared;
use super::auth::{Caller, Look};
use super::body::{BodyLimit, MSGPACK, Path, content_type, typed, whole};
use super::problem::{Kind, Problem, Reply};
use super::token::Role;

/// An operation of a broker, for Lovage's own client
///
/// Body and answer are MessagePack, in a form that client and server of one minor version
/// share: write your own client against the other operations. What takes more than the
/// role `viewer` takes the role that it takes there.
#[utoipa::path(post, path = "/v1/broker/{operation}", tag = "server", params(("operation" = String, Path)),
    request_body(content((Vec<u8> = "application/msgpack"))),
    responses((status = 200, description = "What the broker says", body = Vec<u8>, content_type = "application/msgpack")))]
pub(super) async fn answer(
    State(api): State<Shared>,
    caller: Caller<Look>,
    Path(operation): Path<String>,
    mut request: Request,
) -> Reply {
    let operation: Operation = operation.parse().map_err(Problem::missing)?;
    caller.may(Role::from(operation.right()))?;
    if content_type(request.headers()) != MSGPACK {
        let said = format!("a body is `{MSGPACK}` here");
        return Err(Problem::new(Kind::UnsupportedMediaType, said));
    }
    // A batch is larger than one call, unless the token says otherwise; a question is not.
    let writes = operation.right() > Right::Read;
    if writes && caller.token.as_ref().is_none_or(|it| it.body.is_none()) {
        let limit = BodyLimit(wire::MAX_BODY as u64);
        request.extensions_mut().insert(limit);
    }
    let body = whole(request).await?;
    let answer = client::answer(&caller.client, operation, &body);
    let answer = match operation {
        // It does nothing but wait. All else comes to its end, so that nobody is left to
        // guess what has happened.
        Operation::Wait => tokio::select! {
            answer = answer => answer,
            () = api.stopping() => return Err(stopping()),
        },
        _ => answer.await,
    };
    match answer {
        Ok(bytes) => Ok(typed(axum::http::StatusCode::OK, MSGPACK, bytes)),
        // What has become of our broker is for our log; theirs is this server.
        Err(
            e @ (BrokerError::Unreachable { .. }
            | BrokerError::Unsuitable { .. }
            | BrokerError::Full { .. }
            | BrokerError::Corrupt { .. }),
        ) => Err(e.into()),
        Err(e) => Ok(packed(&e)),
    }
}

/// Whoever waits comes again, to the server that is there then.
fn stopping() -> Problem {
    Problem::new(
        Kind::Unavailable,
        "the server is stopping; it is safe to try again",
    )
    .again_in(1)
}

/// A broker's own word, as it is, under the status of the problem that it is.
fn packed(e: &BrokerError) -> axum::response::Response {
    let mut response = Problem::from(e.clone()).into_response();
    *response.body_mut() = wire::pack_error(e).into();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MSGPACK));
    response
}
