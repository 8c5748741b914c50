//! What a request is answered with that cannot be done: problem documents of RFC 9457.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lovage_queue::broker::BrokerError;
use lovage_queue::client::{BoundError, ClientError, Misfit};
use lovage_queue::job::JobId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::deploy::PushError;

/// The answer of every operation.
pub(super) type Reply = Result<Response, Problem>;

/// How the types of problems begin.
const TYPE: &str = "urn:lovage:problem:";

/// Kinds of problems: their names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    Timeout,
    Conflict,
    Duplicate,
    NotFinished,
    TooLarge,
    UnsupportedMediaType,
    InvalidArguments,
    Invalid,
    Refused,
    JobFailed,
    QueueFull,
    Quota,
    Suspended,
    RateLimited,
    Unavailable,
    Internal,
}

impl Kind {
    /// Its name, the status it goes with, and its title.
    fn parts(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Kind::BadRequest => ("bad-request", S::BAD_REQUEST, "the request makes no sense"),
            Kind::Unauthorized => ("unauthorized", S::UNAUTHORIZED, "a valid token is needed"),
            Kind::Forbidden => ("forbidden", S::FORBIDDEN, "that is not allowed"),
            Kind::NotFound => ("not-found", S::NOT_FOUND, "there is no such thing"),
            Kind::MethodNotAllowed => (
                "method-not-allowed",
                S::METHOD_NOT_ALLOWED,
                "that cannot be done with this",
            ),
            Kind::NotAcceptable => (
                "not-acceptable",
                S::NOT_ACCEPTABLE,
                "there is no such form of it",
            ),
            Kind::Timeout => ("timeout", S::REQUEST_TIMEOUT, "the request took too long"),
            Kind::Conflict => ("conflict", S::CONFLICT, "that cannot be done just now"),
            Kind::Duplicate => ("duplicate", S::CONFLICT, "the job is there already"),
            Kind::NotFinished => ("not-finished", S::CONFLICT, "it has not ended yet"),
            Kind::TooLarge => (
                "too-large",
                S::PAYLOAD_TOO_LARGE,
                "the request is too large",
            ),
            Kind::UnsupportedMediaType => (
                "unsupported-media-type",
                S::UNSUPPORTED_MEDIA_TYPE,
                "the request's content type is not known here",
            ),
            Kind::InvalidArguments => (
                "invalid-arguments",
                S::UNPROCESSABLE_ENTITY,
                "the arguments do not fit the task",
            ),
            Kind::Invalid => (
                "invalid",
                S::UNPROCESSABLE_ENTITY,
                "it has the right form, and cannot be meant so",
            ),
            Kind::Refused => ("refused", S::UNPROCESSABLE_ENTITY, "it was refused"),
            Kind::JobFailed => (
                "job-failed",
                S::UNPROCESSABLE_ENTITY,
                "it ended without a result",
            ),
            Kind::QueueFull => ("queue-full", S::TOO_MANY_REQUESTS, "the queue is full"),
            Kind::Quota => (
                "quota",
                S::TOO_MANY_REQUESTS,
                "the tenant has taken all that it may",
            ),
            Kind::Suspended => ("suspended", S::FORBIDDEN, "the tenant is suspended"),
            Kind::RateLimited => (
                "rate-limited",
                S::TOO_MANY_REQUESTS,
                "the token's rate is used up",
            ),
            Kind::Unavailable => (
                "unavailable",
                S::SERVICE_UNAVAILABLE,
                "the broker cannot be used just now",
            ),
            Kind::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "something is broken"),
        }
    }
}

/// A request that was not done.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<Misplaced>,
    /// When it may be tried again, in seconds.
    retry_after: Option<u64>,
    /// The job that is in the way.
    job: Option<JobId>,
}

/// A problem document (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Document {
    /// Which kind of problem: `urn:lovage:problem:` and a name that stays the same.
    #[schema(example = "urn:lovage:problem:not-found")]
    r#type: String,
    /// The kind in words.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong in this case.
    detail: String,
    /// Where it is wrong, if it is the request's body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Misplaced>,
    /// The job that is there already, of a `duplicate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = "uuid")]
    job: Option<JobId>,
}

/// Something in a request's body that is wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ProblemPlace)]
pub(super) struct Misplaced {
    /// A JSON Pointer (RFC 6901) into the body.
    pointer: String,
    /// What is wrong there.
    detail: String,
}

impl Problem {
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Problem {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            job: None,
        }
    }

    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Problem::new(Kind::BadRequest, detail)
    }

    pub(super) fn missing(detail: impl Into<String>) -> Self {
        Problem::new(Kind::NotFound, detail)
    }

    pub(super) fn again_in(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// Says where in the body it is: `place` comes before what is known already.
    pub(super) fn at(mut self, place: &str) -> Self {
        match self.errors.is_empty() {
            true => self.errors.push(Misplaced {
                pointer: place.to_owned(),
                detail: self.detail.clone(),
            }),
            false => self
                .errors
                .iter_mut()
                .for_each(|it| it.pointer = format!("{place}{}", it.pointer)),
        }
        self
    }

    fn of_misfits(detail: String, misfits: &[Misfit]) -> Self {
        let errors = misfits.iter().map(|it| Misplaced {
            pointer: format!("/args{}", it.pointer),
            detail: it.problem.clone(),
        });
        Problem {
            errors: errors.collect(),
            ..Problem::new(Kind::InvalidArguments, detail)
        }
    }

    pub(super) fn document(&self) -> Document {
        let (name, status, title) = self.kind.parts();
        Document {
            r#type: format!("{TYPE}{name}"),
            title,
            status: status.as_u16(),
            detail: self.detail.clone(),
            errors: self.errors.clone(),
            job: self.job,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (_, status, _) = self.kind.parts();
        if status.is_server_error() {
            tracing::warn!(detail = %self.detail, %status, "a request was not done");
        }
        let mut response = (status, Json(self.document())).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.kind == Kind::Unauthorized {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"lovage\""),
            );
        }
        response
    }
}

impl From<BrokerError> for Problem {
    fn from(e: BrokerError) -> Self {
        let said = e.to_string();
        match e {
            // Where the broker lies is the operator's business: the log has it.
            BrokerError::Unreachable { .. } => {
                tracing::warn!(error = %said, "the broker is away");
                Problem::new(
                    Kind::Unavailable,
                    "the broker cannot be reached; it is safe to try again",
                )
                .again_in(1)
            }
            BrokerError::Unsuitable { .. } => {
                tracing::error!(error = %said, "the broker cannot be used");
                Problem::new(Kind::Unavailable, "the broker cannot be used").again_in(10)
            }
            BrokerError::Full { .. } => {
                tracing::error!(error = %said, "the broker is full");
                Problem::new(
                    Kind::Unavailable,
                    "the broker has no room left; nothing of this was written",
                )
                .again_in(10)
            }
            BrokerError::Denied(_) => Problem::new(Kind::Forbidden, said),
            // No broker of ours says so: they stand behind no other server.
            BrokerError::Busy { .. } => Problem::new(Kind::Unavailable, said),
            BrokerError::QueueFull { .. } => Problem::new(Kind::QueueFull, said).again_in(1),
            BrokerError::Quota { retry_after, .. } => {
                let problem = Problem::new(Kind::Quota, said);
                match retry_after {
                    Some(span) => problem.again_in(span.as_secs()),
                    None => problem,
                }
            }
            BrokerError::Suspended => Problem::new(Kind::Suspended, said),
            BrokerError::Duplicate(other) => Problem {
                job: Some(other),
                ..Problem::new(Kind::Duplicate, said)
            },
            BrokerError::Missing(_) => Problem::missing(said),
            BrokerError::Invalid(_) => Problem::new(Kind::Invalid, said),
            BrokerError::Corrupt { .. } | BrokerError::Dead(_) => {
                tracing::error!(error = %said, "the broker holds what cannot be read");
                Problem::new(Kind::Internal, said)
            }
        }
    }
}

impl From<ClientError> for Problem {
    fn from(e: ClientError) -> Self {
        let said = e.to_string();
        match e {
            ClientError::Broker(e) | ClientError::Bound(BoundError::Broker(e)) => e.into(),
            ClientError::Schema { problems, .. } => Problem::of_misfits(said, &problems),
            ClientError::Arguments(_) => Problem::new(Kind::InvalidArguments, said).at("/args"),
            ClientError::Mismatch(_) => Problem::new(Kind::InvalidArguments, said),
            ClientError::TooLarge(_) | ClientError::Detailed(_) => {
                Problem::new(Kind::TooLarge, said)
            }
            ClientError::Step { why, .. } => Problem {
                detail: said,
                ..Problem::from(*why)
            },
            ClientError::Name(_) | ClientError::Schedule(_) | ClientError::Flow(_) => {
                Problem::new(Kind::Invalid, said)
            }
            ClientError::UnknownModule(_)
            | ClientError::UnknownRelease(..)
            | ClientError::UnknownTask { .. }
            | ClientError::UnknownJob(_)
            | ClientError::UnknownSchedule(_)
            | ClientError::UnknownFlow(_)
            | ClientError::UnknownStep { .. } => Problem::missing(said),
            ClientError::Unended(..) => Problem::new(Kind::NotFinished, said),
            ClientError::Bound(_) => Problem::new(Kind::JobFailed, said),
            ClientError::Ungranted { .. } | ClientError::FlowKey(_) => {
                Problem::new(Kind::Conflict, said)
            }
        }
    }
}

impl From<PushError> for Problem {
    fn from(e: PushError) -> Self {
        let said = e.to_string();
        match e {
            PushError::Refused(_)
            | PushError::Schema { .. }
            | PushError::Bounds { .. }
            | PushError::Schedule { .. }
            | PushError::Worker(_)
            | PushError::Reserved(_) => Problem::new(Kind::Refused, said),
            PushError::Name(_) => Problem::bad(said),
            PushError::Broker(e) => e.into(),
            PushError::Client(e) => e.into(),
            PushError::Engine(_) => Problem::new(Kind::Internal, said),
        }
    }
}
