//! JSON Schemas (2020-12) of a task's arguments and result.

use crate::arguments::missing;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Gathers a task's arguments into the schema of one object.
#[derive(Debug)]
pub struct InputSchema {
    generator: SchemaGenerator,
    properties: Map<String, Value>,
    required: Vec<Value>,
    /// The schema of a struct that holds all arguments.
    whole: Option<Schema>,
}

impl InputSchema {
    pub(crate) fn new() -> Self {
        let generator = SchemaSettings::draft2020_12()
            .for_deserialize()
            .into_generator();
        Self {
            generator,
            properties: Map::new(),
            required: Vec::new(),
            whole: None,
        }
    }

    /// Adds one argument, in the function's order.
    pub fn argument<'a, T: Deserialize<'a> + JsonSchema>(&mut self, name: &str, doc: &str) {
        let mut schema = self.generator.subschema_for::<T>();
        if !doc.is_empty() {
            schema.insert("description".into(), doc.into());
        }
        self.properties.insert(name.into(), schema.to_value());
        if missing::<T>().is_none() {
            self.required.push(name.into());
        }
    }

    /// Takes the arguments from the fields of a struct.
    pub fn call<T: JsonSchema>(&mut self) {
        self.whole = Some(self.generator.root_schema_for::<T>());
    }

    pub(crate) fn finish(mut self) -> String {
        if let Some(schema) = self.whole.take() {
            return object(schema);
        }
        let mut schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": false,
        });
        let definitions = self.generator.take_definitions(true);
        if !definitions.is_empty() {
            schema["$defs"] = definitions.into();
        }
        schema.to_string()
    }
}

/// The schema of a struct's fields, as that of arguments: what is not among them is refused, unless the type itself says
/// something of that.
///
/// # Panics
///
/// When the type is no struct. A push fails then, with this message in its log.
fn object(mut schema: Schema) -> String {
    assert!(
        schema.get("type").is_some_and(|kind| kind == "object"),
        "a batched task takes a `Vec` of structs, whose fields are the arguments of a call by name"
    );
    schema.remove("title");
    if OPEN.iter().all(|word| schema.get(*word).is_none()) {
        schema.insert("additionalProperties".into(), false.into());
    }
    schema.to_value().to_string()
}

/// The words of a schema by which a type says what else an object may have.
const OPEN: [&str; 6] = [
    "additionalProperties",
    "unevaluatedProperties",
    "patternProperties",
    "allOf",
    "anyOf",
    "oneOf",
];

/// The schema of a result.
pub(crate) fn output<T: JsonSchema>() -> String {
    let generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    generator.into_root_schema_for::<T>().to_value().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bytes;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is read")]
    struct Crop {
        left: u32,
    }

    fn input(fill: impl FnOnce(&mut InputSchema)) -> Value {
        let mut schema = InputSchema::new();
        fill(&mut schema);
        serde_json::from_str(&schema.finish()).unwrap()
    }

    #[test]
    fn an_object_of_the_arguments() {
        let schema = input(|schema| {
            schema.argument::<Bytes>("image", "The picture.");
            schema.argument::<Option<u32>>("max_side", "");
        });
        assert_eq!(schema["type"], "object");
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], json!(["image"]));
        let image =
            json!({"type": "string", "contentEncoding": "base64", "description": "The picture."});
        assert_eq!(schema["properties"]["image"], image);
        assert_eq!(
            schema["properties"]["max_side"]["type"],
            json!(["integer", "null"])
        );
    }

    #[test]
    fn no_arguments_is_an_empty_object() {
        let schema = input(|_| ());
        assert_eq!(schema["properties"], json!({}));
        assert_eq!(schema["required"], json!([]));
    }

    #[test]
    fn a_type_of_the_author_is_a_definition() {
        let schema = input(|schema| schema.argument::<Crop>("crop", "Where."));
        assert_eq!(
            schema["properties"]["crop"],
            json!({"$ref": "#/$defs/Crop", "description": "Where."})
        );
        assert_eq!(schema["$defs"]["Crop"]["required"], json!(["left"]));
    }

    #[test]
    fn the_fields_of_a_struct_are_the_arguments() {
        #[derive(Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "only its schema is read")]
        struct Part {
            image: Bytes,
            crop: Option<Crop>,
        }
        let schema = input(|schema| schema.call::<Part>());
        assert_eq!(schema["type"], "object");
        assert_eq!(schema["required"], json!(["image"]));
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["$defs"]["Crop"]["required"], json!(["left"]));
        assert!(schema.get("title").is_none());
        let open = input(|schema| schema.call::<std::collections::BTreeMap<String, u8>>());
        assert!(open["additionalProperties"].is_object(), "{open}");
    }

    #[test]
    #[should_panic(expected = "takes a `Vec` of structs")]
    fn what_is_no_struct_has_no_fields() {
        input(|schema| schema.call::<u32>());
    }

    #[test]
    fn a_result() {
        let schema: Value = serde_json::from_str(&output::<Vec<u32>>()).unwrap();
        assert_eq!(schema["type"], "array");
        let unit: Value = serde_json::from_str(&output::<()>()).unwrap();
        assert_eq!(unit["type"], "null");
    }
}
