//! How a file writes a flow: docs/flows.md has the form. What is not known is refused,
//! so that no slip goes unseen.

mod many;
mod strict;

use serde_json::{Map, Value};

use self::many::Room;
pub use self::strict::read_json;

use super::shape::below;
use super::{Call, Flow, MAX_NODES, OnFailure, Source, Step, Vertex};
use crate::arguments::Arguments;
use crate::job::{JobOptions, MAX_PRIORITY, Pin};
use crate::retry::Backoff;
use crate::units::{Size, Span};

/// What cannot be read of a flow, and where. A path is as it was written, such as
/// `chain[1].map.args`; the outermost one is `flow`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {said}")]
pub struct JsonError {
    /// Where.
    pub path: String,
    /// What is wrong with it.
    pub said: String,
}

type Result<T> = std::result::Result<T, JsonError>;

/// The words that say what a step is.
const KINDS: [&str; 8] = [
    "task", "chain", "group", "chord", "map", "starmap", "chunks", "graph",
];

impl Flow {
    /// Reads a flow. Its name is `otherwise` where it says none.
    ///
    /// # Errors
    /// The first thing that cannot be read, with its path.
    pub fn from_json(json: Value, otherwise: &str) -> Result<Flow> {
        Flow::from_json_within(json, otherwise, MAX_NODES)
    }

    /// The same of at most so many calls: more are refused before they are made.
    ///
    /// # Errors
    /// As [`from_json`](Flow::from_json).
    pub fn from_json_within(json: Value, otherwise: &str, most_calls: usize) -> Result<Flow> {
        let mut fields = Fields::of("flow", json)?;
        let name = fields.text("name")?;
        let keep = fields.parsed::<Span>("keep")?;
        let on_failure = fields.on_failure()?;
        let step = fields.step(&mut Room::of(most_calls))?;
        fields.end()?;
        Ok(Flow {
            name: name.unwrap_or_else(|| otherwise.to_owned()),
            step,
            on_failure: on_failure.unwrap_or_default(),
            keep: keep.map(|Span(span)| span),
            key: None,
        })
    }
}

/// An object whose fields are taken out one by one: what is left over is unknown.
struct Fields {
    path: String,
    left: Map<String, Value>,
}

impl Fields {
    fn of(path: &str, json: Value) -> Result<Self> {
        match json {
            Value::Object(left) => Ok(Fields {
                path: path.to_owned(),
                left,
            }),
            other => Err(wrong(path, "an object", &other)),
        }
    }

    /// The path of a field.
    fn at(&self, name: &str) -> String {
        below(&self.path, name, &"")
    }

    fn error<T>(&self, name: &str, said: impl ToString) -> Result<T> {
        Err(JsonError {
            path: self.at(name),
            said: said.to_string(),
        })
    }

    /// A field; null is as good as none.
    fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name).filter(|it| !it.is_null())
    }

    fn needed(&mut self, name: &str) -> Result<Value> {
        match self.left.remove(name) {
            Some(value) => Ok(value),
            None => Err(JsonError {
                path: self.path.clone(),
                said: format!("it lacks `{name}`"),
            }),
        }
    }

    fn end(self) -> Result<()> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => self.error(name, "no such field is known here"),
        }
    }

    fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(&self.at(name), "a text", &other)),
        }
    }

    /// A field that says something in a text, such as a span.
    fn parsed<T>(&mut self, name: &str) -> Result<Option<T>>
    where
        T: std::str::FromStr<Err: ToString>,
    {
        match self.text(name)?.map(|text| text.parse()) {
            None => Ok(None),
            Some(Ok(it)) => Ok(Some(it)),
            Some(Err(e)) => self.error(name, e.to_string()),
        }
    }

    /// A whole number of at most so much.
    fn number(&mut self, name: &str, most: u64) -> Result<Option<u64>> {
        match self.take(name) {
            None => Ok(None),
            Some(it) => match whole(&it).filter(|it| *it <= most) {
                Some(number) => Ok(Some(number)),
                None => {
                    let what = format!("a whole number of at most {most}");
                    Err(wrong(&self.at(name), &what, &it))
                }
            },
        }
    }

    fn list(&mut self, name: &str) -> Result<Vec<Value>> {
        match self.needed(name)? {
            Value::Array(items) => Ok(items),
            other => Err(wrong(&self.at(name), "a list", &other)),
        }
    }

    fn texts(&mut self, name: &str) -> Result<Vec<String>> {
        if !self.left.contains_key(name) {
            return Ok(Vec::new());
        }
        let path = self.at(name);
        let items = self.list(name)?.into_iter().enumerate();
        let text = |(n, item)| match item {
            Value::String(text) => Ok(text),
            other => Err(wrong(&format!("{path}[{n}]"), "a text", &other)),
        };
        items.map(text).collect()
    }
}

/// A whole number, also where it is written as `7.0`: JSON has no other numbers.
fn whole(json: &Value) -> Option<u64> {
    let broken = || {
        let number = json.as_f64()?;
        let is_whole = number.fract() == 0.0 && (0.0..2_f64.powi(53)).contains(&number);
        is_whole.then_some(number as u64)
    };
    json.as_u64().or_else(broken)
}

fn wrong(path: &str, what: &str, found: &Value) -> JsonError {
    let found = match found {
        Value::Null => "null".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        plain => format!("`{plain}`"),
    };
    JsonError {
        path: path.to_owned(),
        said: format!("it takes {what}, and not {found}"),
    }
}

fn step(path: &str, json: Value, room: &mut Room) -> Result<Step> {
    let mut fields = Fields::of(path, json)?;
    let step = fields.step(room)?;
    fields.end()?;
    Ok(step)
}

/// The steps of a list, each with its place in the path.
fn steps(path: &str, kind: &str, items: Vec<Value>, room: &mut Room) -> Result<Vec<Step>> {
    let items = items.into_iter().enumerate();
    items
        .map(|(n, item)| step(&below(path, kind, &n), item, room))
        .collect()
}

impl Fields {
    /// What these fields say is to be done.
    fn step(&mut self, room: &mut Room) -> Result<Step> {
        let mut kinds = KINDS.iter().filter(|it| self.left.contains_key(**it));
        let (Some(kind), None) = (kinds.next(), kinds.next()) else {
            return Err(JsonError {
                path: self.path.clone(),
                said: format!(
                    "say what it is by one of {}",
                    KINDS.map(|it| format!("`{it}`")).join(", ")
                ),
            });
        };
        let on_error = self.take("on_error");
        let path = self.path.clone();
        let step = match *kind {
            "chain" => Step::Chain(steps(&path, "chain", self.list("chain")?, room)?),
            "group" => Step::Group(steps(&path, "group", self.list("group")?, room)?),
            "chord" => self.chord(room)?,
            "graph" => self.graph(room)?,
            "task" => {
                room.calls(&path, 1)?;
                self.call()?.into()
            }
            many => self.many(many, room)?,
        };
        let Some(handler) = on_error else {
            return Ok(step);
        };
        let mut handler = Fields::of(&self.at("on_error"), handler)?;
        room.calls(&handler.path, 1)?;
        let call = handler.call()?;
        handler.end()?;
        Ok(step.on_error(call))
    }

    fn chord(&mut self, room: &mut Room) -> Result<Step> {
        let chord = self.needed("chord")?;
        let mut fields = Fields::of(&self.at("chord"), chord)?;
        let members = fields.list("group")?;
        let members = steps(&fields.path, "group", members, room)?;
        let then = fields.needed("then")?;
        let then = step(&fields.at("then"), then, room)?;
        fields.end()?;
        Ok(Step::chord(members, then))
    }

    fn graph(&mut self, room: &mut Room) -> Result<Step> {
        let graph = self.needed("graph")?;
        let Value::Object(vertices) = graph else {
            return Err(wrong(
                &self.at("graph"),
                "an object of steps by name",
                &graph,
            ));
        };
        let vertex = |(name, json): (String, Value)| {
            let mut fields = Fields::of(&below(&self.path, "graph", &name), json)?;
            let after = fields.texts("after")?;
            let step = fields.step(room)?;
            fields.end()?;
            Ok(Vertex { name, after, step })
        };
        let vertices = vertices.into_iter().map(vertex);
        Ok(Step::Graph(vertices.collect::<Result<_>>()?))
    }

    fn call(&mut self) -> Result<Call> {
        let Some(task) = self.parsed("task")? else {
            return self.error("task", "name the task: `module.task`");
        };
        let mut call = Call::of(task);
        if let Some(args) = self.take("args") {
            call.arguments = arguments(&self.at("args"), args)?;
        }
        if let Some(results) = self.take("results") {
            call.results = sources(&self.at("results"), results)?;
        }
        // The flow has taken its own before.
        call.on_failure = self.on_failure()?;
        call.delay = self.span("delay")?;
        call.queue = self.text("queue")?;
        call.lane = self.text("lane")?.unwrap_or_default();
        let priority = self.number("priority", MAX_PRIORITY.into())?;
        call.priority = priority.map(|it| it as u8);
        call.expiry = self.span("expires")?;
        if let Some(release) = self.number("release", u32::MAX.into())? {
            call.pin = Pin::Release(release as u32);
        }
        call.options = self.options()?;
        Ok(call)
    }

    fn span(&mut self, name: &str) -> Result<Option<std::time::Duration>> {
        Ok(self.parsed::<Span>(name)?.map(|Span(span)| span))
    }

    fn options(&mut self) -> Result<JobOptions> {
        let retries = self.number("retries", u32::MAX.into())?;
        let retry_exhausted = match self.take("retry_exhausted") {
            None => None,
            Some(Value::Bool(is)) => Some(is),
            Some(other) => return Err(wrong(&self.at("retry_exhausted"), "a boolean", &other)),
        };
        Ok(JobOptions {
            max_attempts: retries.map(|it| (it as u32).saturating_add(1)),
            backoff: self.backoff()?,
            max_age: self.span("max_age")?,
            retry_exhausted,
            timeout: self.span("timeout")?,
            soft_timeout: self.span("soft_timeout")?,
            fuel: self.number("fuel", u64::MAX)?,
            memory: self.memory()?,
            headers: self.headers()?,
            ..JobOptions::default()
        })
    }

    /// `"5s"`, or an object of `base`, `factor` and `max`.
    fn backoff(&mut self) -> Result<Option<Backoff>> {
        let Some(json @ Value::Object(_)) = self.left.get("backoff") else {
            return Ok(self.span("backoff")?.map(Backoff::from));
        };
        let mut fields = Fields::of(&self.at("backoff"), json.clone())?;
        self.left.remove("backoff");
        let factor = match fields.take("factor") {
            None => None,
            Some(Value::Number(it)) => it.as_f64(),
            Some(it) => return Err(wrong(&fields.at("factor"), "a number", &it)),
        };
        let backoff = Backoff::of(fields.span("base")?, factor, fields.span("max")?);
        let backoff = backoff.or_else(|(field, said)| fields.error(field, said))?;
        fields.end()?;
        Ok(Some(backoff))
    }

    /// A number of bytes, or a text such as `64MiB`.
    fn memory(&mut self) -> Result<Option<u64>> {
        match self.left.get("memory") {
            Some(Value::Number(_)) => self.number("memory", u64::MAX),
            _ => Ok(self.parsed::<Size>("memory")?.map(|Size(bytes)| bytes)),
        }
    }

    fn headers(&mut self) -> Result<std::collections::BTreeMap<String, String>> {
        let Some(json) = self.take("headers") else {
            return Ok(Default::default());
        };
        let mut fields = Fields::of(&self.at("headers"), json)?;
        let names: Vec<String> = fields.left.keys().cloned().collect();
        let mut headers = std::collections::BTreeMap::new();
        for name in names {
            let value = fields.text(&name)?;
            headers.extend(value.map(|it| (name, it)));
        }
        Ok(headers)
    }

    fn on_failure(&mut self) -> Result<Option<OnFailure>> {
        let Some(json) = self.take("on_failure") else {
            return Ok(None);
        };
        match json.as_str() {
            Some("stop") => return Ok(Some(OnFailure::Stop)),
            Some("wait") => return Ok(Some(OnFailure::Wait)),
            _ => {}
        }
        let path = self.at("on_failure");
        let Value::Object(_) = json else {
            let what = "`stop`, `wait`, or an object with a `default`";
            return Err(wrong(&path, what, &json));
        };
        let mut fields = Fields::of(&path, json)?;
        let default = fields.needed("default")?;
        fields.end()?;
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &packed(&default))
            .expect("a vector takes all writes");
        Ok(Some(OnFailure::Default(bytes)))
    }
}

/// A JSON value as it stands on the wire.
fn packed(json: &Value) -> rmpv::Value {
    rmpv::ext::to_value(json).expect("MessagePack has a form for all of JSON")
}

fn arguments(path: &str, json: Value) -> Result<Arguments> {
    Arguments::from_json(json).map_err(|e| JsonError {
        path: path.to_owned(),
        said: e.to_string(),
    })
}

/// Whose results arguments are, by their names.
fn sources(path: &str, json: Value) -> Result<Vec<(String, Source)>> {
    let fields = Fields::of(path, json)?;
    let mut all = Vec::with_capacity(fields.left.len());
    for (argument, json) in fields.left {
        let path = below(path, &argument, &"");
        let source = match json.as_str() {
            Some("previous") => Source::Previous,
            Some("failures") => Source::Failures,
            _ => {
                let Value::Object(_) = json else {
                    let what = "`previous`, `failures`, or an object with a `step`";
                    return Err(wrong(&path, what, &json));
                };
                let mut fields = Fields::of(&path, json)?;
                let Some(name) = fields.text("step")? else {
                    return fields.error("step", "name the step whose result it is");
                };
                fields.end()?;
                Source::Named(name)
            }
        };
        all.push((argument, source));
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
