//! The OpenAPI document against the server and its source.

use std::collections::BTreeSet;

use serde_json::Value;

use super::NOBODY;
use super::door::Door;
use super::visitor::{Answer, Visitor};
use crate::support::wasm::root;

/// An operation of the document.
pub(super) struct Operation {
    pub(super) method: String,
    pub(super) path: String,
    said: Value,
}

impl Operation {
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Its path with names of things that are not there.
    pub(super) fn filled(&self) -> String {
        let path = self.path.replace("{id}", NOBODY).replace("{number}", "9");
        let path = path
            .replace("{scope}", "queue:nope")
            .replace("{task}", "no.pe");
        let path = path.replace("{operation}", "about");
        let mut parts = path.split(['{', '}']).enumerate();
        let part = |(n, it)| if n % 2 == 0 { it } else { "nope" };
        parts.by_ref().map(part).collect()
    }
}

pub(super) async fn document(visitor: &Visitor) -> Value {
    visitor.with(None).get("/openapi.json").await.ok()
}

pub(super) fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().expect("paths");
    let of = |(path, item): (&String, &Value)| {
        let methods = item.as_object().expect("methods").clone();
        let path = path.clone();
        methods.into_iter().map(move |(method, said)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            said,
        })
    };
    paths.iter().flat_map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_has_what_the_source_has() {
    let door = Door::open().await;
    let document = document(&door).await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let found: BTreeSet<String> = operations(&document).iter().map(Operation::name).collect();
    let folder = root().join("runtime/host/src/api");
    let mut written = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "rs") {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for rest in source.split("#[utoipa::path(").skip(1) {
            let method = rest.trim_start().split(',').next().unwrap();
            let path = rest.split_once("path = \"").expect("a path").1;
            let path = path.split('"').next().unwrap();
            written.insert(format!("{} {path}", method.trim().to_uppercase()));
        }
    }
    assert_eq!(found, written);
    assert!(written.iter().all(|it| it.contains(" /v1/")), "{written:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_is_there_and_says_what_it_is() {
    let door = Door::open().await;
    let document = document(&door).await;
    let tags = document["tags"].as_array().unwrap();
    let tags: BTreeSet<&str> = tags.iter().map(|it| it["name"].as_str().unwrap()).collect();
    let mut used = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for it in operations(&document) {
        let (name, said) = (it.name(), &it.said);
        let summary = said["summary"].as_str().unwrap_or_default();
        assert!(
            !summary.is_empty() && !summary.ends_with('.'),
            "{name}: {summary}"
        );
        let tag = said["tags"][0].as_str().unwrap_or_default().to_owned();
        assert!(tags.contains(&*tag), "{name}: the tag `{tag}`");
        used.insert(tag);
        let id = said["operationId"].as_str().unwrap_or_default().to_owned();
        assert!(
            !id.is_empty() && ids.insert(id.clone()),
            "{name}: the id `{id}`"
        );
        let problem = &said["responses"]["default"]["content"]["application/problem+json"];
        assert_eq!(
            problem["schema"]["$ref"], "#/components/schemas/Problem",
            "{name}"
        );
        let good = said["responses"].as_object().unwrap().keys();
        assert!(good.into_iter().any(|it| it.starts_with('2')), "{name}");
        // The server has it: not by the fallbacks, whose words these are.
        let answer = door.ask(&it.method, &it.filled()).send().await.unwrap();
        let status = answer.status().as_u16();
        assert_ne!(status, 405, "{name}");
        if status == 404 {
            let text = answer.text().await.unwrap();
            assert!(!text.contains("there is nothing at"), "{name}: {text}");
        }
    }
    let unused: Vec<_> = tags.iter().filter(|it| !used.contains(**it)).collect();
    assert!(unused.is_empty(), "tags of nothing: {unused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_reference_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|it| references(it, found));
            }
            Value::Array(all) => all.iter().for_each(|it| references(it, found)),
            _ => {}
        }
    }
    let door = Door::open().await;
    let document = document(&door).await;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for it in found {
        let place = it.strip_prefix('#').expect("a place here");
        assert!(document.pointer(place).is_some(), "{it} is nowhere");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_has_each_operation_and_runs_nothing() {
    let door = Door::open().await;
    let page = door.get("/docs").await.is(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let text = page.text();
    for it in operations(&document(&door).await) {
        assert!(
            text.contains(&format!("<code>{}</code>", it.name())),
            "{}",
            it.name()
        );
    }
    assert!(!text.contains("<script"));
    for path in ["/", "/docs", "/openapi.json", "/v1/queues", "/nowhere"] {
        let answer = Answer::to(door.ask("GET", path)).await;
        let policy = answer.header("content-security-policy").to_owned();
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
    }
    let page = door.get("/").await.is(200);
    for link in page.text().split("/ui/").skip(1) {
        let name = link.split('"').next().unwrap();
        door.get(&format!("/ui/{name}")).await.is(200);
    }
    door.get("/ui/nothing.js").await.problem(404, "not-found");
}
