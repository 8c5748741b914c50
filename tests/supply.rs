//! What is linked: each package of the lock files by its licence, its source, and whether
//! it is wanted at all. The rules stand in `deny.toml`, for `cargo deny` and for this.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use figment::Figment;
use figment::providers::{Format, Toml};
use serde::Deserialize;
use serde_json::Value;

use crate::support::wasm::root;

#[derive(Deserialize)]
struct Rules {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    name: String,
    #[serde(default, rename = "deny-multiple-versions")]
    only_many: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    unknown_registry: String,
    unknown_git: String,
    allow_registry: BTreeSet<String>,
}

fn rules() -> Rules {
    let file = Toml::file_exact(root().join("deny.toml"));
    Figment::from(file).extract().unwrap()
}

/// A package of a workspace's, with all that it needs.
#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

fn packages(manifest: &str) -> Vec<Package> {
    let done = Command::new("cargo")
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--manifest-path",
        ])
        .arg(root().join(manifest))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{manifest}: {said}");
    let mut told: Value = serde_json::from_slice(&done.stdout).unwrap();
    serde_json::from_value(told["packages"].take()).unwrap()
}

/// Whether an SPDX expression is fulfilled by what is allowed.
fn fulfilled(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    // The slash is how `OR` was written once.
    let spaced = spaced.replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut left = &words[..];
    let is = any(&mut left, allowed);
    is && left.is_empty()
}

fn any(left: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut is = all(left, allowed);
    while let ["OR", rest @ ..] = left {
        *left = rest;
        is |= all(left, allowed);
    }
    is
}

fn all(left: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut is = one(left, allowed);
    while let ["AND", rest @ ..] = left {
        *left = rest;
        is &= one(left, allowed);
    }
    is
}

fn one(left: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    match *left {
        ["(", rest @ ..] => {
            *left = rest;
            let is = any(left, allowed);
            let [")", rest @ ..] = *left else {
                return false;
            };
            *left = rest;
            is
        }
        [name, "WITH", exception, rest @ ..] => {
            *left = rest;
            allowed.contains(&format!("{name} WITH {exception}"))
        }
        [name, rest @ ..] => {
            *left = rest;
            allowed.contains(*name)
        }
        [] => false,
    }
}

/// What breaks the rules.
fn wrong(packages: &[Package], rules: &Rules) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for it in packages {
        let Package { name, version, .. } = it;
        versions.entry(name).or_default().insert(version);
        let license = it.license.as_deref().unwrap_or_default();
        if !fulfilled(license, &rules.licenses.allow) {
            wrong.push(format!("{name} {version} has the licence `{license}`"));
        }
        let Some(source) = &it.source else { continue };
        let known = source.strip_prefix("registry+");
        if !known.is_some_and(|it| rules.sources.allow_registry.contains(it)) {
            wrong.push(format!("{name} {version} comes from {source}"));
        }
    }
    for Banned { name, only_many } in &rules.bans.deny {
        let count = versions.get(&**name).map_or(0, BTreeSet::len);
        if count > usize::from(*only_many) {
            wrong.push(format!("{name} is there in {count} versions"));
        }
    }
    wrong
}

#[test]
fn all_that_is_linked_may_be() {
    let rules = rules();
    let sources = &rules.sources;
    assert_eq!(
        (&*sources.unknown_registry, &*sources.unknown_git),
        ("deny", "deny")
    );
    for manifest in ["Cargo.toml", "examples/Cargo.toml", "fuzz/Cargo.toml"] {
        let packages = packages(manifest);
        assert!(packages.len() > 20, "{manifest}: {}", packages.len());
        let wrong = wrong(&packages, &rules);
        assert!(wrong.is_empty(), "{manifest}: {}", wrong.join("\n"));
    }
}

#[test]
fn what_may_not_be_linked_is_found() {
    let rules = rules();
    let package = |name: &str, version: &str, license: &str, source: &str| Package {
        name: name.into(),
        version: version.into(),
        license: Some(license.into()),
        source: Some(source.into()),
    };
    let crates = "registry+https://github.com/rust-lang/crates.io-index";
    let sound = package("a", "1", "(MIT OR GPL-3.0) AND BSD-3-Clause", crates);
    assert_eq!(wrong(&[sound], &rules), [] as [String; 0]);
    for bad in [
        vec![package("a", "1", "MIT AND GPL-3.0", crates)],
        vec![package("a", "1", "", crates)],
        vec![package("a", "1", "Apache-2.0 WITH Other-exception", crates)],
        vec![package("a", "1", "MIT", "git+https://example.com/a")],
        vec![package(
            "a",
            "1",
            "MIT",
            "registry+https://example.com/index",
        )],
        vec![package("openssl-sys", "1", "MIT", crates)],
        vec![
            package("tokio", "1", "MIT", crates),
            package("tokio", "2", "MIT", crates),
        ],
    ] {
        assert_eq!(wrong(&bad, &rules).len(), 1, "{bad:?}");
    }
}
