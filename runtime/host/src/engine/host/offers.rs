//! Which imports there are, and which of them are of no use without a grant.

use lovage_queue::grant::{Grant, Grants};

use super::{http, keyvalue, wasi};

/// An import that is of no use without a grant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capability {
    /// The interface, without its version.
    pub(crate) import: &'static str,
    /// What a grant for it is of.
    pub(crate) what: &'static str,
    is_of: IsOf,
}

impl Capability {
    /// Whether any of these grants makes it useful.
    pub(crate) fn is_among(&self, grants: &Grants) -> bool {
        grants.0.iter().any(self.is_of)
    }
}

/// Whether a grant is of a kind.
type IsOf = fn(&Grant) -> bool;

/// The imports that are of no use without a grant. WASI's sockets are not among them: every
/// toolchain's standard library imports those.
const CAPABILITIES: &[(&str, &str, IsOf)] = &[
    ("wasi:http/outgoing-handler", "host", |it| {
        matches!(it, Grant::Http { .. })
    }),
    ("wasi:config/store", "value", |it| {
        matches!(it, Grant::Config(_) | Grant::Secret(_))
    }),
    // Without the first, the others have no bucket to be called with.
    ("wasi:keyvalue/store", "bucket", |it| {
        matches!(it, Grant::Bucket(_))
    }),
    ("lovage:task/sql", "database", |it| {
        matches!(it, Grant::Sql(_))
    }),
];

/// What an import of this name (with its version) is the way to.
pub(crate) fn capability(import: &str) -> Option<Capability> {
    let interface = import.split_once('@').map_or(import, |(name, _)| name);
    let found = CAPABILITIES.iter().find(|(name, ..)| *name == interface);
    found.map(|&(import, what, is_of)| Capability {
        import,
        what,
        is_of,
    })
}

/// Whether an import of this name (with its version) is offered.
pub(crate) fn offers(import: &str) -> bool {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    match interface {
        "lovage:task/types" | "lovage:task/context" | "lovage:task/jobs" | "lovage:task/sql" => {
            version.starts_with("0.1.")
        }
        // Of a draft no other version is compatible.
        "wasi:config/store" => version == "0.2.0-rc.1",
        it if keyvalue::INTERFACES.contains(&it) => version == "0.2.0-draft2",
        _ => {
            let mut known = wasi::INTERFACES.iter().chain(http::INTERFACES);
            version.starts_with("0.2.") && known.any(|it| *it == interface)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_go_by_interface_and_compatible_version() {
        assert!(offers("wasi:cli/stdout@0.2.9"));
        assert!(offers("lovage:task/context@0.1.0"));
        assert!(!offers("wasi:cli/stdout@0.3.0"));
        assert!(offers("wasi:http/outgoing-handler@0.2.3"));
        assert!(!offers("wasi:http/incoming-handler@0.2.3"));
        assert!(!offers("wasi:nn/inference@0.2.3"));
        assert!(!offers("lovage:task/context@0.2.0"));
        assert!(offers("lovage:task/sql@0.1.0") && !offers("lovage:task/sql@0.2.0"));
        assert!(!offers("env"));
        assert!(offers("wasi:config/store@0.2.0-rc.1"));
        assert!(!offers("wasi:config/store@0.2.0"));
        assert!(offers("wasi:keyvalue/atomics@0.2.0-draft2"));
        assert!(!offers("wasi:keyvalue/store@0.2.0-draft"));
        assert!(!offers("wasi:keyvalue/watcher@0.2.0-draft2"));
    }
}
