//! The manual.

use crate::support::site::Site;

/// Each command and what its help must speak of.
const COMMANDS: [(&str, &[&str]); 13] = [
    (
        "dev",
        &["embedded broker", "--queues", "--concurrency", "name=path"],
    ),
    (
        "worker",
        &[
            "SIGTERM",
            "--queues",
            "high=3,default",
            "--concurrency",
            "--grace",
        ],
    ),
    ("new", &["README", "--sdk", "--into"]),
    ("build", &["cargo", "--output", "NAME.wasm"]),
    ("push", &["digest", "--name", "--now"]),
    ("releases", &["active release"]),
    ("rollback", &["--to", "retried"]),
    (
        "run",
        &["no broker", "--timeout", "--fuel", "--memory", "name:=json"],
    ),
    (
        "call",
        &[
            "--wait",
            "--eta",
            "--queue",
            "--priority",
            "--retries",
            "--save",
            "--release",
            "name=value",
            "name:=json",
            "name@file",
            "standard input",
        ],
    ),
    ("job", &["--log"]),
    (
        "jobs",
        &[
            "--state",
            "--queue",
            "--task",
            "--limit",
            "scheduled, available, running",
        ],
    ),
    ("queues", &["how many jobs"]),
    ("bench", &["--jobs", "--batch", "backlog"]),
];

#[tokio::test]
async fn help_is_a_manual() {
    let site = Site::sqlite();
    let help = site.lovage(&["--help"]).await.ok();
    assert_eq!(help.err, "");
    for (command, _) in COMMANDS {
        let line = help
            .out
            .lines()
            .find(|it| it.trim_start().starts_with(command));
        assert!(
            line.is_some_and(|it| it.split_whitespace().count() > 2),
            "{command}: {}",
            help.out
        );
    }
    for part in [
        "WebAssembly components",
        "lovage.toml",
        "LOVAGE_WORKER__CONCURRENCY",
        "LOVAGE_LOG",
        "sqlite:",
        "redis://",
        "Exit codes:",
    ] {
        assert!(help.out.contains(part), "`{part}`: {}", help.out);
    }
    for code in 0..=7 {
        assert!(
            help.out.contains(&format!("\n    {code}  ")),
            "exit code {code}: {}",
            help.out
        );
    }
    let none = site.lovage(&[]).await;
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(none.err.contains("Usage: lovage"), "{none:?}");
    let version = site.lovage(&["--version"]).await.ok();
    assert_eq!(
        version.out,
        format!("lovage {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[tokio::test]
async fn each_command_has_its_page() {
    let site = Site::sqlite();
    for (command, parts) in COMMANDS {
        let help = site.lovage(&[command, "--help"]).await.ok().out;
        // Lines are broken where the page is narrow.
        let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts
            .iter()
            .chain(&["--json", "--broker", "--tenant", "--config"])
        {
            assert!(flat.contains(part), "{command}: `{part}`: {help}");
        }
        assert!(!flat.contains("] [default: "), "{command}: {help}");
        let wide = help.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "{command}");
    }
    assert!(
        !site.database().exists(),
        "to read the manual touches nothing"
    );
}

#[tokio::test]
async fn a_slip_is_met_with_the_usage() {
    let site = Site::sqlite();
    for args in [
        &["cal"][..],
        &["call"],
        &["call", "a.b", "--wat"],
        &["jobs", "-n", "x"],
    ] {
        site.lovage(args).await.fails(2, &["--help"]);
    }
}
