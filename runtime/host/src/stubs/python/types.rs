//! Types as annotations, and the definitions that they name.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use serde_json::Value;

use super::tasks::block;
use crate::stubs::Task;
use crate::stubs::model::{Definition, Field, Model, Shape, Side, Type};
use crate::stubs::names::{PYTHON_KEYWORDS, Taken, is_plain, pascal, type_name};
use crate::stubs::text::{WIDTH, lines, literal};

/// What annotations are written with, besides the definitions' names.
const WRITTEN: [&str; 12] = [
    "Any",
    "Literal",
    "Never",
    "NotRequired",
    "bool",
    "bytes",
    "dict",
    "float",
    "int",
    "list",
    "str",
    "tuple",
];

/// The types of a module, with their names.
pub(super) struct Types<'a> {
    model: &'a Model,
    /// For each definition, the first one that is the same.
    same: Vec<usize>,
    names: Vec<String>,
    /// In which order they stand in the file.
    order: Vec<usize>,
    /// What was written of the names that `typing` has.
    used: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Types<'a> {
    pub(super) fn new(model: &'a Model, tasks: &[Task], mut taken: Taken) -> Self {
        let mut same: Vec<usize> = Vec::new();
        let mut first = HashMap::new();
        let mut names: Vec<String> = Vec::new();
        let depends = depends_on_side(model);
        for (index, it) in model.definitions.iter().enumerate() {
            let candidates = candidates(it, &tasks[it.task].name);
            let side = depends[index].then_some(it.side);
            let known = first.entry((candidates[0].clone(), side, it.key));
            let known = *known.or_insert(index);
            same.push(known);
            names.push(match known == index {
                true => taken.take(&candidates),
                false => names[known].clone(),
            });
        }
        let mut types = Types {
            model,
            same,
            names,
            order: Vec::new(),
            used: RefCell::default(),
        };
        types.order = types.sorted();
        types
    }

    /// Says that a name of `typing` is written.
    pub(super) fn uses(&self, name: &'static str) -> &'static str {
        self.used.borrow_mut().insert(name);
        name
    }

    /// What has to be imported from `typing`.
    pub(super) fn used(&self) -> Vec<&'static str> {
        self.used.borrow().iter().copied().collect()
    }

    /// All that tasks name, each behind what it names itself, unless that goes in a circle.
    fn sorted(&self) -> Vec<usize> {
        let mut roots = Vec::new();
        for signature in &self.model.signatures {
            // Those of arguments that have no names of their own are not written.
            if let Shape::Record { .. } = &signature.arguments.shape {
                signature.arguments.shape.names(&mut |it| roots.push(it));
            }
            signature.result.names(&mut |it| roots.push(it));
        }
        let mut order = Vec::new();
        let mut seen = vec![false; self.names.len()];
        for root in roots {
            self.visit(self.same[root], &mut seen, &mut order);
        }
        order
    }

    fn visit(&self, index: usize, seen: &mut [bool], order: &mut Vec<usize>) {
        if std::mem::replace(&mut seen[index], true) {
            return;
        }
        let mut inner = Vec::new();
        self.model.definitions[index]
            .shape
            .names(&mut |it| inner.push(self.same[it]));
        for it in inner {
            self.visit(it, seen, order);
        }
        order.push(index);
    }

    /// The definitions, one below the other.
    pub(super) fn definitions(&self) -> String {
        let mut text = String::new();
        let mut class = false;
        for (place, index) in self.order.iter().enumerate() {
            let it = &self.model.definitions[*index];
            let above = &self.order[..place];
            // Two empty lines around a class, one around what is none.
            if std::mem::replace(&mut class, self.is_class(it)) && !class {
                text.push('\n');
            }
            text.push_str(&self.definition(it, &self.names[*index], above));
        }
        text
    }

    fn definition(&self, it: &Definition, name: &str, above: &[usize]) -> String {
        let doc = lines(&it.doc, WIDTH - 7);
        let fields = match &it.shape {
            Shape::Record { fields, .. } => fields,
            Shape::Alias(of) => {
                let (comment, mut of) = (comment(&doc, ""), self.annotation(of, it.side));
                // A name that is yet to come, or its own, is a text for now.
                if self.waits(&it.shape, above) {
                    of = literal(&of);
                }
                let alias = self.uses("TypeAlias");
                return format!("\n{comment}{name}: {alias} = {of}\n");
            }
        };
        self.uses("TypedDict");
        if !self.is_class(it) {
            return self.functional(it, name, fields, above);
        }
        let mut text = format!("\n\nclass {name}(TypedDict):\n{}", block(&doc, "    "));
        if !doc.is_empty() && !fields.is_empty() {
            text.push('\n');
        }
        for field in fields {
            text.push_str(&comment(&lines(&field.doc, WIDTH - 7), "    "));
            let _ = writeln!(
                text,
                "    {}: {}",
                field.name,
                self.field(field, it.side, above)
            );
        }
        if fields.is_empty() && doc.is_empty() {
            text.push_str("    pass\n");
        }
        text
    }

    /// Whether it can be written as a class: all names are such as those have, and none is
    /// a type's, which would not mean that type below it.
    fn is_class(&self, it: &Definition) -> bool {
        let plain = |it: &Field| {
            is_plain(&it.name)
                && !PYTHON_KEYWORDS.contains(&it.name.as_str())
                && !it.name.starts_with("__")
                && !WRITTEN.contains(&it.name.as_str())
                && !self.names.contains(&it.name)
        };
        matches!(&it.shape, Shape::Record { fields, .. } if fields.iter().all(plain))
    }

    /// A record with names that no class can have.
    fn functional(&self, it: &Definition, name: &str, fields: &[Field], above: &[usize]) -> String {
        let doc = comment(&lines(&it.doc, WIDTH - 4), "");
        let mut text = format!(
            "\n{doc}{name} = TypedDict(\n    {},\n    {{\n",
            literal(name)
        );
        for field in fields {
            text.push_str(&comment(&lines(&field.doc, WIDTH - 11), "        "));
            let (name, of) = (literal(&field.name), self.field(field, it.side, above));
            let _ = writeln!(text, "        {name}: {of},");
        }
        text.push_str("    },\n)\n");
        text
    }

    fn field(&self, field: &Field, side: Side, above: &[usize]) -> String {
        let mut of = self.annotation(&field.of, side);
        if self.waits(&Shape::Alias(field.of.clone()), above) {
            of = literal(&of);
        }
        match field.required {
            true => of,
            false => format!("{}[{of}]", self.uses("NotRequired")),
        }
    }

    /// Whether it names what does not stand above it.
    fn waits(&self, shape: &Shape, above: &[usize]) -> bool {
        let mut waits = false;
        shape.names(&mut |it| waits |= !above.contains(&self.same[it]));
        waits
    }

    /// A type as an annotation.
    pub(super) fn annotation(&self, of: &Type, side: Side) -> String {
        let of = match of {
            Type::Any => self.uses("Any"),
            Type::Never => self.uses("Never"),
            Type::Null => "None",
            Type::Bool => "bool",
            Type::Int { .. } => "int",
            Type::Float => "float",
            Type::Text => "str",
            Type::Bytes => "bytes",
            Type::Literal(_) => return self.union(std::slice::from_ref(of), side),
            Type::List(item) => return format!("list[{}]", self.annotation(item, side)),
            Type::Map(of) => return format!("dict[str, {}]", self.annotation(of, side)),
            Type::Named(index) => return self.named(*index, side),
            Type::Tuple { items, rest, .. } => {
                // One that comes is a list, as MessagePack has nothing else; one of no fixed
                // length is nothing but a list in Python.
                if side == Side::In && of.is_fixed() {
                    let items = items.iter().map(|it| self.annotation(it, side));
                    return format!("tuple[{}]", items.collect::<Vec<_>>().join(", "));
                }
                let any = Type::union(items.iter().chain(rest.as_deref()).cloned());
                return format!("list[{}]", self.annotation(&any, side));
            }
            Type::Union(members) => return self.union(members, side),
        };
        of.to_owned()
    }

    /// A definition by its name. No class takes keys that it does not name, so to a task may
    /// go any dictionary in the place of one that does.
    fn named(&self, index: usize, side: Side) -> String {
        let name = self.names[self.same[index]].clone();
        match side == Side::In && self.model.definitions[index].shape.is_open() {
            true => format!("{name} | dict[str, {}]", self.uses("Any")),
            false => name,
        }
    }

    fn union(&self, members: &[Type], side: Side) -> String {
        let mut parts: Vec<String> = Vec::new();
        let literals = members.iter().filter_map(|it| match it {
            Type::Literal(value) => Some(value_of(value)),
            _ => None,
        });
        let literals: Vec<_> = literals.collect();
        if !literals.is_empty() {
            parts.push(format!("{}[{}]", self.uses("Literal"), literals.join(", ")));
        }
        for member in members.iter().filter(|it| !matches!(it, Type::Literal(_))) {
            let part = self.annotation(member, side);
            // Different types may look the same here.
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts.join(" | ")
    }
}

/// Of each definition, whether it is written otherwise for what goes to a task than for what
/// comes from it.
fn depends_on_side(model: &Model) -> Vec<bool> {
    let mut depends = vec![false; model.definitions.len()];
    let mut goes_on = true;
    while goes_on {
        goes_on = false;
        for (index, it) in model.definitions.iter().enumerate().rev() {
            let mut does = depends[index];
            it.shape.each(&mut |of| {
                does |= match of {
                    Type::Named(inner) => {
                        depends[*inner] || model.definitions[*inner].shape.is_open()
                    }
                    other => other.is_fixed(),
                }
            });
            goes_on |= does != depends[index];
            depends[index] = does;
        }
    }
    depends
}

/// What a definition may be called, the best first.
fn candidates(it: &Definition, task: &str) -> Vec<String> {
    let path: String = it.path.iter().map(|it| pascal(it)).collect();
    let task = match it.side {
        Side::In => pascal(task),
        Side::Out => format!("{}Result", pascal(task)),
    };
    let long = type_name(&format!("{task}{path}"));
    let short = match &it.title {
        Some(title) => type_name(title),
        None if it.defined => type_name(&path),
        None => long.clone(),
    };
    vec![short, long]
}

fn value_of(value: &Value) -> String {
    match value {
        Value::String(text) => literal(text),
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        other => other.to_string(),
    }
}

/// Comments that documentation tools read.
fn comment(doc: &[String], indent: &str) -> String {
    let lines = doc.iter().map(|line| match line.is_empty() {
        true => format!("{indent}#:\n"),
        false => format!("{indent}#: {line}\n"),
    });
    lines.collect()
}
