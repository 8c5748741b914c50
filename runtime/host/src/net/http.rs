//! A request over HTTP and its answer as messages, and what a request may be.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lovage_queue::grant::Grants;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// What a task's requests are held to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// How many an attempt may make.
    pub requests: u32,
    /// Bytes of a request's body, and of an answer's.
    pub body: usize,
    /// Bytes of a request's headers with its URL, and of an answer's.
    pub headers: usize,
    /// How long one may take, from its name's lookup to the last byte of its answer.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            requests: 100,
            body: 16 << 20,
            headers: 64 << 10,
            time: Duration::from_secs(30),
        }
    }
}

/// A request. It names where it goes as the task wrote it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The headers, in order; one may come more than once.
    pub headers: Vec<(String, ByteBuf)>,
    /// The body; empty for none.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
    /// How long the task would wait, where it says.
    pub patience: Option<Duration>,
}

/// An answer, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, ByteBuf)>,
    /// The body.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// What of a request or an answer can be too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The request's body.
    RequestBody,
    /// The request's headers, with its URL.
    RequestHeaders,
    /// The answer's body.
    AnswerBody,
    /// The answer's headers.
    AnswerHeaders,
    /// All bodies that a task has not yet written to their end, or not read.
    Held,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::RequestBody => "the body of a request takes",
            Part::RequestHeaders => "the headers of a request take",
            Part::AnswerBody => "the body of an answer takes",
            Part::AnswerHeaders => "the headers of an answer take",
            Part::Held => "the bodies that a task has not written or read to their end take",
        })
    }
}

/// Why there is no answer. The texts reach the task's log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpFailure {
    /// The module was not granted this request.
    #[error("{0}")]
    Denied(String),
    /// Where it leads is not allowed.
    #[error("{0}")]
    Prohibited(String),
    /// It is no request that could be sent.
    #[error("{0}")]
    Invalid(String),
    /// The attempt has made as many as it may.
    #[error("an attempt may make {0} requests")]
    TooMany(u32),
    /// A part of it takes more bytes than it may.
    #[error("{0} more than {1} bytes")]
    TooLarge(Part, u64),
    /// The host's name is not known.
    #[error("{0}")]
    Unknown(String),
    /// No connection came about.
    #[error("no connection: {0}")]
    Connect(String),
    /// The host is not who it should be, or speaks no TLS.
    #[error("no safe connection: {0}")]
    Tls(String),
    /// There was no whole answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection broke, or brought what is no HTTP.
    #[error("no whole answer: {0}")]
    Broken(String),
}

/// Where a request that was granted goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its URL, in the one form that is judged and sent.
    pub url: Url,
    /// Whether it may lead to private addresses.
    pub private: bool,
}

/// The address that stands in a URL: no resolver is ever asked for it.
pub fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    inner.unwrap_or(host).parse().ok()
}

/// Methods that make no request: a tunnel, and an echo of headers.
const NO_REQUESTS: [&str; 2] = ["CONNECT", "TRACE"];

impl HttpRequest {
    /// Where it goes, if it was granted. Of names in a URL the parsed ones count: what it
    /// takes for an address, in whatever way that is written, is one.
    ///
    /// # Errors
    /// [`HttpFailure::Invalid`] and [`HttpFailure::Denied`].
    pub fn target(&self, grants: &Grants) -> Result<Target, HttpFailure> {
        let invalid = |why: &str| Err(HttpFailure::Invalid(why.into()));
        let Ok(url) = Url::parse(&self.url) else {
            return invalid("the URL of a request cannot be read");
        };
        if !matches!(url.scheme(), "http" | "https") {
            return invalid("the URL of a request begins with `http://` or `https://`");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return invalid(
                "the URL of a request names no user: send the header `authorization` instead",
            );
        }
        if NO_REQUESTS.contains(&self.method.to_ascii_uppercase().as_str()) {
            return invalid("`CONNECT` and `TRACE` are not sent");
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return invalid("the URL of a request names a host");
        };
        match grants.http(&self.method, host, port) {
            Some(to) => Ok(Target {
                private: to.private,
                url,
            }),
            None => {
                let port = match port {
                    443 => String::new(),
                    port => format!(":{port}"),
                };
                let grant = format!("http {} {host}{port}", self.method);
                Err(HttpFailure::Denied(format!(
                    "the module was not granted `{grant}`"
                )))
            }
        }
    }

    /// Whether it is within its bounds.
    ///
    /// # Errors
    /// [`HttpFailure::TooLarge`].
    pub fn check(&self, bounds: &Bounds) -> Result<(), HttpFailure> {
        let too_large = |part, most: usize| Err(HttpFailure::TooLarge(part, most as u64));
        if self.body.len() > bounds.body {
            return too_large(Part::RequestBody, bounds.body);
        }
        let headers = self.headers.iter();
        let headers: usize = headers.map(|(name, value)| line(name, value)).sum();
        if headers + self.method.len() + self.url.len() > bounds.headers {
            return too_large(Part::RequestHeaders, bounds.headers);
        }
        Ok(())
    }

    /// Its headers, without those that are about the connection, or ours to say.
    ///
    /// # Errors
    /// [`HttpFailure::Invalid`]
    pub(super) fn sent(&self) -> Result<HeaderMap, HttpFailure> {
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let read = HeaderName::from_bytes(name.as_bytes());
            let (Ok(read), Ok(value)) = (read, HeaderValue::from_bytes(value)) else {
                let name: String = name.chars().take(100).collect();
                let text = format!("the header `{}` cannot be sent", name.escape_debug());
                return Err(HttpFailure::Invalid(text));
            };
            if !is_ours(&read) {
                headers.append(read, value);
            }
        }
        Ok(headers)
    }
}

/// Bytes of a header as a line.
pub(super) fn line(name: &str, value: &[u8]) -> usize {
    name.len() + value.len() + 4
}

/// Whether a header is of one connection and not of what is said over it, or tells where
/// a message ends or which host is meant: two readers of it could come to two ends.
pub(super) fn is_ours(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "content-length"
            | "expect"
            | "host"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(texts: &[&str]) -> Grants {
        Grants(texts.iter().map(|it| it.parse().unwrap()).collect())
    }

    fn get(url: &str) -> HttpRequest {
        HttpRequest {
            method: "GET".into(),
            url: url.into(),
            ..HttpRequest::default()
        }
    }

    fn denied(url: &str, grants: &Grants) -> bool {
        matches!(get(url).target(grants), Err(HttpFailure::Denied(_)))
    }

    #[test]
    fn a_request_goes_where_its_module_was_granted() {
        let grants = grants(&["http GET api.example.com", "http private *.internal:8080"]);
        let target = get("https://API.example.com./a?b=c")
            .target(&grants)
            .unwrap();
        assert!(!target.private && literal(&target.url).is_none());
        let target = get("http://a.b.internal:8080/").target(&grants).unwrap();
        assert!(target.private);
        for url in [
            "http://api.example.com/",
            "https://api.example.com:8443/",
            "https://example.com/",
            "https://evil-api.example.com/",
            "https://api.example.com.evil.test/",
            "http://internal:8080/",
            "https://evil.test/?https://api.example.com/",
            "https://evil.test#@api.example.com/",
            "https://evil.test\\@api.example.com/",
        ] {
            assert!(denied(url, &grants), "{url}");
        }
        let mut post = get("https://api.example.com/");
        post.method = "POST".into();
        let refused = post.target(&grants).unwrap_err().to_string();
        assert_eq!(
            refused,
            "the module was not granted `http POST api.example.com`"
        );
    }

    #[test]
    fn an_address_is_an_address_however_it_is_written() {
        let grants = grants(&["http 127.0.0.1:80", "http *.example.com:80"]);
        for url in [
            "http://127.0.0.1/",
            "http://127.0.0.1./",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://%31%32%37.0.0.1/",
            "http://１２７.0.0.1/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
        ] {
            let target = get(url).target(&grants).unwrap();
            let literal = literal(&target.url).expect(url).to_canonical();
            assert_eq!(literal.to_string(), "127.0.0.1", "{url}");
        }
        assert!(denied("http://localhost/", &grants));
        assert!(denied("http://2130706434/", &grants));
    }

    #[test]
    fn what_is_no_request_is_refused_before_anything_else() {
        let grants = grants(&["http api.example.com", "http private *.local:80"]);
        for url in [
            "https://user@api.example.com/",
            "https://user:password@api.example.com/",
            "https://:password@api.example.com/",
            "ftp://api.example.com/",
            "file:///etc/passwd",
            "data:text/plain,api.example.com",
            "api.example.com",
            "https://",
            "https://a b/",
            "http://999.999.999.999/",
        ] {
            let refused = get(url).target(&grants).unwrap_err();
            assert!(
                matches!(refused, HttpFailure::Invalid(_)),
                "{url}: {refused}"
            );
        }
        let mut tunnel = get("https://api.example.com/");
        for method in ["CONNECT", "connect", "TRACE"] {
            tunnel.method = method.into();
            let refused = tunnel.target(&grants).unwrap_err();
            assert!(matches!(refused, HttpFailure::Invalid(_)), "{method}");
        }
    }

    #[test]
    fn headers_of_the_connection_are_not_the_tasks_to_set() {
        let header = |name: &str, value: &[u8]| (name.to_owned(), ByteBuf::from(value));
        let mut request = get("https://api.example.com/");
        request.headers = vec![
            header("Host", b"evil.test"),
            header("Transfer-Encoding", b"chunked"),
            header("Content-Length", b"7"),
            header("Connection", b"x-mine"),
            header("x-mine", b"1"),
            header("x-mine", b"2"),
        ];
        let sent = request.sent().unwrap();
        assert_eq!(sent.len(), 2);
        assert_eq!(sent.get_all("x-mine").iter().count(), 2);
        for (name, value) in [("a b", &b"c"[..]), ("a", b"b\r\nhost: c"), ("", b"")] {
            request.headers = vec![header(name, value)];
            assert!(
                matches!(request.sent(), Err(HttpFailure::Invalid(_))),
                "{name}"
            );
        }
    }

    #[test]
    fn a_request_has_bounds() {
        let bounds = Bounds {
            body: 10,
            headers: 60,
            ..Bounds::default()
        };
        let mut request = get("https://api.example.com/");
        request.body = vec![0; 10];
        assert_eq!(request.check(&bounds), Ok(()));
        request.body.push(0);
        let refused = request.check(&bounds).unwrap_err();
        assert_eq!(refused, HttpFailure::TooLarge(Part::RequestBody, 10));
        request.body.clear();
        request.headers = vec![("a".into(), ByteBuf::from(vec![b'b'; 60]))];
        let refused = request.check(&bounds).unwrap_err().to_string();
        assert_eq!(refused, "the headers of a request take more than 60 bytes");
    }
}
