//! The OpenAPI document, and a page to read it by.

use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ComponentsBuilder, Info, OpenApi, OpenApiBuilder};
use utoipa::{PartialSchema, ToSchema};

use super::Shared;
use super::body::{JSON, typed};
use super::document::finished;
use super::problem::Document;

const ABOUT: &str = "\
The front door of Lovage, a distributed task queue whose tasks are WebAssembly components. \
All of it is of the tenant whose token is sent, as `Authorization: Bearer lov_…`. Bodies and \
answers are JSON, or MessagePack by `Content-Type` and `Accept: application/msgpack`. Times are \
RFC 3339, spans are written `250ms`, `30s`, `5m`, `1h`, `7d`. What cannot be done is answered with \
a problem document (RFC 9457) whose `type` stays the same. Enqueueing is safe to send again with an \
`Idempotency-Key`.";

/// Kinds of things, in the order in which they are read about.
const TAGS: [(&str, &str); 16] = [
    ("jobs", "Calls of tasks, and what became of them"),
    ("dead list", "Jobs that were given up"),
    ("modules", "Components, their releases and their tasks"),
    ("grants", "What modules may reach beside the queue"),
    ("queues", "Queues and lanes, and what is limited or paused"),
    ("flows", "Calls that wait for others"),
    ("schedules", "Jobs that nobody calls"),
    ("workers", "Who runs what"),
    ("events", "What happens, as it happens"),
    ("history", "What has happened"),
    ("tokens", "Who may do what"),
    ("hooks", "Who is told of ends of jobs"),
    ("config", "Values and secrets that modules read"),
    ("audit", "Who did what"),
    ("buckets", "Keys with values that modules keep"),
    ("server", "The server itself"),
];

const TOKEN: &str = "token";
pub(super) const PROBLEM: &str = "Problem";

/// The document without its paths.
pub(super) fn head() -> OpenApi {
    let mut info = Info::new("Lovage", env!("CARGO_PKG_VERSION"));
    info.description = Some(ABOUT.to_owned());
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token, as `lovage token create` makes it."));
    let mut schemas = Vec::new();
    Document::schemas(&mut schemas);
    let components = ComponentsBuilder::new()
        .security_scheme(TOKEN, SecurityScheme::Http(token.build()))
        .schema(PROBLEM, Document::schema())
        .schemas_from_iter(schemas)
        .build();
    let tag = |(name, about)| {
        TagBuilder::new()
            .name(name)
            .description(Some(about))
            .build()
    };
    OpenApiBuilder::new()
        .info(info)
        .tags(Some(TAGS.map(tag)))
        .components(Some(components))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>(
            TOKEN,
            [],
        )]))
        .build()
}

/// The document, and the page.
pub(super) fn routes(document: OpenApi) -> Router<Shared> {
    let json = finished(&document);
    let page: Arc<str> = page(&document, &json).into();
    let json: Arc<str> = json.to_string().into();
    Router::new()
        .route("/openapi.json", get(async move || answer(JSON, &json)))
        .route(
            "/docs",
            get(async move || answer("text/html; charset=utf-8", &page)),
        )
}

fn answer(kind: &'static str, text: &str) -> Response {
    typed(StatusCode::OK, kind, text.as_bytes().to_vec())
}

/// The document for people: what there is to ask for, in the order of the tags.
fn page(document: &OpenApi, json: &Value) -> String {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Lovage: HTTP API</title>\
         <link rel=\"stylesheet\" href=\"/ui/docs.css\"><main><h1>Lovage: HTTP API</h1>",
    );
    let _ = write!(html, "<p>{}</p>", marked(ABOUT));
    html += "<p>For programs: <a href=\"/openapi.json\">openapi.json</a> (OpenAPI 3.1). \
             For people: <a href=\"/\">the dashboard</a>.</p><nav><ul>";
    for (tag, about) in TAGS {
        let anchor = tag.replace(' ', "-");
        let _ = write!(html, "<li><a href=\"#{anchor}\">{tag}</a>: {about}</li>");
    }
    html += "</ul></nav>";
    for (tag, _) in TAGS {
        let _ = write!(html, "<h2 id=\"{}\">{tag}</h2>", tag.replace(' ', "-"));
        for (path, item) in &document.paths.paths {
            let operations = [
                ("GET", &item.get),
                ("POST", &item.post),
                ("PUT", &item.put),
                ("DELETE", &item.delete),
            ];
            for (method, operation) in operations {
                if let Some(it) = operation.as_ref().filter(|it| is_of(it, tag)) {
                    let raw = &json["paths"][path][method.to_lowercase()];
                    section(&mut html, method, path, it, raw);
                }
            }
        }
    }
    html += "<h2 id=\"schemas\">Shapes</h2>";
    if let Some(schemas) = json["components"]["schemas"].as_object() {
        for (name, schema) in schemas {
            let shape = serde_json::to_string_pretty(schema).unwrap_or_default();
            let _ = write!(
                html,
                "<details id=\"shape-{name}\"><summary>{name}</summary><pre>{}</pre></details>",
                escaped(&shape)
            );
        }
    }
    html + "</main></html>"
}

fn is_of(operation: &Operation, tag: &str) -> bool {
    let mut tags = operation.tags.iter().flatten();
    tags.any(|it| it == tag)
}

fn section(html: &mut String, method: &str, path: &str, it: &Operation, raw: &Value) {
    let summary = it.summary.as_deref().unwrap_or_default();
    let _ = write!(
        html,
        "<section><h3><code>{method} {}</code> {}</h3>",
        escaped(path),
        marked(summary)
    );
    if let Some(about) = &it.description {
        let _ = write!(html, "<p>{}</p>", marked(about));
    }
    let parameters = raw["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    if !parameters.is_empty() {
        html.push_str("<dl>");
        for it in parameters {
            let text = |name: &str| it[name].as_str().unwrap_or_default();
            let _ = write!(
                html,
                "<dt><code>{}</code> in {}</dt><dd>{}</dd>",
                escaped(text("name")),
                text("in"),
                marked(text("description"))
            );
        }
        html.push_str("</dl>");
    }
    shapes(html, "Body", &raw["requestBody"]["content"]);
    for (status, response) in raw["responses"].as_object().into_iter().flatten() {
        let about = response["description"].as_str().unwrap_or_default();
        if status != "default" {
            let _ = write!(html, "<p>{status}: {}</p>", marked(about));
            shapes(html, "Answer", &response["content"]);
        }
    }
    html.push_str("</section>");
}

/// The types that a body may have, with their shapes.
fn shapes(html: &mut String, what: &str, content: &Value) {
    let Some(content) = content.as_object() else {
        return;
    };
    let each = content.iter().map(|(kind, it)| {
        let reference = it["schema"]["$ref"].as_str();
        let name = reference.and_then(|it| it.rsplit('/').next());
        match name {
            Some(name) => format!("<a href=\"#shape-{name}\">{name}</a> as <code>{kind}</code>"),
            None => format!("<code>{kind}</code>"),
        }
    });
    let each = each.collect::<Vec<_>>().join(", ");
    let _ = write!(html, "<p>{what}: {each}</p>");
}

/// Text with its code marked, and nothing else.
fn marked(text: &str) -> String {
    let parts = escaped(text);
    let parts = parts.split('`').enumerate();
    let part = |(n, it)| match n % 2 {
        0 => String::from(it),
        _ => format!("<code>{it}</code>"),
    };
    parts.map(part).collect()
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}
