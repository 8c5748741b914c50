//! The projects that `lovage new` writes: a folder beside this file for each language.

use std::fmt::Write as _;
use std::path::Path;

use super::exit::Verdict;
use super::language::Language;

/// What goes into a template's places.
pub(super) struct Words<'a> {
    /// `@NAME@`: the module's name.
    pub(super) name: &'a str,
    /// `@IDENTIFIER@`: what source code calls it.
    pub(super) identifier: &'a str,
    /// `@SDK@`: what the manifest says of the SDK.
    pub(super) sdk: &'a str,
}

/// A file of a project, whose path may hold places too, and its text.
type File = (&'static str, &'static str);

const RUST: &[File] = &[
    ("Cargo.toml", include_str!("rust/Cargo.toml.in")),
    ("src/lib.rs", include_str!("rust/lib.rs.in")),
    ("README.md", include_str!("rust/README.md.in")),
    (".gitignore", "/target\n/*.wasm\n"),
];

const PYTHON: &[File] = &[
    ("pyproject.toml", include_str!("python/pyproject.toml.in")),
    ("src/@IDENTIFIER@.py", include_str!("python/module.py.in")),
    (
        "tests/test_@IDENTIFIER@.py",
        include_str!("python/test_module.py.in"),
    ),
    ("README.md", include_str!("python/README.md.in")),
    (".gitignore", include_str!("python/gitignore.in")),
];

const JS: &[File] = &[
    ("package.json", include_str!("js/package.json.in")),
    ("jsconfig.json", include_str!("js/jsconfig.json.in")),
    ("src/index.js", include_str!("js/index.js.in")),
    ("test/greet.test.js", include_str!("js/greet.test.js.in")),
    ("README.md", include_str!("js/README.md.in")),
    (".gitignore", include_str!("js/gitignore.in")),
];

const TS: &[File] = &[
    ("package.json", include_str!("ts/package.json.in")),
    ("tsconfig.json", include_str!("ts/tsconfig.json.in")),
    ("src/index.ts", include_str!("ts/index.ts.in")),
    ("test/greet.test.ts", include_str!("ts/greet.test.ts.in")),
    ("README.md", include_str!("ts/README.md.in")),
    (".gitignore", include_str!("ts/gitignore.in")),
];

fn files(lang: Language) -> &'static [File] {
    match lang {
        Language::Rust => RUST,
        Language::Python => PYTHON,
        Language::Js => JS,
        Language::Ts => TS,
    }
}

/// What a manifest says of the SDK: the published one of this version, or the one in a
/// folder.
///
/// # Errors
/// A folder whose path the manifest cannot hold.
pub(super) fn dependency(lang: Language, folder: Option<&Path>) -> anyhow::Result<String> {
    let version = env!("CARGO_PKG_VERSION");
    let Some(folder) = folder else {
        return Ok(match lang {
            Language::Rust => format!("version = \"{version}\""),
            Language::Python => format!("lovage-sdk~={version}"),
            Language::Js | Language::Ts => format!("^{version}"),
        });
    };
    let path = folder.to_str().ok_or_else(|| {
        let shown = folder.display();
        Verdict::Usage(format!(
            "`{shown}` is no UTF-8, and no manifest can name it: move the SDK"
        ))
    })?;
    Ok(match lang {
        Language::Rust => format!("path = {}", quoted(path)),
        Language::Python => format!("lovage-sdk @ file://{}", encoded(path)),
        Language::Js | Language::Ts => {
            let text = quoted(&format!("file:{path}"));
            text[1..text.len() - 1].to_owned()
        }
    })
}

/// A text as TOML and JSON both quote it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A path as URLs have it.
fn encoded(path: &str) -> String {
    let mut url = String::new();
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => url.push(byte as char),
            _ if byte.is_ascii_alphanumeric() => url.push(byte as char),
            _ => drop(write!(url, "%{byte:02X}")),
        }
    }
    url
}

/// Writes a project into a folder that is not there yet.
pub(super) fn write(lang: Language, folder: &Path, words: &Words<'_>) -> std::io::Result<()> {
    // Else npm would link to a folder, without the packages that it needs itself.
    let local = words.sdk.starts_with("file:");
    let settings = local.then_some((".npmrc", "install-links=true\n"));
    for (file, text) in files(lang).iter().copied().chain(settings) {
        let path = folder.join(filled(file, words));
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(path, filled(text, words))?;
    }
    Ok(())
}

fn filled(text: &str, words: &Words<'_>) -> String {
    text.replace("@NAME@", words.name)
        .replace("@IDENTIFIER@", words.identifier)
        .replace("@SDK@", words.sdk)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Language; 4] = [Language::Rust, Language::Python, Language::Js, Language::Ts];

    #[test]
    fn no_place_is_left_open() {
        let words = Words {
            name: "hello-you",
            identifier: "hello_you",
            sdk: "1",
        };
        for lang in ALL {
            for (file, text) in files(lang) {
                for text in [filled(file, &words), filled(text, &words)] {
                    let parts: Vec<_> = text.split('@').collect();
                    let inner = &parts[1..parts.len().max(2) - 1];
                    let is_place =
                        |it: &&str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_uppercase());
                    assert!(!inner.iter().any(is_place), "{lang:?} {file}: {text}");
                }
            }
        }
    }

    #[test]
    fn a_folder_of_any_name_is_written_as_the_manifest_has_it() {
        let of = |lang| dependency(lang, Some(Path::new("/a b/\"c\"%"))).unwrap();
        assert_eq!(of(Language::Rust), r#"path = "/a b/\"c\"%""#);
        assert_eq!(
            of(Language::Python),
            "lovage-sdk @ file:///a%20b/%22c%22%25"
        );
        assert_eq!(of(Language::Ts), r#"file:/a b/\"c\"%"#);
        for lang in ALL {
            assert!(
                dependency(lang, None)
                    .unwrap()
                    .contains(env!("CARGO_PKG_VERSION"))
            );
        }
    }
}
