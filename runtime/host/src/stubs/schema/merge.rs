//! Schemas that say something together.

use serde_json::{Map, Value};

/// References that are followed one after the other.
const STEPS: usize = 16;

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
            (Value::String(to), _) => target(root, to),
            (_, Value::Array(all)) if all.len() == 1 && at.get("properties").is_none() => {
                all.first()
            }
            _ => None,
        };
        let Some(next) = next else { break };
        at = next;
    }
    let all = at["allOf"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let rest = without(at, "allOf");
    let parts = std::iter::once(&rest).chain(all);
    objects(root, parts).unwrap_or_else(|| at.clone())
}

fn without(schema: &Value, keyword: &str) -> Value {
    let mut rest = schema.clone();
    if let Some(map) = rest.as_object_mut() {
        map.remove(keyword);
    }
    rest
}

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
                Value::String(to) => part = target(root, to)?,
                _ => break,
            }
        }
        let object = part.as_object()?;
        let other = object.get("type").is_some_and(|it| it != "object");
        if other
            || ["allOf", "enum", "const"]
                .iter()
                .any(|it| object.contains_key(*it))
        {
            return None;
        }
        for (keyword, value) in object {
            match (keyword.as_str(), value) {
                ("properties", Value::Object(more)) => {
                    properties.extend(more.iter().map(|(k, v)| (k.clone(), v.clone())));
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

/// A word for one of several schemas: that by which it is told apart from the others.
pub(super) fn variant(schema: &Value) -> Option<&str> {
    let properties = schema["properties"].as_object()?;
    let tag = properties.values().find_map(|it| it["const"].as_str());
    let only = || properties.keys().next().filter(|_| properties.len() == 1);
    tag.or_else(|| only().map(String::as_str))
}
