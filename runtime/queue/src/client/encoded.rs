//! Bytes among arguments that came as JSON, which has no form of its own for them: where
//! a schema says `"contentEncoding": "base64"`, a text is made bytes of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmpv::Value;
use serde_json::Value as Schema;

use super::known::Misfit;
use crate::arguments::Arguments;

/// How deep a schema is followed. What lies deeper stays as it is.
const DEPTH: usize = 64;

/// Whether a schema speaks of bytes anywhere.
pub(super) fn any(schema: &Schema) -> bool {
    match schema {
        Schema::Object(map) => map.contains_key("contentEncoding") || map.values().any(any),
        Schema::Array(items) => items.iter().any(any),
        _ => false,
    }
}

/// Decodes what the schema says is bytes; what is no Base64 is answered.
pub(super) fn decode(schema: &Schema, arguments: &mut Arguments) -> Vec<Misfit> {
    let mut wrong = Vec::new();
    let mut walk = Walk {
        root: schema,
        wrong: &mut wrong,
    };
    for (name, value) in arguments.entries_mut() {
        if let Some(name) = name.as_str()
            && let Some(property) = schema.get("properties").and_then(|it| it.get(name))
        {
            walk.value(property, value, &format!("/{}", escaped(name)), 0);
        }
    }
    wrong
}

struct Walk<'a> {
    root: &'a Schema,
    wrong: &'a mut Vec<Misfit>,
}

impl<'a> Walk<'a> {
    fn value(&mut self, schema: &'a Schema, value: &mut Value, at: &str, depth: usize) {
        if depth > DEPTH {
            return;
        }
        if let Some(reference) = schema.get("$ref").and_then(Schema::as_str)
            && let Some(pointer) = reference.strip_prefix('#')
            && let Some(meant) = self.root.pointer(pointer)
        {
            self.value(meant, value, at, depth + 1);
        }
        for choice in ["anyOf", "oneOf", "allOf"] {
            let some = schema.get(choice).and_then(Schema::as_array);
            for one in some.into_iter().flatten() {
                self.value(one, value, at, depth + 1);
            }
        }
        match value {
            Value::String(text) if is_base64(schema) => match STANDARD.decode(text.as_bytes()) {
                Ok(bytes) => *value = Value::Binary(bytes),
                Err(_) => self.wrong.push(Misfit {
                    pointer: at.to_owned(),
                    problem: "it must be bytes as Base64 (RFC 4648, section 4)".into(),
                }),
            },
            Value::Array(items) => {
                let Some(schema) = schema.get("items") else {
                    return;
                };
                for (n, item) in items.iter_mut().enumerate() {
                    self.value(schema, item, &format!("{at}/{n}"), depth + 1);
                }
            }
            Value::Map(entries) => {
                let others = schema.get("additionalProperties");
                for (name, value) in entries {
                    let Some(name) = name.as_str() else { continue };
                    let property = schema.get("properties").and_then(|it| it.get(name));
                    if let Some(schema) = property.or(others) {
                        self.value(schema, value, &format!("{at}/{}", escaped(name)), depth + 1);
                    }
                }
            }
            _ => {}
        }
    }
}

fn is_base64(schema: &Schema) -> bool {
    schema.get("contentEncoding").and_then(Schema::as_str) == Some("base64")
}

/// A name as a JSON Pointer has it.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Schema {
        json!({
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "raw": {"$ref": "#/$defs/Bytes"},
                "maybe": {"anyOf": [{"$ref": "#/$defs/Bytes"}, {"type": "null"}]},
                "some": {"type": "array", "items": {"$ref": "#/$defs/Bytes"}},
                "by/name": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Bytes"}},
            },
            "$defs": {"Bytes": {"type": "string", "contentEncoding": "base64"}},
        })
    }

    fn decoded(json: Schema) -> (Arguments, Vec<Misfit>) {
        let mut arguments = Arguments::from_json(json).unwrap();
        let wrong = decode(&schema(), &mut arguments);
        (arguments, wrong)
    }

    #[test]
    fn bytes_are_made_where_the_schema_says_so_and_nowhere_else() {
        let (arguments, wrong) = decoded(json!({
            "text": "AQI=", "raw": "AQI=", "maybe": null, "some": ["", "/w=="],
            "by/name": {"x": "AA=="},
        }));
        assert_eq!(wrong, []);
        let mut expected = Arguments::new();
        let bytes = |it: &[u8]| Value::Binary(it.to_vec());
        expected
            .set_value("text", "AQI=".into())
            .set_value("raw", bytes(&[1, 2]))
            .set_value("maybe", Value::Nil)
            .set_value("some", Value::Array(vec![bytes(&[]), bytes(&[0xff])]))
            .set_value("by/name", Value::Map(vec![("x".into(), bytes(&[0]))]));
        assert_eq!(arguments.canonical(), expected.canonical());
        assert!(any(&schema()) && !any(&json!({"type": "object"})));
    }

    #[test]
    fn what_is_no_base64_is_named_by_its_place() {
        let (_, wrong) = decoded(json!({"some": ["AA==", "x y"], "by/name": {"a": "%"}}));
        let places: Vec<_> = wrong.iter().map(|it| &*it.pointer).collect();
        assert_eq!(places, ["/by~1name/a", "/some/1"]);
    }
}
