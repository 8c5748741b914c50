//! What one schema says of itself.

use serde_json::{Map, Value};

use crate::stubs::model::Type;

/// What a double holds exactly.
const EXACT: f64 = 9_007_199_254_740_991.0;

/// Whether it has properties that it names.
pub(super) fn is_record(schema: &Map<String, Value>) -> bool {
    schema.get("properties").is_some_and(Value::is_object)
}

/// Whether it says that it takes properties which it does not name.
pub(super) fn is_open(schema: &Map<String, Value>) -> bool {
    let others = ["additionalProperties", "unevaluatedProperties"];
    let taken = others.iter().filter_map(|it| schema.get(*it));
    let patterns = schema.get("patternProperties").and_then(Value::as_object);
    patterns.is_some_and(|it| !it.is_empty())
        || taken.into_iter().any(|it| *it != Value::Bool(false))
}

/// Whether it is a record and nothing else.
pub(super) fn is_only_record(schema: &Map<String, Value>) -> bool {
    let others = [
        "$ref", "allOf", "oneOf", "anyOf", "const", "enum", "nullable", "not",
    ];
    let object = schema.get("type").is_none_or(|it| it == "object");
    is_record(schema) && object && !others.iter().any(|it| schema.contains_key(*it))
}

/// Whether it says what kind of value it takes.
pub(super) fn says_type(schema: &Map<String, Value>) -> bool {
    const SAYS: [&str; 17] = [
        "type",
        "properties",
        "patternProperties",
        "additionalProperties",
        "required",
        "items",
        "prefixItems",
        "enum",
        "const",
        "$ref",
        "allOf",
        "oneOf",
        "anyOf",
        "if",
        "not",
        "dependentSchemas",
        "dependentRequired",
    ];
    SAYS.iter().any(|it| schema.contains_key(*it))
}

/// Whether an integer may lie beyond what a double holds exactly, by what is said of it.
pub(super) fn is_wide(schema: &Map<String, Value>) -> bool {
    let format = schema.get("format").and_then(Value::as_str);
    let beyond = |bound: &str| {
        let value = schema.get(bound).and_then(Value::as_f64);
        value.is_some_and(|it| it.abs() > EXACT)
    };
    matches!(format, Some("int64" | "uint64")) || beyond("minimum") || beyond("maximum")
}

/// The type of one value.
pub(super) fn literal(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) | Value::String(_) => Type::Literal(value.clone()),
        Value::Number(it) if it.is_f64() => Type::Float,
        Value::Number(it) if it.as_f64().is_some_and(|it| it.abs() > EXACT) => {
            Type::Int { wide: true }
        }
        Value::Number(_) => Type::Literal(value.clone()),
        Value::Array(_) => Type::List(Box::new(Type::Any)),
        Value::Object(_) => Type::Map(Box::new(Type::Any)),
    }
}

/// What is left of a type where a schema says what it is not. Types tell only whole kinds
/// of values, and single ones that they name.
pub(super) fn without(of: Type, not: &Value) -> Type {
    let nothing = Map::new();
    let not = match not {
        Value::Bool(true) => &nothing,
        Value::Object(it) => it,
        _ => return of,
    };
    let mut keywords = not.iter();
    // What says more than one thing leaves values of each kind.
    let (said, None) = (keywords.next(), keywords.next()) else {
        return of;
    };
    let Some((keyword, value)) = said else {
        return Type::Never;
    };
    let values = value
        .as_array()
        .map_or(std::slice::from_ref(value), |it| it);
    let is_out = |it: &Type| match keyword.as_str() {
        "type" => kinds(it)
            .iter()
            .any(|kind| values.iter().any(|it| it == kind)),
        "const" => is_single(it) && *it == literal(value),
        "enum" => is_single(it) && values.iter().any(|value| *it == literal(value)),
        _ => false,
    };
    Type::union(of.members().iter().filter(|it| !is_out(it)).cloned())
}

fn is_single(of: &Type) -> bool {
    matches!(of, Type::Null | Type::Literal(_))
}

/// The words that take in all values of a type.
fn kinds(of: &Type) -> &'static [&'static str] {
    match of {
        Type::Null => &["null"],
        Type::Bool | Type::Literal(Value::Bool(_)) => &["boolean"],
        Type::Int { .. } | Type::Literal(Value::Number(_)) => &["integer", "number"],
        Type::Float => &["number"],
        Type::Text | Type::Bytes | Type::Literal(_) => &["string"],
        Type::List(_) | Type::Tuple { .. } => &["array"],
        Type::Map(_) => &["object"],
        _ => &[],
    }
}

/// A keyword's text, or none.
pub(super) fn text(schema: &Value, keyword: &str) -> String {
    schema[keyword]
        .as_str()
        .unwrap_or_default()
        .trim()
        .to_owned()
}
