//! The outermost layer of a component: its sections, and what it imports and exports.

use wasm_encoder::ComponentExportKind;
use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExport, ComponentExternalKind, ComponentImport,
    ComponentOuterAliasKind, ComponentTypeRef, FromReader, SectionLimited,
};

/// A section's number, and its bytes.
pub(in crate::engine) type Section<'a> = (u8, &'a [u8]);

/// Numbers of sections, by the component model's binary format.
pub(in crate::engine) const MODULE: u8 = 1;
pub(in crate::engine) const CORE_INSTANCE: u8 = 2;
pub(super) const COMPONENT: u8 = 4;
pub(super) const INSTANCE: u8 = 5;
pub(in crate::engine) const ALIAS: u8 = 6;
const TYPE: u8 = 7;
pub(in crate::engine) const CANONICAL: u8 = 8;
pub(in crate::engine) const IMPORT: u8 = 10;
pub(in crate::engine) const EXPORT: u8 = 11;
/// Bytes of what every file begins with.
pub(super) const HEADER: usize = 8;

/// What a component brings in, with what that needs.
#[derive(Default)]
pub(super) struct Imports<'a> {
    /// The sections that say it: imports, and types for them.
    pub(super) sections: Vec<Section<'a>>,
    /// Each by name, with the number that it has among those of its kind.
    pub(super) items: Vec<(&'a str, ComponentExportKind, u32)>,
    /// How many types these sections define.
    pub(super) types: u32,
    /// How many instances.
    pub(super) instances: u32,
    /// How many functions.
    pub(super) functions: u32,
    /// How many components.
    pub(super) components: u32,
    modules: u32,
    values: u32,
}

/// The sections of a component; those that lie in others are part of these.
pub(in crate::engine) fn sections(component: &[u8]) -> wasmparser::Result<Vec<Section<'_>>> {
    let mut reader = BinaryReader::new(component.get(HEADER..).unwrap_or_default(), HEADER);
    let mut sections = Vec::new();
    while !reader.eof() {
        let (id, size) = (reader.read_u8()?, reader.read_var_u32()?);
        sections.push((id, reader.read_bytes(size as usize)?));
    }
    Ok(sections)
}

/// The names of what a component exports.
pub(super) fn exports(component: &[u8]) -> wasmparser::Result<Vec<String>> {
    let mut names = Vec::new();
    for (_, bytes) in sections(component)?.into_iter().filter(|it| it.0 == EXPORT) {
        for export in items::<ComponentExport<'_>>(bytes)? {
            names.push(export?.name.name.to_owned());
        }
    }
    Ok(names)
}

/// The imports of a component. `None` where what they need is not all types and other
/// imports that come before: no toolchain writes such.
pub(super) fn imports(component: &[u8]) -> wasmparser::Result<Option<Imports<'_>>> {
    let sections = sections(component)?;
    let last = sections.iter().rposition(|it| it.0 == IMPORT);
    let mut imports = Imports::default();
    for (id, bytes) in sections.into_iter().take(last.map_or(0, |it| it + 1)) {
        match id {
            TYPE => imports.types += BinaryReader::new(bytes, 0).read_var_u32()?,
            IMPORT => imports.read(bytes)?,
            ALIAS => {
                for alias in items::<ComponentAlias<'_>>(bytes)? {
                    match alias? {
                        ComponentAlias::InstanceExport { kind, .. } => {
                            imports.number(kind);
                        }
                        ComponentAlias::Outer {
                            kind: ComponentOuterAliasKind::Type,
                            ..
                        } => imports.types += 1,
                        _ => return Ok(None),
                    }
                }
            }
            // A section of anybody's own.
            0 => continue,
            _ => return Ok(None),
        }
        imports.sections.push((id, bytes));
    }
    Ok(Some(imports))
}

impl<'a> Imports<'a> {
    fn read(&mut self, bytes: &'a [u8]) -> wasmparser::Result<()> {
        for import in items::<ComponentImport<'a>>(bytes)? {
            let import = import?;
            let kind = match import.ty {
                ComponentTypeRef::Module(_) => ComponentExternalKind::Module,
                ComponentTypeRef::Func(_) => ComponentExternalKind::Func,
                ComponentTypeRef::Value(_) => ComponentExternalKind::Value,
                ComponentTypeRef::Type(_) => ComponentExternalKind::Type,
                ComponentTypeRef::Instance(_) => ComponentExternalKind::Instance,
                ComponentTypeRef::Component(_) => ComponentExternalKind::Component,
            };
            let (kind, number) = self.number(kind);
            self.items.push((import.name.name, kind, number));
        }
        Ok(())
    }

    /// The number of the next item of a kind.
    fn number(&mut self, kind: ComponentExternalKind) -> (ComponentExportKind, u32) {
        let (kind, count) = match kind {
            ComponentExternalKind::Module => (ComponentExportKind::Module, &mut self.modules),
            ComponentExternalKind::Func => (ComponentExportKind::Func, &mut self.functions),
            ComponentExternalKind::Value => (ComponentExportKind::Value, &mut self.values),
            ComponentExternalKind::Type => (ComponentExportKind::Type, &mut self.types),
            ComponentExternalKind::Instance => (ComponentExportKind::Instance, &mut self.instances),
            ComponentExternalKind::Component => {
                (ComponentExportKind::Component, &mut self.components)
            }
        };
        *count += 1;
        (kind, *count - 1)
    }
}

/// What a section lists.
pub(in crate::engine) fn items<'a, T: FromReader<'a>>(
    bytes: &'a [u8],
) -> wasmparser::Result<SectionLimited<'a, T>> {
    SectionLimited::new(BinaryReader::new(bytes, 0))
}
