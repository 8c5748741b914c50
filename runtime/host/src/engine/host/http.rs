//! `wasi:http/outgoing-handler`: requests to other hosts. They are judged here, and judged
//! again and sent by the [`Host`], which is the only one that has sockets.
//!
//! A request goes to the host whole, and so does its answer come back. So few are under
//! way at a time, and what lies here before and after, until the guest has read it or
//! dropped it, is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use lovage_queue::grant::Grants;
use serde_bytes::ByteBuf;
use tokio::sync::Semaphore;
use wasmtime::component::Linker;
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
};

use super::log::Sink;
use super::{Access, CallError, Host, Reply, Request, State, mismatch};
use crate::engine::limits::FIELDS;
use crate::net::dial::CONNECT;
use crate::net::{Bounds, HttpAnswer, HttpFailure, HttpRequest, Part};

/// Requests of an attempt that are under way at a time. The others wait.
const AT_ONCE: usize = 4;
/// How many of the largest bodies an attempt may have lying here.
const HELD: usize = 4;
/// Bytes that a guest may write of a body, and read of one, at a time.
const CHUNK: usize = 16 * 1024;

/// An attempt's state of it, made at its first call of `wasi:http`.
#[derive(Default)]
pub(super) struct Http(Option<Box<(WasiHttpCtx, Outgoing)>>);

/// Offers it to all modules.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

/// The interfaces it consists of, without their version.
pub(super) const INTERFACES: &[&str] = &["wasi:http/outgoing-handler", "wasi:http/types"];

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let most = self.limits.log;
        let made = self.http.0.get_or_insert_with(|| {
            let mut ctx = WasiHttpCtx::new();
            ctx.set_field_size_limit(FIELDS);
            let outgoing = Outgoing {
                host: self.host.clone(),
                grants: self.grants.clone(),
                bounds: self.limits.http.clone(),
                log: self.machine.sink(most),
                turns: Arc::new(Semaphore::new(AT_ONCE)),
                held: Arc::default(),
                begun: 0,
            };
            Box::new((ctx, outgoing))
        });
        WasiHttpCtxView {
            ctx: &mut made.0,
            hooks: &mut made.1,
            table: &mut self.machine.made(most).1,
        }
    }
}

/// Sends an attempt's requests.
#[derive(Clone)]
struct Outgoing {
    host: Arc<dyn Host>,
    grants: Arc<Grants>,
    bounds: Bounds,
    log: Sink,
    turns: Arc<Semaphore>,
    /// Bytes of bodies that lie here.
    held: Arc<AtomicUsize>,
    begun: u32,
}

/// A body that lies here, for as long as it does.
struct Held {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl Held {
    /// Counts so many bytes more, unless that is more than all may be together.
    fn more(&mut self, bytes: usize, most: usize) -> Result<(), HttpFailure> {
        self.bytes += bytes;
        match self.all.fetch_add(bytes, Ordering::Relaxed) + bytes > most {
            true => Err(HttpFailure::TooLarge(Part::Held, most as u64)),
            false => Ok(()),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What the answer's body still needs of the other end: nothing, since it is whole.
type Rest = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Rest,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Rest), Error>> + Send> {
        self.begun = self.begun.saturating_add(1);
        let it = self.clone();
        Box::new(async move {
            let began = Instant::now();
            let exchanged = it
                .exchange(request, options.unwrap_or_default(), began)
                .await;
            exchanged.map_err(|failure| {
                // Most of what a task is told has no room for the reason.
                it.log.append(format!("lovage: {failure}\n").as_bytes());
                error(failure)
            })
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
}

impl Outgoing {
    async fn exchange(
        &self,
        request: http::Request<WasiBody>,
        options: RequestOptions,
        began: Instant,
    ) -> Result<(http::Response<WasiBody>, Rest), HttpFailure> {
        let bounds = &self.bounds;
        if self.begun > bounds.requests {
            return Err(HttpFailure::TooMany(bounds.requests));
        }
        let (parts, body) = request.into_parts();
        let headers = parts.headers.iter();
        let headers = headers.map(|(name, value)| {
            let value = ByteBuf::from(value.as_bytes());
            (name.to_string(), value)
        });
        let mut request = HttpRequest {
            method: parts.method.to_string(),
            url: parts.uri.to_string(),
            headers: headers.collect(),
            body: Vec::new(),
            patience: None,
        };
        // Before its body is waited for.
        let target = request.target(&self.grants).map(drop);
        if let Err(refused) = target.and_then(|()| request.check(bounds)) {
            self.let_go(body);
            return Err(refused);
        }
        let mut held = self.holds();
        let gathered = async {
            let body = self.gather(body, &mut held).await;
            // Last, so that a body that never ends holds up no other.
            (body, self.turns.acquire().await)
        };
        let gathered = tokio::time::timeout(bounds.time, gathered).await;
        let (body, turn) = gathered.map_err(|_| HttpFailure::Timeout(bounds.time))?;
        request.body = body?;
        let left = bounds.time.saturating_sub(began.elapsed());
        let wanted = options.first_byte_timeout;
        let connect = options.connect_timeout.unwrap_or(CONNECT);
        let wanted = wanted.map(|it| it.saturating_add(connect));
        request.patience = Some(wanted.map_or(left, |it| it.min(left)));
        let answer = match self.host.call(Request::Access(Access::Http(request))).await {
            Ok(Reply::Http(answered)) => answered?,
            Ok(_) => return Err(HttpFailure::Broken(mismatch().to_string())),
            Err(e) => return Err(refused(e)),
        };
        drop((turn, held));
        let mut held = self.holds();
        held.more(answer.body.len(), self.most_held())?;
        Ok((response(answer, held), Box::new(async { Ok(()) })))
    }

    /// Whoever still writes a body that nobody wants must not find its other end gone: in
    /// JavaScript that is no error, but the end of the attempt.
    fn let_go(&self, mut body: WasiBody) {
        let all = async move { while let Some(Ok(_)) = body.frame().await {} };
        tokio::spawn(tokio::time::timeout(self.bounds.time, all));
    }

    fn holds(&self) -> Held {
        let all = self.held.clone();
        Held { all, bytes: 0 }
    }

    fn most_held(&self) -> usize {
        self.bounds.body.saturating_mul(HELD)
    }

    /// A request's body, as the guest writes it.
    async fn gather(&self, mut body: WasiBody, held: &mut Held) -> Result<Vec<u8>, HttpFailure> {
        let (most, mut gathered) = (self.bounds.body, Vec::new());
        while let Some(frame) = body.frame().await {
            // The guest dropped it, or had said that there would be another number of bytes.
            let text = "the body of a request was not finished";
            let frame = frame.map_err(|_| HttpFailure::Invalid(text.into()))?;
            // Trailers are left out: hardly any host reads them.
            let chunk = frame.into_data().unwrap_or_default();
            if gathered.len() + chunk.len() > most {
                return Err(HttpFailure::TooLarge(Part::RequestBody, most as u64));
            }
            held.more(chunk.len(), self.most_held())?;
            gathered.extend_from_slice(&chunk);
        }
        Ok(gathered)
    }
}

/// An answer for the guest to read.
fn response(answer: HttpAnswer, held: Held) -> http::Response<WasiBody> {
    let body = answer.body;
    // Piece by piece, and each a copy: a slice would keep all of it in memory.
    let pieces = (0..body.len()).step_by(CHUNK).map(move |from| {
        let _held = &held;
        let to = body.len().min(from + CHUNK);
        Ok(Frame::data(Bytes::copy_from_slice(&body[from..to])))
    });
    let body = StreamBody::new(stream::iter(pieces)).boxed_unsync();
    let mut response = http::Response::new(body);
    // A host in the place of ours could say anything.
    let status = http::StatusCode::from_u16(answer.status);
    *response.status_mut() = status.unwrap_or(http::StatusCode::BAD_GATEWAY);
    let mut headers = HeaderMap::with_capacity(answer.headers.len());
    for (name, value) in answer.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&value)) {
            headers.append(name, value);
        }
    }
    *response.headers_mut() = headers;
    response
}

fn refused(e: CallError) -> HttpFailure {
    match e {
        CallError::Denied(text) => HttpFailure::Denied(text),
        CallError::Invalid(text) => HttpFailure::Invalid(text),
        CallError::Limit(text) | CallError::Unavailable(text) => HttpFailure::Broken(text),
    }
}

/// The same in the words of `wasi:http`.
fn error(failure: HttpFailure) -> Error {
    match failure {
        HttpFailure::Denied(_) => Error::HttpRequestDenied,
        HttpFailure::Prohibited(_) => Error::DestinationIpProhibited,
        HttpFailure::Invalid(_) => Error::HttpRequestUriInvalid,
        HttpFailure::TooMany(_) => Error::ConnectionLimitReached,
        HttpFailure::TooLarge(part, most) => {
            let headers = u32::try_from(most).ok();
            match part {
                Part::RequestBody => Error::HttpRequestBodySize(Some(most)),
                Part::RequestHeaders => Error::HttpRequestHeaderSectionSize(headers),
                Part::AnswerBody | Part::Held => Error::HttpResponseBodySize(Some(most)),
                Part::AnswerHeaders => Error::HttpResponseHeaderSectionSize(headers),
            }
        }
        HttpFailure::Unknown(text) => Error::DnsError {
            rcode: Some(text),
            info_code: None,
        },
        HttpFailure::Connect(_) => Error::ConnectionRefused,
        HttpFailure::Tls(_) => Error::TlsCertificateError,
        HttpFailure::Timeout(_) => Error::HttpResponseTimeout,
        HttpFailure::Broken(_) => Error::HttpResponseIncomplete,
    }
}
