//! JSON Schemas (2020-12) of a task's arguments and result.

use crate::arguments::missing;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Gathers a task's arguments into the schema of one object.
#[derive(Debug)]
pub struct InputSchema {
    generator: SchemaGenerator,
    properties: Map<String, Value>,
    required: Vec<Value>,
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

    pub(crate) fn finish(mut self) -> String {
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
    fn a_result() {
        let schema: Value = serde_json::from_str(&output::<Vec<u32>>()).unwrap();
        assert_eq!(schema["type"], "array");
        let unit: Value = serde_json::from_str(&output::<()>()).unwrap();
        assert_eq!(unit["type"], "null");
    }
}
