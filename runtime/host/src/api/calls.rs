//! From a request to a call of a task.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::HeaderMap;
use lovage_queue::arguments::Arguments;
use lovage_queue::client::{Call, Client, TRACEPARENT, Unique};
use lovage_queue::job::{Conflict, JobOptions, MAX_PRIORITY, Pin, Until, When};
use lovage_queue::retry::Backoff;
use lovage_queue::task::{check_lane, check_name};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{maybe_number, maybe_word};
use super::problem::{Kind, Problem};
use super::shapes::{
    Backoff as BackoffForm, Lane, Name, Span as SpanText, Tag, TaskName, Until as UntilText,
    When as WhenText,
};
use crate::units::{Span, TAGS, read_key, read_until, read_when, tag_list};

/// The header by which a request may be sent again, and makes no second job.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Bytes of a job's headers, names included.
const MAX_HEADERS: usize = 8 * 1024;

/// A call of a task. Only `task` must be there.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Call)]
pub(super) struct CallBody {
    /// `module.task`
    #[schema(value_type = TaskName)]
    task: String,
    /// Its arguments by name, as its schema has them. In JSON bytes are Base64.
    #[serde(default = "no_arguments")]
    #[schema(value_type = Option<std::collections::HashMap<String, serde_json::Value>>)]
    args: rmpv::Value,
    /// The queue.
    #[schema(value_type = Option<Name>)]
    queue: Option<String>,
    /// The lane there.
    #[schema(value_type = Option<Lane>)]
    lane: Option<String>,
    /// 9 goes first.
    #[serde(default, deserialize_with = "maybe_number")]
    #[schema(minimum = 0, maximum = 9)]
    priority: Option<u8>,
    /// Not before this time (RFC 3339), or this span (`10m`) from now.
    #[schema(value_type = Option<WhenText>)]
    eta: Option<String>,
    /// Cancelled where it has not begun by this time or span.
    #[schema(value_type = Option<WhenText>)]
    expires: Option<String>,
    /// An idempotency key: as long as its job is kept, the same key makes no second one.
    /// The header `Idempotency-Key` says the same.
    #[schema(min_length = 1, max_length = 255)]
    key: Option<String>,
    /// Beside which others it may not be.
    unique: Option<UniqueBody>,
    /// How often it is tried again.
    #[serde(default, deserialize_with = "maybe_number")]
    #[schema(minimum = 0)]
    retries: Option<u32>,
    /// The waits between attempts, drawn from zero to `base`, then to `factor` times as much,
    /// and so on to `max`; a span alone is the `base`.
    #[schema(value_type = Option<BackoffForm>)]
    backoff: Option<BackoffBody>,
    /// Wall-clock time of an attempt.
    #[schema(value_type = Option<SpanText>, example = "30s")]
    timeout: Option<Span>,
    /// When an attempt hears that it should stop.
    #[schema(value_type = Option<SpanText>)]
    soft_timeout: Option<Span>,
    /// How old it may be for another attempt.
    #[schema(value_type = Option<SpanText>)]
    max_age: Option<Span>,
    /// Whether what ran out of fuel or memory is tried again.
    retry_exhausted: Option<bool>,
    /// Units of fuel an attempt may burn.
    #[serde(default, deserialize_with = "maybe_number")]
    #[schema(minimum = 1)]
    fuel: Option<u64>,
    /// Bytes of memory an attempt may hold.
    #[serde(default, deserialize_with = "maybe_number")]
    #[schema(minimum = 1)]
    memory: Option<u64>,
    /// How long it is kept once it has completed.
    #[schema(value_type = Option<SpanText>)]
    result_ttl: Option<Span>,
    /// The release that it is to run, instead of the active one.
    #[serde(default, deserialize_with = "maybe_number")]
    #[schema(minimum = 1)]
    release: Option<u32>,
    /// Words to find it by.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Tag>>, max_items = 20)]
    tags: Option<Vec<String>>,
    /// What travels with it.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::HashMap<String, String>>)]
    headers: Option<BTreeMap<String, String>>,
}

/// The waits between attempts: the first, at most, or all that there is to say.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "`backoff` is a span, or an object of `base`, `factor` and `max`"
)]
enum BackoffBody {
    Base(Span),
    All(BackoffParts),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackoffParts {
    base: Option<Span>,
    factor: Option<f64>,
    max: Option<Span>,
}

impl BackoffBody {
    fn read(self) -> Result<Backoff, Problem> {
        match self {
            BackoffBody::Base(Span(base)) => Ok(base.into()),
            BackoffBody::All(all) => {
                let [base, max] = [all.base, all.max].map(|it| it.map(|Span(span)| span));
                let backoff = Backoff::of(base, all.factor, max);
                backoff.map_err(|(part, said)| wrong(&format!("/backoff/{part}"), said))
            }
        }
    }
}

/// Beside which other jobs a job may not be.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Unique)]
pub(super) struct UniqueBody {
    /// What is to be unique; without it, the task with its arguments.
    key: Option<String>,
    /// Until it has started (`start`), has ended (`done`, as if nothing is said), or for
    /// a span.
    #[schema(value_type = Option<UntilText>)]
    until: Option<String>,
    /// What becomes of a second one: the first is answered (`existing`), it is refused
    /// (`reject`), or takes its place (`replace`).
    #[serde(default, deserialize_with = "maybe_word")]
    #[schema(value_type = Option<String>, pattern = "^(existing|reject|replace)$")]
    conflict: Option<Conflict>,
}

fn no_arguments() -> rmpv::Value {
    rmpv::Value::Map(Vec::new())
}

/// What a call of bytes says beside them, as parameters.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CallParams {
    /// With a body of bytes: `module.task`, whose only argument they are.
    #[param(value_type = Option<TaskName>)]
    pub(super) task: Option<String>,
    /// With a body of bytes: the queue.
    #[param(value_type = Option<Name>)]
    queue: Option<String>,
    /// With a body of bytes: the lane.
    #[param(value_type = Option<Lane>)]
    lane: Option<String>,
    /// With a body of bytes: the priority.
    #[param(minimum = 0, maximum = 9)]
    priority: Option<u8>,
    /// With a body of bytes: the time or the span before which it does not start.
    #[param(value_type = Option<WhenText>)]
    eta: Option<String>,
    /// Waits so long for its end, at most 60 s, and answers with the job.
    #[param(value_type = Option<SpanText>)]
    pub(super) wait: Option<String>,
}

impl CallBody {
    /// The call that is meant. `is_json` says whether bytes are Base64 texts.
    pub(super) fn call(self, is_json: bool) -> Result<Call, Problem> {
        let mut call = Call::new(&self.task).map_err(|e| wrong("/task", e))?;
        call.arguments = match self.args {
            rmpv::Value::Nil => Arguments::new(),
            args => Arguments::from_value(args)
                .map_err(|e| Problem::new(Kind::InvalidArguments, e.to_string()).at("/args"))?,
        };
        call.encoded = is_json;
        if let Some(queue) = self.queue {
            check_name(&queue, "queue").map_err(|e| wrong("/queue", e))?;
            call.queue = Some(queue);
        }
        if let Some(lane) = self.lane {
            check_lane(&lane).map_err(|e| wrong("/lane", e))?;
            call.lane = lane;
        }
        if self.priority.is_some_and(|it| it > MAX_PRIORITY) {
            return Err(wrong("/priority", "a priority is 0 to 9"));
        }
        call.priority = self.priority;
        call.eta = when(self.eta.as_deref(), "/eta")?.unwrap_or_default();
        call.expiry = when(self.expires.as_deref(), "/expires")?;
        call.key = self.key.map(key).transpose()?;
        call.unique = self.unique.map(UniqueBody::read).transpose()?;
        let span = |it: Option<Span>| -> Option<Duration> { it.map(|Span(span)| span) };
        call.result_ttl = span(self.result_ttl);
        call.pin = self.release.map_or(Pin::Active, Pin::Release);
        call.options = JobOptions {
            max_attempts: self.retries.map(|it| it.saturating_add(1)),
            backoff: self.backoff.map(BackoffBody::read).transpose()?,
            max_age: span(self.max_age),
            retry_exhausted: self.retry_exhausted,
            timeout: span(self.timeout),
            soft_timeout: span(self.soft_timeout),
            fuel: self.fuel,
            memory: self.memory,
            headers: headers(self.headers.unwrap_or_default(), self.tags)?,
            ..JobOptions::default()
        };
        match call.options.zero() {
            Some(name) => {
                let said = "it is 0, so that no attempt could run";
                Err(Problem::new(Kind::Invalid, said).at(&format!("/{name}")))
            }
            None => Ok(call),
        }
    }
}

impl UniqueBody {
    fn read(self) -> Result<Unique, Problem> {
        let until = self.until.as_deref().map(read_until).transpose();
        let until = until.map_err(|e| wrong("/unique/until", e))?;
        Ok(Unique {
            key: self.key.filter(|key| !key.is_empty()),
            until: until.unwrap_or(Until::Done),
            conflict: self.conflict.unwrap_or_default(),
        })
    }
}

impl CallParams {
    /// Beside a body that says all of it, they would be heard by nobody.
    pub(super) fn none(&self) -> Result<(), Problem> {
        let all = [&self.task, &self.queue, &self.lane, &self.eta];
        match self.priority.is_none() && all.iter().all(|it| it.is_none()) {
            true => Ok(()),
            false => Err(Problem::new(
                Kind::Invalid,
                "`task`, `queue`, `lane`, `priority` and `eta` are of a body of bytes: \
                 write them into the body",
            )),
        }
    }

    /// The call of a task whose only argument is bytes.
    pub(super) async fn call(&self, client: &Client, bytes: Vec<u8>) -> Result<Call, Problem> {
        let name = self.task.as_deref().ok_or_else(|| {
            let said = "a body of bytes is the argument of a task: name it, as `?task=module.task`";
            Problem::new(Kind::Invalid, said)
        })?;
        let body = CallBody {
            task: name.to_owned(),
            args: no_arguments(),
            queue: self.queue.clone(),
            lane: self.lane.clone(),
            priority: self.priority,
            eta: self.eta.clone(),
            ..CallBody::empty()
        };
        let mut call = body.call(false)?;
        let task = client.task(&call.task).await?;
        let argument = only_bytes(&task.input_schema).ok_or_else(|| {
            let said = format!(
                "`{name}` does not take one argument of bytes: send its arguments as JSON or MessagePack"
            );
            Problem::new(Kind::Invalid, said)
        })?;
        call.arguments.set_bytes(argument, bytes);
        Ok(call)
    }
}

impl CallBody {
    fn empty() -> Self {
        CallBody {
            task: String::new(),
            args: no_arguments(),
            queue: None,
            lane: None,
            priority: None,
            eta: None,
            expires: None,
            key: None,
            unique: None,
            retries: None,
            backoff: None,
            timeout: None,
            soft_timeout: None,
            max_age: None,
            retry_exhausted: None,
            fuel: None,
            memory: None,
            result_ttl: None,
            release: None,
            tags: None,
            headers: None,
        }
    }
}

/// The one argument that must be given, if it is bytes.
fn only_bytes(schema: &serde_json::Value) -> Option<&str> {
    let required = schema.get("required")?.as_array()?;
    let [one] = &required[..] else { return None };
    let name = one.as_str()?;
    let property = schema.get("properties")?.get(name)?;
    let property = match property.get("$ref").and_then(|it| it.as_str()) {
        Some(reference) => schema.pointer(reference.strip_prefix('#')?)?,
        None => property,
    };
    property.get("contentEncoding").map(|_| name)
}

/// The idempotency key that a request's head has.
pub(super) fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .map_err(|_| Problem::bad("`Idempotency-Key` takes visible ASCII characters only"))?;
    let text = text.trim();
    // As the draft of the header has it, it is quoted; nobody sends it so.
    let quoted = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let inner = quoted.filter(|it| !it.is_empty()).unwrap_or(text);
    key(inner.to_owned()).map(Some)
}

/// The trace that a request is of (W3C Trace Context), if its head says so in a form that
/// can be carried on; one that makes no sense is passed over, as the recommendation has it.
pub(super) fn trace_of(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(TRACEPARENT)?.to_str().ok()?;
    let parts: Vec<&str> = text.split('-').collect();
    let sizes: Vec<usize> = parts.iter().map(|it| it.len()).collect();
    let is_hex = |it: &&str| it.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let sound = sizes == [2, 32, 16, 2] && parts.iter().all(is_hex) && parts[0] == "00";
    sound.then(|| text.to_owned())
}

/// Lets a call go on with the trace of its request, unless it says another itself.
pub(super) fn carry(call: &mut Call, trace: Option<&String>) {
    if let Some(trace) = trace {
        let headers = &mut call.options.headers;
        headers
            .entry(TRACEPARENT.into())
            .or_insert_with(|| trace.clone());
    }
}

fn key(text: String) -> Result<String, Problem> {
    read_key(&text).map_err(|e| wrong("/key", e))
}

fn when(text: Option<&str>, place: &str) -> Result<Option<When>, Problem> {
    let when = text.map(read_when).transpose();
    when.map_err(|e| wrong(place, e))
}

fn headers(
    mut headers: BTreeMap<String, String>,
    tags: Option<Vec<String>>,
) -> Result<BTreeMap<String, String>, Problem> {
    let tags = tag_list(&tags.unwrap_or_default()).map_err(|e| wrong("/tags", e))?;
    headers.extend(tags.map(|it| (TAGS.to_owned(), it)));
    let size = |(name, value): (&String, &String)| name.len() + value.len();
    if headers.iter().map(size).sum::<usize>() > MAX_HEADERS {
        return Err(wrong(
            "/headers",
            format!("they may take {MAX_HEADERS} bytes"),
        ));
    }
    Ok(headers)
}

fn wrong(place: &str, said: impl ToString) -> Problem {
    Problem::bad(said.to_string()).at(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_carried_on_if_it_is_one() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, text.parse().unwrap());
            trace_of(&headers)
        };
        let sound = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(of(sound).as_deref(), Some(sound));
        for wrong in [
            "",
            "00-x-y-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        let mut call = Call::new("m.t").unwrap();
        carry(&mut call, of(sound).as_ref());
        assert_eq!(call.options.headers[TRACEPARENT], sound);
    }
}
