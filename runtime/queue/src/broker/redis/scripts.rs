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
macro_rules! scripts {
    ($($name:ident = $flags:literal $file:literal, [$($shared:literal),*];)*) => {
        $(pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new($file, concat!(
                "#!lua flags=", $flags, "\n",
                include_str!("scripts/prelude.lua"),
                $(include_str!(concat!("scripts/", $shared, ".lua")),)*
                include_str!(concat!("scripts/", $file, ".lua")),
            ))
        });)*

        /// All of them, for a test that loads each.
        #[cfg(test)]
        pub(super) fn all() -> Vec<&'static Script> {
            vec![$(&*$name),*]
        }
    };
}

// What frees memory, or keeps an accepted job moving, must run when Redis has
// no memory left; what takes in new data must not.
scripts! {
    ENQUEUE = "" "enqueue", ["lanes"];
    CLAIM = "allow-oom" "claim", ["lease"];
    EXTEND = "allow-oom" "extend", ["lease"];
    SETTLE = "allow-oom" "settle", ["lanes", "finish"];
    RECLAIM = "allow-oom" "reclaim", ["lanes", "finish"];
    PROMOTE = "allow-oom" "promote", ["lanes"];
    PRUNE = "allow-oom" "prune", [];
    NOTE = "" "note", [];
    CHECKPOINT = "no-writes" "checkpoint", [];
    JOBS = "no-writes" "jobs", [];
    WAIT = "allow-oom" "wait", [];
    LIST = "no-writes" "list", [];
    COUNTS = "no-writes" "counts", [];
    UPLOAD = "" "upload", [];
    PUT = "" "put", [];
    MODULE = "no-writes" "module", [];
    MANIFEST = "no-writes" "manifest", [];
    STAGE = "" "stage", [];
    READINESS = "no-writes" "readiness", [];
    ACTIVATE = "" "activate", [];
    RELEASES = "no-writes" "releases", [];
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
