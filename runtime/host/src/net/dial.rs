//! Sends a request where it was granted to go, and brings its answer.

use std::error::Error;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{HeaderMap, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Method, Response};
use serde_bytes::ByteBuf;

use super::http::{
    Bounds, HttpAnswer, HttpFailure, HttpRequest, Part, Target, is_ours, line, literal,
};
use super::names::{Judge, Names, Prohibited, SystemNames, Unknown};

/// How long it may take until there is a connection.
pub const CONNECT: Duration = Duration::from_secs(10);
/// Who asks, where the request does not say.
pub const AGENT: &str = concat!("lovage/", env!("CARGO_PKG_VERSION"));

/// Makes connections to what was judged, and to nothing else. One serves all tenants: it
/// keeps no connection for the next request, which may be another's.
pub struct Dialer {
    names: Arc<dyn Names>,
    /// Trusted beside the system's.
    trusted: Vec<Certificate>,
    /// For public addresses alone, and for private ones too; made when there is a first
    /// request, since most workers send none.
    clients: [OnceLock<Result<Client, String>>; 2],
}

impl Default for Dialer {
    fn default() -> Self {
        Dialer::over(Arc::new(SystemNames), Vec::new())
    }
}

/// A file of certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot read certificates from `{path}`: {problem}")]
pub struct CaError {
    path: String,
    problem: String,
}

/// The certificates of a PEM file.
///
/// # Errors
/// It cannot be read, or holds none.
pub fn read_certificates(path: &Path) -> Result<Vec<Certificate>, CaError> {
    let wrong = |problem: String| CaError {
        path: path.display().to_string(),
        problem,
    };
    let pem = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(wrong("it holds none".into())),
        Err(e) => Err(wrong(e.to_string())),
    }
}

impl Dialer {
    /// One that looks names up in its own way, and trusts these beside the system's.
    pub fn over(names: Arc<dyn Names>, trusted: Vec<Certificate>) -> Self {
        Dialer {
            names,
            trusted,
            clients: Default::default(),
        }
    }

    /// The judge of where connections may lead.
    pub fn judge(&self, private: bool) -> Judge {
        Judge {
            names: self.names.clone(),
            private,
        }
    }

    /// A client's settings, with nothing in them that would lead past the judge: no
    /// redirects, and no proxy that looks names up itself.
    pub fn builder(&self, private: bool) -> ClientBuilder {
        let builder = Client::builder()
            .dns_resolver(Arc::new(self.judge(private)))
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(0);
        let trusted = self.trusted.iter().cloned();
        trusted.fold(builder, ClientBuilder::add_root_certificate)
    }

    /// Sends a request to its target, and brings the whole answer, within its bounds.
    ///
    /// # Errors
    /// All but [`HttpFailure::Denied`] and [`HttpFailure::TooMany`], which whoever knows the
    /// grants and the attempt says before.
    pub async fn send(
        &self,
        target: Target,
        request: HttpRequest,
        bounds: &Bounds,
    ) -> Result<HttpAnswer, HttpFailure> {
        request.check(bounds)?;
        if let Some(address) = literal(&target.url) {
            let allowed = self.judge(target.private).check(address);
            allowed.map_err(|e| HttpFailure::Prohibited(e.to_string()))?;
        }
        let client = self.clients[usize::from(target.private)].get_or_init(|| {
            let client = self.builder(target.private).build();
            client.map_err(|e| chain(&e).join(": "))
        });
        let client = client.as_ref().map_err(|e| HttpFailure::Tls(e.clone()))?;
        let method = Method::from_bytes(request.method.as_bytes());
        let method = method.map_err(|_| HttpFailure::Invalid("it has no HTTP method".into()))?;
        let mut headers = request.sent()?;
        headers
            .entry(USER_AGENT)
            .or_insert_with(|| reqwest::header::HeaderValue::from_static(AGENT));
        let time = request
            .patience
            .map_or(bounds.time, |it| it.min(bounds.time));
        let sent = client.request(method, target.url).headers(headers);
        let sent = match request.body.is_empty() {
            true => sent,
            false => sent.body(request.body),
        };
        let exchange = async {
            let answer = sent.send().await.map_err(|e| failure(e, time))?;
            read(answer, bounds, time).await
        };
        let answered = tokio::time::timeout(time, exchange).await;
        answered.unwrap_or(Err(HttpFailure::Timeout(time)))
    }
}

async fn read(
    mut answer: Response,
    bounds: &Bounds,
    time: Duration,
) -> Result<HttpAnswer, HttpFailure> {
    let too_large = |part, most: usize| Err(HttpFailure::TooLarge(part, most as u64));
    if size(answer.headers()) > bounds.headers {
        return too_large(Part::AnswerHeaders, bounds.headers);
    }
    let most = bounds.body;
    // What says that it is too large need not be read.
    if answer.content_length().is_some_and(|it| it > most as u64) {
        return too_large(Part::AnswerBody, most);
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| failure(e, time))? {
        if body.len() + chunk.len() > most {
            return too_large(Part::AnswerBody, most);
        }
        body.extend_from_slice(&chunk);
    }
    let headers = answer.headers().iter();
    let headers = headers.filter(|(name, _)| !is_ours(name));
    Ok(HttpAnswer {
        status: answer.status().as_u16(),
        headers: headers
            .map(|(name, value)| (name.to_string(), ByteBuf::from(value.as_bytes())))
            .collect(),
        body,
    })
}

fn size(headers: &HeaderMap) -> usize {
    let lines = headers.iter();
    lines
        .map(|(name, value)| line(name.as_str(), value.as_bytes()))
        .sum()
}

/// What became of a request that brought no answer, by the types of what it came from.
fn failure(e: reqwest::Error, time: Duration) -> HttpFailure {
    // The URL may have a secret in it, and the task knows it.
    let e = e.without_url();
    let text = || chain(&e).last().cloned().unwrap_or_default();
    let mut cause: Option<&(dyn Error + 'static)> = Some(&e);
    while let Some(it) = cause {
        if let Some(it) = it.downcast_ref::<Prohibited>() {
            return HttpFailure::Prohibited(it.to_string());
        }
        if let Some(it) = it.downcast_ref::<Unknown>() {
            return HttpFailure::Unknown(it.to_string());
        }
        if it.is::<rustls::Error>() {
            return HttpFailure::Tls(text());
        }
        // What lies in an `io::Error` is no cause of it, to `source()`.
        let inner = it.downcast_ref::<std::io::Error>();
        if inner.is_some_and(|it| it.kind() == ErrorKind::TimedOut) {
            return HttpFailure::Timeout(time.min(CONNECT));
        }
        cause = match inner.and_then(|it| it.get_ref()) {
            Some(inner) => Some(inner),
            None => it.source(),
        };
    }
    match e {
        _ if e.is_timeout() => HttpFailure::Timeout(time.min(CONNECT)),
        _ if e.is_connect() => HttpFailure::Connect(text()),
        _ => HttpFailure::Broken(text()),
    }
}

/// An error and its causes: the first says the least.
pub fn chain(e: &dyn Error) -> Vec<String> {
    let mut texts = vec![e.to_string()];
    let mut cause = e.source();
    while let Some(e) = cause {
        texts.push(e.to_string());
        cause = e.source();
    }
    texts
}
