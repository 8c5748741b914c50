//! What SQLite says, in the contract's words.

use rusqlite::ErrorCode;

use super::writer::PATIENCE;
use crate::broker::BrokerError;

/// Why a step failed, before it is said of which file.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite said so.
    Sql(rusqlite::Error),
    /// The contract says so.
    Broker(BrokerError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Sql(error)
    }
}

impl From<BrokerError> for Fault {
    fn from(error: BrokerError) -> Self {
        Fault::Broker(error)
    }
}

/// The answer of a step.
pub(super) type Done<T> = Result<T, Fault>;

impl Fault {
    /// The error for the caller.
    pub(super) fn at(self, place: &str) -> BrokerError {
        match self {
            Fault::Broker(error) => error,
            Fault::Sql(error) => explain(&error, place),
        }
    }
}

/// By SQLite's code, never by its words.
pub(super) fn explain(error: &rusqlite::Error, place: &str) -> BrokerError {
    let place = place.to_owned();
    let unsuitable = |what: &str| BrokerError::Unsuitable {
        place: place.clone(),
        reason: format!("{what} ({error})"),
    };
    match error.sqlite_error_code() {
        // An I/O error on a write undoes the transaction as a full disk does;
        // it mostly is one: a quota, a limit of the file's size, a dying disk.
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure) => BrokerError::Full {
            reason: format!("make room on its disk ({error})"),
            place,
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => BrokerError::Unreachable {
            reason: format!(
                "another process has kept the file locked for {} s ({error})",
                PATIENCE.as_secs()
            ),
            place,
        },
        Some(ErrorCode::NotADatabase) => unsuitable(
            "the file is no SQLite database; name another one, or one that does not exist yet",
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            unsuitable("this user must be allowed to write the file and its directory")
        }
        Some(ErrorCode::CannotOpen) => unsuitable(
            "the file cannot be opened or made; name one in a directory that exists and that this user may write",
        ),
        Some(ErrorCode::DatabaseCorrupt) => BrokerError::Corrupt {
            what: format!("the file of {place}"),
            reason: format!(
                "restore it from a backup, or save what can be read by sqlite3's `.recover` ({error})"
            ),
        },
        Some(ErrorCode::TooBig) => {
            BrokerError::Invalid(format!("it is too large for SQLite ({error})"))
        }
        Some(_) => unsuitable("SQLite refused"),
        // A column of another type than ours: the file was meddled with.
        None => BrokerError::Corrupt {
            what: "a row".into(),
            reason: error.to_string(),
        },
    }
}
