//! Schemas that say something together.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};

use super::look::{is_open, is_record, says_type};

/// References that are followed one after the other.
const STEPS: usize = 16;
/// Parts that are looked for in each other.
const DEPTH: usize = 200;

/// What a reference within a schema leads to.
pub(super) fn target<'a>(root: &'a Value, to: &str) -> Option<&'a Value> {
    let pointer = to.strip_prefix('#')?;
    root.pointer(pointer)
        .or_else(|| root.pointer(&decoded(pointer)))
}

/// A pointer without the `%XX` of a URL.
fn decoded(pointer: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = pointer.as_bytes();
    while let Some((&first, others)) = rest.split_first() {
        let digits = others.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        match digits.and_then(|it| u8::from_str_radix(it, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &others[2..];
            }
            _ => {
                bytes.push(first);
                rest = others;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The schema itself, where it is no more than a reference to it.
pub(super) fn resolved(root: &Value, schema: &Value) -> Value {
    let mut at = schema;
    for _ in 0..STEPS {
        let next = match (&at["$ref"], &at["allOf"]) {
            (Value::String(to), _) if is_alone(at, "$ref") => target(root, to),
            (_, Value::Array(all)) if all.len() == 1 && is_alone(at, "allOf") => all.first(),
            _ => None,
        };
        let Some(next) = next else { break };
        at = next;
    }
    let all = at["allOf"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let rest = Value::Object(without(at.as_object().unwrap_or(&Map::new()), "allOf"));
    let parts = std::iter::once(&rest).chain(all);
    objects(root, parts).unwrap_or_else(|| at.clone())
}

/// Whether nothing else that a schema says matters to its type.
fn is_alone(schema: &Value, keyword: &str) -> bool {
    let schema = schema.as_object();
    schema.is_some_and(|it| !says_type(&without(it, keyword)))
}

pub(super) fn without(schema: &Map<String, Value>, keyword: &str) -> Map<String, Value> {
    let mut rest = schema.clone();
    rest.remove(keyword);
    rest
}

/// What says that a value is one of several, and may name further properties of it.
const VARIANTS: [&str; 6] = ["oneOf", "anyOf", "if", "then", "else", "dependentSchemas"];

/// One object schema of several, if that is what all of them are.
pub(super) fn objects<'a>(
    root: &'a Value,
    parts: impl Iterator<Item = &'a Value>,
) -> Option<Value> {
    let mut whole = Map::new();
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for part in parts {
        let mut part = part;
        for _ in 0..STEPS {
            match &part["$ref"] {
                Value::String(to) if is_alone(part, "$ref") => part = target(root, to)?,
                _ => break,
            }
        }
        let object = part.as_object()?;
        let other = object.get("type").is_some_and(|it| it != "object");
        if other
            || ["$ref", "allOf", "enum", "const"]
                .iter()
                .any(|it| object.contains_key(*it))
            || VARIANTS
                .iter()
                .any(|it| object.contains_key(*it) && whole.contains_key(*it))
        {
            return None;
        }
        for (keyword, value) in object {
            match (keyword.as_str(), value) {
                ("properties", Value::Object(more)) => {
                    more.iter().for_each(|it| add(it, &mut properties));
                }
                ("required", Value::Array(more)) => required.extend(more.iter().cloned()),
                // The first one's own title and doc are the whole's.
                _ => drop(
                    whole
                        .entry(keyword.clone())
                        .or_insert_with(|| value.clone()),
                ),
            }
        }
    }
    if properties.is_empty() {
        return None;
    }
    whole.insert("properties".into(), properties.into());
    whole.insert("required".into(), required.into());
    Some(whole.into())
}

/// Of a property that is named twice, what says more: both hold.
fn add((name, of): (&String, &Value), properties: &mut Map<String, Value>) {
    let says = |it: &Value| it.as_object().is_some_and(says_type);
    match properties.get(name) {
        Some(known) if says(known) && !says(of) => {}
        _ => drop(properties.insert(name.clone(), of.clone())),
    }
}

/// Whether only objects fit a schema. What names properties means objects, though it may
/// not say so.
pub(super) fn is_object(root: &Value, schema: &Value, steps: usize) -> bool {
    let Some(object) = schema.as_object().filter(|_| steps < STEPS) else {
        return false;
    };
    let is = |it: &Value| is_object(root, it, steps + 1);
    let list = |keyword: &str| schema[keyword].as_array().filter(|it| !it.is_empty());
    let to = schema["$ref"].as_str().and_then(|to| target(root, to));
    schema["type"] == "object"
        || is_record(object) && schema.get("type").is_none()
        || to.is_some_and(is)
        || list("allOf").is_some_and(|all| all.iter().any(is))
        || ["oneOf", "anyOf"]
            .into_iter()
            .any(|it| list(it).is_some_and(|some| some.iter().all(is)))
}

/// What a schema and its parts say of properties.
#[derive(Default)]
pub(super) struct Mentioned<'a> {
    pub(super) properties: BTreeMap<&'a str, Mention<'a>>,
    /// Whether there may be others.
    pub(super) open: bool,
    /// References that were followed.
    followed: HashSet<&'a str>,
}

/// What is said of a property.
#[derive(Default)]
pub(super) struct Mention<'a> {
    /// By a part that holds for all values.
    sure: Option<&'a Value>,
    /// By parts that hold for some.
    some: Vec<&'a Value>,
    pub(super) required: bool,
}

impl<'a> Mention<'a> {
    /// A schema of it that takes what any of them takes; where there are `others`, what any
    /// of these may be.
    pub(super) fn schema(&self, others: bool) -> Cow<'a, Value> {
        match (self.sure, &*self.some) {
            (Some(sure), _) => Cow::Borrowed(sure),
            (None, some) if others || some.is_empty() => Cow::Owned(Value::Bool(true)),
            (None, [one]) => Cow::Borrowed(one),
            (None, some) => Cow::Owned(json!({"anyOf": some})),
        }
    }
}

/// Whether a schema or a part of it names properties, or takes any.
pub(super) fn has_properties(root: &Value, schema: &Value) -> bool {
    let object = schema.as_object();
    object.is_some_and(|it| {
        let mentioned = Mentioned::of(root, it);
        let mut all = mentioned.properties.values();
        mentioned.open || all.any(|it| it.sure.is_some() || !it.some.is_empty())
    })
}

impl<'a> Mentioned<'a> {
    pub(super) fn of(root: &'a Value, schema: &'a Map<String, Value>) -> Self {
        let mut mentioned = Mentioned::default();
        mentioned.object(root, schema, true, 0);
        mentioned
    }

    fn schema(&mut self, root: &'a Value, schema: &'a Value, sure: bool, depth: usize) {
        if let Some(object) = schema.as_object().filter(|_| depth < DEPTH) {
            self.object(root, object, sure, depth);
        }
    }

    fn object(
        &mut self,
        root: &'a Value,
        schema: &'a Map<String, Value>,
        sure: bool,
        depth: usize,
    ) {
        let named = schema.get("properties").and_then(Value::as_object);
        for (name, of) in named.into_iter().flatten() {
            let mention = self.properties.entry(name).or_default();
            match sure {
                true => mention.sure = mention.sure.or(Some(of)),
                false => mention.some.push(of),
            }
        }
        self.names(schema.get("required"), sure);
        self.open |= is_open(schema);
        self.parts(root, schema, sure, depth + 1);
    }

    /// Names of which nothing else is said.
    fn names(&mut self, names: Option<&'a Value>, required: bool) {
        let names = names.and_then(Value::as_array);
        for name in names.into_iter().flatten().filter_map(Value::as_str) {
            self.properties.entry(name).or_default().required |= required;
        }
    }

    fn parts(&mut self, root: &'a Value, schema: &'a Map<String, Value>, sure: bool, depth: usize) {
        if let Some(Value::String(to)) = schema.get("$ref")
            && self.followed.insert(to)
            && let Some(target) = target(root, to)
        {
            self.schema(root, target, sure, depth);
        }
        for (keyword, value) in schema {
            match (keyword.as_str(), value) {
                ("allOf", Value::Array(all)) => {
                    all.iter().for_each(|it| self.schema(root, it, sure, depth));
                }
                ("oneOf" | "anyOf", Value::Array(some)) => {
                    some.iter()
                        .for_each(|it| self.schema(root, it, false, depth));
                }
                ("then" | "else", part) => self.schema(root, part, false, depth),
                ("if", condition) => self.asked(root, condition, depth),
                ("dependentSchemas", Value::Object(by_name)) => {
                    for (name, part) in by_name {
                        self.properties.entry(name).or_default();
                        self.schema(root, part, false, depth);
                    }
                }
                ("dependentRequired", Value::Object(by_name)) => {
                    for (name, names) in by_name {
                        self.properties.entry(name).or_default();
                        self.names(Some(names), false);
                    }
                }
                _ => {}
            }
        }
    }

    /// What a condition asks of a value need not hold: it only tells names.
    fn asked(&mut self, root: &'a Value, condition: &'a Value, depth: usize) {
        let mut asked = Mentioned::default();
        asked.schema(root, condition, false, depth);
        for name in asked.properties.keys() {
            let mention = self.properties.entry(name).or_default();
            mention.some.push(&Value::Bool(true));
        }
    }
}

/// A word for one of several schemas: that by which it is told apart from the others.
pub(super) fn variant(schema: &Value) -> Option<&str> {
    let properties = schema["properties"].as_object()?;
    let tag = properties.values().find_map(|it| it["const"].as_str());
    let only = || properties.keys().next().filter(|_| properties.len() == 1);
    tag.or_else(|| only().map(String::as_str))
}
