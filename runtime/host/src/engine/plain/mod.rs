//! Components with no SDK: whatever exports functions with types of WIT is a module, and
//! each function a task. Its signature is its schema; its arguments and its result go from
//! MessagePack to memory and back.
//!
//! # Layout
//! - `read`: from a component to its [`Function`]s, and why one is no task
//! - [`shape`](self): types, and how they lie in memory; `schema`: what callers are told
//! - `wrap`: a component around it that can be called with an image of memory; `glue`: what
//!   calls it there; `raw`: bytes as bytes, `even`: where these must lie; `typing`: as a component defines them; `sections`:
//!   what of a component all of that needs
//! - `lower`: arguments to an image; `lift`: an image to a result; `pack`: MessagePack;
//!   `laid`: how much work that is; `failure`: what an error says
//!
//! # Values
//! A record is an object, whose names have `_` where WIT has `-`. A case of a variant or an
//! enum is its name; one that holds something, an object of that name alone. An option is null
//! or what it is, and one of an option `{"some": …}`. A result that is no answer by itself is
//! `{"ok": …}` or `{"err": …}`. Flags are a list of names, a char is a text of one, and
//! `list<u8>` is bytes.

mod even;
mod failure;
mod glue;
mod laid;
mod lift;
mod lower;
mod pack;
mod raw;
mod read;
mod schema;
pub(super) mod sections;
mod shape;
#[cfg(test)]
mod tests;
mod typing;
mod wrap;

use std::collections::HashSet;
use std::fmt;

use lovage_queue::task::{TaskInfo, TaskOptions};
use serde::{Deserialize, Serialize};
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, Instance};

use self::failure::{failure, fatal};
use self::lift::{Lift, Unliftable};
use self::shape::Shape;
use super::attempt::function;
use super::bindings::lovage::task::types;
use super::host::State;
use super::module::Refusal;
use super::outcome::ResultTooLarge;

/// What an artifact begins with that has functions before it; wasmtime's own begin
/// otherwise.
const MAGIC: &[u8] = b"lovage plain\0";
/// A module that exports this has an SDK.
const HANDLER: &str = "lovage:task/handler@";
/// What a component may export besides its functions, and keeps.
const PASSED_ON: &str = "lovage:task/wants@";
/// Names of numbers that JSON has none for.
const NOT_FINITE: [(&str, f64); 3] = [
    ("NaN", f64::NAN),
    ("Infinity", f64::INFINITY),
    ("-Infinity", f64::NEG_INFINITY),
];

/// A function that a component exports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Function {
    task: String,
    place: Place,
    parameters: Vec<(String, Shape)>,
    result: Option<Shape>,
}

/// Where a component exports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    interface: Option<String>,
    function: String,
}

/// A component's functions, and the calls of them that its wrapper has.
pub(super) struct Plain {
    functions: Vec<Function>,
    calls: Vec<ComponentExportIndex>,
}

/// A component with no SDK in its wrapper, and what it can be called for.
pub(super) struct Wrapped {
    pub(super) component: Vec<u8>,
    pub(super) functions: Vec<Function>,
}

/// Wraps a component, if it is one with no SDK.
pub(super) fn prepare(component: &[u8]) -> Result<Option<Wrapped>, Refusal> {
    let Ok(exports) = sections::exports(component) else {
        return Ok(None);
    };
    if exports.iter().any(|it| it.starts_with(HANDLER)) {
        return Ok(None);
    }
    let functions = read::functions(component)?;
    if functions.is_empty() {
        return Ok(None);
    }
    let mut tasks = HashSet::new();
    if let Some(twice) = functions.iter().find(|it| !tasks.insert(&it.task)) {
        return Err(Refusal::Function {
            function: twice.place.to_string(),
            what: format!(
                "there is another one of which the task `{}` is made",
                twice.task
            ),
        });
    }
    let passed_on = exports.into_iter().filter(|it| it.starts_with(PASSED_ON));
    let passed_on: Vec<_> = passed_on.collect();
    let wrapped = wrap::wrap(component, &functions, &passed_on);
    match wrapped.map_err(|e| Refusal::Invalid(e.to_string()))? {
        Some(component) => Ok(Some(Wrapped {
            component,
            functions,
        })),
        None => Err(Refusal::Invalid("its imports lie behind its code".into())),
    }
}

/// An artifact, with the functions of what it was made of.
pub(super) fn pack(functions: &[Function], artifact: &[u8]) -> Vec<u8> {
    let about = rmp_serde::to_vec(functions).expect("it is plain data");
    let size = (about.len() as u64).to_le_bytes();
    [MAGIC, &size, &about, artifact].concat()
}

/// The functions that lie before an artifact, if there are any, and the artifact.
pub(super) fn unpack(packed: &[u8]) -> Result<(Option<Vec<Function>>, &[u8]), Refusal> {
    let Some(rest) = packed.strip_prefix(MAGIC) else {
        return Ok((None, packed));
    };
    let broken = || Refusal::Invalid("its compiled form is broken".into());
    let (size, rest) = rest.split_first_chunk().ok_or_else(broken)?;
    let size = usize::try_from(u64::from_le_bytes(*size)).map_err(|_| broken())?;
    let (about, artifact) = rest.split_at_checked(size).ok_or_else(broken)?;
    let functions = rmp_serde::from_slice(about).map_err(|_| broken())?;
    Ok((Some(functions), artifact))
}

impl Plain {
    /// Finds the calls of functions in their wrapper.
    pub(super) fn link(component: &Component, functions: Vec<Function>) -> Result<Self, Refusal> {
        let calls = (0..functions.len()).map(|n| {
            let index = component.get_export_index(None, &*glue::call(n));
            index.ok_or_else(|| Refusal::Invalid("its wrapper lacks a call".into()))
        });
        Ok(Plain {
            calls: calls.collect::<Result<_, _>>()?,
            functions,
        })
    }

    /// What they are as tasks.
    pub(super) fn tasks(&self) -> Vec<TaskInfo> {
        let tasks = self.functions.iter().map(|it| TaskInfo {
            name: it.task.clone(),
            doc: it.signature(),
            input_schema: it.input_schema(),
            output_schema: it.output_schema(),
            options: TaskOptions::default(),
            schedules: Vec::new(),
        });
        tasks.collect()
    }

    /// Calls the function of a task.
    pub(super) async fn run(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
        task: &str,
        input: &[u8],
    ) -> wasmtime::Result<Result<Vec<u8>, types::Failure>> {
        let Some(n) = self.functions.iter().position(|it| it.task == task) else {
            return Ok(Err(fatal(
                "unknown-task",
                format!("there is no task `{task}`"),
            )));
        };
        let (called, limits) = (&self.functions[n], &store.data().limits);
        let (memory, most) = (limits.transfer(), limits.result);
        let image = match called.lower(input, memory) {
            Ok(image) => image,
            Err(what) => return Ok(Err(fatal("argument", format!("{what}, of `{task}`")))),
        };
        let call = function::<(&[u8], u32), (Vec<u8>,)>(store, instance, &self.calls[n])?;
        let answer = call.call_async(store, (&image.bytes, image.result)).await;
        let (memory,) = answer?;
        let lift = Lift::new(&memory, image.result, most);
        called.answer(&lift).map_err(|e| match e {
            Unliftable::TooLarge(size) => ResultTooLarge(size).into(),
            Unliftable::TooMuch => ResultTooLarge(most + 1).into(),
            Unliftable::Broken => wasmtime::Error::msg("left a result that is none"),
        })
    }
}

impl Function {
    /// Whether it takes or returns bytes.
    fn has_bytes(&self) -> bool {
        let mut all = self.parameters.iter().map(|(_, it)| it).chain(&self.result);
        all.any(Shape::has_bytes)
    }

    /// What it returned; the error of a result is a failure.
    fn answer(&self, lift: &Lift<'_>) -> Result<Result<Vec<u8>, types::Failure>, Unliftable> {
        let Some(result) = &self.result else {
            return Ok(Ok(vec![0xc0]));
        };
        let Shape::Result(ok, error) = result else {
            return lift.value(result).map(Ok);
        };
        let (is_error, value) = lift.either(result, [ok.as_deref(), error.as_deref()])?;
        Ok(match is_error {
            false => Ok(value),
            true => Err(failure(error.as_deref(), &value)),
        })
    }
}

impl Place {
    /// The task's name. What lies in an interface has its name before it, after which comes
    /// a sign that no name in WIT has.
    fn task(&self) -> String {
        match &self.interface {
            None => self.function.clone(),
            Some(name) => {
                let name = name.split('@').next().unwrap_or_default();
                let name = name.rsplit('/').next().unwrap_or_default();
                format!("{name}_{}", self.function)
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            None => f.write_str(&self.function),
            Some(name) => write!(f, "{name}#{}", self.function),
        }
    }
}

/// Whether a value of it may be null itself, so that an option of it needs a name for what
/// it is.
fn is_nested(shape: &Shape) -> bool {
    matches!(shape, Shape::Option(_))
}

/// A name as WIT has it.
fn in_wit(name: &str) -> String {
    name.replace('_', "-")
}
