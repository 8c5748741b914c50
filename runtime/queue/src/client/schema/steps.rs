//! What it would take to check arguments by a schema, counted without checking them.
//!
//! A schema whose branches all refer back to it doubles its work with each level of the
//! arguments; honest recursive ones are cheap. Which it is nobody can tell from the
//! schema alone.

use serde_json::Value;

use super::{Applied, Bounds, MAX_DEPTH, keyword, members, resolve, values};

/// Schemas that are applied to values in one check at most: some tenths of a second.
const MOST: usize = 4_000_000;
/// Bytes of texts up to which nobody asks how long a pattern takes.
const SHORT: usize = 16 * 1024;
/// Steps that a byte counts which a pattern is held against.
const BYTE: usize = 16;
/// How deep schemas may be applied within each other: whoever checks needs that much
/// stack, and somewhat more.
const DEEP: usize = 5 * MAX_DEPTH;

/// Counts down what may be done.
pub(in crate::client) struct Steps<'a> {
    root: &'a Value,
    left: usize,
}

/// It is too much.
struct Spent;

impl<'a> Steps<'a> {
    /// Whether a check of these arguments is over in reasonable time.
    pub(in crate::client) fn are_few(schema: &'a Value, bounds: Bounds, arguments: &Value) -> bool {
        let product = bounds.weight.saturating_mul(values(arguments));
        let plain = !bounds.recursive && product <= MOST;
        if plain && (bounds.patterns == 0 || text(arguments) <= SHORT) {
            return true;
        }
        let mut steps = Steps {
            root: schema,
            left: MOST,
        };
        steps.apply(schema, arguments, 0).is_ok()
    }

    fn spend(&mut self, steps: usize) -> Result<(), Spent> {
        self.left = self.left.checked_sub(steps).ok_or(Spent)?;
        Ok(())
    }

    /// Counts as if every branch were taken and no error ended anything early.
    fn apply(&mut self, schema: &'a Value, value: &Value, depth: usize) -> Result<(), Spent> {
        let Value::Object(map) = schema else {
            return self.spend(1);
        };
        if depth > DEEP {
            return Err(Spent);
        }
        self.spend(1 + map.len())?;
        for (name, inner) in map {
            match (&**name, value) {
                ("$ref", _) => {
                    let meant = inner.as_str().and_then(|it| resolve(self.root, it));
                    self.apply(meant.ok_or(Spent)?, value, depth + 1)?;
                }
                ("enum" | "required", _) => {
                    self.spend(inner.as_array().map_or(0, Vec::len))?;
                }
                ("pattern", Value::String(text)) => self.spend(BYTE * text.len())?,
                _ => {}
            }
            match keyword(name) {
                Some((Applied::Here, named)) => {
                    for inner in members(inner, named) {
                        self.apply(inner, value, depth + 1)?;
                    }
                }
                Some((Applied::Within, _)) => self.within(name, inner, value, depth + 1)?,
                None => {}
            }
        }
        Ok(())
    }

    /// The schemas of a keyword that are applied to what lies in a value.
    fn within(
        &mut self,
        name: &str,
        schemas: &'a Value,
        value: &Value,
        depth: usize,
    ) -> Result<(), Spent> {
        match (name, value) {
            ("properties", Value::Object(map)) => {
                let schemas = schemas.as_object();
                for (name, schema) in schemas.into_iter().flatten() {
                    if let Some(value) = map.get(name) {
                        self.apply(schema, value, depth)?;
                    }
                }
                Ok(())
            }
            ("patternProperties", Value::Object(map)) => {
                for (name, value) in map {
                    for schema in members(schemas, true) {
                        self.spend(BYTE * name.len())?;
                        self.apply(schema, value, depth)?;
                    }
                }
                Ok(())
            }
            ("propertyNames", Value::Object(map)) => {
                for name in map.keys() {
                    self.apply(schemas, &Value::String(name.clone()), depth)?;
                }
                Ok(())
            }
            ("additionalProperties" | "unevaluatedProperties", Value::Object(map)) => {
                for value in map.values() {
                    self.apply(schemas, value, depth)?;
                }
                Ok(())
            }
            ("prefixItems" | "items", Value::Array(items)) if schemas.is_array() => {
                for (schema, item) in members(schemas, false).zip(items) {
                    self.apply(schema, item, depth)?;
                }
                Ok(())
            }
            (
                "items" | "additionalItems" | "contains" | "unevaluatedItems",
                Value::Array(items),
            ) => {
                for item in items {
                    self.apply(schemas, item, depth)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Bytes of the texts of a value, names included.
fn text(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(text).sum(),
        Value::Object(map) => map.iter().map(|(name, it)| name.len() + text(it)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn are_few(schema: &Value, arguments: &Value) -> bool {
        Steps::are_few(schema, Bounds::of(schema).unwrap(), arguments)
    }

    fn nested(depth: usize) -> Value {
        (0..depth).fold(json!({}), |inner, _| json!({"x": inner}))
    }

    #[test]
    fn honest_recursion_is_cheap_and_the_other_kind_is_found() {
        let honest =
            json!({"type": "object", "properties": {"x": {"$ref": "#"}, "y": {"$ref": "#"}}});
        assert!(are_few(&honest, &nested(100)));
        let both = json!({"$ref": "#"});
        let hostile = json!({"properties": {"x": {"allOf": [both, both]}}});
        assert!(are_few(&hostile, &nested(10)));
        assert!(!are_few(&hostile, &nested(100)));
    }

    #[test]
    fn many_schemas_for_many_values_are_too_many() {
        let schema = json!({"properties": {"x": {"items": {"allOf": vec![json!({}); 5_000]}}}});
        assert!(are_few(&schema, &json!({"x": [1, 2, 3]})));
        assert!(!are_few(&schema, &json!({"x": vec![0; 5_000]})));
        // What the schema says nothing of costs nothing.
        assert!(are_few(&schema, &json!({"y": vec![0; 5_000]})));
    }

    #[test]
    fn a_long_text_is_not_held_against_a_pattern() {
        let schema = json!({"properties": {"x": {"pattern": "^a*$"}}});
        assert!(are_few(&schema, &json!({"x": "a".repeat(100_000)})));
        assert!(!are_few(&schema, &json!({"x": "a".repeat(300_000)})));
        assert!(are_few(&schema, &json!({"y": "a".repeat(300_000)})));
    }

    #[test]
    fn what_is_applied_too_deep_is_not_applied() {
        // Each level of the arguments is a hundred of the schema.
        let chain = (0..100).fold(
            json!({"properties": {"x": {"$ref": "#"}}}),
            |inner, _| json!({"allOf": [inner]}),
        );
        assert!(are_few(&chain, &nested(5)));
        assert!(!are_few(&chain, &nested(60)));
    }
}
