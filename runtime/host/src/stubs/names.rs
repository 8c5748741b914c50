//! Identifiers, made of names that may be anything.

use std::collections::HashSet;

/// What Python's parser takes for itself.
pub(crate) const PYTHON_KEYWORDS: [&str; 36] = [
    "False",
    "None",
    "True",
    "__debug__",
    "and",
    "as",
    "assert",
    "async",
    "await",
    "break",
    "class",
    "continue",
    "def",
    "del",
    "elif",
    "else",
    "except",
    "finally",
    "for",
    "from",
    "global",
    "if",
    "import",
    "in",
    "is",
    "lambda",
    "nonlocal",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "try",
    "while",
    "with",
    "yield",
];

/// Modules of Python's standard library (3.11 to 3.14): a file of such a name beside a program is
/// taken for it, or it for the file.
const PYTHON_LIBRARY: &str = " abc aifc annotationlib antigravity argparse array ast asynchat asyncio asyncore atexit \
    audioop base64 bdb binascii bisect builtins bz2 calendar cgi cgitb chunk cmath cmd code \
    codecs codeop collections colorsys compileall compression concurrent configparser \
    contextlib contextvars copy copyreg crypt csv ctypes curses dataclasses datetime dbm \
    decimal difflib dis distutils doctest email encodings ensurepip enum errno faulthandler \
    fcntl filecmp fileinput fnmatch fractions ftplib functools gc genericpath getopt getpass \
    gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib imaplib imghdr imp \
    importlib inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma \
    mailbox mailcap marshal math mimetypes mmap modulefinder msilib msvcrt multiprocessing \
    netrc nis nntplib nt ntpath nturl2path numbers opcode operator optparse os ossaudiodev \
    pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib posix posixpath \
    pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri \
    random re readline reprlib resource rlcompleter runpy sched secrets select selectors shelve \
    shlex shutil signal site smtpd smtplib sndhdr socket socketserver spwd sqlite3 sre_compile \
    sre_constants sre_parse ssl stat statistics string stringprep struct subprocess sunau \
    symtable sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios test textwrap this \
    threading time timeit tkinter token tokenize tomllib trace traceback tracemalloc tty turtle \
    turtledemo types typing unicodedata unittest urllib uu uuid venv warnings wave weakref \
    webbrowser winreg winsound wsgiref xdrlib xml xmlrpc zipapp zipfile zipimport zlib zoneinfo ";

/// Whether Python's own library has a module of this name.
pub(crate) fn is_pythons(name: &str) -> bool {
    PYTHON_LIBRARY.contains(&format!(" {name} "))
}

/// Whether a name is an identifier, of ASCII letters, as it is.
pub(super) fn is_plain(name: &str) -> bool {
    let belongs = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(belongs) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// A name as an identifier of Python: `_` for what does not belong into one, before a
/// digit, and behind a keyword.
pub(crate) fn python(name: &str) -> String {
    let belongs = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut text: String = name
        .chars()
        .map(|c| if belongs(c) { c } else { '_' })
        .collect();
    if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) {
        text.insert(0, '_');
    }
    if PYTHON_KEYWORDS.contains(&text.as_str()) {
        text.push('_');
    }
    text
}

/// A name as a type's: its words in capitals, of ASCII letters and digits alone.
pub(super) fn pascal(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .map(|word| match word.split_at_checked(1) {
            Some((first, rest)) => first.to_ascii_uppercase() + rest,
            None => String::new(),
        })
        .collect()
}

/// The same, and an identifier in any case.
pub(super) fn type_name(name: &str) -> String {
    let text = pascal(name);
    match text.chars().next() {
        Some(c) if c.is_ascii_digit() => format!("T{text}"),
        Some(_) => text,
        None => "Type".into(),
    }
}

/// Identifiers of Python for names that stand beside each other. A name that is one keeps
/// it, whatever becomes of the others.
pub(super) fn python_all<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let mut taken = Taken::default();
    for name in names.clone().filter(|it| python(it) == *it) {
        taken.take(&[name.to_owned()]);
    }
    names
        .map(|name| match python(name) {
            same if same == name => same,
            other => taken.take(&[other]),
        })
        .collect()
}

/// Names that are taken.
#[derive(Default)]
pub(super) struct Taken(HashSet<String>);

impl Taken {
    pub(super) fn of(names: &[&str]) -> Self {
        Taken(names.iter().map(|it| (*it).to_owned()).collect())
    }

    /// The first of these that is free, or else the last with a number behind it; it is
    /// taken from now on.
    pub(super) fn take(&mut self, candidates: &[String]) -> String {
        let free = candidates.iter().find(|it| !self.0.contains(*it)).cloned();
        let name = free.unwrap_or_else(|| {
            let last = candidates.last().map_or("", String::as_str);
            let mut numbered = (2..).map(|n: u32| format!("{last}{n}"));
            numbered.find(|it| !self.0.contains(it)).unwrap_or_default()
        });
        self.0.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_name_is_an_identifier_comes_of_it() {
        for (name, identifier) in [
            ("max_side", "max_side"),
            ("content-type", "content_type"),
            ("from", "from_"),
            ("3d", "_3d"),
            ("", "_"),
            ("größe\n", "gr__e_"),
        ] {
            assert_eq!(python(name), identifier, "{name:?}");
            assert!(is_plain(&python(name)));
        }
        for (name, of) in [
            ("max_side", "MaxSide"),
            ("my-module", "MyModule"),
            ("Next", "Next"),
            ("3d", "T3d"),
            ("a;drop\"b", "ADropB"),
            ("\u{fc}", "Type"),
        ] {
            assert_eq!(type_name(name), of, "{name:?}");
        }
    }

    #[test]
    fn a_name_that_is_an_identifier_stays() {
        let names = ["class", "class_", "a-b", "a_b", "c"];
        let identifiers = ["class_2", "class_", "a_b2", "a_b", "c"];
        assert_eq!(python_all(names.into_iter()), identifiers);
    }

    #[test]
    fn a_name_is_taken_once() {
        let mut taken = Taken::of(&["Any"]);
        let (any, own) = ("Any".to_owned(), "EchoAny".to_owned());
        assert_eq!(taken.take(&[any.clone(), own.clone()]), "EchoAny");
        assert_eq!(taken.take(&[any.clone(), own.clone()]), "EchoAny2");
        assert_eq!(taken.take(&[any, own]), "EchoAny3");
    }
}
