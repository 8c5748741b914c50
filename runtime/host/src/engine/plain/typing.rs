//! The types of functions, as a component defines them.

use std::collections::HashMap;

use wasm_encoder::{
    Component, ComponentDefinedTypeEncoder, ComponentExportKind, ComponentExportSection,
    ComponentImportSection, ComponentTypeRef, ComponentTypeSection, ComponentValType,
    PrimitiveValType, TypeBounds,
};

use super::shape::{Integer, Shape};
use super::{Function, in_wit};

/// How types get names that need one, to be those of what is imported or exported.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// They need none.
    None,
    Import,
    Export,
}

/// Types in the making.
pub(super) struct Types<'s> {
    pub(super) component: Component,
    naming: Naming,
    /// How many there are.
    pub(super) count: u32,
    /// Those that need a name.
    pub(super) named: Vec<u32>,
    /// Those that were defined, with bytes as such or as strings.
    known: HashMap<(&'s Shape, bool), u32>,
}

impl<'s> Types<'s> {
    /// In a component that has so many already.
    pub(super) fn new(naming: Naming, count: u32) -> Self {
        Types {
            component: Component::new(),
            naming,
            count,
            named: Vec::new(),
            known: HashMap::new(),
        }
    }

    pub(super) fn import(&mut self, name: &str, ty: ComponentTypeRef) {
        let mut imports = ComponentImportSection::new();
        imports.import(name, ty);
        self.component.section(&imports);
    }

    pub(super) fn define(&mut self, write: impl FnOnce(ComponentDefinedTypeEncoder<'_>)) -> u32 {
        let mut section = ComponentTypeSection::new();
        write(section.defined_type());
        self.component.section(&section);
        self.count += 1;
        self.count - 1
    }

    /// A function's own; where it is `raw`, with strings in the place of bytes.
    pub(super) fn function(&mut self, function: &'s Function, raw: bool) -> u32 {
        let parameters = function.parameters.iter();
        let parameters: Vec<_> = parameters
            .map(|(name, it)| (in_wit(name), self.value(it, raw)))
            .collect();
        let result = function.result.as_ref().map(|it| self.value(it, raw));
        let mut section = ComponentTypeSection::new();
        let parameters = parameters.iter().map(|(name, it)| (&**name, *it));
        section.function().params(parameters).result(result);
        self.component.section(&section);
        self.count += 1;
        self.count - 1
    }

    fn value(&mut self, shape: &'s Shape, raw: bool) -> ComponentValType {
        if let Some(primitive) = primitive(shape, raw) {
            return ComponentValType::Primitive(primitive);
        }
        if let Some(known) = self.known.get(&(shape, raw)) {
            return ComponentValType::Type(*known);
        }
        let mut number = self.defined(shape, raw);
        let needs_name = matches!(
            shape,
            Shape::Record(_) | Shape::Variant(_) | Shape::Enum(_) | Shape::Flags(_)
        );
        if needs_name {
            let name = format!("lovage-t{}", self.named.len());
            match self.naming {
                Naming::None => {}
                Naming::Import => {
                    self.import(&name, ComponentTypeRef::Type(TypeBounds::Eq(number)));
                }
                Naming::Export => {
                    let mut exports = ComponentExportSection::new();
                    exports.export(&*name, ComponentExportKind::Type, number, None);
                    self.component.section(&exports);
                }
            }
            if self.naming != Naming::None {
                number = self.count;
                self.count += 1;
            }
            self.named.push(number);
        }
        self.known.insert((shape, raw), number);
        ComponentValType::Type(number)
    }

    fn defined(&mut self, shape: &'s Shape, raw: bool) -> u32 {
        match shape {
            Shape::Bytes => self.define(|it| it.list(PrimitiveValType::U8)),
            Shape::List(element) => {
                let element = self.value(element, raw);
                self.define(|it| it.list(element))
            }
            Shape::Tuple(items) => {
                let items: Vec<_> = items.iter().map(|it| self.value(it, raw)).collect();
                self.define(|it| it.tuple(items))
            }
            Shape::Record(fields) => {
                let fields = fields.iter();
                let fields: Vec<_> = fields
                    .map(|(name, it)| (in_wit(name), self.value(it, raw)))
                    .collect();
                self.define(|it| it.record(fields.iter().map(|(name, it)| (&**name, *it))))
            }
            Shape::Variant(cases) => {
                let cases = cases.iter();
                let cases: Vec<_> = cases
                    .map(|(name, it)| (&**name, it.as_ref().map(|it| self.value(it, raw))))
                    .collect();
                self.define(|it| it.variant(cases))
            }
            Shape::Enum(names) => self.define(|it| it.enum_type(names.iter().map(|it| &**it))),
            Shape::Flags(names) => self.define(|it| it.flags(names.iter().map(|it| &**it))),
            Shape::Option(some) => {
                let some = self.value(some, raw);
                self.define(|it| it.option(some))
            }
            Shape::Result(ok, error) => {
                let [ok, error] = [ok, error].map(|it| it.as_ref().map(|it| self.value(it, raw)));
                self.define(|it| it.result(ok, error))
            }
            _ => unreachable!("it is primitive"),
        }
    }
}

fn primitive(shape: &Shape, raw: bool) -> Option<PrimitiveValType> {
    Some(match shape {
        Shape::Bool => PrimitiveValType::Bool,
        Shape::F32 => PrimitiveValType::F32,
        Shape::F64 => PrimitiveValType::F64,
        Shape::Char => PrimitiveValType::Char,
        Shape::Text => PrimitiveValType::String,
        Shape::Bytes if raw => PrimitiveValType::String,
        Shape::Integer(integer) => match integer {
            Integer::U8 => PrimitiveValType::U8,
            Integer::S8 => PrimitiveValType::S8,
            Integer::U16 => PrimitiveValType::U16,
            Integer::S16 => PrimitiveValType::S16,
            Integer::U32 => PrimitiveValType::U32,
            Integer::S32 => PrimitiveValType::S32,
            Integer::U64 => PrimitiveValType::U64,
            Integer::S64 => PrimitiveValType::S64,
        },
        _ => return None,
    })
}
