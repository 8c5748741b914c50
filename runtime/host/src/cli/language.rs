//! The languages that modules are written in.

use clap::ValueEnum;

use crate::stubs::names::{PYTHON_KEYWORDS, is_pythons};

/// What a module is written in, as far as a template and a build step go: others
/// bring their component along.
// Without a word for each: help would give every one a line to say nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    Rust,
    Python,
    #[value(alias = "javascript")]
    Js,
    #[value(alias = "typescript")]
    Ts,
}

/// What cargo takes for no package's name.
const RUST: &str = " abstract as async await become box break const continue crate do dyn else \
    enum extern false final fn for gen if impl in let loop macro match mod move mut override priv \
    pub ref return self static struct super test trait true try type typeof unsafe unsized use \
    virtual where while yield ";
impl Language {
    /// Its name in a sentence.
    pub(super) fn name(self) -> &'static str {
        match self {
            Language::Rust => "Rust",
            Language::Python => "Python",
            Language::Js => "JavaScript",
            Language::Ts => "TypeScript",
        }
    }

    /// The file that says what a package of it is.
    pub(super) fn manifest(self) -> &'static str {
        match self {
            Language::Rust => "Cargo.toml",
            Language::Python => "pyproject.toml",
            Language::Js | Language::Ts => "package.json",
        }
    }

    /// What source code calls a module: its name, where that holds no `-`. `None` where
    /// the language has no such name.
    pub(super) fn identifier(self, module: &str) -> Option<String> {
        let identifier = module.replace('-', "_");
        let reserved = match self {
            Language::Rust => RUST.contains(&format!(" {identifier} ")),
            // A project of Python's ends in a letter or a digit, and its module is hidden by others
            // of its name.
            Language::Python => {
                PYTHON_KEYWORDS.contains(&identifier.as_str())
                    || is_pythons(&identifier)
                    || identifier == "lovage"
                    || identifier.ends_with('_')
            }
            // A module is no word of the source there.
            Language::Js | Language::Ts => return Some(identifier),
        };
        let begins = identifier.starts_with(|c: char| c.is_ascii_digit());
        (!begins && !reserved).then_some(identifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_language_has_not_is_told() {
        let of = |language: Language, name| language.identifier(name);
        assert_eq!(
            of(Language::Rust, "hello-you").as_deref(),
            Some("hello_you")
        );
        assert_eq!(of(Language::Rust, "match"), None);
        assert_eq!(of(Language::Python, "3d"), None);
        assert_eq!(of(Language::Python, "class"), None);
        assert_eq!(of(Language::Python, "match").as_deref(), Some("match"));
        for taken in ["json", "test", "lovage", "x-", "x_"] {
            assert_eq!(of(Language::Python, taken), None);
        }
        assert_eq!(of(Language::Ts, "class").as_deref(), Some("class"));
    }
}
