//! What the operator says of a connection.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use reqwest::Url;
use rustls::pki_types::CertificateDer;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::value::Bounds;

/// One connection.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the database is.
    pub place: Place,
    /// What opens it.
    pub password: Option<Password>,
    /// Certificates that are trusted beside the system's.
    pub trusted: Vec<CertificateDer<'static>>,
    /// Who may be granted it.
    pub tenants: BTreeSet<String>,
    /// Connections at a time.
    pub pool: usize,
    /// How long one is kept that nobody uses.
    pub idle: Duration,
    /// What a statement may take and bring back.
    pub bounds: Bounds,
    /// Whether nothing may be changed.
    pub read_only: bool,
}

/// A password, which is shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A server.
    Postgres(Server),
    /// A file.
    Sqlite(PathBuf),
}

/// A Postgres server, and what is asked for there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// As whom.
    pub user: String,
    /// Which database.
    pub database: String,
    /// How safe the way there must be.
    pub tls: Tls,
}

/// How safe the way to a server must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Encrypted, and the server proves that it is the one that the URL names.
    VerifyFull,
    /// Encrypted, whoever answers.
    Require,
    /// In clear.
    Disable,
}

const FORMS: &str = "write `postgres://USER@HOST:PORT/DATABASE` or `sqlite:PATH`";

impl FromStr for Place {
    type Err = String;

    /// The text is in no error: somebody may have written a password into it.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return match path {
                "" => Err(FORMS.into()),
                ":memory:" => Err(
                    "a database in memory would be another one for each statement; name a file"
                        .into(),
                ),
                path => Ok(Place::Sqlite(path.into())),
            };
        }
        let mut url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "postgres" | "postgresql") => url,
            _ => return Err(FORMS.into()),
        };
        if url.password().is_some() {
            let text = "a password does not belong into the URL, which is no secret: `password_file`, `password` or LOVAGE_SQL__NAME__PASSWORD says it";
            return Err(text.into());
        }
        let mut tls = Tls::VerifyFull;
        for (key, value) in url.query_pairs() {
            tls = match (&*key, &*value) {
                ("sslmode", "verify-full") => Tls::VerifyFull,
                ("sslmode", "require") => Tls::Require,
                ("sslmode", "disable") => Tls::Disable,
                ("sslmode", _) => {
                    return Err("`sslmode` is `verify-full`, `require` or `disable`".into());
                }
                _ => return Err("the only parameter of the URL is `sslmode`".into()),
            };
        }
        url.set_query(None);
        let read: Config = url.as_str().parse().map_err(|_| FORMS.to_owned())?;
        let (Some(Host::Tcp(host)), Some(user)) = (read.get_hosts().first(), read.get_user())
        else {
            return Err(format!("it names no host, or no user: {FORMS}"));
        };
        let Some(database) = read.get_dbname().filter(|it| !it.is_empty()) else {
            return Err(format!("it names no database: {FORMS}"));
        };
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        Ok(Place::Postgres(Server {
            host: bare.unwrap_or(host).to_owned(),
            port: read.get_ports().first().copied().unwrap_or(5432),
            user: user.to_owned(),
            database: database.to_owned(),
            tls,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> Server {
        match text.parse() {
            Ok(Place::Postgres(server)) => server,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_place_is_read_from_its_url() {
        let read = server("postgres://app@db.example.com/main");
        assert_eq!((&*read.host, read.port), ("db.example.com", 5432));
        assert_eq!((&*read.user, &*read.database), ("app", "main"));
        assert_eq!(read.tls, Tls::VerifyFull, "where nothing is said");
        let read = server("postgresql://a%40b@127.0.0.1:6000/x%20y?sslmode=disable");
        assert_eq!((&*read.user, &*read.database), ("a@b", "x y"));
        assert_eq!((read.port, read.tls), (6000, Tls::Disable));
        let read = server("postgres://app@[::1]:5433/main?sslmode=require");
        assert_eq!((&*read.host, read.tls), ("::1", Tls::Require));
        let file = "sqlite:/var/lib/app.db".parse();
        assert_eq!(file, Ok(Place::Sqlite("/var/lib/app.db".into())));
    }

    #[test]
    fn what_is_no_place_is_refused_and_not_repeated() {
        for (text, said) in [
            ("postgres://app:hunter2@db/main", "no secret"),
            ("postgres://app@db/main?sslmode=prefer", "`sslmode` is"),
            ("postgres://app@db/main?password=hunter2", "only parameter"),
            ("postgres://app@db", "no database"),
            ("postgres://db/main", "no user"),
            ("mysql://hunter2@db/main", "write `postgres://"),
            ("sqlite:", "write `postgres://"),
            ("sqlite::memory:", "name a file"),
            ("hunter2", "write `postgres://"),
        ] {
            let problem = text.parse::<Place>().unwrap_err();
            assert!(problem.contains(said), "{text}: {problem}");
            assert!(!problem.contains("hunter2"), "{text}: {problem}");
        }
        assert!(!format!("{:?}", Password("hunter2".into())).contains("hunter2"));
    }
}
