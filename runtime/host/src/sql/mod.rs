//! Databases that the operator has named, for tasks that were granted them. It knows what
//! was granted, and neither the engine nor the broker: a statement in, rows out.
//!
//! # Layout
//! - this file: all connections by name, and who may have them
//! - [`settings`]: what the operator says of one
//! - [`value`]: statements, rows and failures as messages, and their bounds
//! - [`desk`]: what one attempt asks for, and the transactions that it has open
//! - `pool`: as many connections as there may be, and those of them that are idle
//! - `postgres`: connections to Postgres; `postgres::stream`: TLS, and how long a message may
//!   be; `postgres::types`: values both ways; `postgres::words`: statements that are refused
//! - `sqlite`: files of SQLite's
//!
//! # What holds here
//! 1. A task names a connection and no more: no host, file, user or option of it is its to
//!    choose, and none of them stands in what it is told.
//! 2. A connection's next user may be another tenant's: nothing of the session is left, or
//!    it is closed.
//! 3. A statement that nobody waits for any more is cancelled where it runs.

pub mod desk;
mod pool;
mod postgres;
pub mod settings;
mod sqlite;
pub mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lovage_queue::grant::Grants;
use tokio::runtime::Handle;

pub use self::desk::Desk;
use self::postgres::Postgres;
pub use self::settings::{Place, Settings};
use self::sqlite::Sqlite;
pub use self::value::{SqlAnswer, SqlFailure, SqlRequest, SqlRows, SqlValue, Statement};

/// What a task is told of a database that does not answer. Why that is so, the log says.
const AWAY: &str = "the database cannot be reached just now";

/// All connections by name. Making one connects nowhere: a database that is away is its
/// tasks' affair, and no reason for a worker not to start.
pub struct Databases {
    all: BTreeMap<String, Database>,
    /// Where sockets are: the threads of guests know none.
    threads: Handle,
}

struct Database {
    tenants: BTreeSet<String>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Postgres(Arc<Postgres>),
    Sqlite(Arc<Sqlite>),
}

impl Databases {
    /// Those of these names, whose connections live on these threads.
    pub fn new(settings: &BTreeMap<String, Settings>, threads: Handle) -> Arc<Self> {
        let database = |(name, it): (&String, &Settings)| {
            let kind = match &it.place {
                Place::Postgres(server) => {
                    Kind::Postgres(Postgres::new(name, server, it, threads.clone()))
                }
                Place::Sqlite(path) => Kind::Sqlite(Sqlite::new(name, path, it, threads.clone())),
            };
            let tenants = it.tenants.clone();
            (name.clone(), Database { tenants, kind })
        };
        Arc::new(Databases {
            all: settings.iter().map(database).collect(),
            threads,
        })
    }

    /// The way to them of an attempt that was granted this.
    pub fn desk(self: &Arc<Self>, tenant: &str, grants: Arc<Grants>) -> Desk {
        Desk::new(self.clone(), tenant, grants)
    }

    /// The connection of this name, if this tenant may have it.
    fn find(&self, name: &str, tenant: &str) -> Result<Kind, SqlFailure> {
        let Some(database) = self.all.get(name) else {
            let text = format!("this worker has no `[sql.{name}]` in its configuration");
            return Err(SqlFailure::Unknown(text));
        };
        match database.tenants.contains(tenant) {
            true => Ok(database.kind.clone()),
            false => Err(SqlFailure::Denied(format!(
                "the tenant `{tenant}` may not have the connection `{name}`"
            ))),
        }
    }
}
