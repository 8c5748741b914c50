//! A core module, taken apart as far as it takes to put its parts into another one.

use std::collections::HashMap;

use wasmparser::{
    CompositeInnerType, Data, Element, FuncType, FunctionBody, Global, GlobalType, KnownCustom,
    MemoryType, Name, NameSectionReader, Parser, Payload, Table, TableType, TypeRef,
};

use super::outline::{Number, Space};

/// The type of what a module defines, imports or exports.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    Func(FuncType),
    Table(TableType),
    Memory(MemoryType),
    Global(GlobalType),
}

impl Type {
    pub(super) fn space(&self) -> Space {
        match self {
            Type::Func(_) => Space::Func,
            Type::Table(_) => Space::Table,
            Type::Memory(_) => Space::Memory,
            Type::Global(_) => Space::Global,
        }
    }

    /// Whether it serves where `wanted` is imported: the rules of the specification for limits, and
    /// for the rest that they are the same, which is stricter than it.
    pub(super) fn serves(&self, wanted: &Type) -> bool {
        let within = |has: (u64, Option<u64>), wants: (u64, Option<u64>)| {
            has.0 >= wants.0 && wants.1.is_none_or(|max| has.1.is_some_and(|it| it <= max))
        };
        match (self, wanted) {
            (Type::Table(has), Type::Table(wants)) => {
                within((has.initial, has.maximum), (wants.initial, wants.maximum))
                    && (has.element_type, has.table64, has.shared)
                        == (wants.element_type, wants.table64, wants.shared)
            }
            (Type::Memory(has), Type::Memory(wants)) => {
                within((has.initial, has.maximum), (wants.initial, wants.maximum))
                    && (has.memory64, has.shared, has.page_size_log2)
                        == (wants.memory64, wants.shared, wants.page_size_log2)
            }
            (has, wants) => has == wants,
        }
    }
}

/// What a module imports.
pub(super) struct Import<'a> {
    pub(super) module: &'a str,
    pub(super) name: &'a str,
    pub(super) ty: Type,
}

/// The parts of a module.
#[derive(Default)]
pub(super) struct Parts<'a> {
    pub(super) types: Vec<FuncType>,
    pub(super) imports: Vec<Import<'a>>,
    /// The type of each function that it defines.
    pub(super) functions: Vec<u32>,
    pub(super) code: Vec<FunctionBody<'a>>,
    pub(super) tables: Vec<Table<'a>>,
    pub(super) memories: Vec<MemoryType>,
    pub(super) globals: Vec<Global<'a>>,
    pub(super) exports: HashMap<&'a str, Number>,
    pub(super) elements: Vec<Element<'a>>,
    pub(super) data: Vec<Data<'a>>,
    /// Names of functions, for backtraces.
    pub(super) names: Vec<(u32, &'a str)>,
}

impl<'a> Parts<'a> {
    /// `None` where it runs something at its instantiation, or has what is not known here.
    pub(super) fn read(module: &'a [u8]) -> Option<Self> {
        let mut parts = Parts::default();
        for payload in Parser::new(0).parse_all(module) {
            parts.payload(payload.ok()?)?;
        }
        (parts.code.len() == parts.functions.len()).then_some(parts)
    }

    fn payload(&mut self, payload: Payload<'a>) -> Option<()> {
        match payload {
            Payload::Version { .. }
            | Payload::DataCountSection { .. }
            | Payload::CodeSectionStart { .. }
            | Payload::End(_) => {}
            Payload::TypeSection(section) => {
                for group in section {
                    let mut types = group.ok()?.into_types();
                    let (ty, more) = (types.next()?, types.next());
                    let plain = more.is_none() && ty.is_final && ty.supertype_idx.is_none();
                    match ty.composite_type.inner {
                        CompositeInnerType::Func(ty) if plain => self.types.push(ty),
                        _ => return None,
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.ok()?;
                    let ty = self.imported(import.ty)?;
                    self.imports.push(Import {
                        module: import.module,
                        name: import.name,
                        ty,
                    });
                }
            }
            Payload::FunctionSection(section) => self.functions = all(section)?,
            Payload::TableSection(section) => self.tables = all(section)?,
            Payload::MemorySection(section) => self.memories = all(section)?,
            Payload::GlobalSection(section) => self.globals = all(section)?,
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.ok()?;
                    let number = (Space::of(export.kind)?, export.index);
                    self.exports.insert(export.name, number);
                }
            }
            Payload::ElementSection(section) => self.elements = all(section)?,
            Payload::CodeSectionEntry(body) => self.code.push(body),
            Payload::DataSection(section) => self.data = all(section)?,
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(names) = section.as_known() {
                    self.names(names);
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn imported(&self, ty: TypeRef) -> Option<Type> {
        Some(match ty {
            TypeRef::Func(number) => Type::Func(self.types.get(number as usize)?.clone()),
            TypeRef::Table(ty) => Type::Table(ty),
            TypeRef::Memory(ty) => Type::Memory(ty),
            TypeRef::Global(ty) => Type::Global(ty),
            TypeRef::Tag(_) | TypeRef::FuncExact(_) => return None,
        })
    }

    /// Names are for people: where they cannot be read, there are none.
    fn names(&mut self, names: NameSectionReader<'a>) {
        for names in names.into_iter().flatten() {
            if let Name::Function(names) = names {
                let names = names.into_iter().flatten();
                self.names.extend(names.map(|it| (it.index, it.name)));
            }
        }
    }

    /// How much it defines in a space.
    pub(super) fn defines(&self, space: Space) -> u32 {
        let count = match space {
            Space::Func => self.functions.len(),
            Space::Table => self.tables.len(),
            Space::Memory => self.memories.len(),
            Space::Global => self.globals.len(),
            Space::Instance => 0,
        };
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The type of something that it defines.
    pub(super) fn defined_type(&self, space: Space, index: u32) -> Option<Type> {
        let index = index as usize;
        Some(match space {
            Space::Func => {
                let number = *self.functions.get(index)?;
                Type::Func(self.types.get(number as usize)?.clone())
            }
            Space::Table => Type::Table(self.tables.get(index)?.ty),
            Space::Memory => Type::Memory(*self.memories.get(index)?),
            Space::Global => Type::Global(self.globals.get(index)?.ty),
            Space::Instance => return None,
        })
    }
}

fn all<'a, T: wasmparser::FromReader<'a>>(
    section: wasmparser::SectionLimited<'a, T>,
) -> Option<Vec<T>> {
    section.into_iter().collect::<Result<_, _>>().ok()
}
