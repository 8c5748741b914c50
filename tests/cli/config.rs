//! Configuration that cannot be used: the error says where it stands.

use serde_json::json;

use crate::support::site::{Ran, Site};

#[tokio::test]
async fn an_error_names_the_file_the_line_and_the_key() {
    let site = Site::sqlite();
    let cases = [
        (
            "tenant = 'a'\n\n[worker]\ncurrency = 3\n",
            "lovage.toml:4: `worker.currency`",
        ),
        ("colour = true\n", "lovage.toml:1: `colour`"),
        (
            "[worker]\nlease = 'soon'\n",
            "lovage.toml:2: `worker.lease`",
        ),
        (
            "[limits]\nmemory = 'much'\n",
            "lovage.toml:2: `limits.memory`",
        ),
        ("[worker]\nqueues = 'a=0'\n", "`worker.queues`"),
        (
            "[worker]\nheartbeat = '5s'\nlease = '6s'\n",
            "`worker.lease`",
        ),
        (
            "[serve]\norigins = ['https://a.example', 'https://b.example/']\n",
            "`serve.origins`: `https://b.example/` is no origin: write `https://b.example`",
        ),
        ("tenant = \n", "lovage.toml"),
    ];
    for (text, place) in cases {
        site.write("lovage.toml", text);
        site.lovage(&["queues"]).await.fails(2, &[place]);
        // The same in a file of another name.
        let other = site.write("other.toml", text);
        std::fs::remove_file(site.work().join("lovage.toml")).unwrap();
        let place = place.replace("lovage.toml", "other.toml");
        let args = ["queues", "--config", "other.toml"];
        site.lovage(&args).await.fails(2, &[&place]);
        std::fs::remove_file(other).unwrap();
    }
    let args = ["queues", "--config", "nowhere.toml"];
    site.lovage(&args)
        .await
        .fails(2, &["nowhere.toml: there is no such file"]);
}

#[tokio::test]
async fn variables_and_flags_are_named_too() {
    let site = Site::sqlite();
    for (name, value, said) in [
        ("LOVAGE_WORKER__CURRENCY", "3", "LOVAGE_WORKER__CURRENCY"),
        ("LOVAGE_COLOUR", "1", "LOVAGE_COLOUR: unknown"),
        (
            "LOVAGE_WORKER__LEASE",
            "soon",
            "LOVAGE_WORKER__LEASE: `soon`",
        ),
        ("LOVAGE_TENANT", "A", "`A` is no valid tenant name"),
    ] {
        let mut command = site.command(["queues"]);
        command.env(name, value);
        Ran::of(command, b"").await.fails(2, &[said]);
    }
    let cases: [(&[&str], &str); 4] = [
        (&["worker", "--queues", "a,a"], "queue `a` is named twice"),
        (&["worker", "--concurrency", "0"], "`worker.concurrency`"),
        (&["worker", "--grace", "soon"], "`soon` is no span of time"),
        (&["worker", "--threads"], "--threads"),
    ];
    for (args, said) in cases {
        site.lovage(args).await.fails(2, &[said]);
    }
}

#[tokio::test]
async fn where_clients_find_a_server_is_no_key_of_ours() {
    let site = Site::sqlite();
    let mut command = site.command(["queues"]);
    command.env("LOVAGE_URL", "http://127.0.0.1:1");
    Ran::of(command, b"").await.ok();
}

#[tokio::test]
async fn flags_go_before_variables_and_those_before_the_file() {
    let site = Site::sqlite();
    site.write("lovage.toml", "tenant = 'file'\n");
    site.write("app.wasm", super::app());
    let tenant = async |variable: Option<&str>, flag: Option<&str>| {
        let flags = flag.map(|it| ["--tenant", it]);
        let args = ["push", "app.wasm", "--json"]
            .into_iter()
            .chain(flags.into_iter().flatten());
        let mut command = site.command(args);
        command.envs(variable.map(|it| ("LOVAGE_TENANT", it)));
        Ran::of(command, b"").await.ok();
    };
    tenant(None, None).await;
    tenant(Some("variable"), None).await;
    tenant(Some("variable"), Some("flag")).await;
    std::fs::remove_file(site.work().join("lovage.toml")).unwrap();
    for name in ["file", "variable", "flag", "default"] {
        let args = ["releases", "--tenant", name, "--json"];
        let releases = site.lovage(&args).await.ok().json();
        let count = releases.as_array().unwrap().len();
        assert_eq!(
            json!(count),
            json!(usize::from(name != "default")),
            "{name}"
        );
    }
}
