//! What a module may reach beside the queue: capabilities by name, each one line of text
//! that people read, approve and write in a configuration. Pure; who enforces one is its
//! host side.
//!
//! | text | what it allows |
//! |---|---|
//! | `http [private] [METHOD,…] HOST[:PORT]` | requests to that host, port 443 where none is said |
//! | `tcp [private] HOST:PORT` | connections to it |
//! | `config KEY`, `secret KEY` | to read a value of the tenant's |
//! | `bucket NAME` | a key-value bucket of the tenant's |
//! | `sql NAME` | a database connection of the tenant's |
//! | `scratch SIZE` | a folder of its own for as long as an attempt lasts |
//!
//! A host is a name, `*.` before a name for all names below it, or an address. With
//! `private` behind the first word it may also lead to addresses that are not public.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::units::Size;

/// The word that lets a connection lead to addresses that are not public.
const PRIVATE: &str = "private";
/// The port of a host that names none.
const HTTPS: u16 = 443;
/// The longest name of a host, in bytes (RFC 1035).
const MAX_HOST: usize = 253;
/// The longest name of a key, bucket or connection, in bytes.
const MAX_KEY: usize = 128;
/// Grants that a module has at most.
pub const MAX_GRANTS: usize = 256;

/// A capability by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// Requests by HTTP.
    Http {
        /// Which methods, in capitals; all where there are none.
        methods: BTreeSet<String>,
        /// Where to.
        to: Endpoint,
    },
    /// Connections by TCP.
    Tcp(Endpoint),
    /// A value of the tenant's configuration.
    Config(String),
    /// A secret of the tenant's.
    Secret(String),
    /// A key-value bucket.
    Bucket(String),
    /// A database connection.
    Sql(String),
    /// A scratch folder of so many bytes.
    Scratch(u64),
}

/// Where a connection may lead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// A name in lower case, `*.` and a name, or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether it may lead to addresses that are not public.
    pub private: bool,
}

impl Endpoint {
    /// Whether a host, as somebody wrote it in a request, is this one.
    pub fn covers(&self, host: &str, port: u16) -> bool {
        let host = plain(host);
        let is_it = match self.host.strip_prefix('*') {
            // The dot stays: `*.example.com` is not `badexample.com`.
            Some(below) => host.len() > below.len() && host.ends_with(below),
            None => host == self.host,
        };
        is_it && port == self.port
    }
}

/// A host in the form in which hosts are compared.
fn plain(host: &str) -> String {
    let host = host.strip_suffix('.').unwrap_or(host);
    let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    match inner.unwrap_or(host).parse::<IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => host.to_ascii_lowercase(),
    }
}

impl Grant {
    /// Whether it may lead to addresses that are not public: the operator alone gives it.
    pub fn is_private(&self) -> bool {
        match self {
            Grant::Http { to, .. } | Grant::Tcp(to) => to.private,
            _ => false,
        }
    }
}

/// A text that is no grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no grant: {why}")]
pub struct GrantError {
    /// What was written.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

const FORMS: &str = "write `http [private] [METHODS] HOST[:PORT]`, `tcp [private] HOST:PORT`, `config KEY`, `secret KEY`, `bucket NAME`, `sql NAME` or `scratch SIZE`";

impl FromStr for Grant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let wrong = |why: String| GrantError {
            text: text.chars().take(200).collect(),
            why,
        };
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let (kind, mut rest) = match words.split_first() {
            Some((kind, rest)) => (*kind, rest),
            None => return Err(wrong(FORMS.into())),
        };
        let private = matches!(kind, "http" | "tcp") && rest.first() == Some(&PRIVATE);
        if private {
            rest = &rest[1..];
        }
        let name = |what: &str| match rest {
            [name] => check_key(name).map_err(&wrong),
            _ => Err(wrong(format!("write `{kind} {what}`"))),
        };
        Ok(match (kind, rest) {
            ("http", [to]) => Grant::Http {
                methods: BTreeSet::new(),
                to: endpoint(to, Some(HTTPS), private).map_err(wrong)?,
            },
            ("http", [methods, to]) => Grant::Http {
                methods: read_methods(methods).map_err(&wrong)?,
                to: endpoint(to, Some(HTTPS), private).map_err(wrong)?,
            },
            ("tcp", [to]) => Grant::Tcp(endpoint(to, None, private).map_err(wrong)?),
            ("config", _) => Grant::Config(name("KEY")?),
            ("secret", _) => Grant::Secret(name("KEY")?),
            ("bucket", _) => Grant::Bucket(name("NAME")?),
            ("sql", _) => Grant::Sql(name("NAME")?),
            ("scratch", [size]) => Grant::Scratch(read_size(size).map_err(wrong)?),
            _ => return Err(wrong(FORMS.into())),
        })
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grant::Http { methods, to } => {
                f.write_str(if to.private { "http private " } else { "http " })?;
                for (i, method) in methods.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { "," })?;
                    f.write_str(method)?;
                }
                f.write_str(if methods.is_empty() { "" } else { " " })?;
                match to.port {
                    HTTPS => f.write_str(&written(&to.host)),
                    port => write!(f, "{}:{port}", written(&to.host)),
                }
            }
            Grant::Tcp(to) => {
                let private = if to.private { "private " } else { "" };
                write!(f, "tcp {private}{}:{}", written(&to.host), to.port)
            }
            Grant::Config(key) => write!(f, "config {key}"),
            Grant::Secret(key) => write!(f, "secret {key}"),
            Grant::Bucket(name) => write!(f, "bucket {name}"),
            Grant::Sql(name) => write!(f, "sql {name}"),
            Grant::Scratch(bytes) => match bytes % MIB {
                0 => write!(f, "scratch {}MiB", bytes / MIB),
                _ => write!(f, "scratch {bytes}B"),
            },
        }
    }
}

impl Serialize for Grant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Grant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

const MIB: u64 = 1024 * 1024;

/// An address of the sixth version in brackets, as a port may follow.
fn written(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

fn endpoint(text: &str, default: Option<u16>, private: bool) -> Result<Endpoint, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0)),
        None => default.map(Some),
    };
    let port = port.ok_or("it names no port")?;
    let port = port.ok_or("a port is a number from 1 to 65535")?;
    let host = plain(host);
    check_host(&host)?;
    Ok(Endpoint {
        host,
        port,
        private,
    })
}

fn check_host(host: &str) -> Result<(), String> {
    if host.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let name = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-')
    };
    // What ends in a number is an address to some readers, whatever it looks like.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with(|c: char| c.is_ascii_digit());
    // Written without a port, it would be read as the word.
    let is_word = host == PRIVATE;
    match name.len() <= MAX_HOST && name.split('.').all(label) && !is_number && !is_word {
        true => Ok(()),
        false => Err(format!("`{host}` is no name of a host, and no address")),
    }
}

fn read_methods(text: &str) -> Result<BTreeSet<String>, String> {
    let methods = text.split(',').map(|method| {
        let is_token = !method.is_empty() && method.bytes().all(|b| b.is_ascii_alphabetic());
        match is_token && method.len() <= 16 {
            true => Ok(method.to_ascii_uppercase()),
            false => Err(format!("`{method}` is no HTTP method")),
        }
    });
    methods.collect()
}

/// A key, or the name of a bucket or a connection.
///
/// # Errors
/// What such a name is.
pub fn check_key(key: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let begins = key.starts_with(|c: char| c.is_ascii_alphanumeric());
    match begins && key.len() <= MAX_KEY && key.bytes().all(plain) {
        true => Ok(key.to_owned()),
        false => Err(format!(
            "a name takes 1 to {MAX_KEY} letters, digits, `_`, `-` and `.`, a letter or digit first"
        )),
    }
}

fn read_size(text: &str) -> Result<u64, String> {
    match text.parse::<Size>().map_err(|e| e.to_string())? {
        Size(0) => Err("a folder of no size holds nothing".into()),
        Size(bytes) => Ok(bytes),
    }
}

/// What a module was granted, or wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(pub BTreeSet<Grant>);

impl Grants {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are among the others, too.
    pub fn within(&self, others: &Grants) -> Grants {
        Grants(self.0.intersection(&others.0).cloned().collect())
    }

    /// What of these is not among the others: word for word, so that a diff shows all
    /// that is new.
    pub fn without(&self, others: &Grants) -> Vec<&Grant> {
        self.0.iter().filter(|it| !others.0.contains(it)).collect()
    }

    /// Whether a value of this name may be read, be it a secret or none.
    pub fn value(&self, key: &str) -> bool {
        self.0.iter().any(|it| match it {
            Grant::Config(own) | Grant::Secret(own) => own == key,
            _ => false,
        })
    }

    /// Whether a bucket of this name may be used.
    pub fn bucket(&self, name: &str) -> bool {
        let is = |it: &Grant| matches!(it, Grant::Bucket(own) if own == name);
        self.0.iter().any(is)
    }

    /// The grant under which a request may be made.
    pub fn http(&self, method: &str, host: &str, port: u16) -> Option<&Endpoint> {
        let may = |it: &'_ &Grant| match it {
            Grant::Http { methods, to } => {
                (methods.is_empty() || methods.contains(method)) && to.covers(host, port)
            }
            _ => false,
        };
        // One that allows private addresses before one that does not.
        let found = self.0.iter().filter(may).filter_map(|it| match it {
            Grant::Http { to, .. } => Some(to),
            _ => None,
        });
        found.max_by_key(|to| to.private)
    }

    /// The grant under which a name may be looked up, for whatever port.
    pub fn tcp_host(&self, host: &str) -> Option<&Endpoint> {
        let found = self.0.iter().filter_map(|it| match it {
            Grant::Tcp(to) if to.covers(host, to.port) => Some(to),
            _ => None,
        });
        found.max_by_key(|to| to.private)
    }

    /// Bytes of the scratch folder: where there are several, the largest's.
    pub fn scratch(&self) -> Option<u64> {
        let sizes = self.0.iter().filter_map(|it| match it {
            Grant::Scratch(bytes) => Some(*bytes),
            _ => None,
        });
        sizes.max()
    }

    /// The grant under which a connection may be made.
    pub fn tcp(&self, host: &str, port: u16) -> Option<&Endpoint> {
        let found = self.0.iter().filter_map(|it| match it {
            Grant::Tcp(to) if to.covers(host, port) => Some(to),
            _ => None,
        });
        found.max_by_key(|to| to.private)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Grant {
        text.parse().unwrap()
    }

    #[test]
    fn grants_read_back_from_their_text() {
        for text in [
            "http api.example.com",
            "http GET,POST *.example.com:8443",
            "http private metrics.internal:80",
            "http [2001:db8::1]",
            "tcp smtp.example.com:587",
            "tcp private 10.0.0.7:5432",
            "config smtp-host",
            "secret stripe.key",
            "bucket sessions",
            "sql main",
            "scratch 64MiB",
        ] {
            assert_eq!(read(text).to_string(), text);
        }
        assert_eq!(
            read("http post API.Example.COM.:443").to_string(),
            "http POST api.example.com"
        );
    }

    #[test]
    fn what_is_no_grant_is_refused() {
        for text in [
            "",
            "http",
            "http private",
            // Found by random inputs: it was read as a host, and written as the word.
            "http Private",
            "http api.example.com:0",
            "http api.example.com:99999",
            "http 0x7f.1",
            "http 2130706433",
            "http a b c",
            "http https://api.example.com",
            "http user@api.example.com",
            "http *",
            "http *.*.example.com",
            "http G@T example.com",
            "tcp smtp.example.com",
            "config a/b",
            "config private a",
            "bucket ../other",
            "scratch 0",
            "scratch much",
            "disk 5",
        ] {
            assert!(text.parse::<Grant>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_is_compared_as_the_network_reads_it() {
        let Grant::Tcp(to) = read("tcp Example.com:25") else {
            panic!("of another kind");
        };
        assert!(to.covers("EXAMPLE.com.", 25));
        assert!(!to.covers("example.com", 26) && !to.covers("mail.example.com", 25));
        let Grant::Tcp(below) = read("tcp *.example.com:25") else {
            panic!("of another kind");
        };
        assert!(below.covers("a.b.example.com", 25));
        assert!(!below.covers("example.com", 25) && !below.covers("badexample.com", 25));
        assert!(!below.covers(".example.com", 25));
    }

    #[test]
    fn the_grant_of_a_request_is_found_by_method_host_and_port() {
        let grants: Vec<Grant> = [
            "http GET api.example.com",
            "http private api.example.com:80",
        ]
        .map(read)
        .into();
        let grants = Grants(grants.into_iter().collect());
        assert!(grants.http("GET", "api.example.com", 443).is_some());
        assert!(grants.http("POST", "api.example.com", 443).is_none());
        assert!(grants.http("POST", "api.example.com", 80).unwrap().private);
        assert!(grants.tcp("api.example.com", 443).is_none());
    }

    #[test]
    fn of_several_scratch_folders_the_largest_holds() {
        let grants = ["scratch 9MiB", "scratch 64MiB", "scratch 100B"].map(read);
        let grants = Grants(grants.into());
        assert_eq!(grants.scratch(), Some(64 << 20));
        assert_eq!(Grants::default().scratch(), None);
    }
}
