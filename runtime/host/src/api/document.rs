//! The OpenAPI document as it is handed out: what is true of all operations, and the
//! shapes that no type has by itself.

use lovage_queue::broker::remote::Operation;
use serde_json::{Value, json};
use utoipa::openapi::OpenApi;

use super::body::{JSON, MSGPACK};
use super::docs::PROBLEM;
use super::shapes;

const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

/// The document in JSON.
pub(super) fn finished(document: &OpenApi) -> Value {
    let mut json = serde_json::to_value(document).expect("it is plain data");
    for (name, shape) in shapes::all() {
        json["components"]["schemas"][name] = shape;
    }
    for path in json["paths"]
        .as_object_mut()
        .into_iter()
        .flat_map(|it| it.values_mut())
    {
        for operation in METHODS {
            if let Some(operation) = path.get_mut(operation) {
                finish(operation);
            }
        }
    }
    let operations = Operation::ALL.iter().map(|it| it.name());
    let operations = operations.collect::<Vec<_>>();
    json["paths"]["/v1/broker/{operation}"]["post"]["parameters"][0]["schema"]["enum"] =
        json!(operations);
    mend(&mut json);
    json
}

fn finish(operation: &mut Value) {
    // Functions have one name in each file, and the document is of all files.
    let kind = operation["tags"][0].as_str().unwrap_or_default();
    let kind = kind.split(' ').next().unwrap_or_default();
    let name = operation["operationId"].as_str().unwrap_or_default();
    operation["operationId"] = json!(format!("{kind}_{name}"));
    // The server's own client is answered in its own form, whatever comes of it.
    let mut content = json!({"application/problem+json":
        {"schema": {"$ref": format!("#/components/schemas/{PROBLEM}")}}});
    let own = &operation["responses"]["200"]["content"];
    let is_own = own.get(JSON).is_none() && own.get(MSGPACK).is_some();
    if is_own {
        content[MSGPACK] = json!({});
    }
    let responses = operation["responses"].as_object_mut();
    for response in responses.into_iter().flat_map(|it| it.values_mut()) {
        also_packed(response);
    }
    operation["responses"]["default"] = json!({
        "description": "It was not done: a problem document (RFC 9457) says why",
        "content": content,
    });
    // What has no value is not sent: nothing stands for null there.
    let parameters = operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        if let Some(one) = parameter.pointer("/schema/type/0").cloned() {
            parameter["schema"]["type"] = one;
        }
    }
    // A stream has no end, and so no schema of its whole: this is of one event.
    if let Some(stream) = operation.pointer_mut("/responses/200/content/text~1event-stream") {
        stream["schema"] = json!({"type": "object", "properties":
            {"event": {"type": "string"}, "id": {"type": "string"}, "data": {"type": "string"}}});
    }
    let bodies = operation.pointer_mut("/requestBody/content");
    bodies.into_iter().for_each(as_bytes);
    let responses = operation["responses"].as_object_mut();
    for response in responses.into_iter().flat_map(|it| it.values_mut()) {
        if is_own && let Some(packed) = response.pointer_mut("/content/application~1msgpack") {
            *packed = json!({});
        }
        response.get_mut("content").into_iter().for_each(as_bytes);
    }
}

/// What is answered as JSON is also to be had as MessagePack.
fn also_packed(response: &mut Value) {
    if let Some(json) = response.pointer("/content/application~1json").cloned()
        && response["content"].get(MSGPACK).is_none()
    {
        response["content"][MSGPACK] = json;
    }
}

/// A body that is bytes is no list of numbers.
fn as_bytes(content: &mut Value) {
    for it in content
        .as_object_mut()
        .into_iter()
        .flat_map(|it| it.values_mut())
    {
        let schema = it.get("schema").unwrap_or(&Value::Null);
        if schema["type"] == "array" && schema["items"]["type"] == "integer" {
            it["schema"] = json!({"type": "string", "format": "binary"});
        }
    }
}

/// How large numbers without a sign are: formats of JSON Schema that have one are smaller.
fn mend(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(mend),
        Value::Object(fields) => {
            let is_unsigned = fields.get("minimum").and_then(Value::as_u64).is_some();
            let most = match fields.get("format").and_then(Value::as_str) {
                Some("int32") if is_unsigned => Some(("uint32", u64::from(u32::MAX))),
                Some("int64") if is_unsigned => Some(("uint64", u64::MAX)),
                _ => None,
            };
            if let Some((format, most)) = most {
                fields.insert("format".into(), json!(format));
                fields.entry("maximum").or_insert(json!(most));
            }
            fields.values_mut().for_each(mend);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn document() -> Value {
        finished(&super::super::routes().split_for_parts().1)
    }

    #[test]
    fn each_operation_has_a_name_of_its_own() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let all = paths
            .values()
            .flat_map(|it| it.as_object().unwrap().values());
        let names: Vec<&str> = all.map(|it| it["operationId"].as_str().unwrap()).collect();
        let distinct: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(names.len(), distinct.len(), "{names:?}");
        assert_eq!(document["openapi"], "3.1.0");
    }

    #[test]
    fn a_lane_is_a_text_and_one_that_is_shown_a_record() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["Lane"]["type"], "string");
        let shown = &schemas["Lanes"]["properties"]["lanes"]["items"]["$ref"];
        let shown = shown.as_str().and_then(|it| document.pointer(&it[1..]));
        let available = shown.map(|it| &it["properties"]["available"]["type"]);
        assert_eq!(available, Some(&json!("integer")));
    }

    #[test]
    fn whatever_is_referred_to_is_there() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(
                document["components"]["schemas"].get(name).is_some(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_schedule_is_read_as_the_document_has_it() {
        let document = document();
        let shape = &document["components"]["schemas"]["NewSchedule"]["properties"];
        let known = serde_json::to_value(crate::timetable::Entry::default()).unwrap();
        let names =
            |it: &Value| -> BTreeSet<String> { it.as_object().unwrap().keys().cloned().collect() };
        assert_eq!(names(shape), names(&known));
    }
}
