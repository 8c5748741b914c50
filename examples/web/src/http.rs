//! The few lines between `wasi:http` and a task.

use crate::Answer;
use lovage::Bytes;
use std::collections::BTreeMap;
use wasip2::http::outgoing_handler::{FutureIncomingResponse, handle};
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    Scheme,
};
use wasip2::io::streams::StreamError;

/// A request that is to be sent.
#[derive(Default)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// One that is under way.
pub struct Pending(FutureIncomingResponse);

/// Why there is no answer.
pub enum Error {
    /// The host would not, or could not.
    Http(ErrorCode),
    /// It is no request.
    Request(&'static str),
}

impl Error {
    /// In a word.
    pub fn name(&self) -> &'static str {
        match self {
            Error::Request(_) => "request",
            Error::Http(code) => match code {
                ErrorCode::HttpRequestDenied => "denied",
                ErrorCode::DestinationIpProhibited => "prohibited",
                ErrorCode::HttpRequestUriInvalid => "invalid",
                ErrorCode::ConnectionLimitReached => "too-many",
                ErrorCode::HttpRequestBodySize(_) | ErrorCode::HttpRequestHeaderSectionSize(_) => {
                    "request-too-large"
                }
                ErrorCode::HttpResponseBodySize(_)
                | ErrorCode::HttpResponseHeaderSectionSize(_) => "answer-too-large",
                ErrorCode::DnsError(_) => "unknown",
                ErrorCode::ConnectionRefused => "connect",
                ErrorCode::TlsCertificateError => "tls",
                ErrorCode::HttpResponseTimeout => "timeout",
                ErrorCode::HttpResponseIncomplete => "broken",
                _ => "other",
            },
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        match self {
            Error::Request(what) => (*what).to_owned(),
            Error::Http(code) => format!("{code:?}"),
        }
    }
}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        Error::Http(code)
    }
}

impl Request {
    /// One without more than that.
    pub fn get(url: &str) -> Self {
        Request {
            method: "GET".to_owned(),
            url: url.to_owned(),
            ..Request::default()
        }
    }

    /// Sends it, and does not wait for the answer.
    pub fn send(self) -> Result<Pending, Error> {
        let wrong = |what| move |()| Error::Request(what);
        let (scheme, rest) = self
            .url
            .split_once("://")
            .ok_or(Error::Request("the URL has no scheme"))?;
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let headers = self
            .headers
            .into_iter()
            .map(|(name, value)| (name, value.into_bytes()));
        let headers: Vec<_> = headers.collect();
        let headers =
            Fields::from_list(&headers).map_err(|_| Error::Request("a header cannot be sent"))?;
        let request = OutgoingRequest::new(headers);
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => Scheme::Other(other.to_owned()),
        };
        let method = match self.method.as_str() {
            "GET" => Method::Get,
            "POST" => Method::Post,
            other => Method::Other(other.to_owned()),
        };
        request
            .set_method(&method)
            .map_err(wrong("the method is none"))?;
        request
            .set_scheme(Some(&scheme))
            .map_err(wrong("the scheme is none"))?;
        request
            .set_authority(Some(authority))
            .map_err(wrong("the host is none"))?;
        request
            .set_path_with_query(Some(path))
            .map_err(wrong("the path is none"))?;
        let out = request.body().map_err(wrong("there is a body already"))?;
        let pending = handle(request, None)?;
        // What is refused meanwhile shows with the answer.
        if write(&out, &self.body).is_ok() {
            OutgoingBody::finish(out, None)?;
        }
        Ok(Pending(pending))
    }
}

fn write(out: &OutgoingBody, bytes: &[u8]) -> Result<(), StreamError> {
    let stream = out.write().map_err(|()| StreamError::Closed)?;
    for piece in bytes.chunks(4096) {
        stream.blocking_write_and_flush(piece)?;
    }
    Ok(())
}

impl Pending {
    /// Waits for the answer, whose body it leaves where it is.
    pub fn arrived(self) -> Result<IncomingResponse, Error> {
        self.0.subscribe().block();
        let answer = self.0.get().expect("it is there");
        Ok(answer.expect("it is taken once")?)
    }

    /// Waits for the answer, and reads it whole.
    pub fn answer(self) -> Result<Answer, Error> {
        let answer = self.arrived()?;
        let headers = answer.headers().entries().into_iter();
        let headers =
            headers.map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()));
        let (status, headers) = (answer.status(), headers.collect());
        let incoming = answer.consume().expect("it is taken once");
        let body = Bytes(read(&incoming)?);
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

fn read(body: &IncomingBody) -> Result<Vec<u8>, Error> {
    let stream = body.stream().expect("it is taken once");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(read) => bytes.extend(read),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(_)) => {
                return Err(Error::Request("the answer broke off"));
            }
        }
    }
}
