use serde_json::json;

use super::*;

/// As an author writes it, with definitions to refer to.
fn document(schema: Value) -> Value {
    let definitions = json!({
        "Page": {"type": "object", "properties": {"url": {"type": "string"}, "size": {"type": "integer"}},
            "required": ["url", "size"]},
        "Loop": {"anyOf": [{"$ref": "#/$defs/Loop"}, {"type": "string"}]},
        "Round": {"$ref": "#/$defs/Round"},
        "Tree": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Tree"}}, "required": ["next"]},
    });
    let mut document = schema;
    if let Some(object) = document.as_object_mut() {
        object.insert("$defs".into(), definitions);
    }
    document
}

fn apart(given: &Value, wanted: &Value) -> bool {
    let (given, wanted) = (document(given.clone()), document(wanted.clone()));
    Given::One(Schema::of(&given)).cannot_be(Schema::of(&wanted))
}

#[test]
fn what_may_fit_passes() {
    let page = json!({"$ref": "#/$defs/Page"});
    for (given, wanted) in [
        (json!(true), json!({"type": "integer"})),
        (json!({}), json!({"type": "integer"})),
        (json!({"type": "integer"}), json!({})),
        (json!({"type": "integer"}), json!({"type": "number"})),
        (json!({"type": "number"}), json!({"type": "integer"})),
        (
            json!({"type": ["string", "null"]}),
            json!({"type": "string"}),
        ),
        (
            json!({"anyOf": [{"type": "null"}, {"type": "string"}]}),
            json!({"type": "string"}),
        ),
        (
            json!({"type": "string"}),
            json!({"oneOf": [{"type": "integer"}, {"type": "string"}]}),
        ),
        (
            json!({"type": "array"}),
            json!({"type": "array", "items": {"type": "string"}}),
        ),
        (
            json!({"type": ["array", "string"], "items": {"type": "integer"}}),
            json!({"type": ["array", "string"], "items": {"type": "string"}}),
        ),
        (json!({"enum": ["a", "b"]}), json!({"enum": ["b", "c"]})),
        (json!({"type": "string"}), json!({"enum": ["b", "c"]})),
        (json!({"const": 3}), json!({"type": "number"})),
        (page.clone(), page.clone()),
        (
            page.clone(),
            json!({"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]}),
        ),
        (page.clone(), json!({"type": "object"})),
        (json!({"type": "object"}), page.clone()),
        (
            json!({"type": "object", "properties": {}, "additionalProperties": true}),
            page.clone(),
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            page.clone(),
        ),
        (
            json!({"type": "object", "properties": {"x": {"type": "string"}}}),
            json!({"type": "object", "properties": {"x": {"type": "integer"}}}),
        ),
        (json!({"$ref": "#/$defs/None"}), json!({"type": "integer"})),
        (
            json!({"$ref": "#/$defs/Page", "properties": {"name": {}}, "required": ["name"]}),
            json!({"type": "object", "properties": {"name": {}}, "required": ["name"]}),
        ),
        (
            json!({"type": "object", "patternProperties": {".": {}}, "additionalProperties": false,
                "required": ["name"]}),
            json!({"type": "object", "required": ["name"]}),
        ),
        (
            json!({"$ref": "https://elsewhere.example/x"}),
            json!({"type": "integer"}),
        ),
        (json!({"$ref": "#/$defs/Loop"}), json!({"type": "integer"})),
        (json!({"$ref": "#/$defs/Round"}), json!({"type": "integer"})),
        (
            json!({"$ref": "#/$defs/Tree"}),
            json!({"$ref": "#/$defs/Tree"}),
        ),
        (
            json!({"type": "string"}),
            json!({"type": "string", "contentEncoding": "base64"}),
        ),
    ] {
        assert!(!apart(&given, &wanted), "{given} to {wanted}");
    }
}

#[test]
fn what_cannot_fit_is_refused() {
    let page = json!({"$ref": "#/$defs/Page"});
    for (given, wanted) in [
        (json!({"type": "string"}), json!({"type": "integer"})),
        (json!({"type": "string"}), json!(false)),
        (
            json!({"type": ["string", "null"]}),
            json!({"type": ["integer", "boolean"]}),
        ),
        (
            json!({"anyOf": [{"type": "null"}, {"type": "string"}]}),
            json!({"type": "integer"}),
        ),
        (
            json!({"type": "string"}),
            json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        ),
        (
            json!({"allOf": [{"type": "string"}]}),
            json!({"type": "integer"}),
        ),
        (
            json!({"type": "string"}),
            json!({"allOf": [{"type": "integer"}]}),
        ),
        (
            json!({"type": "string"}),
            json!({"type": "array", "items": {"type": "string"}}),
        ),
        (
            json!({"type": "array", "items": {"type": "string"}}),
            json!({"type": "array", "items": {"type": "integer"}}),
        ),
        (json!({"enum": ["a"]}), json!({"enum": ["b"]})),
        (json!({"const": "a"}), json!({"type": "integer"})),
        (json!({"type": "integer"}), json!({"enum": ["a", "b"]})),
        (
            json!({"const": "a"}),
            json!({"anyOf": [{"type": "integer"}, {"const": "b"}]}),
        ),
        (page.clone(), json!({"type": "string"})),
        (
            json!({"$ref": "#/$defs/Page", "description": "d"}),
            json!({"type": "string"}),
        ),
        (json!({"type": "null"}), page.clone()),
        (
            page.clone(),
            json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}),
        ),
        (
            page.clone(),
            json!({"type": "object", "properties": {"url": {"type": "integer"}}, "required": ["url"]}),
        ),
        (
            page.clone(),
            json!({"type": "object", "properties": {"url": {"type": "string"}}, "additionalProperties": false}),
        ),
        (
            json!({"type": "array", "items": page.clone()}),
            json!({"type": "array", "items": {"type": "string"}}),
        ),
    ] {
        assert!(apart(&given, &wanted), "{given} to {wanted}");
    }
}

#[test]
fn a_comparison_that_takes_too_long_passes() {
    let of = |kind: &str| {
        let deep = (0..4).fold(
            json!({ "type": kind }),
            |inner, _| json!({ "anyOf": vec![inner; 12] }),
        );
        document(deep)
    };
    let (given, wanted) = (of("string"), of("integer"));
    assert!(!apart(&given, &wanted));
    let value = Given::Value(json!("a"));
    let round = document(json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}));
    assert!(!value.cannot_be(Schema::of(&round)));
    assert!(Schema::of(&round).told().ends_with('…'));
}

#[test]
fn a_list_of_results_is_a_list() {
    let [text, number] = ["string", "integer"].map(|kind| json!({ "type": kind }));
    let one = |it| Given::One(Schema::of(it));
    let texts = Given::List(vec![one(&text)]);
    let mixed = Given::List(vec![one(&text), one(&number)]);
    let nested = Given::List(vec![texts.clone(), one(&number)]);
    let of = |items: &Value| json!({"type": "array", "items": items});
    let either = json!({"anyOf": [text, number]});
    for (given, wanted, fits) in [
        (&texts, of(&text), true),
        (&texts, json!({"type": "array"}), true),
        (&texts, json!({}), true),
        (
            &texts,
            json!({"anyOf": [{"type": "null"}, of(&text)]}),
            true,
        ),
        (&texts, text.clone(), false),
        (&texts, of(&number), false),
        (&texts, json!(false), false),
        (&texts, json!({"enum": ["a"]}), false),
        (&texts, json!({"allOf": [{"type": "object"}]}), false),
        (&mixed, of(&text), false),
        (&mixed, of(&either), true),
        (&nested, of(&json!({"anyOf": [of(&text), number]})), true),
        (&nested, of(&of(&text)), false),
    ] {
        let wanted = document(wanted);
        assert_eq!(
            !given.cannot_be(Schema::of(&wanted)),
            fits,
            "{given:?} to {wanted}"
        );
    }
}

#[test]
fn types_are_told_in_a_few_words() {
    for (schema, told) in [
        (json!({}), "any"),
        (json!({"type": ["string", "null"]}), "string or null"),
        (
            json!({"type": "string", "contentEncoding": "base64"}),
            "bytes",
        ),
        (
            json!({"type": "array", "items": {"$ref": "#/$defs/Page"}}),
            "list of {size: integer, url: string}",
        ),
        (json!({"enum": ["a", 3]}), "\"a\" or 3"),
        (json!({"$ref": "#/$defs/Tree"}), "{next: {next: {next: …}}}"),
        (json!({"$ref": "#/$defs/None"}), "…"),
    ] {
        let schema = document(schema);
        assert_eq!(Schema::of(&schema).told(), told);
    }
    let text = json!({"type": "string"});
    let one = || Given::One(Schema::of(&text));
    assert_eq!(Given::List(vec![one(), one()]).told(), "list of string");
}

#[test]
fn an_argument_is_looked_up_by_its_name() {
    let schema = document(json!({"type": "object", "properties": {"a": {"type": "string"}}}));
    let told = |name: &str| Schema::of(&schema).argument(name).map(Schema::told);
    assert_eq!(told("a").unwrap(), "string");
    assert_eq!(told("b").unwrap(), "any");
    let closed = json!({"properties": {"a": true}, "additionalProperties": false});
    assert!(Schema::of(&closed).argument("b").is_none());
    assert!(Schema::of(&json!(true)).argument("b").is_some());
}
