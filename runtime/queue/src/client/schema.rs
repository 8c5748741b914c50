//! JSON Schemas that a module brings along, and whoever calls it is checked by.
//!
//! They are somebody else's words, and a validator follows them wherever they lead. So
//! they are looked at first: nothing is fetched, nothing refers to itself without end,
//! patterns are of the kind that never tracks back, and what a schema comes to when all
//! its references are followed is bounded. Where that still is not enough, because a
//! schema is recursive or its arguments are many, `steps` counts what a check would take
//! before it is made.

mod formats;
mod steps;
pub(super) mod told;

use serde_json::Value;

pub(super) use self::steps::Steps;

use super::Misfit;
use super::known::Known;
use crate::arguments::Arguments;
use crate::grant::Grants;
use crate::registry::Manifest;
use crate::task::{TaskInfo, TaskOptions};

/// Values of JSON that a schema may have.
pub const MAX_VALUES: usize = 20_000;
/// Schemas that those of a module come to, with each reference followed.
pub const MAX_WEIGHT: usize = 100_000;
/// How deep schemas may lie in each other, references included.
pub const MAX_DEPTH: usize = 200;
/// Patterns of all of a module's schemas.
pub const MAX_PATTERNS: usize = 200;
/// Bytes of a compiled pattern.
const PATTERN: usize = 128 * 1024;
/// Bytes that a pattern may remember of what it has met.
const PATTERN_CACHE: usize = 512 * 1024;
/// Bytes that are shown of what is wrong.
pub(super) const SHOWN: usize = 512;

/// What a schema comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// How many schemas it is, with each reference followed.
    pub weight: usize,
    /// Its patterns, each as often as it is referred to.
    pub patterns: usize,
    /// Whether it refers to itself.
    pub recursive: bool,
}

impl Bounds {
    /// What a schema comes to.
    ///
    /// # Errors
    /// Why nobody is checked by it, in a sentence that goes on from "it".
    pub fn of(schema: &Value) -> Result<Self, String> {
        if values(schema) > MAX_VALUES {
            return Err(format!("has more than {MAX_VALUES} values"));
        }
        let mut walk = Walk {
            root: schema,
            path: Vec::new(),
            bounds: Bounds::default(),
        };
        walk.schema(schema, 0, Where::default())?;
        Ok(walk.bounds)
    }

    /// This one's, and another's of the same module.
    ///
    /// # Errors
    /// Which bound of a module's schemas that is past.
    pub fn and(self, other: Bounds) -> Result<Bounds, String> {
        let sum = Bounds {
            weight: self.weight + other.weight,
            patterns: self.patterns + other.patterns,
            recursive: self.recursive || other.recursive,
        };
        sum.within().map(|()| sum)
    }

    fn within(&self) -> Result<(), String> {
        if self.weight > MAX_WEIGHT {
            return Err(format!(
                "comes to more than {MAX_WEIGHT} schemas for its module, with each `$ref` followed"
            ));
        }
        if self.patterns > MAX_PATTERNS {
            return Err(format!(
                "comes to more than {MAX_PATTERNS} patterns for its module"
            ));
        }
        Ok(())
    }
}

/// Makes a schema ready to check by. It must have been found to be within its bounds.
///
/// # Errors
/// What makes it no JSON Schema.
pub fn compile(schema: &Value) -> Result<jsonschema::Validator, String> {
    let patterns = jsonschema::PatternOptions::regex()
        .size_limit(PATTERN)
        .dfa_size_limit(PATTERN_CACHE);
    let options = formats::set(jsonschema::options().with_pattern_options(patterns));
    options.build(schema).map_err(|e| cut(e.to_string()))
}

/// What a client would find wrong with arguments that came as JSON, of a task with this
/// schema: all that it looks at but the task.
pub fn misfits(schema: &Value, arguments: &mut Arguments) -> Vec<Misfit> {
    let task = TaskInfo {
        name: "task".into(),
        doc: String::new(),
        input_schema: schema.clone(),
        output_schema: Value::Bool(true),
        options: TaskOptions::default(),
        schedules: Vec::new(),
    };
    let known = Known::new(Manifest {
        size: 0,
        tasks: vec![task],
        wants: Grants::default(),
    });
    let wrong = known.decode("task", arguments);
    match wrong.is_empty() {
        true => known.problems("task", arguments),
        false => wrong,
    }
}

/// The beginning of a text that somebody else wrote.
pub(super) fn cut(mut text: String) -> String {
    if text.len() > SHOWN {
        text.truncate(text.floor_char_boundary(SHOWN));
        text.push('…');
    }
    text
}

/// How many values a value is, itself included.
pub(super) fn values(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(values).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(values).sum::<usize>(),
        _ => 1,
    }
}

/// How a keyword's schemas are applied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Applied {
    /// To the very value that the schema is applied to.
    Here,
    /// To values in it.
    Within,
}

/// Whether a keyword holds schemas, how they are applied, and whether they are the
/// members of an object of names.
fn keyword(name: &str) -> Option<(Applied, bool)> {
    use Applied::{Here, Within};
    match name {
        "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" => Some((Here, false)),
        "dependentSchemas" | "dependencies" => Some((Here, true)),
        "items"
        | "prefixItems"
        | "additionalItems"
        | "contains"
        | "unevaluatedItems"
        | "additionalProperties"
        | "unevaluatedProperties"
        | "propertyNames" => Some((Within, false)),
        "properties" | "patternProperties" => Some((Within, true)),
        _ => None,
    }
}

/// The schemas of a keyword, each by itself.
fn members(value: &Value, named: bool) -> impl Iterator<Item = &Value> {
    let (list, map) = match value {
        Value::Array(items) if !named => (Some(items), None),
        Value::Object(map) if named => (None, Some(map)),
        _ => (None, None),
    };
    let one = (!named && value.is_object()).then_some(value);
    let list = list.into_iter().flatten();
    let map = map.into_iter().flat_map(serde_json::Map::values);
    list.chain(map).chain(one)
}

/// The schema that a reference means; it is within the same document.
fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    match reference.strip_prefix('#')? {
        "" => Some(root),
        pointer if pointer.starts_with('/') => {
            // The one escape of URLs that a pointer needs in practice.
            match pointer.contains('%') {
                true => root.pointer(&pointer.replace("%25", "%").replace("%7E", "~")),
                false => root.pointer(pointer),
            }
        }
        anchor => anchored(root, anchor),
    }
}

/// The schema of an anchor, wherever it is.
fn anchored<'a>(value: &'a Value, anchor: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => match map.get("$anchor").and_then(Value::as_str) {
            Some(name) if name == anchor => Some(value),
            _ => map.values().find_map(|it| anchored(it, anchor)),
        },
        Value::Array(items) => items.iter().find_map(|it| anchored(it, anchor)),
        _ => None,
    }
}

/// Follows a schema as whoever compiles it does.
struct Walk<'a> {
    root: &'a Value,
    /// The schemas that are being looked at, and where each is applied.
    path: Vec<(*const Value, Where)>,
    bounds: Bounds,
}

/// Where a schema is applied.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Where {
    /// How far within the arguments.
    within: usize,
    /// To the names of how many objects' properties, one within the other.
    names: usize,
}

impl<'a> Walk<'a> {
    fn schema(&mut self, schema: &'a Value, depth: usize, here: Where) -> Result<(), String> {
        let Value::Object(map) = schema else {
            return Ok(());
        };
        if depth > MAX_DEPTH {
            return Err(format!(
                "has schemas that lie more than {MAX_DEPTH} deep in each other"
            ));
        }
        self.bounds.weight += 1;
        let patterns = map.get("patternProperties").and_then(Value::as_object);
        self.bounds.patterns += patterns.map_or(0, serde_json::Map::len);
        self.bounds.patterns += usize::from(map.contains_key("pattern"));
        self.bounds.within()?;
        self.path.push((std::ptr::from_ref(schema), here));
        for (name, value) in map {
            match &**name {
                "$ref" => self.reference(value, depth, here)?,
                "$dynamicRef" | "$recursiveRef" => {
                    return Err(format!("has a `{name}`: write `$ref`"));
                }
                "$id" if depth > 0 => {
                    return Err("has a schema within it that has an `$id`".into());
                }
                _ => {}
            }
            if let Some((applied, named)) = keyword(name) {
                let there = Where {
                    within: here.within + usize::from(applied == Applied::Within),
                    names: here.names + usize::from(name == "propertyNames"),
                };
                for inner in members(value, named) {
                    self.schema(inner, depth + 1, there)?;
                }
            }
        }
        self.path.pop();
        Ok(())
    }

    fn reference(&mut self, value: &'a Value, depth: usize, here: Where) -> Result<(), String> {
        let reference = value.as_str().unwrap_or_default();
        let meant = resolve(self.root, reference).ok_or_else(|| {
            let shown = cut(reference.to_owned());
            format!("refers to `{shown}`, which is not within it: nothing is fetched")
        })?;
        let place = std::ptr::from_ref(meant);
        match self.path.iter().rev().find(|it| it.0 == place) {
            // A name has nothing in it that would bring an end, and the validator finds none.
            Some((_, then)) if then.within == here.within || then.names != here.names => {
                let shown = cut(reference.to_owned());
                Err(format!("refers to itself without end, by `{shown}`"))
            }
            Some(_) => {
                self.bounds.recursive = true;
                Ok(())
            }
            None => self.schema(meant, depth + 1, here),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::processor_time;

    fn refused(schema: Value) -> String {
        Bounds::of(&schema).unwrap_err()
    }

    #[test]
    fn what_people_write_is_within_its_bounds() {
        let tree = json!({
            "type": "object", "required": ["tree"],
            "properties": {"tree": {"$ref": "#/$defs/Tree"}, "$id": {"type": "string"}},
            "$defs": {"Tree": {"anyOf": [{"type": "null"}, {
                "type": "object",
                "properties": {"left": {"$ref": "#/$defs/Tree"}, "right": {"$ref": "#/$defs/Tree"}},
            }]}},
        });
        let bounds = Bounds::of(&tree).unwrap();
        assert!(bounds.recursive && bounds.weight < 10, "{bounds:?}");
        let plain = json!({"properties": {"a": {"type": "string", "pattern": r"^[\p{L}\w .-]+$"}}});
        let bounds = Bounds::of(&plain).unwrap();
        assert_eq!(
            (bounds.weight, bounds.patterns, bounds.recursive),
            (2, 1, false)
        );
        assert!(compile(&plain).unwrap().is_valid(&json!({"a": "Zoë-2"})));
        assert!(compile(&tree).is_ok());
        let names = json!({"propertyNames": {"$ref": "#/$defs/Tree"}, "$defs": tree["$defs"]});
        assert!(Bounds::of(&names).unwrap().recursive && compile(&names).is_ok());
    }

    #[test]
    fn nothing_is_fetched() {
        for reference in [
            "http://127.0.0.1:1/x.json",
            "file:///etc/passwd",
            "other.json",
            "#/no",
        ] {
            let said = refused(json!({"properties": {"a": {"$ref": reference}}}));
            assert!(said.contains("nothing is fetched"), "{said}");
        }
        let said = refused(json!({"$dynamicRef": "#x"}));
        assert!(said.contains("`$dynamicRef`"), "{said}");
        let said = refused(json!({"items": {"$id": "http://127.0.0.1:1/"}}));
        assert!(said.contains("`$id`"), "{said}");
    }

    #[test]
    fn what_refers_to_itself_without_end_is_refused() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"not": {"$ref": "#"}}]}),
            json!({"$ref": "#/$defs/a", "$defs": {
                "a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}}),
            json!({"properties": {"x": {"$anchor": "x", "if": {"$ref": "#x"}}}}),
            json!({"propertyNames": {"$ref": "#"}}),
            json!({"propertyNames": {"properties": {"a": {"$ref": "#"}}}}),
            json!({"properties": {"a": {"propertyNames": {"not": {"$ref": "#"}}}}}),
        ] {
            let said = refused(schema);
            assert!(said.contains("without end"), "{said}");
        }
    }

    /// Each means the next one twice.
    fn doubling(levels: usize) -> Value {
        let next = |n: usize| json!({"$ref": format!("#/$defs/{}", n + 1)});
        let defs = (0..levels).map(|n| (n.to_string(), json!({"allOf": [next(n), next(n)]})));
        let mut defs: serde_json::Map<String, Value> = defs.collect();
        defs.insert(levels.to_string(), json!({}));
        json!({"$ref": "#/$defs/0", "$defs": defs})
    }

    #[test]
    fn references_that_multiply_are_counted_and_none_is_too_deep() {
        let said = refused(doubling(40));
        assert!(said.contains("more than 100000 schemas"), "{said}");
        let links = |n: usize| json!({"properties": {"x": {"$ref": format!("#/$defs/{}", n + 1)}}});
        let mut defs: serde_json::Map<String, Value> =
            (0..2_000).map(|n| (n.to_string(), links(n))).collect();
        defs.insert("2000".into(), json!({}));
        let said = refused(json!({"$ref": "#/$defs/0", "$defs": defs}));
        assert!(said.contains("200 deep"), "{said}");
        // All of some refer to all of them: a path through them has no end in sight.
        let all = |_| json!({"items": (0..12).map(|n| json!({"$ref": format!("#/$defs/{n}")})).collect::<Vec<_>>()});
        let defs: serde_json::Map<String, Value> =
            (0..12).map(|n: usize| (n.to_string(), all(n))).collect();
        let said = refused(json!({"$ref": "#/$defs/0", "$defs": defs}));
        assert!(said.contains("more than 100000 schemas"), "{said}");
    }

    #[test]
    fn size_and_patterns_have_bounds() {
        let said = refused(json!({"enum": vec![0; MAX_VALUES]}));
        assert!(said.contains("20000 values"), "{said}");
        let said = refused(json!({"allOf": vec![json!({"pattern": "a"}); MAX_PATTERNS + 1]}));
        assert!(said.contains("200 patterns"), "{said}");
        let half = Bounds {
            weight: MAX_WEIGHT / 2 + 1,
            ..Bounds::default()
        };
        assert!(half.and(Bounds::default()).is_ok() && half.and(half).is_err());
        for pattern in ["(a{1000}){1000}", "(a+)+\\1$", "(?=a)a"] {
            assert!(compile(&json!({"pattern": pattern})).is_err(), "{pattern}");
        }
    }

    #[test]
    fn no_pattern_tracks_back() {
        let check = compile(&json!({"pattern": "^(a|a)*(a+)+$"})).unwrap();
        let before = processor_time();
        assert!(!check.is_valid(&Value::String("a".repeat(100_000) + "b")));
        assert!(processor_time() - before < std::time::Duration::from_secs(5));
    }
}
