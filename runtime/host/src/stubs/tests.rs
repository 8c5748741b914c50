//! Whole files, held against those that were read by a person and by type checkers.

use std::path::Path;

use serde_json::{Value, json};

use super::{Language, Module, Task};

/// The module of a file in `golden/`.
fn module(text: &str) -> Module {
    let told: Value = serde_json::from_str(text).unwrap();
    let tasks = told["tasks"].as_array().unwrap().iter().map(|it| Task {
        name: it["name"].as_str().unwrap().into(),
        doc: it["doc"].as_str().unwrap().into(),
        input: it["input"].clone(),
        output: it["output"].clone(),
    });
    Module {
        name: told["module"].as_str().unwrap().into(),
        release: 7,
        digest: "7dad45742b50".into(),
        tasks: tasks.collect(),
    }
}

/// Holds stubs against a file. To write the files anew, when they are to change, run the
/// tests with `LOVAGE_GOLDEN=write`, and read what has become of them.
fn golden(name: &str, stubs: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/stubs/golden")
        .join(name);
    if std::env::var_os("LOVAGE_GOLDEN").is_some_and(|it| it == "write") {
        std::fs::write(&file, stubs).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    assert_eq!(stubs, expected, "{name}");
}

#[test]
fn each_shape_has_its_type() {
    let module = module(include_str!("golden/shapes.json"));
    golden("shapes.py", &Language::Python.stubs(&module));
    golden("shapes.ts", &Language::TypeScript.stubs(&module));
}

#[test]
fn what_strangers_write_stays_in_its_quotes() {
    let module = module(include_str!("golden/hostile.json"));
    for (lang, file) in [
        (Language::Python, "hostile.py"),
        (Language::TypeScript, "hostile.ts"),
    ] {
        let stubs = lang.stubs(&module);
        golden(file, &stubs);
        // Of what would end a line somewhere, only our own line ends are left.
        let unruly = |c: char| c != '\n' && (c.is_control() || "\u{2028}\u{202e}".contains(c));
        assert!(!stubs.contains(unruly), "{file}");
    }
}

/// The type of a result, as both languages write it.
fn result(schema: Value) -> [String; 2] {
    let task = Task {
        name: "t".into(),
        doc: String::new(),
        input: json!({"type": "object", "additionalProperties": false}),
        output: schema,
    };
    let module = Module {
        name: "m".into(),
        release: 1,
        digest: String::new(),
        tasks: vec![task],
    };
    let [python, typescript] = [Language::Python, Language::TypeScript].map(|it| it.stubs(&module));
    let between = |text: &str, from: &str, to: &str| {
        let rest = text.split_once(from).unwrap().1;
        rest.split_once(to).unwrap().0.to_owned()
    };
    [
        between(&python, "def t() -> ", ":\n"),
        between(&typescript, "t: Task<MT, ", ">;"),
    ]
}

#[test]
fn types_of_results() {
    for (schema, python, typescript) in [
        (json!({}), "Any", "unknown"),
        (json!(false), "Never", "never"),
        (json!({"type": "null"}), "None", "null"),
        (json!({"type": "integer"}), "int", "number"),
        (
            json!({"type": "integer", "format": "uint64"}),
            "int",
            "Int64",
        ),
        (
            json!({"type": "integer", "minimum": -9223372036854775808_i64}),
            "int",
            "Int64",
        ),
        (
            json!({"type": "integer", "maximum": 9007199254740991_i64}),
            "int",
            "number",
        ),
        (
            json!({"type": ["integer", "number"]}),
            "int | float",
            "number",
        ),
        (
            json!({"type": ["null", "string"]}),
            "str | None",
            "string | null",
        ),
        (
            json!({"type": "string", "nullable": true}),
            "str | None",
            "string | null",
        ),
        (json!({"type": "string", "format": "uuid"}), "str", "string"),
        (json!({"contentEncoding": "base64"}), "bytes", "Uint8Array"),
        (
            json!({"type": "string", "contentEncoding": "base64"}),
            "bytes",
            "Uint8Array",
        ),
        (json!({"const": "a"}), "Literal[\"a\"]", "\"a\""),
        (
            json!({"enum": ["a", 1, true]}),
            "Literal[\"a\", 1, True]",
            "\"a\" | 1 | true",
        ),
        (json!({"enum": [1.5, 2.5]}), "float", "number"),
        (
            json!({"enum": [null, "a"]}),
            "Literal[\"a\"] | None",
            "\"a\" | null",
        ),
        (
            json!({"items": {"type": "boolean"}}),
            "list[bool]",
            "boolean[]",
        ),
        (json!({"type": "array"}), "list[Any]", "unknown[]"),
        (
            json!({"type": "array", "items": {"enum": ["a", "b"]}}),
            "list[Literal[\"a\", \"b\"]]",
            "(\"a\" | \"b\")[]",
        ),
        (
            json!({"prefixItems": [{"type": "string"}, {"type": "null"}], "items": false, "minItems": 2}),
            "list[str | None]",
            "[string, null]",
        ),
        (
            json!({"prefixItems": [{"type": "string"}, {"enum": [1, 2]}], "items": false, "minItems": 1}),
            "list[Literal[1, 2] | str]",
            "[string, (1 | 2)?]",
        ),
        (
            json!({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}, "minItems": 5}),
            "list[str | int]",
            "[string, ...number[]]",
        ),
        (
            json!({"type": "object"}),
            "dict[str, Any]",
            "{ [name: string]: unknown }",
        ),
        (
            json!({"additionalProperties": {"type": "array", "items": {"type": "string"}}}),
            "dict[str, list[str]]",
            "{ [name: string]: string[] }",
        ),
        (
            json!({"anyOf": [{"type": "string"}, {"oneOf": [{"type": "null"}, {"const": 1}]}]}),
            "Literal[1] | str | None",
            "string | 1 | null",
        ),
        (json!({"anyOf": [{"type": "string"}, {}]}), "Any", "unknown"),
        (
            json!({"allOf": [{"type": "string"}, {"minLength": 1}]}),
            "str",
            "string",
        ),
        (
            json!({"type": "string", "allOf": [{"pattern": "a"}]}),
            "str",
            "string",
        ),
        (
            json!({"type": "string", "anyOf": [{"minLength": 1}, {"maxLength": 9}]}),
            "str",
            "string",
        ),
        (json!({"$ref": "#/nowhere"}), "Any", "unknown"),
        (
            json!({"type": "object", "patternProperties": {"^a": {"type": "integer"}, "^b": {"type": "null"}}, "additionalProperties": false}),
            "dict[str, int | None]",
            "{ [name: string]: number | null }",
        ),
        (
            json!({"patternProperties": {"^a": {"type": "integer"}}}),
            "dict[str, Any]",
            "{ [name: string]: unknown }",
        ),
        (
            json!({"patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": {"type": "string"}}),
            "dict[str, int | str]",
            "{ [name: string]: number | string }",
        ),
        (json!({"not": {}}), "Never", "never"),
        (
            json!({"type": ["string", "null"], "not": {"type": "null"}}),
            "str",
            "string",
        ),
        (
            json!({"enum": ["a", "b", null], "not": {"enum": ["a", null]}}),
            "Literal[\"b\"]",
            "\"b\"",
        ),
        // What types cannot tell is left.
        (
            json!({"type": ["boolean", "number"], "not": {"enum": [true, 1.5]}}),
            "bool | float",
            "boolean | number",
        ),
        (
            json!({"type": "number", "not": {"type": "integer"}}),
            "float",
            "number",
        ),
        (
            json!({"type": "string", "not": {"type": "string", "pattern": "a"}}),
            "str",
            "string",
        ),
        (
            json!({"type": "string", "if": {"minLength": 3}, "then": {"pattern": "a"}, "else": false}),
            "str",
            "string",
        ),
        (
            json!({"type": "string", "unheardOf": {"type": "null"}}),
            "str",
            "string",
        ),
        (json!({"properties": {"a": {}}}), "TResult", "MTResult"),
        (
            json!({"title": "Own name", "properties": {"a": {}}}),
            "OwnName",
            "MTResult",
        ),
    ] {
        assert_eq!(result(schema.clone()), [python, typescript], "{schema}");
    }
}

#[test]
fn the_same_modules_make_the_same_bytes() {
    let module = module(include_str!("golden/shapes.json"));
    for lang in [Language::Python, Language::TypeScript] {
        assert_eq!(lang.stubs(&module), lang.stubs(&module));
        assert!(lang.stubs(&module).contains(lang.mark()));
    }
    assert_eq!(Language::Python.file("my-shapes"), "my_shapes.py");
    assert_eq!(Language::Python.file("class"), "class_.py");
    assert_eq!(Language::Python.file("json"), "json_.py");
    assert_eq!(Language::TypeScript.file("my-shapes"), "my-shapes.ts");
}
