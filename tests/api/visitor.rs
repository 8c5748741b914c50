//! Who asks a server, and what it answers.

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// A client with one token, or with none.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) base: String,
    pub(crate) token: Option<String>,
    http: reqwest::Client,
}

impl Visitor {
    pub(crate) fn new(base: &str, token: Option<&str>) -> Self {
        Self::over(reqwest::Client::new(), base, token)
    }

    /// One that speaks through this client.
    pub(crate) fn over(http: reqwest::Client, base: &str, token: Option<&str>) -> Self {
        Visitor {
            base: base.to_owned(),
            token: token.map(str::to_owned),
            http,
        }
    }

    /// The same with another token, or with none.
    pub(crate) fn with(&self, token: Option<&str>) -> Self {
        Visitor {
            token: token.map(str::to_owned),
            ..self.clone()
        }
    }

    /// A request that is yet to be sent.
    pub(crate) fn ask(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::to(self.ask("GET", path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Answer::to(self.ask("DELETE", path)).await
    }

    /// Without a body.
    pub(crate) async fn poke(&self, path: &str) -> Answer {
        Answer::to(self.ask("POST", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, "application/json", body.to_string())
            .await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, "application/json", body.to_string())
            .await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let request = self.ask(method, path).header("content-type", kind);
        Answer::to(request.body(body)).await
    }
}

/// What a server answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap<HeaderValue>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let answer = request.send().await.expect("an answer");
        Answer {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.bytes().await.expect("a whole answer").to_vec(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |it| it.to_str().expect("a text"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let read = serde_json::from_slice(&self.body);
        read.unwrap_or_else(|e| panic!("{e}: {} {}", self.status, self.text()))
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// A success, and its JSON.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        self.is(200).json()
    }

    /// Something was made: its JSON.
    #[track_caller]
    pub(crate) fn made(self) -> Value {
        self.is(201).json()
    }

    /// That it makes no sense: by its form, which the document tells of, or by its meaning.
    #[track_caller]
    pub(crate) fn senseless(self) {
        match self.status {
            422 => self.problem(422, "invalid"),
            _ => self.problem(400, "bad-request"),
        };
    }

    /// A problem document of this kind.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let json = self.json();
        assert_eq!(json["type"], format!("urn:lovage:problem:{kind}"), "{json}");
        assert_eq!(json["status"], status, "{json}");
        for text in ["title", "detail"] {
            assert!(
                json[text].as_str().is_some_and(|it| !it.is_empty()),
                "{json}"
            );
        }
        json
    }

    /// A problem of this kind, which says when to come again.
    #[track_caller]
    pub(crate) fn later(self, status: u16, kind: &str) -> Value {
        let after = self.header("retry-after").parse::<u64>();
        assert!(after.is_ok_and(|it| it >= 1), "{self:?}");
        self.problem(status, kind)
    }
}

/// Where in a body something is wrong.
#[track_caller]
pub(crate) fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().expect("places");
    errors
        .iter()
        .map(|it| it["pointer"].as_str().expect("a pointer"))
        .collect()
}

/// The names of an object's members.
#[track_caller]
pub(crate) fn keys(object: &Value) -> Vec<&str> {
    let object = object.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}
