//! One request after the other, and what a server's answers mean to a broker.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Request, Response, StatusCode};
use serde::de::DeserializeOwned;

use super::address::Address;
use super::operation::Operation;
use super::push::PushError;
use super::wire;
use crate::broker::{BrokerError, Result};

/// How long a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a request may take beside what it waits for.
const ANSWER: Duration = Duration::from_secs(60);
/// An operation whose connection broke is tried again after these waits. What lasts
/// longer is the caller's to decide.
const AGAIN: [Duration; 3] = [
    Duration::from_millis(20),
    Duration::from_millis(200),
    Duration::from_secs(1),
];
/// Waits that a server may ask for: a longer one is the caller's to decide.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Connection {
    client: Client,
    address: Address,
    token: Option<HeaderValue>,
}

/// The type of a problem that is a module's.
const REFUSED: &str = "urn:lovage:problem:refused";

/// An answer that is an error, and whether the same may be tried again.
enum Failed {
    /// As it is.
    ForGood(PushError),
    /// Nothing has happened; after this wait.
    Wait(BrokerError, Option<Duration>),
    /// Something may have happened.
    Broken(BrokerError),
}

impl Connection {
    pub(super) fn new(address: &Address) -> Result<Self> {
        let place = address.to_string();
        let unsuitable = |reason: String| BrokerError::Unsuitable { place, reason };
        // A redirect would take the token elsewhere.
        let mut client = Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("lovage/", env!("CARGO_PKG_VERSION")));
        if address.is_loopback() {
            client = client.no_proxy();
        }
        if let Some(ca) = address.ca() {
            let cannot = |e: &dyn std::fmt::Display| {
                BrokerError::Invalid(format!(
                    "cannot read the certificates in `{}`: {e}",
                    ca.display()
                ))
            };
            let pem = std::fs::read(ca).map_err(|e| cannot(&e))?;
            let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| cannot(&e))?;
            if roots.is_empty() {
                return Err(cannot(&"there are none"));
            }
            client = roots
                .into_iter()
                .fold(client, |it, root| it.add_root_certificate(root));
        }
        let bearer = |token: String| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| BrokerError::Denied("the token holds what no token does".into()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        Ok(Connection {
            client: client.build().map_err(|e| unsuitable(reason(&e)))?,
            address: address.clone(),
            token: address.token().map(bearer).transpose()?,
        })
    }

    /// The URL, without its token.
    pub(super) fn place(&self) -> String {
        self.address.to_string()
    }

    /// Does an operation, again where the connection broke. `waits` is how long the
    /// server takes its time on purpose.
    pub(super) async fn run<T: DeserializeOwned>(
        &self,
        operation: Operation,
        body: Vec<u8>,
        waits: Duration,
    ) -> Result<T> {
        if body.len() > wire::MAX_BODY {
            return Err(BrokerError::Invalid(format!(
                "a request of {} bytes is too large: send fewer at a time, it may have {}",
                body.len(),
                wire::MAX_BODY
            )));
        }
        let path = format!("/v1/broker/{operation}");
        let packed = wire::CONTENT_TYPE;
        let request = self.request(&path, packed, packed, body, ANSWER + waits)?;
        let answer = self.send(request, operation.is_repeatable()).await;
        let answer = answer.map_err(|e| match e {
            PushError::Broker(e) => e,
            PushError::Refused(said) => BrokerError::Invalid(said),
        })?;
        rmp_serde::from_slice(&answer).map_err(|e| BrokerError::Unsuitable {
            place: self.place(),
            reason: format!(
                "its answer to `{operation}` cannot be read, it may be of another version: {e}"
            ),
        })
    }

    /// A request with the token.
    pub(super) fn request(
        &self,
        path: &str,
        sends: &'static str,
        takes: &'static str,
        body: Vec<u8>,
        at_most: Duration,
    ) -> Result<Request> {
        let mut request = self
            .client
            .post(self.address.at(path))
            .header(CONTENT_TYPE, sends)
            .header(ACCEPT, takes)
            .timeout(at_most)
            .body(body);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.clone());
        }
        request.build().map_err(|e| self.unsuitable(reason(&e)))
    }

    /// The body of the answer.
    pub(super) async fn send(
        &self,
        request: Request,
        repeatable: bool,
    ) -> std::result::Result<Vec<u8>, PushError> {
        let mut again = AGAIN.into_iter();
        loop {
            let copy = request.try_clone().expect("its body is in memory");
            let (e, wait) = match self.try_once(copy).await {
                Ok(body) => return Ok(body),
                Err(Failed::ForGood(e)) => return Err(e),
                Err(Failed::Broken(e)) if !repeatable => return Err(e.into()),
                Err(Failed::Broken(e)) => (e, None),
                Err(Failed::Wait(e, wait)) if wait.is_none_or(|it| it <= PATIENCE) => (e, wait),
                Err(Failed::Wait(e, _)) => return Err(e.into()),
            };
            match again.next() {
                Some(least) => tokio::time::sleep(wait.unwrap_or_default().max(least)).await,
                None => return Err(e.into()),
            }
        }
    }

    async fn try_once(&self, request: Request) -> std::result::Result<Vec<u8>, Failed> {
        let answer = self.client.execute(request).await.map_err(|e| {
            let unreachable = self.unreachable(reason(&e));
            match e.is_connect() {
                true => Failed::Wait(unreachable, None),
                false => Failed::Broken(unreachable),
            }
        })?;
        if !answer.status().is_success() {
            return Err(self.meaning(answer).await);
        }
        let body = answer.bytes().await;
        let broken = |e: reqwest::Error| Failed::Broken(self.unreachable(reason(&e)));
        body.map(Vec::from).map_err(broken)
    }

    /// What an answer says that is no success.
    async fn meaning(&self, answer: Response) -> Failed {
        let status = answer.status();
        let header = |name| answer.headers().get(name).and_then(|it| it.to_str().ok());
        let is = |kind: &str| header(CONTENT_TYPE).is_some_and(|it| it.starts_with(kind));
        let (packed, problem) = (is(wire::CONTENT_TYPE), is("application/problem+json"));
        let wait = header(RETRY_AFTER).and_then(|it| it.parse().ok());
        let wait = wait.map(Duration::from_secs);
        let body = answer.bytes().await.unwrap_or_default();
        let for_good = |e: BrokerError| Failed::ForGood(e.into());
        // The broker's own word, as it is.
        if let Some(e) = packed.then(|| rmp_serde::from_slice(&body).ok()).flatten() {
            return for_good(e);
        }
        let said = problem.then(|| Problem::read(&body)).flatten();
        let (kind, said) = said.map_or((None, None), |it| (it.kind, it.detail.or(it.title)));
        let reason = said.unwrap_or_else(|| format!("it answers {status}"));
        let place = self.place();
        match status {
            _ if kind.as_deref() == Some(REFUSED) => Failed::ForGood(PushError::Refused(reason)),
            StatusCode::UNAUTHORIZED if self.token.is_none() => {
                for_good(BrokerError::Denied("it asks for a token".into()))
            }
            StatusCode::UNAUTHORIZED => {
                let said = format!("it does not take the token ({reason})");
                for_good(BrokerError::Denied(said))
            }
            StatusCode::FORBIDDEN => for_good(BrokerError::Denied(reason)),
            StatusCode::TOO_MANY_REQUESTS => {
                Failed::Wait(BrokerError::Busy { place, reason }, wait)
            }
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY if problem => {
                for_good(BrokerError::Invalid(reason))
            }
            StatusCode::PAYLOAD_TOO_LARGE => for_good(BrokerError::Invalid(format!(
                "the server takes no request as large as this one: {reason}"
            ))),
            StatusCode::SERVICE_UNAVAILABLE => Failed::Wait(self.unreachable(reason), wait),
            StatusCode::REQUEST_TIMEOUT | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                Failed::Broken(self.unreachable(reason))
            }
            _ if problem => for_good(self.unsuitable(reason)),
            _ => for_good(self.unsuitable(format!("{reason}, as no lovage server does"))),
        }
    }

    fn unreachable(&self, reason: String) -> BrokerError {
        let place = self.place();
        BrokerError::Unreachable { place, reason }
    }

    pub(super) fn unsuitable(&self, reason: String) -> BrokerError {
        let place = self.place();
        BrokerError::Unsuitable { place, reason }
    }
}

/// What a problem (RFC 9457) says of itself.
#[derive(serde::Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: Option<String>,
    title: Option<String>,
    detail: Option<String>,
}

impl Problem {
    fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

/// The innermost word of an error: what lies around it says that a request failed.
fn reason(e: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = e;
    while let Some(source) = inner.source() {
        inner = source;
    }
    match e.is_timeout() {
        true => "it does not answer in time".into(),
        false => inner.to_string(),
    }
}
