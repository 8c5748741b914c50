//! The dashboard's files, and what every answer has in its head.

use axum::Router;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Shared;
use super::problem::{Kind, Problem};

/// What a page may do: read what lies here, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";

/// What every answer has in its head.
const GUARDS: [(HeaderName, HeaderValue); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// A file of the dashboard: its name, its type, its bytes.
type File = (&'static str, &'static str, &'static [u8]);

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! file {
    ($name:literal, $kind:expr) => {
        ($name, $kind, include_bytes!(concat!("dashboard/", $name)))
    };
}

/// All of them; `index.html` is the page, the others lie under `/ui/`.
const FILES: &[File] = &[
    file!("index.html", HTML),
    file!("icon.svg", SVG),
    file!("docs.css", CSS),
    file!("style.css", CSS),
    file!("api.js", JS),
    file!("app.js", JS),
    file!("chart.js", JS),
    file!("dialog.js", JS),
    file!("dom.js", JS),
    file!("form.js", JS),
    file!("format.js", JS),
    file!("graph.js", JS),
    file!("limits.js", JS),
    file!("live.js", JS),
    file!("notices.js", JS),
    file!("parts.js", JS),
    file!("router.js", JS),
    file!("schema.js", JS),
    file!("timeline.js", JS),
    file!("pages/dead.js", JS),
    file!("pages/enqueue.js", JS),
    file!("pages/flow.js", JS),
    file!("pages/flows.js", JS),
    file!("pages/job.js", JS),
    file!("pages/jobs.js", JS),
    file!("pages/missing.js", JS),
    file!("pages/module.js", JS),
    file!("pages/modules.js", JS),
    file!("pages/overview.js", JS),
    file!("pages/queue.js", JS),
    file!("pages/queues.js", JS),
    file!("pages/schedule.js", JS),
    file!("pages/schedules.js", JS),
    file!("pages/signin.js", JS),
    file!("pages/usage.js", JS),
    file!("pages/workers.js", JS),
];

/// The page, and what it consists of.
pub(super) fn routes() -> Router<Shared> {
    let mut router = Router::new();
    for (name, kind, bytes) in FILES {
        let path = match *name {
            "index.html" => "/".to_owned(),
            name => format!("/ui/{name}"),
        };
        router = router.route(&path, get(async || serve(kind, bytes)));
    }
    router
}

fn serve(kind: &'static str, bytes: &'static [u8]) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        // A new version of the server has new files under the same names.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, bytes).into_response()
}

/// What is nowhere.
pub(super) async fn nowhere(uri: Uri) -> Problem {
    let said = format!(
        "there is nothing at `{}`; `/docs` says what there is",
        uri.path()
    );
    Problem::new(Kind::NotFound, said)
}

/// What is there, but not to be used so.
pub(super) async fn not_so(method: Method, uri: Uri) -> Problem {
    let said = format!("`{}` does not take {method}", uri.path());
    Problem::new(Kind::MethodNotAllowed, said)
}

/// Puts into the head of every answer what keeps a browser from being used against its
/// reader.
pub(super) async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in GUARDS {
        headers.insert(name, value);
    }
    // What an API answers is of one moment.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    #[test]
    fn the_policy_allows_no_inline_code() {
        assert!(!POLICY.contains("unsafe") && POLICY.starts_with("default-src 'none'"));
        assert_eq!(serve(CSS, b"").status(), StatusCode::OK);
    }
}
