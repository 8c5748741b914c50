//! The operations, as Redis runs them.

use std::sync::LazyLock;

/// A script and the name Redis knows it by.
pub(super) struct Script {
    /// What it is called in errors.
    pub(super) name: &'static str,
    /// Its whole text, prelude included.
    pub(super) source: String,
    /// The SHA-1 of the text, in hexadecimal.
    pub(super) sha: String,
}

/// Flags must stand in a script's first line, before the shared parts.
///
/// A call makes all of a script's functions anew, and for each local of its own
/// level that one of them refers to, Lua 5.1 walks a list of all that are referred
/// to. So what stands behind the prelude is a function within: to refer to what is
/// further out costs nothing.
macro_rules! scripts {
    ($($name:ident = $flags:literal $file:literal, [$($shared:literal),*];)*) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new($file, concat!(
                "#!lua flags=", $flags, "\n",
                include_str!("scripts/prelude.lua"),
                "return (function()\n",
                $(include_str!(concat!("scripts/", $shared, ".lua")),)*
                include_str!(concat!("scripts/", $file, ".lua")),
                "\nend)()",
            ))
        });)*

        /// All of them: a server knows them by their text alone.
        pub(super) fn all() -> Vec<&'static Script> {
            vec![$(&*$name),*]
        }
    };
}

// What frees memory, or keeps an accepted job moving, must run when Redis has
// no memory left; what takes in new data must not.
scripts! {
    ENQUEUE = "" "enqueue", ["fair", "lanes", "limits", "terms", "flow", "source", "finish", "cancel_one", "quota", "add"];
    CLAIM = "allow-oom" "claim", ["lease", "fair", "lanes", "limits", "terms", "flow", "source", "finish", "take"];
    EXTEND = "allow-oom" "extend", ["lease", "fair"];
    SETTLE = "allow-oom" "settle", ["fair", "spend", "lanes", "limits", "terms", "flow", "source", "finish", "cancel_one", "quota", "add"];
    RECLAIM = "allow-oom" "reclaim", ["fair", "lanes", "limits", "terms", "flow", "source", "finish"];
    PROMOTE = "allow-oom" "promote", ["fair", "lanes", "limits", "terms", "flow", "source", "finish", "cancel_one", "again", "work"];
    PRUNE = "allow-oom" "prune", ["terms", "forget"];
    NOTE = "" "note", [];
    CHECKPOINT = "no-writes" "checkpoint", [];
    JOBS = "no-writes" "jobs", [];
    WAIT = "allow-oom" "wait", [];
    LIST = "no-writes" "list", [];
    CANCEL = "allow-oom" "cancel", ["guard", "fair", "lanes", "limits", "terms", "flow", "source", "finish", "cancel_one"];
    REQUEUE = "allow-oom" "requeue", ["guard", "fair", "lanes", "limits", "terms", "flow", "source", "finish", "again"];
    DELETE = "allow-oom" "delete", ["guard", "terms", "forget"];
    LIMIT = "allow-oom" "limit", ["guard", "fair", "lanes", "limits", "put_limit"];
    LIMITS = "no-writes" "limited", ["fair", "lanes", "limits"];
    COUNTS = "no-writes" "counts", ["heads"];
    LANES = "no-writes" "lane_counts", ["heads"];
    WORKERS = "no-writes" "workers", [];
    PUT_ENTRY = "" "put_entry", ["guard"];
    REMOVE_ENTRY = "allow-oom" "remove_entry", ["guard"];
    ENTRIES = "no-writes" "entries", [];
    TELL = "" "tell", ["guard"];
    SET_KEYS = "" "set_keys", ["guard", "quota", "bucket"];
    UNSET_KEYS = "allow-oom" "unset_keys", ["guard", "quota", "bucket"];
    GET_KEYS = "no-writes" "get_keys", [];
    HAVE_KEYS = "no-writes" "have_keys", [];
    LIST_KEYS = "no-writes" "list_keys", [];
    INCREMENT = "" "increment", ["guard", "quota", "bucket"];
    SWAP_KEY = "" "swap_key", ["guard", "quota", "bucket"];
    BUCKETS = "no-writes" "buckets", [];
    DELETE_BUCKET = "allow-oom" "delete_bucket", ["guard", "quota", "bucket"];
    HISTORY = "no-writes" "history", [];
    USAGE = "no-writes" "usage", [];
    EVENTS = "no-writes" "events", [];
    RECORD = "" "record", ["guard"];
    ACTS = "no-writes" "acts", [];
    NOW = "no-writes" "now", [];
    DECLARE = "" "declare", ["guard", "fair", "lanes", "timetable"];
    SCHEDULES = "no-writes" "schedules", [];
    HOLD_SCHEDULE = "allow-oom" "hold_schedule", ["guard", "fair", "lanes", "timetable"];
    DUE = "allow-oom" "due", [];
    FIRE = "" "fire", ["fair", "lanes", "limits", "terms", "flow", "source", "finish", "cancel_one", "quota", "add", "timetable"];
    BEGIN_FLOW = "" "begin_flow", ["quota"];
    ADD_NODES = "" "add_nodes", ["terms", "quota"];
    HOLD_FLOW = "allow-oom" "hold_flow", ["guard", "fair", "lanes", "limits", "terms", "flow", "source", "finish", "again"];
    FLOWS = "no-writes" "flows", [];
    NODES = "no-writes" "nodes", [];
    ABOUT_FLOW = "no-writes" "about_flow", [];
    UPLOAD = "" "upload", ["guard"];
    PUT = "" "put", ["quota"];
    CHUNKS = "no-writes" "chunks", [];
    PUT_BLOB = "" "put_blob", ["terms", "quota"];
    MANIFEST = "no-writes" "manifest", [];
    STAGE = "" "stage", ["quota"];
    READINESS = "no-writes" "readiness", [];
    ACTIVATE = "" "activate", ["fair", "lanes", "limits", "put_limit", "timetable", "quota"];
    RELEASES = "no-writes" "releases", [];
    PUT_TENANT = "" "put_tenant", ["guard", "fair", "lanes", "limits", "put_limit", "quota"];
    TENANTS = "no-writes" "tenants", [];
    TAKEN = "no-writes" "taken", ["quota"];
    DELETE_TENANT = "allow-oom" "delete_tenant", ["fair", "lanes", "limits", "terms", "flow", "source", "finish", "cancel_one", "quota"];
}

impl Script {
    fn new(name: &'static str, source: &str) -> Self {
        Script {
            name,
            source: source.to_owned(),
            sha: redis::Script::new(source).get_hash().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_scripts_flags_stand_in_its_first_line() {
        for script in super::all() {
            let first = script.source.lines().next().unwrap_or_default();
            assert!(
                first.starts_with("#!lua flags="),
                "{}: {first}",
                script.name
            );
        }
    }
}
