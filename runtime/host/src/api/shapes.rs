//! Shapes of the OpenAPI document that no type has by itself: names and spans, which are
//! texts, and flows and schedules, which are read field by field.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::units::SPAN_PATTERN;

const NAME: &str = "^[a-z0-9][a-z0-9_-]{0,63}$";
const TASK: &str = r"^[a-z0-9][a-z0-9_-]{0,63}\.[a-z0-9][a-z0-9_-]{0,63}$";
/// A day that there is, but for the last of February in years that no four divides.
const DAY: &str = "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|[0-9]{2}(0[48]|[2468][048]|[13579][26])-02-29)";
const CLOCK: &str =
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])";
const RATE: &str = "^[1-9][0-9]{0,8}/(([1-9][0-9]{0,4})?d|([1-9][0-9]{0,6})?h|([1-9][0-9]{0,8})?m|([1-9][0-9]{0,9})?s|([1-9][0-9]{0,12})?ms)$";
const MODULE_OR_TASK: &str = r"^[a-z0-9][a-z0-9_-]{0,63}(\.[a-z0-9][a-z0-9_-]{0,63})?$";
const SIZE: &str = "^[0-9]{1,9}(B|KiB|MiB|GiB)?$";

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $($(#[$doc])*
        pub(super) enum $name {}
        impl PartialSchema for $name {
            // `all` says what stands there.
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new().into()
            }
        }
        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        })*
    };
}

shapes! {
    /// A name.
    Name,
    /// A task's full name.
    TaskName,
    /// A span of time.
    Span,
    /// The waits between attempts.
    Backoff,
    /// Until an event, or for a span.
    Until,
    /// A time, or a span from now.
    When,
    /// A time.
    Time,
    /// How often in which time.
    Rate,
    /// A module's name, or a task's full one.
    ModuleOrTask,
    /// A UUID.
    Id,
    /// How a job ends.
    Outcome,
    /// A lane's key.
    Lane,
    /// A word to find a job by.
    Tag,
    /// A flow that is to run.
    NewFlow,
    /// A schedule that is to be.
    NewSchedule,
}

/// All of them by their names.
pub(super) fn all() -> Vec<(&'static str, Value)> {
    let time = format!("^{DAY}{CLOCK}$");
    let span = format!("^{SPAN_PATTERN}$");
    let when = format!("{span}|{time}");
    let until = format!("^(start|done|{SPAN_PATTERN})$");
    vec![
        (
            "Name",
            json!({"type": "string", "pattern": NAME, "example": "images"}),
        ),
        (
            "TaskName",
            json!({"type": "string", "pattern": TASK, "example": "images.thumbnail"}),
        ),
        (
            "Span",
            json!({"type": "string", "pattern": span, "example": "30s"}),
        ),
        ("Backoff", backoff()),
        ("Until", json!({"type": "string", "pattern": until})),
        (
            "When",
            json!({"type": "string", "pattern": when, "example": "10m",
                "description": "A time (RFC 3339), or a span from now."}),
        ),
        (
            "Time",
            json!({"type": "string", "pattern": time, "example": "2027-01-31T09:00:00Z"}),
        ),
        (
            "Rate",
            json!({"type": "string", "pattern": RATE, "example": "100/s"}),
        ),
        (
            "ModuleOrTask",
            json!({"type": "string", "pattern": MODULE_OR_TASK}),
        ),
        ("Id", json!({"type": "string", "format": "uuid"})),
        (
            "Outcome",
            json!({"type": "string", "enum": ["completed", "discarded", "cancelled"]}),
        ),
        ("Lane", lane()),
        (
            "Tag",
            json!({"type": "string", "minLength": 1, "maxLength": 64,
                "pattern": r"^[^,\x00-\x1f\x7f-\x9f]*$"}),
        ),
        ("NewFlow", flow()),
        ("FlowStep", step(["FlowSubstep"; 2], Vec::new())),
        ("FlowSubstep", substep()),
        ("FlowMap", map()),
        ("FlowStarmap", starmap()),
        ("FlowChunks", chunks()),
        ("FlowVertex", vertex()),
        ("FlowCall", object(call(), &["task"])),
        ("NewSchedule", schedule()),
        ("Timing", timing()),
    ]
}

fn lane() -> Value {
    json!({"type": "string", "maxLength": 128, "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$",
        "description": "A lane's key: at most 128 bytes, no control characters."})
}

fn backoff() -> Value {
    let parts = vec![
        ("base", maybe(named("Span"))),
        ("factor", maybe(json!({"type": "number", "minimum": 1}))),
        ("max", maybe(named("Span"))),
    ];
    json!({"anyOf": [named("Span"), object(parts, &[])]})
}

fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Null is as good as nothing.
fn maybe(schema: Value) -> Value {
    match schema.get("type").and_then(Value::as_str) {
        Some(kind) => {
            let mut both = schema.clone();
            both["type"] = json!([kind, "null"]);
            both
        }
        None => json!({"anyOf": [schema, {"type": "null"}]}),
    }
}

type Fields = Vec<(&'static str, Value)>;

/// An object of these fields and no others.
fn object(fields: Fields, required: &[&str]) -> Value {
    let properties: Map<String, Value> = fields
        .into_iter()
        .map(|(name, it)| (name.to_owned(), it))
        .collect();
    json!({"type": "object", "properties": properties, "required": required,
        "additionalProperties": false})
}

fn list(of: Value) -> Value {
    json!({"type": "array", "items": of, "minItems": 1})
}

fn number(least: u64, most: u64) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

fn memory() -> Value {
    json!({"anyOf": [number(0, u64::MAX), {"type": "string", "pattern": SIZE}]})
}

/// What a call says, in a flow.
fn call() -> Fields {
    let most = u64::from(u32::MAX);
    let source = json!({"anyOf": [
        {"type": "string", "enum": ["previous", "failures"]},
        object(vec![("step", json!({"type": "string"}))], &["step"]),
    ]});
    let texts = json!({"type": "object",
        "additionalProperties": {"type": ["string", "null"]}});
    let mut fields = vec![
        ("task", named("TaskName")),
        ("args", maybe(json!({"type": "object"}))),
        (
            "results",
            maybe(json!({"type": "object", "additionalProperties": source,
                "description": "Arguments that are results of other steps."})),
        ),
        ("on_failure", on_failure()),
        ("queue", maybe(named("Name"))),
        ("lane", maybe(named("Lane"))),
        ("priority", maybe(number(0, 9))),
        ("release", maybe(number(0, most))),
        ("retries", maybe(number(0, most))),
        ("retry_exhausted", maybe(json!({"type": "boolean"}))),
        ("backoff", maybe(named("Backoff"))),
        ("fuel", maybe(number(0, u64::MAX))),
        ("memory", maybe(memory())),
        ("headers", maybe(texts)),
    ];
    let spans = ["delay", "expires", "max_age", "timeout", "soft_timeout"];
    fields.extend(spans.map(|it| (it, maybe(named("Span")))));
    fields
}

fn on_failure() -> Value {
    maybe(json!({"anyOf": [
        {"type": "string", "enum": ["stop", "wait"]},
        object(vec![("default", json!({}))], &["default"]),
    ]}))
}

/// What a step says: a call, or one of the words for many of them. That it is one of
/// them and no two is for the reader, who is told by the description: a schema that lists
/// each of them with all that it takes is of no help to anybody.
fn step(within: [&str; 2], more: Fields) -> Value {
    let [step, vertex] = within;
    let steps = || list(named(step));
    let chord = object(
        vec![("group", steps()), ("then", named(step))],
        &["group", "then"],
    );
    let graph = json!({"type": "object", "minProperties": 1,
        "additionalProperties": named(vertex)});
    let mut fields = call();
    fields.extend([
        ("chain", steps()),
        ("group", steps()),
        ("chord", chord),
        ("graph", graph),
        ("map", named("FlowMap")),
        ("starmap", named("FlowStarmap")),
        ("chunks", named("FlowChunks")),
        ("on_error", maybe(named("FlowCall"))),
    ]);
    for (name, it) in more {
        fields.retain(|field| field.0 != name);
        fields.push((name, it));
    }
    let mut step = object(fields, &[]);
    step["minProperties"] = json!(1);
    step["description"] = json!(
        "One of `task`, `chain`, `group`, `chord`, `graph`, `map`, `starmap` and `chunks`; \
         what else a call takes goes with `task`."
    );
    step["example"] = json!({"chain": [
        {"task": "images.fetch", "args": {"url": "https://example.com/a.png"}},
        {"task": "images.thumbnail", "results": {"image": "previous"}},
    ]});
    step
}

/// A schema that named itself here would be of any depth: programs that make requests of
/// it are not through in hours.
fn substep() -> Value {
    json!({"type": "object", "minProperties": 1,
        "description": "A step within a step: as `FlowStep`, or in a graph as `FlowVertex`."})
}

/// A call for each of many values.
fn many(more: Fields, needed: &[&str]) -> Value {
    let fields = [call(), more].concat();
    object(fields, &[&["task", "values"], needed].concat())
}

fn map() -> Value {
    let values = json!({"type": "array"});
    let over = json!({"type": "string"});
    many(vec![("values", values), ("over", over)], &["over"])
}

fn starmap() -> Value {
    let sets = json!({"type": "array", "items": {"type": "object"}});
    many(vec![("values", sets)], &[])
}

fn chunks() -> Value {
    let fields = vec![
        ("values", json!({"type": "array"})),
        ("over", json!({"type": "string"})),
        ("size", number(1, u64::from(u32::MAX))),
    ];
    many(fields, &["over", "size"])
}

fn vertex() -> Value {
    let after = json!({"type": "array", "items": {"type": "string"},
        "description": "Steps of the graph that it waits for."});
    step(["FlowSubstep"; 2], vec![("after", after)])
}

fn flow() -> Value {
    let mut flow = step(
        ["FlowStep", "FlowVertex"],
        vec![
            ("name", maybe(json!({"type": "string"}))),
            ("keep", maybe(named("Span"))),
            ("on_failure", on_failure()),
        ],
    );
    flow["description"] = json!(
        "A step that is the whole flow, with the flow's name, what becomes of it when a call \
         fails, and how long it is kept."
    );
    flow
}

fn timing() -> Value {
    let texts = |of: Value| json!({"type": "array", "items": of});
    let angle = |most: u64| json!({"type": "number", "minimum": -(most as i64), "maximum": most});
    let sun = object(
        vec![
            (
                "event",
                json!({"type": "string",
                    "enum": lovage_queue::schedule::SunEvent::ALL}),
            ),
            ("latitude", angle(90)),
            ("longitude", angle(180)),
        ],
        &["event", "latitude", "longitude"],
    );
    let mut timing = object(
        vec![
            ("every", maybe(named("Span"))),
            (
                "cron",
                maybe(json!({"type": "string", "example": "0 9 * * mon"})),
            ),
            ("at", maybe(named("Time"))),
            ("sun", maybe(sun)),
            ("any", texts(named("Timing"))),
            (
                "tz",
                maybe(json!({"type": "string", "example": "Europe/Berlin"})),
            ),
            ("only", texts(json!({"type": "string"}))),
            ("once_completed", texts(named("TaskName"))),
        ],
        &[],
    );
    timing["description"] = json!(
        "When: by one of `every`, `cron`, `at`, `sun` and `any`; `only` and `once_completed` \
         must hold then."
    );
    timing
}

fn schedule() -> Value {
    let most = u64::from(u32::MAX);
    let moment = || maybe(named("Time"));
    let catch_up = json!({"anyOf": [
        {"type": "string", "pattern": "^(none|last|[1-9][0-9]{0,8})$"},
        number(0, most),
    ]});
    let mut fields = vec![
        ("task", named("TaskName")),
        ("when", named("Timing")),
        ("input", json!({"type": "object"})),
        ("start", moment()),
        ("end", moment()),
        ("catch_up", maybe(catch_up)),
        (
            "overlap",
            json!({"type": "string", "enum": ["allow", "skip", "queue", "replace"]}),
        ),
        ("queue", maybe(named("Name"))),
        ("lane", maybe(named("Lane"))),
        ("priority", maybe(number(0, 9))),
        ("retries", maybe(number(0, most))),
        ("fuel", maybe(number(0, u64::MAX))),
        ("memory", maybe(memory())),
    ];
    let spans = ["jitter", "expires", "result_ttl", "timeout"];
    fields.extend(spans.map(|it| (it, maybe(named("Span")))));
    object(fields, &["task", "when"])
}
