//! The one module: what no member has is imported, then comes what each defines, member by member.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, DataCountSection, DataSection, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, FunctionSection, GlobalSection, ImportSection, MemorySection, Module, NameMap,
    NameSection, TableSection, TypeSection,
};
use wasmparser::{ConstExpr, Element, ElementItems, Operator, TableInit};

use super::members::{Member, Members, Uses};
use super::numbers::Numbers;
use super::outline::{Number, Space};
use super::parts::Type;
use super::renumber::{Constant, Renumber};

/// The module that all imports are from.
pub(super) const OUTSIDE: &str = "outside";
/// Bytes that an instance may need beside memory and tables, by a generous count: half of what
/// a slot has, since many instances have a slot's each, and the one has its alone.
const MOST: usize = 512 * 1024;
/// What a function that is called by reference takes of these, and a global.
const REFERENCE: usize = 32;
const GLOBAL: usize = 16;

/// The one module.
pub(super) struct Merged {
    pub(super) module: Vec<u8>,
    /// What it imports, in order, each by its position as its name.
    pub(super) imports: Vec<Number>,
}

/// What an export of a member is called as one of the one module.
pub(super) fn export_name(member: usize, name: &str) -> String {
    format!("{member}:{name}")
}

/// `None` where the members do not fit each other, or the one would be too large.
pub(super) fn merge(members: &Members<'_>, uses: &Uses<'_>) -> Option<Merged> {
    let numbers = Numbers::assign(members)?;
    let mut sections = Sections::default();
    sections.import(&numbers)?;
    for (member, known) in members.list.iter().zip(&numbers.members) {
        sections.member(member, known)?;
    }
    for (member, name) in &uses.exports {
        let origin = members.exported(*member, name)?;
        let (space, _) = *members.list[*member].parts.exports.get(name)?;
        let name = export_name(*member, name);
        sections
            .exports
            .export(&name, kind(space)?, numbers.of(origin)?);
    }
    (sections.size() <= MOST).then_some(())?;
    Some(Merged {
        module: sections.finish(),
        imports: numbers.outside.iter().map(|it| it.0).collect(),
    })
}

/// The sections of the one module.
#[derive(Default)]
struct Sections {
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    tables: TableSection,
    memories: MemorySection,
    globals: GlobalSection,
    exports: ExportSection,
    elements: ElementSection,
    code: CodeSection,
    data: DataSection,
    names: BTreeMap<u32, String>,
    constants: HashMap<u32, Constant>,
    /// Functions whose references code takes.
    referred: BTreeSet<u32>,
    /// Functions in segments of elements.
    listed: usize,
}

impl Sections {
    fn import(&mut self, numbers: &Numbers) -> Option<()> {
        let mut same = RoundtripReencoder;
        for (position, (_, ty)) in numbers.outside.iter().enumerate() {
            let ty = match ty {
                Type::Func(ty) => {
                    let ty = same.func_type(ty.clone()).ok()?;
                    self.types.ty().func_type(&ty);
                    EntityType::Function(self.types.len() - 1)
                }
                Type::Table(ty) => EntityType::Table(same.table_type(*ty).ok()?),
                Type::Memory(ty) => EntityType::Memory(same.memory_type(*ty).ok()?),
                Type::Global(ty) => EntityType::Global(same.global_type(*ty).ok()?),
            };
            self.imports.import(OUTSIDE, &position.to_string(), ty);
        }
        Some(())
    }

    /// Adds what a member defines.
    fn member(&mut self, member: &Member<'_>, numbers: &HashMap<Number, u32>) -> Option<()> {
        self.constants(member, numbers);
        let mut renumber = Renumber {
            numbers,
            types: self.types.len(),
            elements: self.elements.len(),
            data: self.data.len(),
            constants: &self.constants,
            referred: &mut self.referred,
        };
        let parts = &member.parts;
        for ty in &parts.types {
            let ty = renumber.func_type(ty.clone()).ok()?;
            self.types.ty().func_type(&ty);
        }
        for ty in &parts.functions {
            self.functions.function(renumber.type_index(*ty).ok()?);
        }
        for table in &parts.tables {
            matches!(table.init, TableInit::RefNull).then_some(())?;
            self.tables.table(renumber.table_type(table.ty).ok()?);
        }
        for memory in &parts.memories {
            self.memories.memory(renumber.memory_type(*memory).ok()?);
        }
        for global in &parts.globals {
            let ty = renumber.global_type(global.ty).ok()?;
            let init = renumber.const_expr(global.init_expr.clone()).ok()?;
            self.globals.global(ty, &init);
        }
        for element in &parts.elements {
            self.listed += listed(element);
            let element = element.clone();
            renumber.parse_element(&mut self.elements, element).ok()?;
        }
        for body in &parts.code {
            let body = body.clone();
            renumber.parse_function_body(&mut self.code, body).ok()?;
        }
        for data in &parts.data {
            renumber.parse_data(&mut self.data, data.clone()).ok()?;
        }
        for (function, name) in &parts.names {
            // Whoever defines it says first what it is called.
            if let Some(function) = numbers.get(&(Space::Func, *function)) {
                let named = self.names.entry(*function);
                named.or_insert_with(|| (*name).to_owned());
            }
        }
        Some(())
    }

    /// Notes the member's globals that are constants.
    fn constants(&mut self, member: &Member<'_>, numbers: &HashMap<Number, u32>) {
        let first = member.imports(Space::Global);
        for (index, global) in (first..).zip(&member.parts.globals) {
            let value = self.constant(&global.init_expr, numbers);
            let number = numbers.get(&(Space::Global, index));
            if let (false, Some(value), Some(number)) = (global.ty.mutable, value, number) {
                self.constants.insert(*number, value);
            }
        }
    }

    /// What an expression comes to, where that is one constant.
    fn constant(&self, expr: &ConstExpr<'_>, numbers: &HashMap<Number, u32>) -> Option<Constant> {
        let mut operators = expr.get_operators_reader();
        let value = match operators.read().ok()? {
            Operator::I32Const { value } => Constant::I32(value),
            Operator::I64Const { value } => Constant::I64(value),
            Operator::GlobalGet { global_index } => {
                let other = numbers.get(&(Space::Global, global_index))?;
                *self.constants.get(other)?
            }
            _ => return None,
        };
        operators.is_end_then_eof().then_some(value)
    }

    /// What an instance takes beside memory and tables.
    fn size(&self) -> usize {
        let references = self.listed + self.referred.len();
        let references = references + self.exports.len() as usize + self.imports.len() as usize;
        references * REFERENCE + self.globals.len() as usize * GLOBAL
    }

    fn finish(mut self) -> Vec<u8> {
        if !self.referred.is_empty() {
            // An export of a member may have been all that declared it.
            let referred: Vec<u32> = self.referred.iter().copied().collect();
            self.elements.declared(Elements::Functions(referred.into()));
        }
        let mut module = Module::new();
        module
            .section(&self.types)
            .section(&self.imports)
            .section(&self.functions)
            .section(&self.tables)
            .section(&self.memories)
            .section(&self.globals)
            .section(&self.exports)
            .section(&self.elements)
            .section(&DataCountSection {
                count: self.data.len(),
            })
            .section(&self.code)
            .section(&self.data);
        let mut functions = NameMap::new();
        for (function, name) in &self.names {
            functions.append(*function, name);
        }
        let mut names = NameSection::new();
        names.functions(&functions);
        module.section(&names);
        module.finish()
    }
}

/// What an export of a space is; `None` for instances, which nobody exports.
pub(super) fn kind(space: Space) -> Option<ExportKind> {
    match space {
        Space::Func => Some(ExportKind::Func),
        Space::Table => Some(ExportKind::Table),
        Space::Memory => Some(ExportKind::Memory),
        Space::Global => Some(ExportKind::Global),
        Space::Instance => None,
    }
}

/// How many functions stand in a segment.
fn listed(element: &Element<'_>) -> usize {
    let count = match &element.items {
        ElementItems::Functions(items) => items.count(),
        ElementItems::Expressions(_, items) => items.count(),
    };
    count as usize
}
