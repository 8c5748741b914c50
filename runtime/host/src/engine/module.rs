//! A module that is ready to run, and why one is not taken.

use std::sync::Arc;

use lovage_queue::registry::Digest;
use lovage_queue::registry::blob::MAX_MODULE;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use super::host::{self, Capability, State};
use super::outcome::{bytes, cut};

/// What every module exports. A name of a compatible version is found by it.
const HANDLER: &str = "lovage:task/handler@0.1.0";
/// What a module exports besides that may have batched tasks.
const BATCHES: &str = "lovage:task/batches@0.1.0";
/// What a module exports besides that wants to reach more than the queue.
const WANTS: &str = "lovage:task/wants@0.1.0";

/// Why a module is not taken. Meant for its author: each says what is wrong,
/// and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are something else altogether.
    #[error("not a WebAssembly file: it does not begin with `\\0asm`")]
    NotWasm,
    /// A core module.
    #[error(
        "a core module, not a component: build it for `wasm32-wasip2`, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// It does not validate.
    #[error("not a valid component: {0}")]
    Invalid(String),
    /// It has too many bytes.
    #[error("{} is more than the {} that a module may have: strip it", bytes(*.0), bytes(MAX_MODULE as u64))]
    TooLarge(u64),
    /// It asks for what the host does not have.
    #[error(
        "imports what this host does not offer: {}; remove what uses it, or bring it along",
        .0.join(", ")
    )]
    Imports(Vec<String>),
    /// It does not export the handler.
    #[error(
        "a component of another world: it does not export `lovage:task/handler@0.1.x` ({0}); build it with one of Lovage's SDKs"
    )]
    World(String),
    /// It does not fit into a slot of the pool.
    #[error("needs more than a slot of the host has: {0}")]
    Needs(String),
    /// Its `describe` did not answer, or answered nonsense.
    #[error("`describe` {0}")]
    Describe(String),
    /// It brings in a capability that it does not want.
    #[error("imports `{import}`, but wants no {what}: name it in `wants`")]
    Unwanted {
        /// The import.
        import: String,
        /// What the import is of no use without.
        what: &'static str,
    },
    /// Its `wants` did not answer, or answered nonsense.
    #[error("`wants` {0}")]
    Wants(String),
}

/// A compiled module with its imports resolved. Cheap to clone; it belongs to
/// the engine that made it.
#[derive(Clone)]
pub struct Module(Arc<Inner>);

struct Inner {
    digest: Digest,
    size: u64,
    pre: InstancePre<State>,
    handler: Functions,
    batches: Option<Functions>,
    wants: Option<ComponentExportIndex>,
    /// The capabilities that it imports.
    reaches: Vec<Capability>,
}

/// The exports of an interface, found once, so that a call looks up no names.
pub(super) struct Functions {
    pub(super) run: ComponentExportIndex,
    pub(super) describe: ComponentExportIndex,
}

impl Module {
    /// Resolves a component's imports and exports.
    pub(super) fn link(
        linker: &Linker<State>,
        component: &Component,
        digest: Digest,
        size: u64,
    ) -> Result<Self, Refusal> {
        let ty = component.component_type();
        let missing: Vec<String> = ty
            .imports(component.engine())
            .filter(|(name, _)| !host::offers(name))
            .map(|(name, _)| format!("`{}`", cut(name, 200)))
            .collect();
        if !missing.is_empty() {
            return Err(Refusal::Imports(missing));
        }
        // The interfaces are ours, so what fails here is one of their items.
        let pre = linker
            .instantiate_pre(component)
            .map_err(|error| Refusal::Imports(vec![format!("{error:#}")]))?;
        let handler = component.get_export_index(None, HANDLER).ok_or_else(|| {
            let names: Vec<_> = ty
                .exports(component.engine())
                .map(|(name, _)| format!("`{}`", cut(name, 200)))
                .take(5)
                .collect();
            Refusal::World(match names.is_empty() {
                true => "it exports nothing".into(),
                false => format!("it exports {}", names.join(", ")),
            })
        })?;
        let functions = |of: &ComponentExportIndex, what: &str| {
            let export = |name: &str| {
                let index = component.get_export_index(Some(of), name);
                index.ok_or_else(|| Refusal::World(format!("{what} lacks `{name}`")))
            };
            let (run, describe) = (export("run")?, export("describe")?);
            Ok(Functions { run, describe })
        };
        let wants = component.get_export_index(None, WANTS).map(|it| {
            let index = component.get_export_index(Some(&it), "wants");
            index.ok_or_else(|| Refusal::World("its `wants` lacks `wants`".into()))
        });
        let imports = ty.imports(component.engine());
        let reaches = imports.filter_map(|(name, _)| host::capability(name));
        let reaches = reaches.collect();
        let batches = component.get_export_index(None, BATCHES);
        let batches = batches.map(|it| functions(&it, "its `batches`"));
        Ok(Module(Arc::new(Inner {
            digest,
            size,
            pre,
            handler: functions(&handler, "its handler")?,
            batches: batches.transpose()?,
            wants: wants.transpose()?,
            reaches,
        })))
    }

    /// The digest of its bytes.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The size of its bytes before compilation.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// Bytes that its compiled form occupies in memory.
    pub fn footprint(&self) -> u64 {
        let image = self.0.pre.component().image_range();
        (image.end as usize).saturating_sub(image.start as usize) as u64
    }

    pub(super) fn pre(&self) -> &InstancePre<State> {
        &self.0.pre
    }

    pub(super) fn handler(&self) -> &Functions {
        &self.0.handler
    }

    pub(super) fn batches(&self) -> Option<&Functions> {
        self.0.batches.as_ref()
    }

    pub(super) fn wants(&self) -> Option<&ComponentExportIndex> {
        self.0.wants.as_ref()
    }

    pub(super) fn reaches(&self) -> &[Capability] {
        &self.0.reaches
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Module").field(&self.0.digest).finish()
    }
}

/// Looks at the first bytes: what is no component at all is told apart here,
/// with the reason that its author can use.
pub(super) fn check_header(module: &[u8]) -> Result<(), Refusal> {
    if module.len() > MAX_MODULE {
        return Err(Refusal::TooLarge(module.len() as u64));
    }
    match module {
        [0, b'a', b's', b'm', rest @ ..] => match rest {
            // Version, then layer: 0 for core modules, 1 for components.
            [_, _, 1, 0, ..] => Ok(()),
            [1, 0, 0, 0, ..] => Err(Refusal::CoreModule),
            [_, _, _, _, ..] => Err(Refusal::Invalid("of an unknown version".into())),
            _ => Err(Refusal::Invalid("it ends in its header".into())),
        },
        _ => Err(Refusal::NotWasm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_told_apart() {
        assert_eq!(check_header(b""), Err(Refusal::NotWasm));
        assert_eq!(check_header(b"(component)"), Err(Refusal::NotWasm));
        assert_eq!(check_header(b"\0asm\x01\0\0\0"), Err(Refusal::CoreModule));
        assert_eq!(check_header(b"\0asm\x0d\0\x01\0"), Ok(()));
        assert!(matches!(
            check_header(b"\0asm\x0d"),
            Err(Refusal::Invalid(_))
        ));
    }
}
