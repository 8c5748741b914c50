//! From a component to the functions that it exports, and what keeps one from being a task.

use lovage_queue::task::check_name;
use wasmparser::component_types::{
    ComponentDefinedType, ComponentDefinedTypeId, ComponentEntityType, ComponentFuncTypeId,
    ComponentValType,
};
use wasmparser::types::Types;
use wasmparser::{PrimitiveValType, Validator};

use super::sections::exports;
use super::shape::{DEPTH, Integer, NAMES, Shape, TYPES};
use super::{Function, Place};
use crate::engine::module::Refusal;
use crate::engine::outcome::cut;

/// Bytes of a name of a parameter, a field or a case.
const NAME: usize = 100;
/// Interfaces that are no tasks: those of commands and servers, and our own.
const NO_TASKS: [&str; 2] = ["wasi:", "lovage:task/"];

/// The functions that a component exports, by themselves or in interfaces. None where
/// it cannot be read: whoever compiles it says better why.
pub(super) fn functions(component: &[u8]) -> Result<Vec<Function>, Refusal> {
    let types = Validator::new().validate_all(component);
    let (Ok(types), Ok(exports)) = (types, exports(component)) else {
        return Ok(Vec::new());
    };
    let mut functions = Vec::new();
    let mut reader = Reader {
        types: &types,
        read: 0,
        named: 0,
    };
    for name in exports {
        match types.component_item_for_export(&name).map(|it| it.ty) {
            Some(ComponentEntityType::Func(ty)) => {
                let place = Place {
                    interface: None,
                    function: name,
                };
                functions.push(reader.function(ty, place)?);
            }
            Some(ComponentEntityType::Instance(instance))
                if !NO_TASKS.iter().any(|it| name.starts_with(it)) =>
            {
                for (inner, item) in &types[instance].exports {
                    let ComponentEntityType::Func(ty) = item.ty else {
                        continue;
                    };
                    let place = Place {
                        interface: Some(name.clone()),
                        function: inner.clone(),
                    };
                    functions.push(reader.function(ty, place)?);
                }
            }
            _ => {}
        }
    }
    Ok(functions)
}

struct Reader<'a> {
    types: &'a Types,
    /// How many types of functions were read, and functions.
    read: usize,
    /// How many names of cases and flags.
    named: usize,
}

impl Reader<'_> {
    fn function(&mut self, ty: ComponentFuncTypeId, place: Place) -> Result<Function, Refusal> {
        let refuse = |what: String| Refusal::Function {
            function: cut(&place.to_string(), 200).to_owned(),
            what,
        };
        self.count().map_err(refuse)?;
        let ty = &self.types[ty];
        if ty.async_ {
            return Err(refuse("it is `async`".into()));
        }
        let task = place.task();
        check_name(&task, "task").map_err(|e| refuse(e.to_string()))?;
        let mut parameters = Vec::with_capacity(ty.params.len());
        for (name, shape) in &ty.params {
            let shape =
                name_in_json(name.as_str()).and_then(|name| Ok((name, self.shape(*shape, 0)?)));
            let wrong = |what| {
                refuse(format!(
                    "its parameter `{}` {what}",
                    cut(name.as_str(), NAME)
                ))
            };
            parameters.push(shape.map_err(wrong)?);
        }
        let result = ty.result.map(|it| self.shape(it, 0)).transpose();
        Ok(Function {
            task,
            parameters,
            result: result.map_err(|what| refuse(format!("its result {what}")))?,
            place,
        })
    }

    /// Counts one more type, or function.
    fn count(&mut self) -> Result<(), String> {
        self.read += 1;
        match self.read > TYPES {
            true => Err(format!("makes more than {TYPES} types, with all before it")),
            false => Ok(()),
        }
    }

    /// A name of a case or a flag. It is told as often as its type is used.
    fn name(&mut self, name: &str) -> Result<String, String> {
        self.named += 1;
        match self.named > NAMES {
            true => Err(format!(
                "makes more than {NAMES} names of cases and flags, with all before it"
            )),
            false => bounded(name),
        }
    }

    fn names<'n>(&mut self, some: impl Iterator<Item = &'n str>) -> Result<Vec<String>, String> {
        some.map(|it| self.name(it)).collect()
    }

    fn shape(&mut self, ty: ComponentValType, depth: usize) -> Result<Shape, String> {
        self.count()?;
        if depth > DEPTH {
            return Err(format!(
                "has types that lie more than {DEPTH} deep in each other"
            ));
        }
        match ty {
            ComponentValType::Primitive(primitive) => simple(primitive),
            ComponentValType::Type(id) => self.defined(id, depth + 1),
        }
    }

    fn boxed(&mut self, ty: ComponentValType, depth: usize) -> Result<Box<Shape>, String> {
        Ok(Box::new(self.shape(ty, depth)?))
    }

    fn optional(
        &mut self,
        ty: Option<ComponentValType>,
        depth: usize,
    ) -> Result<Option<Box<Shape>>, String> {
        ty.map(|it| self.boxed(it, depth)).transpose()
    }

    fn defined(&mut self, id: ComponentDefinedTypeId, depth: usize) -> Result<Shape, String> {
        let types = self.types;
        Ok(match &types[id] {
            ComponentDefinedType::Primitive(primitive) => simple(*primitive)?,
            ComponentDefinedType::Record(record) => {
                let fields = record.fields.iter();
                let fields = fields
                    .map(|(name, ty)| Ok((name_in_json(name.as_str())?, self.shape(*ty, depth)?)));
                Shape::Record(fields.collect::<Result<_, String>>()?)
            }
            ComponentDefinedType::Variant(variant) => {
                let cases = variant.cases.iter().map(|(name, case)| {
                    let shape = case.ty.map(|it| self.shape(it, depth)).transpose()?;
                    Ok((self.name(name.as_str())?, shape))
                });
                Shape::Variant(cases.collect::<Result<_, String>>()?)
            }
            ComponentDefinedType::List { element, .. } => match self.shape(*element, depth)? {
                Shape::Integer(Integer::U8) => Shape::Bytes,
                element => Shape::List(Box::new(element)),
            },
            ComponentDefinedType::Tuple(tuple) => {
                let items = tuple.types.iter().map(|it| self.shape(*it, depth));
                Shape::Tuple(items.collect::<Result<_, _>>()?)
            }
            ComponentDefinedType::Flags(flags) => {
                Shape::Flags(self.names(flags.iter().map(|it| it.as_str()))?)
            }
            ComponentDefinedType::Enum(cases) => {
                Shape::Enum(self.names(cases.iter().map(|it| it.as_str()))?)
            }
            ComponentDefinedType::Option { ty, .. } => Shape::Option(self.boxed(*ty, depth)?),
            ComponentDefinedType::Result { ok, err, .. } => {
                Shape::Result(self.optional(*ok, depth)?, self.optional(*err, depth)?)
            }
            ComponentDefinedType::Own(_) | ComponentDefinedType::Borrow(_) => {
                return Err("holds a resource, which no caller can send".into());
            }
            ComponentDefinedType::Future { .. } => return Err("holds a future".into()),
            ComponentDefinedType::Stream { .. } => return Err("holds a stream".into()),
            ComponentDefinedType::FixedLengthList { .. } => {
                return Err("holds a list of a fixed length: take a tuple or a list".into());
            }
            ComponentDefinedType::Map { .. } => {
                return Err("holds a map: take a list of tuples".into());
            }
        })
    }
}

/// A name of a parameter or a field: other languages have no `-` in theirs.
fn name_in_json(name: &str) -> Result<String, String> {
    Ok(bounded(name)?.replace('-', "_"))
}

/// A name that is not too long.
fn bounded(name: &str) -> Result<String, String> {
    match name.len() {
        0..=NAME => Ok(name.to_owned()),
        long => Err(format!("has a name of {long} bytes, more than {NAME}")),
    }
}

fn simple(ty: PrimitiveValType) -> Result<Shape, String> {
    Ok(match ty {
        PrimitiveValType::Bool => Shape::Bool,
        PrimitiveValType::S8 => Shape::Integer(Integer::S8),
        PrimitiveValType::U8 => Shape::Integer(Integer::U8),
        PrimitiveValType::S16 => Shape::Integer(Integer::S16),
        PrimitiveValType::U16 => Shape::Integer(Integer::U16),
        PrimitiveValType::S32 => Shape::Integer(Integer::S32),
        PrimitiveValType::U32 => Shape::Integer(Integer::U32),
        PrimitiveValType::S64 => Shape::Integer(Integer::S64),
        PrimitiveValType::U64 => Shape::Integer(Integer::U64),
        PrimitiveValType::F32 => Shape::F32,
        PrimitiveValType::F64 => Shape::F64,
        PrimitiveValType::Char => Shape::Char,
        PrimitiveValType::String => Shape::Text,
        PrimitiveValType::ErrorContext => return Err("holds an error context".into()),
    })
}
