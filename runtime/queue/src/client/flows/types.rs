//! Whether a result can be an argument, by the schemas of both.
//!
//! What is refused is what cannot fit, whatever the task returns: a number where a text
//! is taken, a list where one value is. What may fit passes, and so does what a schema
//! leaves open; the task itself looks at what it gets in any case. Two things are taken
//! at their word, although an empty list or one field more would fit: the items of a
//! list, and the fields of an object that says which it has.

use std::cell::Cell;

use serde_json::{Map, Value};

/// References that are followed, and levels that are looked at, before it passes.
const DEPTH: usize = 8;
/// Steps of one comparison before it passes: alternatives of alternatives multiply.
const WORK: u32 = 100_000;
/// What may stand beside a reference and says nothing of the type.
const NOTES: [&str; 11] = [
    "$schema",
    "$defs",
    "definitions",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];
/// Fields and values of a type that are told.
const TOLD: usize = 6;

/// A schema, within the document that its references are of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schema<'a> {
    root: &'a Value,
    at: &'a Value,
}

/// The steps that a comparison has left.
struct Work(Cell<u32>);

impl Work {
    /// Whether there are enough left to look at these. What they list is passed over
    /// whole, so it counts.
    fn spend(&self, schemas: &[Schema<'_>]) -> bool {
        let lists = ["anyOf", "oneOf", "allOf", "enum", "type", "required"];
        let length =
            |it: &Schema<'_>, name| it.get(name).and_then(Value::as_array).map_or(0, Vec::len);
        let steps = schemas
            .iter()
            .flat_map(|it| lists.map(|name| length(it, name)));
        let steps = u32::try_from(1 + steps.sum::<usize>()).unwrap_or(u32::MAX);
        let left = self.0.get().checked_sub(steps);
        self.0.set(left.unwrap_or(0));
        left.is_some()
    }
}

/// What a result is.
#[derive(Clone, Debug)]
pub(super) enum Given<'a> {
    /// What one node returns.
    One(Schema<'a>),
    /// This, where it does not return.
    Value(Value),
    /// Any of these: each has to fit.
    Either(Vec<Given<'a>>),
    /// A list of each of these. What many alike nodes return is there once.
    List(Vec<Given<'a>>),
}

impl Given<'_> {
    /// Whether it can be no argument of this type.
    pub(super) fn cannot_be(&self, wanted: Schema<'_>) -> bool {
        self.cannot(wanted, &Work(Cell::new(WORK)))
    }

    fn cannot(&self, wanted: Schema<'_>, work: &Work) -> bool {
        match self {
            Given::One(schema) => disjoint(*schema, wanted, DEPTH, work),
            Given::Value(value) => refuses(wanted, value, DEPTH, work),
            Given::Either(all) => all.iter().any(|it| it.cannot(wanted, work)),
            Given::List(members) => !takes_list(wanted, members, DEPTH, work),
        }
    }

    /// The type in a few words.
    pub(super) fn told(&self) -> String {
        match self {
            Given::One(schema) => schema.told(),
            Given::Value(value) => value.to_string(),
            Given::Either(all) => {
                let all = all.iter().map(Given::told);
                all.collect::<Vec<_>>().join(" or ")
            }
            Given::List(members) => {
                let mut all: Vec<String> = members.iter().map(Given::told).collect();
                all.dedup();
                format!("list of {}", all.join(" and "))
            }
        }
    }
}

impl<'a> Schema<'a> {
    /// A whole document.
    pub(super) fn of(root: &'a Value) -> Self {
        Schema { root, at: root }
    }

    /// The schema of an argument; `None` where the task takes none of this name.
    pub(super) fn argument(self, name: &str) -> Option<Schema<'a>> {
        static ANY: Value = Value::Bool(true);
        let Some(schema) = self.resolved().and_then(|it| it.at.as_object()) else {
            return Some(Schema::of(&ANY));
        };
        let at = match schema.get("properties").and_then(|it| it.get(name)) {
            Some(at) => at,
            None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => return None,
            None => &ANY,
        };
        Some(self.with(at))
    }

    fn with(self, at: &'a Value) -> Self {
        Schema { at, ..self }
    }

    /// The schema that a reference names; `None` where that is not in this document, or
    /// where more stands beside it, which would hold as well.
    fn resolved(self) -> Option<Schema<'a>> {
        let mut schema = self;
        for _ in 0..DEPTH {
            let Some(reference) = schema.get("$ref").and_then(Value::as_str) else {
                return Some(schema);
            };
            let mut beside = schema.at.as_object()?.keys().filter(|it| *it != "$ref");
            if !beside.all(|it| NOTES.contains(&it.as_str())) {
                return None;
            }
            let at = match reference.strip_prefix('#')? {
                "" => self.root,
                pointer => self.root.pointer(pointer)?,
            };
            schema = self.with(at);
        }
        None
    }

    fn get(self, keyword: &str) -> Option<&'a Value> {
        self.at.get(keyword)
    }

    fn object(self, keyword: &str) -> Option<&'a Map<String, Value>> {
        self.get(keyword)?.as_object()
    }

    /// The schemas of which one holds, where it says so.
    fn either(self) -> Option<Vec<Schema<'a>>> {
        let all = self
            .get("anyOf")
            .or_else(|| self.get("oneOf"))?
            .as_array()?;
        Some(all.iter().map(|at| self.with(at)).collect())
    }

    fn all(self) -> Vec<Schema<'a>> {
        let all = self.get("allOf").and_then(Value::as_array);
        all.into_iter().flatten().map(|at| self.with(at)).collect()
    }

    /// The only values that fit, where it names them.
    fn values(self) -> Option<Vec<&'a Value>> {
        match self.get("const") {
            Some(one) => Some(vec![one]),
            None => Some(self.get("enum")?.as_array()?.iter().collect()),
        }
    }

    /// The types that it names; nothing where it leaves them open.
    fn types(self) -> Option<Vec<&'a str>> {
        match self.get("type")? {
            Value::String(one) => Some(vec![one]),
            Value::Array(some) => Some(some.iter().filter_map(Value::as_str).collect()),
            _ => None,
        }
    }

    fn requires(self) -> Vec<&'a str> {
        let required = self.get("required").and_then(Value::as_array);
        let names = required.into_iter().flatten();
        names.filter_map(Value::as_str).collect()
    }

    /// Whether no object of it has a field of this name.
    fn lacks(self, field: &str) -> bool {
        let open = ["$ref", "patternProperties", "allOf", "anyOf", "oneOf", "if"];
        if open.iter().any(|it| self.get(it).is_some()) {
            return false;
        }
        let Some(properties) = self.object("properties") else {
            return self.get("additionalProperties") == Some(&Value::Bool(false));
        };
        let closed = matches!(
            self.get("additionalProperties"),
            None | Some(Value::Bool(false))
        );
        closed && !properties.contains_key(field)
    }

    /// The type in a few words.
    pub(super) fn told(self) -> String {
        self.told_to(3)
    }

    fn told_to(self, depth: usize) -> String {
        let Some(schema) = self.resolved().filter(|_| depth > 0) else {
            return "…".into();
        };
        if let Some(values) = schema.values() {
            let values = values.iter().map(|it| it.to_string());
            return shown(values.collect(), " or ");
        }
        if let Some(some) = schema.either() {
            // One more than is told, to tell that there are more.
            let some = some.iter().take(TOLD + 1);
            let some = some.map(|it| it.told_to(depth - 1)).collect();
            return shown(some, " or ");
        }
        let Some(types) = schema.types() else {
            return "any".into();
        };
        let told = types.iter().map(|kind| match *kind {
            "string" if schema.get("contentEncoding").is_some() => "bytes".into(),
            "array" => match schema.get("items") {
                Some(items) => format!("list of {}", self.with(items).told_to(depth - 1)),
                None => "list".into(),
            },
            "object" => schema.told_fields(depth),
            plain => plain.to_owned(),
        });
        shown(told.collect(), " or ")
    }

    fn told_fields(self, depth: usize) -> String {
        let Some(properties) = self.object("properties") else {
            return "object".into();
        };
        let properties = properties.iter().take(TOLD + 1);
        let field = |(name, at)| format!("{name}: {}", self.with(at).told_to(depth - 1));
        format!("{{{}}}", shown(properties.map(field).collect(), ", "))
    }
}

fn shown(mut parts: Vec<String>, between: &str) -> String {
    if parts.len() > TOLD {
        parts.truncate(TOLD);
        parts.push("…".into());
    }
    parts.join(between)
}

/// Whether a list of these can be of this type.
fn takes_list(wanted: Schema<'_>, members: &[Given<'_>], depth: usize, work: &Work) -> bool {
    let Some(wanted) = wanted.resolved().filter(|_| depth > 0) else {
        return true;
    };
    if !work.spend(&[wanted]) {
        return true;
    }
    if let Some(some) = wanted.either() {
        return some
            .iter()
            .any(|it| takes_list(*it, members, depth - 1, work));
    }
    let all = wanted.all();
    if !all
        .iter()
        .all(|it| takes_list(*it, members, depth - 1, work))
    {
        return false;
    }
    if wanted.at == &Value::Bool(false) {
        return false;
    }
    if wanted
        .types()
        .is_some_and(|types| !types.contains(&"array"))
    {
        return false;
    }
    if let Some(values) = wanted.values() {
        return values.iter().any(|it| it.is_array());
    }
    let items = wanted
        .get("items")
        .filter(|_| wanted.get("prefixItems").is_none());
    items.is_none_or(|items| !members.iter().any(|it| it.cannot(wanted.with(items), work)))
}

/// Whether nothing fits both.
fn disjoint(given: Schema<'_>, wanted: Schema<'_>, depth: usize, work: &Work) -> bool {
    let (Some(given), Some(wanted)) = (given.resolved(), wanted.resolved()) else {
        return false;
    };
    if depth == 0 || !work.spend(&[given, wanted]) {
        return false;
    }
    if wanted.at == &Value::Bool(false) {
        return true;
    }
    let less = depth - 1;
    let parts = |it: Schema<'_>, other: Schema<'_>, swap: bool| {
        let apart = |part: &Schema<'_>| match swap {
            false => disjoint(*part, other, less, work),
            true => disjoint(other, *part, less, work),
        };
        it.all().iter().any(apart) || it.either().is_some_and(|some| some.iter().all(apart))
    };
    if parts(given, wanted, false) || parts(wanted, given, true) {
        return true;
    }
    if let Some(values) = given.values() {
        return values.iter().all(|it| refuses(wanted, it, less, work));
    }
    if let Some(values) = wanted.values() {
        return values.iter().all(|it| refuses(given, it, less, work));
    }
    let (Some(has), Some(takes)) = (given.types(), wanted.types()) else {
        return false;
    };
    let both = has
        .iter()
        .filter(|kind| takes.iter().any(|it| meet(kind, it)));
    let both: Vec<&str> = both.copied().collect();
    match both[..] {
        [] => true,
        ["array"] => match (given.get("items"), wanted.get("items")) {
            (Some(has), Some(takes)) => disjoint(given.with(has), wanted.with(takes), less, work),
            _ => false,
        },
        ["object"] => fields_differ(given, wanted, less, work),
        _ => false,
    }
}

/// Whether there are values of both types.
fn meet(one: &str, other: &str) -> bool {
    let numbers = ["integer", "number"];
    one == other || (numbers.contains(&one) && numbers.contains(&other))
}

/// Whether no object fits both.
fn fields_differ(given: Schema<'_>, wanted: Schema<'_>, depth: usize, work: &Work) -> bool {
    let (has, takes) = (given.requires(), wanted.requires());
    if takes.iter().any(|field| given.lacks(field)) {
        return true;
    }
    let closed = wanted.get("additionalProperties") == Some(&Value::Bool(false));
    if closed && has.iter().any(|field| wanted.lacks(field)) {
        return true;
    }
    let needed = has.iter().chain(&takes);
    let (Some(given_fields), Some(wanted_fields)) =
        (given.object("properties"), wanted.object("properties"))
    else {
        return false;
    };
    needed.into_iter().any(
        |field| match (given_fields.get(*field), wanted_fields.get(*field)) {
            (Some(one), Some(other)) => disjoint(given.with(one), wanted.with(other), depth, work),
            _ => false,
        },
    )
}

/// Whether a value surely does not fit a schema.
fn refuses(schema: Schema<'_>, value: &Value, depth: usize, work: &Work) -> bool {
    let Some(schema) = schema.resolved().filter(|_| depth > 0) else {
        return false;
    };
    if !work.spend(&[schema]) {
        return false;
    }
    if let Some(some) = schema.either()
        && some.iter().all(|it| refuses(*it, value, depth - 1, work))
    {
        return true;
    }
    if let Some(values) = schema.values() {
        return !values.contains(&value);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types = schema.types();
    types.is_some_and(|types| !types.iter().any(|it| meet(it, kind)))
}

#[cfg(test)]
mod tests;
