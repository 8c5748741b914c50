//! A module's tasks in TypeScript: types alone, over `@lovage/client`.

use std::cell::Cell;
use std::fmt::Write as _;

use serde_json::Value;

use super::model::{Definition, Field, Model, Shape, Side, Type};
use super::names::{Taken, is_plain, pascal, type_name};
use super::text::{WIDTH, comment, lines, literal};
use super::{Language, Module, Task, schema};

/// What the file means by these names.
const OWN: [&str; 4] = ["Int64", "Task", "Record", "Uint8Array"];

/// The source of a module's stubs.
pub(super) fn module(module: &Module) -> String {
    let model = schema::model(&module.tasks);
    let file = File::new(module, &model);
    let mut body = file.interface();
    for (index, task) in module.tasks.iter().enumerate() {
        body.push_str(&file.arguments(index, task));
        for side in [Side::In, Side::Out] {
            body.push_str(&file.definitions(index, side));
        }
    }
    let Module {
        name,
        release,
        digest,
        tasks,
    } = module;
    let mark = Language::TypeScript.mark();
    let mut text = format!(
        "// Made by {mark} from release {release} of `{name}` (digest {digest}). Not to be edited.\n"
    );
    match (tasks.is_empty(), file.wide.get()) {
        (true, _) => {}
        (_, true) => text.push_str("import type { Int64, Task } from \"@lovage/client\";\n"),
        (_, false) => text.push_str("import type { Task } from \"@lovage/client\";\n"),
    }
    text + &body
}

struct File<'a> {
    module: &'a Module,
    model: &'a Model,
    interface: String,
    /// Of each task's arguments.
    arguments: Vec<String>,
    /// Of each definition.
    names: Vec<String>,
    /// Whether `Int64` was written.
    wide: Cell<bool>,
}

impl<'a> File<'a> {
    fn new(module: &'a Module, model: &'a Model) -> Self {
        let mut taken = Taken::of(&OWN);
        let class = type_name(&module.name);
        let interface = taken.take(std::slice::from_ref(&class));
        let of_task = |task: &Task| format!("{class}{}", pascal(&task.name));
        let tasks = module.tasks.iter();
        let arguments = tasks.map(|it| taken.take(&[of_task(it)])).collect();
        let named = model.definitions.iter().map(|it| {
            let path = it.path.iter().filter(|_| !it.whole);
            let path: String = path.map(|it| pascal(it)).collect();
            let task = of_task(&module.tasks[it.task]);
            let result = if it.side == Side::Out { "Result" } else { "" };
            taken.take(&[format!("{task}{result}{path}")])
        });
        let names = named.collect();
        File {
            module,
            model,
            interface,
            arguments,
            names,
            wide: Cell::new(false),
        }
    }

    /// The module: its tasks by their names.
    fn interface(&self) -> String {
        let name = &self.module.name;
        let told = doc(&format!("The tasks of the module `{name}`."), "");
        let mut text = format!("\n{told}export interface {} {{\n", self.interface);
        let all = self.module.tasks.iter().zip(&self.model.signatures);
        for ((task, signature), arguments) in all.zip(&self.arguments) {
            text.push_str(&doc(&task.doc, "  "));
            let (key, result) = (key(&task.name), self.of(&signature.result));
            let _ = writeln!(text, "  {key}: Task<{arguments}, {result}>;");
        }
        text + "}\n"
    }

    fn arguments(&self, index: usize, task: &Task) -> String {
        let (arguments, name) = (
            &self.model.signatures[index].arguments,
            &self.arguments[index],
        );
        let task = format!("{}.{}", self.module.name, task.name);
        let told = match arguments.doc.as_str() {
            "" => format!("The arguments of `{task}`."),
            told => told.to_owned(),
        };
        match &arguments.shape {
            Shape::Record {
                fields,
                open: false,
            } if fields.is_empty() => {
                let doc = doc(&format!("`{task}` takes no arguments."), "");
                format!("\n{doc}export type {name} = Record<string, never>;\n")
            }
            Shape::Alias(of) if !self.is_object(of) => {
                let doc = doc(&told, "");
                format!("\n{doc}export type {name} = {{ [name: string]: unknown }};\n")
            }
            shape => self.declared(name, &told, shape),
        }
    }

    /// Whether all that it may be are objects.
    fn is_object(&self, of: &Type) -> bool {
        of.members().iter().all(|it| match it {
            Type::Map(_) => true,
            Type::Named(index) => {
                matches!(self.model.definitions[*index].shape, Shape::Record { .. })
            }
            _ => false,
        })
    }

    /// What a task's schema defines.
    fn definitions(&self, task: usize, side: Side) -> String {
        let all = self.model.definitions.iter().zip(&self.names);
        let own = all.filter(|(it, _)| it.task == task && it.side == side);
        own.map(|(Definition { doc, shape, .. }, name)| self.declared(name, doc, shape))
            .collect()
    }

    fn declared(&self, name: &str, told: &str, shape: &Shape) -> String {
        let doc = doc(told, "");
        let (fields, open) = match shape {
            Shape::Record { fields, open } => (fields, open),
            Shape::Alias(of) => return format!("\n{doc}export type {name} = {};\n", self.of(of)),
        };
        let mut text = format!("\n{doc}export interface {name} {{\n");
        for field in fields {
            text.push_str(&self.field(field));
        }
        if *open {
            text.push_str("  [name: string]: unknown;\n");
        }
        text + "}\n"
    }

    fn field(&self, field: &Field) -> String {
        let optional = if field.required { "" } else { "?" };
        let (doc, key, of) = (doc(&field.doc, "  "), key(&field.name), self.of(&field.of));
        format!("{doc}  {key}{optional}: {of};\n")
    }

    fn of(&self, of: &Type) -> String {
        let of = match of {
            Type::Any => "unknown",
            Type::Never => "never",
            Type::Null => "null",
            Type::Bool => "boolean",
            Type::Int { wide: true } => {
                self.wide.set(true);
                "Int64"
            }
            Type::Int { wide: false } | Type::Float => "number",
            Type::Text => "string",
            Type::Bytes => "Uint8Array",
            Type::Literal(Value::String(text)) => return literal(text),
            Type::Literal(value) => return value.to_string(),
            Type::List(item) => return format!("{}[]", self.item(item)),
            // A record by that name could not refer to itself.
            Type::Map(of) => return format!("{{ [name: string]: {} }}", self.of(of)),
            Type::Named(index) => return self.names[*index].clone(),
            Type::Tuple { items, least, rest } => {
                let rest = rest.iter().map(|it| format!("...{}[]", self.item(it)));
                let items = items.iter().enumerate().map(|(n, it)| match n < *least {
                    true => self.of(it),
                    false => format!("{}?", self.item(it)),
                });
                return format!("[{}]", items.chain(rest).collect::<Vec<_>>().join(", "));
            }
            Type::Union(members) => {
                let mut parts: Vec<String> = Vec::new();
                for part in members.iter().map(|it| self.of(it)) {
                    // Different types may look the same here.
                    if !parts.contains(&part) {
                        parts.push(part);
                    }
                }
                return parts.join(" | ");
            }
        };
        of.to_owned()
    }

    fn item(&self, of: &Type) -> String {
        match of {
            Type::Union(_) => format!("({})", self.of(of)),
            _ => self.of(of),
        }
    }
}

fn key(name: &str) -> String {
    match is_plain(name) {
        true => name.to_owned(),
        false => literal(name),
    }
}

/// A JSDoc comment, in one line where it fits.
fn doc(text: &str, indent: &str) -> String {
    let one = lines(text, WIDTH - indent.len() - 7);
    match one.as_slice() {
        [] => return String::new(),
        [line] => return format!("{indent}/** {} */\n", comment(line)),
        _ => {}
    }
    let mut said = format!("{indent}/**\n");
    for line in lines(text, WIDTH - indent.len() - 3) {
        let line = comment(&line);
        let _ = match line.is_empty() {
            true => writeln!(said, "{indent} *"),
            false => writeln!(said, "{indent} * {line}"),
        };
    }
    said + &format!("{indent} */\n")
}
