//! A stand-in for a collector of traces, and a minimal look into what it is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;

/// A span, as far as a test looks at it.
#[derive(Clone, Debug, Default)]
pub(super) struct Span {
    pub(super) trace: Vec<u8>,
    pub(super) id: Vec<u8>,
    pub(super) parent: Vec<u8>,
    pub(super) name: String,
    /// 1 internal, 4 producer, 5 consumer.
    pub(super) kind: u64,
    /// 2 is an error.
    pub(super) status: u64,
    pub(super) attributes: BTreeMap<String, String>,
}

/// Takes spans for as long as the test runs.
pub(super) struct Collector {
    pub(super) url: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let spans: Arc<Mutex<Vec<Span>>> = Arc::default();
        let kept = spans.clone();
        let take = async move |body: Bytes| {
            kept.lock().unwrap().extend(read(&body));
            StatusCode::OK
        };
        let routes = Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Collector { url, spans }
    }

    /// The spans of a name.
    pub(super) fn named(&self, name: &str) -> Vec<Span> {
        let spans = self.spans.lock().unwrap();
        spans.iter().filter(|it| it.name == name).cloned().collect()
    }
}

/// One field of a protobuf message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, each with its number.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Bytes(cut(&mut bytes, 8)),
            2 => {
                let length = varint(&mut bytes) as usize;
                Field::Bytes(cut(&mut bytes, length))
            }
            5 => Field::Bytes(cut(&mut bytes, 4)),
            other => panic!("no protobuf: wire type {other}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = cut(bytes, 1)[0];
        number |= u64::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            return number;
        }
    }
}

fn cut<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (these, rest) = bytes.split_at(length);
    *bytes = rest;
    these
}

/// What lies in the fields of a number.
fn within(bytes: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    let fields = fields(bytes).into_iter();
    fields.filter_map(move |(it, field)| match field {
        Field::Bytes(bytes) if it == number => Some(bytes),
        _ => None,
    })
}

/// All spans of an `ExportTraceServiceRequest`.
fn read(request: &[u8]) -> Vec<Span> {
    let resources = within(request, 1);
    let scopes = resources.flat_map(|it| within(it, 2));
    let spans = scopes.flat_map(|it| within(it, 2));
    spans.map(span).collect()
}

fn span(bytes: &[u8]) -> Span {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut span = Span::default();
    for (number, field) in fields(bytes) {
        match (number, field) {
            (1, Field::Bytes(it)) => span.trace = it.to_vec(),
            (2, Field::Bytes(it)) => span.id = it.to_vec(),
            (4, Field::Bytes(it)) => span.parent = it.to_vec(),
            (5, Field::Bytes(it)) => span.name = text(it),
            (6, Field::Number(it)) => span.kind = it,
            (9, Field::Bytes(it)) => {
                let key = within(it, 1).next().map(text).unwrap_or_default();
                let value = within(it, 2).next().map(value).unwrap_or_default();
                span.attributes.insert(key, value);
            }
            (15, Field::Bytes(it)) => {
                for (number, field) in fields(it) {
                    if let (3, Field::Number(code)) = (number, field) {
                        span.status = code;
                    }
                }
            }
            _ => {}
        }
    }
    span
}

/// A value as a text, whatever it is.
fn value(bytes: &[u8]) -> String {
    match fields(bytes).into_iter().next() {
        Some((_, Field::Number(it))) => it.to_string(),
        Some((_, Field::Bytes(it))) => String::from_utf8_lossy(it).into_owned(),
        None => String::new(),
    }
}
