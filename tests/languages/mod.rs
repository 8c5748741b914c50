//! Every language does alike: the same tasks, built by its own toolchain, called by the
//! clients of others. `scripts/languages` sets the toolchains up.

mod shown;
mod stubs;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::process::Process;
use crate::support::site::{Site, text};
use crate::support::wasm::{Examples, root};

const LANGUAGES: [&str; 4] = ["rust", "python", "js", "ts"];
/// Where the table stands that says what each language does.
const PAGE: &str = "docs/languages.md";
const MARKS: [&str; 2] = ["<!-- conformance:begin -->\n", "<!-- conformance:end -->"];

/// Runs `scripts/languages`, and answers with what it prints.
fn script(args: &[&str]) -> PathBuf {
    let ran = Command::new(root().join("scripts/languages"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "scripts/languages {args:?}:\n{said}");
    let printed = String::from_utf8(ran.stdout).unwrap();
    PathBuf::from(printed.trim_end().lines().next_back().unwrap())
}

fn component(language: &str) -> PathBuf {
    match language {
        "rust" => Examples::build().component("conformance"),
        other => script(&["component", other]),
    }
}

/// A worker, and a server before it, with a language's module.
async fn serving(site: &Site, language: &'static str) -> (Process, String) {
    let component = tokio::task::spawn_blocking(move || component(language));
    let component = component.await.unwrap();
    let database = site.write("conformance.db", "");
    let settings = format!("[sql.conformance]\nurl = \"sqlite:{}\"\n", text(&database));
    site.write("lovage.toml", settings);
    let value = site.lovage(&["config", "set", "greeting", "hello"]);
    value.await.ok();
    let push = ["push", text(&component), "--name", "conformance", "--grant"];
    site.lovage(&push).await.ok();
    let args = ["--listen", "127.0.0.1:0", "--queues", "default,special"];
    let mut server = site.spawn("dev", &args);
    server.says("serving http://").await;
    let log = server.log();
    let (_, at) = log.split_once("serving ").expect("an address");
    let url = at.split_whitespace().next().expect("an address").to_owned();
    (server, url)
}

async fn run(mut command: Command) -> String {
    let ran = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output());
    let ran = ran.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    String::from_utf8(ran.stdout).unwrap()
}

/// What a language does, by feature: `true`, or what is wrong.
async fn conformance(language: &'static str) {
    let site = Site::sqlite();
    let (_server, url) = serving(&site, language).await;
    let folder = tokio::task::spawn_blocking(|| script(&[])).await.unwrap();
    let checked = folder.clone();
    for lang in ["python", "ts"] {
        let client = ["client", "--lang", lang, "--output", "stubs"];
        site.lovage(&client).await.ok();
    }
    let written = site.work().join("stubs");
    let check = move || {
        stubs::check(&checked, "conformance", "conformance", |it| {
            std::fs::read_to_string(written.join(it.file("conformance"))).unwrap()
        });
    };
    tokio::task::spawn_blocking(check).await.unwrap();
    let mut python = Command::new(folder.join("python/bin/python"));
    let checks = root().join("tests/languages/conformance.py");
    python.arg(checks).args([&url, language]);
    let said: BTreeMap<String, Value> = serde_json::from_str(&run(python).await).unwrap();
    assert!(said.len() > 10, "{said:?}");
    let told = table(language);
    for (feature, done) in &said {
        let told = told.get(feature).copied();
        let does = done == &Value::Bool(true);
        assert_eq!(
            told,
            Some(does),
            "{language}: what {PAGE} says of `{feature}`; done: {done:#}"
        );
    }
    assert_eq!(told.len(), said.len(), "{PAGE} speaks of more");

    let mut node = Command::new("node");
    // What node imports lies beside the script that imports it.
    let script = folder
        .join("js")
        .join(format!("conformance-{language}.mjs"));
    std::fs::copy(root().join("tests/languages/conformance.mjs"), &script).unwrap();
    node.arg(script).arg(&url);
    assert_eq!(run(node).await.trim(), "true");
}

/// What the page says of a language.
fn table(language: &str) -> BTreeMap<String, bool> {
    let page = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let [begin, end] = MARKS;
    let (_, table) = page.split_once(begin).expect("the table begins");
    let (table, _) = table.split_once(end).expect("the table ends");
    let mut rows = table.lines().map(|line| {
        let cells = line.trim_matches('|').split('|');
        cells.map(str::trim).collect::<Vec<_>>()
    });
    let head = rows.next().expect("a head");
    let names = ["", "Rust", "Python", "JavaScript", "TypeScript"];
    assert_eq!(head, names);
    let column = 1 + LANGUAGES.iter().position(|it| *it == language).unwrap();
    let told = rows.skip(1).map(|row| {
        let says = match row[column] {
            "yes" => true,
            "no" => false,
            other => panic!("{PAGE} says `{other}` of `{}`", row[0]),
        };
        (row[0].to_owned(), says)
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_does_what_the_table_says() {
    conformance("rust").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_does_what_the_table_says() {
    conformance("python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn javascript_does_what_the_table_says() {
    conformance("js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_does_what_the_table_says() {
    conformance("ts").await;
}
