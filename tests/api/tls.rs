//! Connections that are encrypted.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::door::Serve;
use super::visitor::Visitor;
use crate::support::site::{Ran, Site, text};

/// Runs `openssl`, which is part of the base system.
fn openssl(args: &[&str]) {
    let done = Command::new("openssl").args(args).output();
    let done = done.expect("this test needs `openssl`: apt-get install openssl");
    assert!(done.status.success(), "{args:?}: {done:?}");
}

/// An authority, a certificate of `localhost` that it has signed, and that one's key.
struct Papers {
    ca: PathBuf,
    chain: PathBuf,
    key: PathBuf,
}

impl Papers {
    fn make(folder: &Path) -> Self {
        let at = |name: &str| folder.join(name);
        let (ca, ca_key) = (at("ca.pem"), at("ca.key"));
        let (chain, key) = (at("chain.pem"), at("key.pem"));
        let new = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ];
        let own = [
            "-subj",
            "/CN=test authority",
            "-keyout",
            text(&ca_key),
            "-out",
            text(&ca),
        ];
        openssl(&[&new[..], &own].concat());
        let signed = [
            "-subj",
            "/CN=localhost",
            "-keyout",
            text(&key),
            "-out",
            text(&chain),
            "-CA",
            text(&ca),
            "-CAkey",
            text(&ca_key),
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ];
        openssl(&[&new[..], &signed].concat());
        Papers { ca, chain, key }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_trusts_the_authority_speaks_with_the_server() {
    let site = Site::sqlite();
    site.push("app", &super::app()).await;
    let papers = Papers::make(&site.work());
    let args = [
        "--certificate",
        text(&papers.chain),
        "--key",
        text(&papers.key),
    ];
    let serve = Serve::start(&site, &args).await;
    let base = &serve.visitor.base;
    assert!(base.starts_with("https://127.0.0.1:"), "{base}");
    let ca = std::fs::read(&papers.ca).unwrap();
    let ca = reqwest::Certificate::from_pem(&ca).unwrap();
    let http = reqwest::Client::builder()
        .add_root_certificate(ca)
        .build()
        .unwrap();
    let visitor = Visitor::over(http, base, serve.visitor.token.as_deref());
    assert_eq!(visitor.get("/v1/whoami").await.ok()["role"], "admin");
    let call = json!({"task": "app.go", "args": {"side": 1}});
    visitor.post("/v1/jobs", call).await.made();

    // Nobody else does, and nobody in the clear.
    assert!(serve.visitor.ask("GET", "/healthz").send().await.is_err());
    let clear = base.replace("https", "http");
    assert!(reqwest::get(format!("{clear}/healthz")).await.is_err());

    // The command line.
    let port = base.rsplit(':').next().unwrap();
    let token = visitor.token.as_deref().unwrap();
    let queues = |ca: Option<&Path>| {
        let mut command = site.command(["queues", "--json"]);
        command.env("LOVAGE_BROKER", format!("https://localhost:{port}"));
        command.env("LOVAGE_TOKEN", token);
        if let Some(ca) = ca {
            command.env("LOVAGE_CA", ca);
        }
        command
    };
    let far = Ran::of(queues(Some(&papers.ca)), b"").await.ok();
    let near = site.lovage(&["queues", "--json"]).await.ok();
    assert_eq!(far.json()[0]["available"], 1);
    assert_eq!(far.json(), near.json());
    Ran::of(queues(None), b"").await.fails(3, &[]);
    let nothing = site.work().join("nothing.pem");
    Ran::of(queues(Some(&nothing)), b"")
        .await
        .fails(2, &["nothing.pem"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_cannot_be_used_is_said_to_be() {
    let site = Site::sqlite();
    let papers = Papers::make(&site.work());
    let nothing = site.work().join("nothing.pem");
    let empty = site.write("empty.pem", b"");
    for (chain, key, said) in [
        (&nothing, &papers.key, "nothing.pem"),
        (&papers.chain, &nothing, "nothing.pem"),
        (&empty, &papers.key, "empty.pem"),
        (&papers.chain, &empty, "empty.pem"),
        (
            &papers.chain,
            &site.work().join("ca.key"),
            "the certificate and the key",
        ),
    ] {
        let args = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--certificate",
            text(chain),
            "--key",
            text(key),
        ];
        site.lovage(&args).await.fails(2, &[said]);
    }
}
