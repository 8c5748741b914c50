//! What one schema says of itself.

use serde_json::{Map, Value};

use crate::stubs::model::Type;

/// What a double holds exactly.
const EXACT: f64 = 9_007_199_254_740_991.0;

/// Whether it has properties that it names.
pub(super) fn is_record(schema: &Map<String, Value>) -> bool {
    schema.get("properties").is_some_and(Value::is_object)
}

/// Whether it is a record and nothing else.
pub(super) fn is_only_record(schema: &Map<String, Value>) -> bool {
    let others = [
        "$ref", "allOf", "oneOf", "anyOf", "const", "enum", "nullable",
    ];
    let object = schema.get("type").is_none_or(|it| it == "object");
    is_record(schema) && object && !others.iter().any(|it| schema.contains_key(*it))
}

/// Whether it says what kind of value it takes.
pub(super) fn says_type(schema: &Map<String, Value>) -> bool {
    [
        "type",
        "properties",
        "items",
        "prefixItems",
        "enum",
        "const",
        "$ref",
        "oneOf",
        "anyOf",
    ]
    .iter()
    .any(|it| schema.contains_key(*it))
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

/// A keyword's text, or none.
pub(super) fn text(schema: &Value, keyword: &str) -> String {
    schema[keyword]
        .as_str()
        .unwrap_or_default()
        .trim()
        .to_owned()
}
