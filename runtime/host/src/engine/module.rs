//! A module that is ready to run, and why one is not taken.

use std::sync::Arc;

use lovage_queue::registry::Digest;
use lovage_queue::registry::blob::MAX_MODULE;
use serde::{Deserialize, Serialize};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use super::host::{self, Capability, State};
use super::outcome::{bytes, cut};
use super::plain::{Function, Plain};

/// What every module exports. A name of a compatible version is found by it.
const HANDLER: &str = "lovage:task/handler@0.1.0";
/// What a module exports besides that may have batched tasks.
const BATCHES: &str = "lovage:task/batches@0.1.0";
/// What a module exports besides that wants to reach more than the queue.
const WANTS: &str = "lovage:task/wants@0.1.0";

/// Bytes of a refusal's text that another process says.
const TEXT: usize = 16 * 1024;
/// Imports that it may name.
const IMPORTS: usize = 1_000;
/// Imports that are named of those that are not offered.
const SHOWN: usize = 20;
/// Bytes of what the compiler or the linker says of a module. Names in it are the
/// module's own, and a refusal is kept.
const SAID: usize = 4 * 1024;

/// What wasmtime has to say of a module.
pub(super) fn told(error: &wasmtime::Error) -> String {
    cut(&format!("{error:#}"), SAID).to_owned()
}

/// Why a module is not taken. Meant for its author: each says what is wrong,
/// and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
        "a component of another world: it exports neither `lovage:task/handler@0.1.x` nor a function ({0}); build it with one of Lovage's SDKs, or export functions"
    )]
    World(String),
    /// One of its functions cannot be a task.
    #[error("its function `{function}` cannot be a task: {what}")]
    Function {
        /// The function.
        function: String,
        /// Why not.
        what: String,
    },
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
        what: String,
    },
    /// Its `wants` did not answer, or answered nonsense.
    #[error("`wants` {0}")]
    Wants(String),
    /// It is nested deeper than any compiler should follow.
    #[error("nested too deep: {0}")]
    TooDeep(String),
    /// It used up what its compilation may take.
    #[error("compiling it {0}: split it, or strip it")]
    Exhausts(String),
}

impl Refusal {
    /// The same with texts that are no longer than ours would be, where somebody else says it.
    pub(crate) fn bounded(self) -> Self {
        let text = |it: String| cut(&it, TEXT).to_owned();
        match self {
            Refusal::Invalid(it) => Refusal::Invalid(text(it)),
            Refusal::World(it) => Refusal::World(text(it)),
            Refusal::Needs(it) => Refusal::Needs(text(it)),
            Refusal::Describe(it) => Refusal::Describe(text(it)),
            Refusal::Unwanted { import, what } => Refusal::Unwanted {
                import: text(import),
                what: text(what),
            },
            Refusal::Function { function, what } => Refusal::Function {
                function: text(function),
                what: text(what),
            },
            Refusal::Wants(it) => Refusal::Wants(text(it)),
            Refusal::TooDeep(it) => Refusal::TooDeep(text(it)),
            Refusal::Exhausts(it) => Refusal::Exhausts(text(it)),
            Refusal::Imports(some) => {
                Refusal::Imports(some.into_iter().take(IMPORTS).map(text).collect())
            }
            Refusal::NotWasm | Refusal::CoreModule | Refusal::TooLarge(_) => self,
        }
    }
}

/// A compiled module with its imports resolved. Cheap to clone; it belongs to
/// the engine that made it.
#[derive(Clone)]
pub struct Module(Arc<Inner>);

struct Inner {
    digest: Digest,
    size: u64,
    form: Form,
}

enum Form {
    /// It runs in this process.
    Linked(Linked),
    /// It runs in others: its artifact, which nobody has looked into here.
    Artifact(Box<[u8]>),
}

/// A module's code, with its imports resolved.
pub(super) struct Linked {
    pub(super) pre: InstancePre<State>,
    pub(super) handler: Handler,
    pub(super) batches: Option<Functions>,
    pub(super) wants: Option<ComponentExportIndex>,
    /// The capabilities that it imports.
    pub(super) reaches: Vec<Capability>,
}

/// Who runs a module's tasks.
pub(super) enum Handler {
    /// The one that it exports.
    Own(Functions),
    /// Nobody but its functions themselves.
    Plain(Plain),
}

/// The exports of an interface, found once, so that a call looks up no names.
pub(super) struct Functions {
    pub(super) run: ComponentExportIndex,
    pub(super) describe: ComponentExportIndex,
}

/// Whether an import has names of types alone, as of an interface that others share: there
/// is nothing that a host could offer.
fn is_types(import: &ComponentItem, component: &Component) -> bool {
    let ComponentItem::ComponentInstance(instance) = import else {
        return false;
    };
    let mut items = instance.exports(component.engine());
    items.len() > 0 && items.all(|(_, it)| matches!(it.ty, ComponentItem::Type(_)))
}

impl Module {
    /// Resolves a component's imports and exports.
    pub(super) fn link(
        linker: &Linker<State>,
        component: &Component,
        digest: Digest,
        size: u64,
        plain: Option<Vec<Function>>,
    ) -> Result<Self, Refusal> {
        let ty = component.component_type();
        let mut missing: Vec<String> = ty
            .imports(component.engine())
            .filter(|(name, item)| !host::offers(name) && !is_types(&item.ty, component))
            .map(|(name, _)| format!("`{}`", cut(name, 200)))
            .take(SHOWN + 1)
            .collect();
        if missing.len() > SHOWN {
            missing[SHOWN] = "and others".into();
        }
        if !missing.is_empty() {
            return Err(Refusal::Imports(missing));
        }
        // The interfaces are ours, so what fails here is one of their items.
        let pre = linker
            .instantiate_pre(component)
            .map_err(|error| Refusal::Imports(vec![told(&error)]))?;
        let handler = || {
            component.get_export_index(None, HANDLER).ok_or_else(|| {
                let names: Vec<_> = ty
                    .exports(component.engine())
                    .map(|(name, _)| format!("`{}`", cut(name, 200)))
                    .take(5)
                    .collect();
                Refusal::World(match names.is_empty() {
                    true => "it exports nothing".into(),
                    false => format!("it exports {}", names.join(", ")),
                })
            })
        };
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
        let form = Form::Linked(Linked {
            pre,
            handler: match plain {
                Some(plain) => Handler::Plain(Plain::link(component, plain)?),
                None => Handler::Own(functions(&handler()?, "its handler")?),
            },
            batches: batches.transpose()?,
            wants: wants.transpose()?,
            reaches,
        });
        Ok(Module(Arc::new(Inner { digest, size, form })))
    }

    /// A module that runs elsewhere.
    pub(super) fn elsewhere(digest: Digest, size: u64, artifact: &[u8]) -> Self {
        let form = Form::Artifact(artifact.into());
        Module(Arc::new(Inner { digest, size, form }))
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
        match &self.0.form {
            Form::Linked(linked) => {
                let image = linked.pre.component().image_range();
                (image.end as usize).saturating_sub(image.start as usize) as u64
            }
            Form::Artifact(artifact) => artifact.len() as u64,
        }
    }

    /// Its artifact, where it runs elsewhere.
    pub fn artifact(&self) -> Option<&[u8]> {
        match &self.0.form {
            Form::Linked(_) => None,
            Form::Artifact(artifact) => Some(artifact),
        }
    }

    /// Its code, where it runs here.
    pub(super) fn linked(&self) -> Option<&Linked> {
        match &self.0.form {
            Form::Linked(linked) => Some(linked),
            Form::Artifact(_) => None,
        }
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
