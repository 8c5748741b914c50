//! The arguments of a call on the command line.

use std::io::Read;

use anyhow::Context as _;
use lovage_queue::arguments::{Arguments, exact_json};
use lovage_queue::task::TaskInfo;
use serde::de::Error as _;
use serde_json::Value;

use super::exit::Verdict;

pub(super) const HELP: &str = "\
Arguments, by name:
    name=value   a text; a number or a boolean where the task's schema says so
    name:=json   any JSON value
    name@file    the contents of a file: bytes, text or JSON, as the schema says
    -            all of them, one JSON object on standard input";

/// Reads what the user wrote, in the light of the task's schema.
pub(super) fn read(words: &[String], task: &TaskInfo) -> anyhow::Result<Arguments> {
    if words == ["-"] {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read the arguments from standard input")?;
        let json = json(text.as_bytes()).map_err(|e| {
            Verdict::Usage(format!("the arguments on standard input are no JSON: {e}"))
        })?;
        return Ok(Arguments::from_json(json)?);
    }
    let mut arguments = Arguments::new();
    for word in words {
        let (name, value) = parts(word)?;
        if arguments.has(name) {
            return Err(Verdict::Usage(format!("argument `{name}` is there twice")).into());
        }
        set(&mut arguments, name, value, task)?;
    }
    Ok(arguments)
}

/// The name of an argument, and what is said of it from its mark on.
fn parts(word: &str) -> Result<(&str, &str), Verdict> {
    const FORMS: &str = "write `name=value`, `name:=json` or `name@file`";
    let wrong = |why: &str| Verdict::Usage(format!("`{word}` is no argument: {why}"));
    // The first of the three marks decides, so that a value may hold the others.
    match word.find(['=', '@', ':']).map(|mark| word.split_at(mark)) {
        Some(("", _)) => Err(wrong(&format!("it has no name; {FORMS}"))),
        Some((name, rest)) if rest.starts_with(':') && !rest.starts_with(":=") => {
            Err(wrong(&format!("a value as JSON is written `{name}:=json`")))
        }
        Some(parts) => Ok(parts),
        None if word == "-" => Err(wrong("it stands alone, for all of them")),
        None => Err(wrong(FORMS)),
    }
}

fn set(arguments: &mut Arguments, name: &str, rest: &str, task: &TaskInfo) -> anyhow::Result<()> {
    let usage = |text: String| anyhow::Error::from(Verdict::Usage(text));
    let schema = property(task, name);
    if let Some(text) = rest.strip_prefix(":=") {
        let value = json(text.as_bytes())
            .map_err(|e| usage(format!("the value of argument `{name}` is no JSON: {e}")))?;
        arguments.set(name, &value)?;
    } else if let Some(path) = rest.strip_prefix('@') {
        let bytes = std::fs::read(path)
            .map_err(|e| usage(format!("argument `{name}`: cannot read `{path}`: {e}")))?;
        if schema.is_some_and(|it| it.get("contentEncoding").is_some()) {
            arguments.set_bytes(name, bytes);
        } else if schema.is_none_or(|it| takes(it, "string")) {
            let text = String::from_utf8(bytes)
                .map_err(|_| usage(format!("argument `{name}`: `{path}` is no UTF-8 text")))?;
            arguments.set(name, &text)?;
        } else {
            let value = json(&bytes)
                .map_err(|e| usage(format!("argument `{name}`: `{path}` is no JSON: {e}")))?;
            arguments.set(name, &value)?;
        }
    } else if let Some(text) = rest.strip_prefix('=') {
        if schema.is_some_and(|it| it.get("contentEncoding").is_some()) {
            arguments.set_bytes(name, text.as_bytes().to_vec());
        } else {
            arguments.set(name, &plain(text, schema))?;
        }
    }
    Ok(())
}

/// Reads a value of JSON, exactly.
fn json(text: &[u8]) -> serde_json::Result<Value> {
    exact_json(text).map_err(serde_json::Error::custom)?;
    serde_json::from_slice(text)
}

/// A text, unless the schema takes only something else that it can be read as.
fn plain(text: &str, schema: Option<&Value>) -> Value {
    let as_text = Value::String(text.to_owned());
    let Some(schema) = schema.filter(|it| !takes(it, "string")) else {
        return as_text;
    };
    let kinds = ["integer", "number", "boolean", "null"];
    match json(text.as_bytes()) {
        Ok(value)
            if !value.is_object()
                && !value.is_array()
                && kinds.iter().any(|it| takes(schema, it)) =>
        {
            value
        }
        _ => as_text,
    }
}

fn property<'a>(task: &'a TaskInfo, name: &str) -> Option<&'a Value> {
    let schema = &task.input_schema;
    let property = schema.get("properties")?.get(name)?;
    match property.get("$ref").and_then(Value::as_str) {
        Some(reference) => schema.pointer(reference.strip_prefix('#')?),
        None => Some(property),
    }
}

/// Whether a schema names a type; one that names none takes anything. One that names values
/// takes these, and no others of their type.
fn takes(schema: &Value, kind: &str) -> bool {
    let choices = ["anyOf", "oneOf"];
    let mut choices = choices.iter().filter_map(|it| schema.get(it)?.as_array());
    match (schema.get("type"), choices.next()) {
        (Some(Value::String(one)), _) => one == kind,
        (Some(Value::Array(some)), _) => some.iter().any(|it| it == kind),
        (_, Some(some)) => some.iter().any(|it| takes(it, kind)),
        _ => match schema.get("enum").and_then(Value::as_array) {
            Some(values) => values.iter().any(|it| is_of(it, kind)),
            None => true,
        },
    }
}

/// Whether a value that is named is of a type that is written plainly; a text is none of these.
fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" | "number" => value.is_number(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn task() -> TaskInfo {
        let properties = json!({
            "side": {"type": "integer"}, "name": {"type": "string"}, "deep": {"type": ["object", "null"]},
            "least": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "real": {"anyOf": [{"type": "number"}, {"enum": ["NaN"]}]}, "color": {"enum": ["red"]},
            "level": {"enum": [1, 2]}, "odd": {"enum": ["a", 1, null]},
            "image": {"$ref": "#/$defs/Bytes"}, "maybe": {"type": ["integer", "null"]}, "any": {},
        });
        TaskInfo {
            name: "t".into(),
            doc: String::new(),
            input_schema: json!({
                "type": "object", "properties": properties,
                "$defs": {"Bytes": {"type": "string", "contentEncoding": "base64"}},
            }),
            output_schema: json!({}),
            options: Default::default(),
            schedules: Vec::new(),
        }
    }

    fn read(words: &[&str]) -> anyhow::Result<Value> {
        let words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
        Ok(super::read(&words, &task())?.to_json())
    }

    #[test]
    fn values_go_by_the_schema() {
        let read = read(&[
            "side=200",
            "name=200",
            "deep:={\"a\":[1]}",
            "maybe=7",
            "any=x=y@z",
        ])
        .unwrap();
        let expected =
            json!({"side": 200, "name": "200", "deep": {"a": [1]}, "maybe": 7, "any": "x=y@z"});
        assert_eq!(read, expected);
    }

    #[test]
    fn choices_and_names_are_told_apart() {
        let words = ["least=7", "real=1.5", "color=red"];
        let expected = json!({"least": 7, "real": 1.5, "color": "red"});
        assert_eq!(read(&words).unwrap(), expected);
        let words = ["level=2", "odd=1"];
        assert_eq!(read(&words).unwrap(), json!({"level": 2, "odd": 1}));
        let words = ["level=x", "odd=a"];
        assert_eq!(read(&words).unwrap(), json!({"level": "x", "odd": "a"}));
        let words = ["least=null", "real=NaN"];
        assert_eq!(read(&words).unwrap(), json!({"least": null, "real": "NaN"}));
    }

    #[test]
    fn what_is_no_value_of_the_type_stays_a_text_and_fails_the_schema_later() {
        assert_eq!(read(&["side=wide"]).unwrap(), json!({"side": "wide"}));
    }

    #[test]
    fn files_are_bytes_text_or_json() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "{\"a\":1}").unwrap();
        let path = path.display();
        let read = read(&[&format!("name@{path}"), &format!("deep@{path}")]).unwrap();
        assert_eq!(read, json!({"name": "{\"a\":1}", "deep": {"a": 1}}));
        let arguments = super::read(&[format!("image@{path}")], &task()).unwrap();
        let packed = arguments.encode();
        assert!(
            packed.windows(9).any(|it| it == b"\xc4\x07{\"a\":1}"),
            "as binary"
        );
    }

    #[test]
    fn nonsense_is_named() {
        for (word, said) in [
            ("side", "`side` is no argument"),
            ("side:3", "written `side:=json`"),
            ("=3", "it has no name"),
            ("side:=-9223372036854775809", "more than 64 bits"),
            ("deep:={", "no JSON"),
            ("image@/nowhere", "cannot read `/nowhere`"),
        ] {
            let e = read(&[word]).unwrap_err().to_string();
            assert!(e.contains(said), "{word}: {e}");
        }
        for (words, said) in [
            (["side=1", "side=2"], "`side` is there twice"),
            (["-", "side=2"], "it stands alone"),
        ] {
            let e = read(&words).unwrap_err().to_string();
            assert!(e.contains(said), "{words:?}: {e}");
        }
    }
}
