//! What callers are told of a function: JSON Schemas of its arguments and its result, and
//! its signature in WIT.

use serde_json::{Map, Value, json};

use super::shape::Shape;
use super::{Function, NOT_FINITE, in_wit, is_nested};

/// Bytes of a signature that is told.
const SIGNATURE: usize = 2_000;

impl Function {
    /// The schema of its arguments, by name.
    pub(super) fn input_schema(&self) -> Value {
        object(&self.parameters)
    }

    /// The schema of its result; of one that may fail, of what it has where it does not.
    pub(super) fn output_schema(&self) -> Value {
        let result = match &self.result {
            Some(Shape::Result(ok, _)) => ok.as_deref(),
            other => other.as_ref(),
        };
        result.map_or_else(|| json!({"type": "null"}), schema)
    }

    /// It as WIT writes it, as far as it is short.
    pub(super) fn signature(&self) -> String {
        let parameters = self.parameters.iter();
        let parameters: Vec<_> = parameters
            .map(|(name, it)| format!("{}: {}", in_wit(name), wit(it)))
            .collect();
        let result = self.result.as_ref().map(|it| format!(" -> {}", wit(it)));
        let text = format!(
            "{}: func({}){}",
            self.place.function,
            parameters.join(", "),
            result.unwrap_or_default()
        );
        match text.len() > SIGNATURE {
            true => format!("{}: func(…)", self.place.function),
            false => text,
        }
    }
}

fn schema(shape: &Shape) -> Value {
    match shape {
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Integer(integer) => {
            let [least, most] = integer.range();
            // Each fits one of both.
            let number =
                |it: i128| u64::try_from(it).map_or_else(|_| json!(it as i64), |it| json!(it));
            json!({"type": "integer", "minimum": number(least), "maximum": number(most)})
        }
        Shape::F32 | Shape::F64 => {
            let number = match shape {
                Shape::F32 => json!({"type": "number", "minimum": f32::MIN, "maximum": f32::MAX}),
                _ => json!({"type": "number"}),
            };
            json!({"anyOf": [number, {"enum": NOT_FINITE.map(|(name, _)| name)}]})
        }
        Shape::Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
        Shape::Text => json!({"type": "string"}),
        Shape::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
        Shape::List(element) => json!({"type": "array", "items": schema(element)}),
        Shape::Tuple(items) => {
            let count = items.len();
            let items: Vec<_> = items.iter().map(schema).collect();
            json!({"type": "array", "prefixItems": items, "items": false, "minItems": count})
        }
        Shape::Record(fields) => object(fields),
        Shape::Enum(names) => json!({"enum": names}),
        Shape::Flags(names) => {
            json!({"type": "array", "items": {"enum": names}, "uniqueItems": true})
        }
        Shape::Option(some) => {
            let inner = schema(some);
            let inner = if is_nested(some) {
                holding("some", inner)
            } else {
                inner
            };
            json!({"anyOf": [inner, {"type": "null"}]})
        }
        Shape::Variant(_) | Shape::Result(..) => {
            let is_result = matches!(shape, Shape::Result(..));
            let cases = shape.case_names().into_iter().zip(shape.cases());
            let cases = cases.map(|(name, payload)| match payload {
                Some(payload) => holding(name, schema(payload)),
                None if is_result => holding(name, json!({"type": "null"})),
                None => json!({"const": name}),
            });
            json!({"oneOf": cases.collect::<Vec<_>>()})
        }
    }
}

/// An object of one name.
fn holding(name: &str, schema: Value) -> Value {
    json!({
        "type": "object",
        "properties": {name: schema},
        "required": [name],
        "additionalProperties": false,
    })
}

fn object(fields: &[(String, Shape)]) -> Value {
    let properties = fields.iter().map(|(name, it)| (name.clone(), schema(it)));
    let required = fields
        .iter()
        .filter(|(_, it)| !matches!(it, Shape::Option(_)));
    json!({
        "type": "object",
        "properties": properties.collect::<Map<_, _>>(),
        "required": required.map(|(name, _)| name).collect::<Vec<_>>(),
        "additionalProperties": false,
    })
}

/// A type as WIT would write it, were it there by itself.
fn wit(shape: &Shape) -> String {
    let list = |some: Vec<String>| some.join(", ");
    let optional = |it: &Option<Box<Shape>>| it.as_ref().map_or_else(|| "_".into(), |it| wit(it));
    match shape {
        Shape::Bool => "bool".into(),
        Shape::Integer(integer) => integer.name().into(),
        Shape::F32 => "f32".into(),
        Shape::F64 => "f64".into(),
        Shape::Char => "char".into(),
        Shape::Text => "string".into(),
        Shape::Bytes => "list<u8>".into(),
        Shape::List(element) => format!("list<{}>", wit(element)),
        Shape::Tuple(items) => format!("tuple<{}>", list(items.iter().map(wit).collect())),
        Shape::Record(fields) => {
            let fields = fields
                .iter()
                .map(|(name, it)| format!("{}: {}", in_wit(name), wit(it)));
            format!("record {{ {} }}", list(fields.collect()))
        }
        Shape::Variant(cases) => {
            let cases = cases.iter().map(|(name, it)| match it {
                Some(it) => format!("{name}({})", wit(it)),
                None => name.clone(),
            });
            format!("variant {{ {} }}", list(cases.collect()))
        }
        Shape::Enum(names) => format!("enum {{ {} }}", names.join(", ")),
        Shape::Flags(names) => format!("flags {{ {} }}", names.join(", ")),
        Shape::Option(some) => format!("option<{}>", wit(some)),
        Shape::Result(None, None) => "result".into(),
        Shape::Result(Some(ok), None) => format!("result<{}>", wit(ok)),
        Shape::Result(ok, error) => format!("result<{}, {}>", optional(ok), optional(error)),
    }
}
