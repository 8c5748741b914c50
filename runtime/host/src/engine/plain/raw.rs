//! Bytes that are moved as bytes.
//!
//! From one component to another, wasmtime moves a list by a loop over its elements: of a
//! `list<u8>`, a dozen instructions for each byte. Strings are copied as a whole. So where a
//! function has lists of bytes, the same core function is exported once more, with strings in
//! their place, of the encoding of which any bytes are some: Latin-1, by `latin1+utf16`. What
//! is text is UTF-8 in it, as the function has it, and looked at by the host.

use wasm_encoder::{
    CanonicalFunctionSection, CanonicalOption, ComponentExportKind, ComponentExportSection,
};
use wasmparser::{
    CanonicalFunction, ComponentAlias, ComponentExport, ComponentExternalKind, ComponentImport,
    ComponentInstance, ComponentTypeRef, Validator,
};

use super::even::{Counts, evened};
use super::sections::{self, ALIAS, CANONICAL, EXPORT, IMPORT, INSTANCE, items};
use super::typing::{Naming, Types};
use super::{Function, Place};

/// What a function is made of: a core function, and how that is called.
type Lift = (u32, Vec<CanonicalOption>);

/// The name of such a function in its component.
pub(super) fn name(number: usize) -> String {
    format!("lovage-raw-{number}")
}

/// A component with such exports besides, and which functions have one. As it is where
/// that cannot be done: it is slower then.
pub(super) fn extend(component: &[u8], functions: &[Function]) -> (Vec<u8>, Vec<bool>) {
    let none = || (component.to_vec(), vec![false; functions.len()]);
    let Ok(Some((extended, raw))) = extended(component, functions) else {
        return none();
    };
    match Validator::new().validate_all(&extended) {
        Ok(_) => (extended, raw),
        Err(_) => none(),
    }
}

fn extended(
    component: &[u8],
    functions: &[Function],
) -> wasmparser::Result<Option<(Vec<u8>, Vec<bool>)>> {
    let all = Definitions::read(component)?;
    let lifts: Vec<_> = functions
        .iter()
        .map(|it| it.has_bytes().then(|| all.lift(&it.place)))
        .map(Option::flatten)
        .collect();
    if lifts.iter().all(Option::is_none) {
        return Ok(None);
    }
    let counted = Validator::new().validate_all(component)?;
    let counted = counted.as_ref();
    let mut counts = Counts {
        modules: counted.module_count(),
        instances: counted.core_instance_count(),
        functions: counted.function_count(),
    };
    let mut types = Types::new(Naming::Export, counted.component_type_count());
    let (mut canonical, mut exports) = (
        CanonicalFunctionSection::new(),
        ComponentExportSection::new(),
    );
    let mut number = all.functions.len() as u32;
    for (n, (function, lift)) in functions.iter().zip(&lifts).enumerate() {
        let Some((core, options)) = lift else {
            continue;
        };
        let ty = types.function(function, true);
        let core = evened(&mut types.component, &mut counts, function, *core, options);
        canonical.lift(core, ty, options.iter().copied());
        exports.export(&*name(n), ComponentExportKind::Func, number, None);
        number += 1;
    }
    types.component.section(&canonical).section(&exports);
    let more = types.component.finish();
    let extended = [component, &more[sections::HEADER..]].concat();
    Ok(Some((
        extended,
        lifts.iter().map(Option::is_some).collect(),
    )))
}

/// The options of the same call with the other encoding. `None` where its text is in
/// another one than UTF-8, which it is where nothing is said.
fn options(of: &[wasmparser::CanonicalOption]) -> Option<Vec<CanonicalOption>> {
    let mut options = vec![CanonicalOption::CompactUTF16];
    for option in of {
        options.push(match option {
            wasmparser::CanonicalOption::UTF8 => continue,
            wasmparser::CanonicalOption::Memory(it) => CanonicalOption::Memory(*it),
            wasmparser::CanonicalOption::Realloc(it) => CanonicalOption::Realloc(*it),
            wasmparser::CanonicalOption::PostReturn(it) => CanonicalOption::PostReturn(*it),
            _ => return None,
        });
    }
    Some(options)
}

/// What a component's functions and instances are made of.
#[derive(Default)]
struct Definitions<'a> {
    functions: Vec<Defined>,
    instances: Vec<Made<'a>>,
    exports: Vec<(&'a str, u32)>,
}

enum Defined {
    Lift(u32, Box<[wasmparser::CanonicalOption]>),
    /// Another one.
    Same(u32),
    /// Brought in from elsewhere.
    Foreign,
}

enum Made<'a> {
    /// Of functions by name.
    Of(Vec<(&'a str, u32)>),
    Same(u32),
    Foreign,
}

impl<'a> Definitions<'a> {
    fn read(component: &'a [u8]) -> wasmparser::Result<Self> {
        let mut all = Definitions::default();
        for (id, bytes) in sections::sections(component)? {
            match id {
                IMPORT => {
                    for import in items::<ComponentImport<'_>>(bytes)? {
                        match import?.ty {
                            ComponentTypeRef::Func(_) => all.functions.push(Defined::Foreign),
                            ComponentTypeRef::Instance(_) => all.instances.push(Made::Foreign),
                            _ => {}
                        }
                    }
                }
                ALIAS => {
                    for alias in items::<ComponentAlias<'_>>(bytes)? {
                        if let ComponentAlias::InstanceExport { kind, .. } = alias? {
                            all.foreign(kind);
                        }
                    }
                }
                CANONICAL => {
                    for function in items::<CanonicalFunction>(bytes)? {
                        if let CanonicalFunction::Lift {
                            core_func_index,
                            options,
                            ..
                        } = function?
                        {
                            all.functions.push(Defined::Lift(core_func_index, options));
                        }
                    }
                }
                INSTANCE => {
                    for instance in items::<ComponentInstance<'a>>(bytes)? {
                        all.instances.push(Made::of(instance?));
                    }
                }
                EXPORT => {
                    for export in items::<ComponentExport<'a>>(bytes)? {
                        all.export(&export?);
                    }
                }
                _ => {}
            }
        }
        Ok(all)
    }

    fn foreign(&mut self, kind: ComponentExternalKind) {
        match kind {
            ComponentExternalKind::Func => self.functions.push(Defined::Foreign),
            ComponentExternalKind::Instance => self.instances.push(Made::Foreign),
            _ => {}
        }
    }

    /// What is exported has another number from there on.
    fn export(&mut self, export: &ComponentExport<'a>) {
        match export.kind {
            ComponentExternalKind::Func => self.functions.push(Defined::Same(export.index)),
            ComponentExternalKind::Instance => self.instances.push(Made::Same(export.index)),
            _ => return,
        }
        self.exports.push((export.name.name, export.index));
    }

    /// What an exported function is made of, if its text is UTF-8.
    fn lift(&self, place: &Place) -> Option<Lift> {
        let exported = |name: &str| Some(self.exports.iter().find(|it| it.0 == name)?.1);
        let mut function = match &place.interface {
            None => exported(&place.function)?,
            Some(interface) => {
                let mut instance = exported(interface)?;
                loop {
                    match self.instances.get(instance as usize)? {
                        Made::Same(other) if *other < instance => instance = *other,
                        Made::Of(items) => break items.iter().find(|it| it.0 == place.function)?.1,
                        _ => return None,
                    }
                }
            }
        };
        loop {
            match self.functions.get(function as usize)? {
                Defined::Same(other) if *other < function => function = *other,
                Defined::Lift(core, of) => return Some((*core, options(of)?)),
                _ => return None,
            }
        }
    }
}

impl<'a> Made<'a> {
    fn of(instance: ComponentInstance<'a>) -> Self {
        let is_function = |kind| kind == ComponentExternalKind::Func;
        match instance {
            ComponentInstance::FromExports(items) => {
                let items = items.iter().filter(|it| is_function(it.kind));
                Made::Of(items.map(|it| (it.name.name, it.index)).collect())
            }
            // How `wit-component` writes an interface: a component that hands on what it gets,
            // by these names.
            ComponentInstance::Instantiate { args, .. } => {
                let items = args.iter().filter(|it| is_function(it.kind));
                let named = items.map(|it| (it.name.strip_prefix("import-func-"), it.index));
                Made::Of(named.filter_map(|(name, it)| Some((name?, it))).collect())
            }
        }
    }
}
