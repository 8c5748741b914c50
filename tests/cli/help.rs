//! The manual.

use crate::support::site::Site;
use crate::support::wasm::root;

/// Each command and what its help must speak of.
const COMMANDS: [(&str, &[&str]); 33] = [
    (
        "serve",
        &[
            "token",
            "--listen",
            "--certificate",
            "--key",
            "/readyz",
            "/openapi.json",
        ],
    ),
    (
        "token",
        &[
            "create", "list", "revoke", "viewer", "producer", "deployer", "admin", "90d",
        ],
    ),
    (
        "tenant",
        &[
            "create",
            "list",
            "limits",
            "suspend",
            "resume",
            "delete",
            "default",
            "Examples:",
        ],
    ),
    (
        "hooks",
        &["list", "set", "remove", "Standard Webhooks", "--outcome"],
    ),
    ("audit", &["newest first", "--since", "--all"]),
    ("workers", &["what each of them runs"]),
    ("usage", &["CPU time", "--days", "--task", "--tenant"]),
    (
        "schedules",
        &[
            "add",
            "list",
            "show",
            "pause",
            "resume",
            "run",
            "remove",
            "next",
            "lovage.toml",
        ],
    ),
    (
        "flow",
        &[
            "run",
            "show",
            "list",
            "wait",
            "cancel",
            "retry",
            "result",
            "handed on",
        ],
    ),
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
    (
        "new",
        &[
            "README",
            "--sdk",
            "--into",
            "--lang",
            "rust, python, js, ts",
        ],
    ),
    (
        "build",
        &[
            "cargo",
            "pyproject.toml",
            "npm",
            "--output",
            "NAME.wasm",
            "--lang",
            "--verbose",
            "--watch",
            "--push",
            "--grant",
        ],
    ),
    (
        "client",
        &[
            "python, ts",
            "--output",
            "lovage-client",
            "@lovage/client",
            "type checker",
        ],
    ),
    ("push", &["digest", "--name", "--now"]),
    ("releases", &["active release"]),
    ("rollback", &["--to", "retried"]),
    ("config", &["list", "get", "set", "remove", "wasi:config"]),
    (
        "secrets",
        &["set", "rotate", "key", "never shown again", "Examples:"],
    ),
    (
        "buckets",
        &[
            "list",
            "keys",
            "get",
            "set",
            "delete",
            "wasi:keyvalue",
            "Examples:",
        ],
    ),
    (
        "grants",
        &["list", "approve", "revoke", "docs/grants.md", "wants"],
    ),
    (
        "run",
        &[
            "no broker",
            "--timeout",
            "--soft-timeout",
            "--fuel",
            "--memory",
            "name:=json",
        ],
    ),
    (
        "call",
        &[
            "--wait",
            "--eta",
            "--countdown",
            "--expires",
            "--max-age",
            "--soft-timeout",
            "--result-ttl",
            "--queue",
            "--priority",
            "--retries",
            "--retry-exhausted",
            "--key",
            "--unique",
            "--until",
            "--on-conflict",
            "existing, reject, replace",
            "--save",
            "--release",
            "--batch",
            "10,000",
            "name=value",
            "name:=json",
            "name@file",
            "standard input",
            "Examples:",
        ],
    ),
    ("job", &["--log", "--follow", "every attempt"]),
    (
        "jobs",
        &[
            "--state",
            "--queue",
            "--task",
            "--reason",
            "--older",
            "--limit",
            "scheduled, available, running",
        ],
    ),
    (
        "cancel",
        &[
            "--all",
            "--state",
            "--queue",
            "--task",
            "asked to stop",
            "Examples:",
        ],
    ),
    (
        "dead",
        &["list", "show", "requeue", "delete", "30 days", "Examples:"],
    ),
    ("queues", &["how many jobs", "paused"]),
    (
        "limit",
        &[
            "--rate",
            "--concurrency",
            "--depth",
            "--order",
            "aging, strict",
            "lane:QUEUE/KEY",
            "Examples:",
        ],
    ),
    ("limits", &["operator", "module"]),
    ("pause", &["queue:NAME", "lovage resume", "Examples:"]),
    ("resume", &["queue:NAME", "go on at once"]),
    (
        "bench",
        &[
            "--repeats",
            "--size",
            "median",
            "drain",
            "enqueue",
            "roundtrip",
            "start",
            "memory",
            "scheduled",
            "fairness",
            "breadth",
            "flows",
        ],
    ),
];

/// The measurements, and what their help must speak of.
const BENCH: [(&str, &[&str]); 10] = [
    (
        "drain",
        &["--jobs", "--lanes", "--concurrency", "echo", "bare loop"],
    ),
    ("enqueue", &["--jobs", "--batch", "client", "bare loop"]),
    (
        "roundtrip",
        &[
            "Open loop",
            "coordinated omission",
            "--calls",
            "--rate",
            "--closed",
            "--apart",
            "--busy",
            "--spinning",
        ],
    ),
    ("start", &["--module", "--task", "--input", "push"]),
    ("memory", &["--sample", "--jobs", "resident"]),
    ("scheduled", &["--jobs", "broker's clock"]),
    ("fairness", &["--backlog", "--lanes", "half is fair"]),
    (
        "tenants",
        &["--heavy", "--tenants", "--jobs", "--span", "CPU time"],
    ),
    (
        "breadth",
        &["--jobs", "--kept", "--lanes", "--queued", "--modules"],
    ),
    ("flows", &["--jobs", "--wide", "chains of 10", "slow log"]),
];

/// The commands of flows, and what their help must speak of.
const FLOW: [(&str, &[&str]); 7] = [
    (
        "run",
        &["FILE", "--wait", "--timeout", "standard input", "Examples:"],
    ),
    ("show", &["counted by state", "path"]),
    ("list", &["newest first", "--limit"]),
    ("wait", &["--timeout", "exit code"]),
    ("cancel", &["asked to stop"]),
    ("retry", &["failed", "stays as it is"]),
    ("result", &["--node", "chain[1].group[3]", "default"]),
];

/// The commands of tenants, and what their help must speak of.
const TENANT: [(&str, &[&str]); 6] = [
    (
        "create",
        &["--running", "--queued", "--bytes", "--fuel", "--weight"],
    ),
    ("list", &["were created"]),
    (
        "limits",
        &["--rate", "--modules", "--module-size", "none", "stricter"],
    ),
    ("suspend", &["What runs goes on"]),
    ("resume", &["at once"]),
    ("delete", &["for good", "asked to stop", "tokens"]),
];

/// The commands of the dead list, and what their help must speak of.
const DEAD: [(&str, &[&str]); 4] = [
    ("list", &["--group", "--reason", "--older", "newest first"]),
    ("show", &["attempts", "logs"]),
    ("requeue", &["--all", "end of their lanes", "when it began"]),
    ("delete", &["--all", "for good", "cannot be read"]),
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
    let dead = DEAD.map(|(command, parts)| (vec!["dead", command], parts));
    let flow = FLOW.map(|(command, parts)| (vec!["flow", command], parts));
    let tenant = TENANT.map(|(command, parts)| (vec!["tenant", command], parts));
    let commands = COMMANDS.map(|(command, parts)| (vec![command], parts));
    let bench = BENCH.map(|(command, parts)| (vec!["bench", command], parts));
    let of_others = dead.into_iter().chain(flow).chain(tenant).chain(bench);
    for (command, parts) in commands.into_iter().chain(of_others) {
        let args = [&command[..], &["--help"]].concat();
        let help = site.lovage(&args).await.ok().out;
        // Lines are broken where the page is narrow.
        let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts
            .iter()
            .chain(&["--json", "--broker", "--tenant", "--config"])
        {
            assert!(flat.contains(part), "{command:?}: `{part}`: {help}");
        }
        assert!(!flat.contains("] [default: "), "{command:?}: {help}");
        let wide = help.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wide, None, "{command:?}");
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

#[tokio::test]
async fn the_page_names_every_command_and_every_flag_of_a_call() {
    let page = std::fs::read_to_string(root().join("docs/cli.md")).unwrap();
    for (command, _) in COMMANDS {
        let named = page.contains(&format!("`lovage {command}"));
        assert!(named, "docs/cli.md does not name `lovage {command}`");
    }
    let site = Site::sqlite();
    for command in ["call", "limit"] {
        let help = site.lovage(&[command, "--help"]).await.ok().out;
        let flags = help.lines().filter_map(|line| {
            let flag = line.trim_start().split_once("--")?;
            let begins = flag.0.is_empty() || flag.0 == "-n, ";
            let end = flag.1.find(|c: char| !c.is_ascii_lowercase() && c != '-');
            begins.then(|| format!("--{}", &flag.1[..end.unwrap_or(flag.1.len())]))
        });
        for flag in flags.filter(|it| !["--help", "--version"].contains(&it.as_str())) {
            assert!(
                page.contains(&flag),
                "docs/cli.md does not name `{flag}` of `{command}`"
            );
        }
    }
    // The table of exit codes is the same in both.
    let help = site.lovage(&["--help"]).await.ok().out;
    for code in 0..=7 {
        let line = help
            .lines()
            .find_map(|it| it.strip_prefix(&format!("    {code}  ")));
        let row = format!("| {code} | {} |", line.unwrap());
        assert!(page.contains(&row), "docs/cli.md lacks `{row}`");
    }
}
