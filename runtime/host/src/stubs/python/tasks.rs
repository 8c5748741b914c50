//! Declarations of tasks.

use std::fmt::Write as _;

use serde_json::Value;

use super::types::Types;
use crate::stubs::model::{Field, Model, Shape, Side, Signature, Type};
use crate::stubs::names::{Taken, python_all};
use crate::stubs::text::{WIDTH, docstring, lines, literal};
use crate::stubs::{Module, Task};

/// The value of an argument that is left out and has none that can be written down.
pub(super) const OMITTED: &str = "_OMITTED";

pub(super) fn declarations(
    module: &Module,
    model: &Model,
    functions: &[String],
    types: &Types<'_>,
) -> String {
    let all = module.tasks.iter().zip(&model.signatures).zip(functions);
    all.map(|((task, signature), function)| {
        declaration(&module.name, task, signature, function, types)
    })
    .collect()
}

fn declaration(
    module: &str,
    task: &Task,
    signature: &Signature,
    function: &str,
    types: &Types<'_>,
) -> String {
    let (fields, open) = match &signature.arguments.shape {
        Shape::Record { fields, open } => (fields.as_slice(), *open),
        // Whatever they are, they have names.
        Shape::Alias(_) => (&[][..], true),
    };
    let names = python_all(fields.iter().map(|it| it.name.as_str()));
    let mut parameters: Vec<_> = fields
        .iter()
        .zip(&names)
        .map(|(field, name)| parameter(field, name, types))
        .collect();
    if !parameters.is_empty() {
        parameters.insert(0, "*".into());
    }
    if open {
        let own: Vec<_> = names.iter().map(String::as_str).collect();
        let others = Taken::of(&own).take(&["others".into()]);
        parameters.push(format!("**{others}: {}", types.uses("Any")));
    }
    let renamed = fields
        .iter()
        .zip(&names)
        .filter(|(field, name)| field.name != **name);
    let renamed: Vec<_> = renamed
        .map(|(field, name)| format!("{}: {}", literal(name), literal(&field.name)))
        .collect();
    let names = match renamed.is_empty() {
        true => String::new(),
        false => format!(", names={{{}}}", renamed.join(", ")),
    };
    let result = types.annotation(&signature.result, Side::Out);
    let name = literal(&format!("{module}.{}", task.name));
    let mut text = format!("\n\n@task({name}{names})\n");
    let whole = format!("def {function}({}) -> {result}:", parameters.join(", "));
    if whole.chars().count() <= WIDTH {
        let _ = writeln!(text, "{whole}");
    } else {
        let _ = writeln!(text, "def {function}(");
        for it in &parameters {
            let _ = writeln!(text, "    {it},");
        }
        let _ = writeln!(text, ") -> {result}:");
    }
    text.push_str(&doc_of(task, fields));
    text.push_str("    raise NotImplementedError\n");
    text
}

fn parameter(field: &Field, name: &str, types: &Types<'_>) -> String {
    let of = types.annotation(&field.of, Side::In);
    if field.required {
        return format!("{name}: {of}");
    }
    format!("{name}: {of} = {}", default(field))
}

/// What a parameter shows as its default. It is never sent: the declaration is not run.
fn default(field: &Field) -> String {
    let members = field.of.members();
    if let Some(value) = &field.default {
        let fits = members.iter().any(|of| match (of, value) {
            (Type::Literal(of), value) => of == value,
            (Type::Text, Value::String(_)) | (Type::Bool, Value::Bool(_)) => true,
            (Type::Int { .. }, Value::Number(it)) => !it.is_f64(),
            (Type::Float, Value::Number(_)) => true,
            _ => false,
        });
        match value {
            Value::String(it) if fits => return literal(it),
            Value::Bool(true) if fits => return "True".into(),
            Value::Bool(false) if fits => return "False".into(),
            Value::Number(it) if fits => return it.to_string(),
            _ => {}
        }
    }
    match members.contains(&Type::Null) {
        true => "None".into(),
        false => OMITTED.into(),
    }
}

/// A function's docstring: what the task does, and what its arguments are.
fn doc_of(task: &Task, fields: &[Field]) -> String {
    let mut text = lines(&task.doc, WIDTH - 7);
    let told = fields.iter().filter(|it| !it.doc.is_empty());
    let told = told.flat_map(|it| {
        // One entry of the list each, whatever it has been broken into.
        let doc: Vec<_> = it.doc.split_whitespace().collect();
        let mut entry = lines(&format!("- `{}`: {}", it.name, doc.join(" ")), WIDTH - 6);
        entry
            .iter_mut()
            .skip(1)
            .for_each(|it| it.insert_str(0, "  "));
        entry
    });
    let told: Vec<_> = told.collect();
    if !text.is_empty() && !told.is_empty() {
        text.push(String::new());
    }
    text.extend(told);
    block(&text, "    ")
}

/// A docstring of these lines.
pub(super) fn block(lines: &[String], indent: &str) -> String {
    match lines {
        [] => String::new(),
        [one] => format!("{indent}\"\"\"{}\"\"\"\n", docstring(one)),
        [first, rest @ ..] => {
            let mut text = format!("{indent}\"\"\"{}\n", docstring(first));
            for line in rest {
                let line = docstring(line);
                let _ = match line.is_empty() {
                    true => writeln!(text),
                    false => writeln!(text, "{indent}{line}"),
                };
            }
            let _ = writeln!(text, "{indent}\"\"\"");
            text
        }
    }
}
