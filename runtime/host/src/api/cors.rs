//! Which pages of other origins may use the API: cross-origin resource sharing, as the Fetch
//! standard has it. Nobody's credentials come along: a token is sent by a page that has it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use lovage_queue::client::TRACEPARENT;
use reqwest::Url;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::calls::IDEMPOTENCY_KEY;
use super::events::LAST;

/// How long a browser remembers what it may do.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Whose pages may use the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Anybody's.
    Any,
    /// Those of this origin.
    Of(HeaderValue),
}

/// A text that is no origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginError {
    said: String,
    meant: Option<String>,
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no origin: ", self.said)?;
        match &self.meant {
            Some(meant) => write!(f, "write `{meant}`"),
            None => f.write_str("it is `*`, or as `https://app.example`"),
        }
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if text == "*" {
            return Ok(Origin::Any);
        }
        let url = Url::parse(text).ok();
        // One star is anybody; a star in a name would be nobody.
        let is_one = |it: &Url| matches!(it.scheme(), "http" | "https") && !text.contains('*');
        let url = url.filter(is_one);
        // As browsers write it: they are compared byte by byte.
        let meant = url.map(|it| it.origin().ascii_serialization());
        match HeaderValue::from_str(text) {
            Ok(value) if meant.as_deref() == Some(text) => Ok(Origin::Of(value)),
            _ => Err(OriginError {
                said: text.to_owned(),
                meant,
            }),
        }
    }
}

/// What tells browsers so, where anybody's pages may. What is allowed is what the API takes,
/// and what is exposed what it answers with beside what every page may read.
pub(super) fn layer(origins: &[Origin]) -> Option<CorsLayer> {
    let named = origins.iter().filter_map(|it| match it {
        Origin::Any => None,
        Origin::Of(value) => Some(value.clone()),
    });
    let allowed = match origins.contains(&Origin::Any) {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(named),
    };
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static(IDEMPOTENCY_KEY),
            HeaderName::from_static(LAST),
            HeaderName::from_static(TRACEPARENT),
        ])
        .expose_headers([header::RETRY_AFTER])
        .max_age(REMEMBERED);
    (!origins.is_empty()).then_some(layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        let read = |text: &str| text.parse::<Origin>().map_err(|e| e.to_string());
        assert_eq!(read("*"), Ok(Origin::Any));
        for text in [
            "https://app.example",
            "http://localhost:3000",
            "http://[::1]:8080",
        ] {
            assert_eq!(read(text), Ok(Origin::Of(text.parse().unwrap())));
        }
        for (text, meant) in [
            ("https://app.example/", "https://app.example"),
            ("https://App.Example:443/a?b", "https://app.example"),
            ("https://me@app.example", "https://app.example"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(&format!("write `{meant}`")), "{refused}");
        }
        for text in [
            "",
            "app.example",
            "null",
            "file:///x",
            "ftp://a.example",
            "https://*.a",
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains("is no origin"), "{refused}");
        }
    }
}
