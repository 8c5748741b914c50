//! A component around a component: beside the functions of the inner one, some of ours that
//! take their arguments, and leave their results, as an image of memory.
//!
//! No component may call its own exports, and none that of one that it lies in. So both lie
//! beside each other in a third:
//!
//! ```wat
//! (component                                   ;; the wrapper
//!   (import …)                                 ;; what the inner one imports, as it says it
//!   (component $inner …)                       ;; byte by byte
//!   (component $glue                           ;; the types of the inner one's functions,
//!     (import "lovage-t0" (type (eq …))) …            ;; which must have names to be imported
//!     (import "f0" (func …)) …
//!     (export "call-0" (func (param "image" (list u8)) (param "at" u32) (result (list u8)))))
//!   …)
//! ```
//!
//! The image is the guest's own form, so wasmtime moves values from one memory to the other
//! by code that it has compiled for just these types, and bytes as bytes.

use std::collections::HashMap;

use wasm_encoder::{
    Alias, Component, ComponentAliasSection, ComponentExportKind, ComponentExportSection,
    ComponentInstanceSection, RawSection,
};

use super::glue::{self, call};
use super::typing::{Naming, Types};
use super::{Function, raw, sections};

/// The wrapper of a component that has these functions. `None` where its imports lie
/// behind its code.
pub(super) fn wrap(
    component: &[u8],
    functions: &[Function],
    passed_on: &[String],
) -> wasmparser::Result<Option<Vec<u8>>> {
    let Some(imports) = sections::imports(component)? else {
        return Ok(None);
    };
    let (component, raw) = raw::extend(component, functions);
    let mut types = Types::new(Naming::None, imports.types);
    for (id, data) in &imports.sections {
        types.component.section(&RawSection { id: *id, data });
    }
    for (function, raw) in functions.iter().zip(&raw) {
        types.function(function, *raw);
    }
    let mut wrapper = Wrapper {
        component: types.component,
        components: imports.components,
        instances: imports.instances,
        functions: imports.functions,
    };
    let items = imports.items.iter();
    let items = items.map(|(name, kind, number)| ((*name).to_owned(), *kind, *number));
    let inner = wrapper.instance(&component, items.collect());
    let mut arguments = Vec::new();
    let mut interfaces = HashMap::new();
    for (n, function) in functions.iter().enumerate() {
        let place = &function.place;
        let (instance, name) = match &place.interface {
            _ if raw[n] => (inner, raw::name(n)),
            None => (inner, place.function.clone()),
            Some(name) => {
                let instance = interfaces
                    .entry(name)
                    .or_insert_with(|| wrapper.alias(inner, ComponentExportKind::Instance, name));
                (*instance, place.function.clone())
            }
        };
        let kind = ComponentExportKind::Func;
        let number = wrapper.alias(instance, kind, &name);
        arguments.push((format!("f{n}"), kind, number));
    }
    let named = types.named.iter().enumerate();
    arguments.extend(named.map(|(n, ty)| (format!("lovage-t{n}"), ComponentExportKind::Type, *ty)));
    let glue = wrapper.instance(&glue::component(functions, &raw), arguments);
    let calls = (0..functions.len()).map(|n| (glue, ComponentExportKind::Func, call(n)));
    let others = passed_on.iter();
    let others = others.map(|name| (inner, ComponentExportKind::Instance, name.clone()));
    for (instance, kind, name) in calls.chain(others) {
        let number = wrapper.alias(instance, kind, &name);
        let mut exports = ComponentExportSection::new();
        exports.export(&*name, kind, number, None);
        wrapper.component.section(&exports);
        // What is exported has another number from there on.
        *wrapper.count(kind) += 1;
    }
    Ok(Some(wrapper.component.finish()))
}

/// The wrapper, and how much of each kind it has.
struct Wrapper {
    component: Component,
    components: u32,
    instances: u32,
    functions: u32,
}

impl Wrapper {
    /// Puts a component in, and an instance of it.
    fn instance(
        &mut self,
        component: &[u8],
        items: Vec<(String, ComponentExportKind, u32)>,
    ) -> u32 {
        let id = sections::COMPONENT;
        self.component.section(&RawSection {
            id,
            data: component,
        });
        let mut instances = ComponentInstanceSection::new();
        instances.instantiate(self.components, items);
        self.component.section(&instances);
        self.components += 1;
        self.instances += 1;
        self.instances - 1
    }

    /// What an instance exports by a name.
    fn alias(&mut self, instance: u32, kind: ComponentExportKind, name: &str) -> u32 {
        let mut aliases = ComponentAliasSection::new();
        aliases.alias(Alias::InstanceExport {
            instance,
            kind,
            name,
        });
        self.component.section(&aliases);
        let count = self.count(kind);
        *count += 1;
        *count - 1
    }

    fn count(&mut self, kind: ComponentExportKind) -> &mut u32 {
        match kind {
            ComponentExportKind::Func => &mut self.functions,
            _ => &mut self.instances,
        }
    }
}
