//! What became of an attempt. A failing guest is a value, never an error of
//! ours; it is classified by the types that wasmtime and we raise, never by
//! their texts.

use std::time::Duration;

use lovage_queue::job::Ending;
use lovage_queue::task::Failure;
use serde::{Deserialize, Serialize};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::Limits;
use super::host::log::Log;

/// Bytes kept of a failure's kind.
const KIND: usize = 64;
/// Bytes kept of a failure's message.
const MESSAGE: usize = 4 * 1024;
/// Bytes kept of a failure's detail.
const DETAIL: usize = 16 * 1024;

/// What became of an attempt, and what it used.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Fuel it burnt.
    pub fuel: u64,
    /// The most linear memory it held, in bytes.
    pub peak_memory: u64,
    /// How long it took, from the moment that it had its slot.
    pub wall: Duration,
    /// CPU time that it took.
    pub cpu: Duration,
    /// What it wrote to stdout and stderr.
    pub log: Log,
}

impl Outcome {
    /// The outcome of an attempt that never had an instance.
    pub(crate) fn unrun(end: End) -> Self {
        Outcome {
            end,
            fuel: 0,
            peak_memory: 0,
            wall: Duration::ZERO,
            cpu: Duration::ZERO,
            log: Log::default(),
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The task returned a result, in MessagePack.
    Completed(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The task returned a failure of its own.
    Failed(Failure),
    /// It was ended from outside itself.
    Trapped {
        /// By what.
        ending: Ending,
        /// The same for a person.
        failure: Failure,
    },
    /// It was stopped by its [`Cancel`](super::Cancel).
    Cancelled,
}

impl End {
    /// Its name.
    pub fn ending(&self) -> Ending {
        match self {
            End::Completed(_) => Ending::Completed,
            End::Failed(_) => Ending::Failed,
            End::Trapped { ending, .. } => *ending,
            End::Cancelled => Ending::Cancelled,
        }
    }

    /// Why it did not complete; `None` where there is nothing to say.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            End::Failed(failure) | End::Trapped { failure, .. } => Some(failure),
            End::Completed(_) | End::Cancelled => None,
        }
    }

    /// The same, if an engine says it: within these limits, and with bounded texts.
    pub(crate) fn checked(self, limits: &Limits) -> Option<Self> {
        match self {
            End::Completed(result) if result.len() > limits.result => None,
            End::Failed(failure) => Some(End::Failed(bounded(failure))),
            End::Trapped { ending, failure } => {
                let said = !matches!(
                    ending,
                    Ending::Completed
                        | Ending::Failed
                        | Ending::Cancelled
                        | Ending::Lost
                        | Ending::NoModule
                        | Ending::Expired
                );
                let failure = bounded(failure);
                said.then_some(End::Trapped { ending, failure })
            }
            end => Some(end),
        }
    }

    /// A trap whose failure has the ending's own word for its kind.
    pub(crate) fn trapped(ending: Ending, message: impl Into<String>) -> Self {
        let failure = bounded(Failure::new(ending.as_str(), message));
        End::Trapped { ending, failure }
    }
}

/// What we raise in a guest, to be found again in the error that comes out of
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the deadline has passed")]
    Deadline,
    #[error("the attempt was stopped")]
    Cancelled,
    #[error("the attempt has called its host too often")]
    Imports,
}

/// An export of a name of the contract's and of another type. Raised when it is looked
/// up, which at a push is when the module is described.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of its exports has another type: {0}")]
pub(crate) struct Misfit(pub(crate) String);

/// What else is known of an attempt that did not return.
pub(crate) struct Evidence<'a> {
    pub(crate) limits: &'a Limits,
    /// Whether the limiter refused a growth of memory.
    pub(crate) refused_memory: bool,
    pub(crate) log: &'a Log,
}

/// Reads an error that came out of a guest.
pub(crate) fn classify(error: &wasmtime::Error, evidence: &Evidence<'_>) -> End {
    let Evidence {
        limits,
        refused_memory,
        log,
    } = evidence;
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stopped(*stop, limits);
    }
    let trap = error.downcast_ref::<Trap>().copied();
    let (ending, message) = match trap {
        Some(Trap::OutOfFuel) => (
            Ending::OutOfFuel,
            format!("used up its {} units of fuel", grouped(limits.fuel)),
        ),
        Some(Trap::StackOverflow) => (
            Ending::StackOverflow,
            "recursed too deep: the call stack is exhausted".into(),
        ),
        // A guest that is refused memory aborts, or goes on and falls over.
        // Whatever trap that raises, the refusal is the cause.
        _ if *refused_memory => (
            Ending::OutOfMemory,
            format!("asked for more than its {} of memory", bytes(limits.memory)),
        ),
        Some(Trap::UnreachableCodeReached) => (
            Ending::Trapped,
            log.panic()
                .unwrap_or_else(|| "panicked or aborted (`unreachable` executed)".into()),
        ),
        Some(trap) => {
            let text = trap.to_string();
            let text = text.strip_prefix("wasm trap: ").unwrap_or(&text);
            (Ending::Trapped, format!("trapped: {text}"))
        }
        None if let Some(ResultTooLarge(size)) = error.downcast_ref() => {
            return too_large(*size, limits);
        }
        None => match error.downcast_ref::<I32Exit>() {
            Some(I32Exit(code)) => (
                Ending::Trapped,
                format!("exited with code {code} instead of returning"),
            ),
            None if error.is::<PoolConcurrencyLimitError>() => (
                Ending::HostError,
                format!("the host has no room for the module: {error}"),
            ),
            None if error.is::<Misfit>() => (Ending::Trapped, error.to_string()),
            // What is left is a guest that broke the canonical ABI: a pointer
            // out of its memory, a string that is no UTF-8, a dead resource.
            None => (
                Ending::Trapped,
                format!("broke the contract with its host: {}", error.root_cause()),
            ),
        },
    };
    let mut failure = Failure::new(ending.as_str(), message);
    failure.detail = error.downcast_ref().and_then(frames);
    End::Trapped {
        ending,
        failure: bounded(failure),
    }
}

/// The end of an attempt that we stopped.
pub(crate) fn stopped(stop: Stop, limits: &Limits) -> End {
    match stop {
        Stop::Cancelled => End::Cancelled,
        Stop::Deadline => End::trapped(
            Ending::Deadline,
            format!("ran past its deadline of {:?}", limits.deadline),
        ),
        Stop::Imports => End::trapped(
            Ending::Trapped,
            format!(
                "called what it imports more than {} times",
                grouped(limits.imports)
            ),
        ),
    }
}

/// A result has more bytes than it may, this many or more.
#[derive(Debug, thiserror::Error)]
#[error("returned {0} bytes or more")]
pub(crate) struct ResultTooLarge(pub(crate) usize);

/// The end of an attempt whose result does not fit.
pub(crate) fn too_large(size: usize, limits: &Limits) -> End {
    End::trapped(
        Ending::ResultTooLarge,
        format!(
            "returned {}, more than the {} that a result may have",
            bytes(size as u64),
            bytes(limits.result as u64)
        ),
    )
}

/// The functions that were running, innermost first.
fn frames(trace: &WasmBacktrace) -> Option<String> {
    let names: Vec<String> = trace
        .frames()
        .iter()
        .map(|frame| match frame.func_name() {
            Some(name) => format!("in {}", cut(name, 200)),
            None => format!("in function {}", frame.func_index()),
        })
        .collect();
    (!names.is_empty()).then(|| names.join("\n"))
}

/// Holds a failure's texts to the bounds that the contract names, and keeps
/// control characters out of its one line.
pub(crate) fn bounded(failure: Failure) -> Failure {
    let line: String = cut(&failure.message, MESSAGE)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    Failure {
        kind: cut(&failure.kind, KIND).into(),
        message: line,
        detail: failure.detail.map(|detail| cut(&detail, DETAIL).into()),
        retry: failure.retry,
    }
}

/// The first `most` bytes of a text, or fewer, so that no character is split.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in the largest unit that it is a whole number of, or nearly so.
pub(crate) fn bytes(size: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| size >= *unit) {
        Some((unit, name)) if size.is_multiple_of(unit) => format!("{} {name}", size / unit),
        Some((unit, name)) => format!("{:.1} {name}", size as f64 / unit as f64),
        None => format!("{size} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(error: impl Into<wasmtime::Error>, refused_memory: bool) -> End {
        let evidence = Evidence {
            limits: &Limits::default(),
            refused_memory,
            log: &Log::default(),
        };
        classify(&error.into(), &evidence)
    }

    #[test]
    fn errors_are_told_apart_by_type() {
        assert_eq!(read(Stop::Cancelled, true), End::Cancelled);
        assert_eq!(read(Stop::Deadline, true).ending(), Ending::Deadline);
        assert_eq!(read(Trap::OutOfFuel, true).ending(), Ending::OutOfFuel);
        let unreachable = Trap::UnreachableCodeReached;
        assert_eq!(read(unreachable, false).ending(), Ending::Trapped);
        assert_eq!(read(unreachable, true).ending(), Ending::OutOfMemory);
        let text = wasmtime::Error::msg("all fuel consumed by WebAssembly");
        assert_eq!(
            read(text, false).ending(),
            Ending::Trapped,
            "a text is no type"
        );
    }

    #[test]
    fn messages_name_the_limit() {
        let message = |end: End| end.failure().unwrap().message.clone();
        assert_eq!(
            message(read(Trap::OutOfFuel, false)),
            "used up its 100,000,000,000 units of fuel"
        );
        assert_eq!(
            message(read(Trap::MemoryOutOfBounds, true)),
            "asked for more than its 128 MiB of memory"
        );
        assert_eq!(
            message(read(Stop::Deadline, false)),
            "ran past its deadline of 60s"
        );
        assert_eq!(
            message(read(I32Exit(0), false)),
            "exited with code 0 instead of returning"
        );
    }

    #[test]
    fn a_failures_texts_are_cut_between_characters() {
        let long = "ü".repeat(20_000);
        let mut failure = Failure::new(long.clone(), format!("x{long}"));
        failure.detail = Some(long);
        let failure = bounded(failure);
        assert_eq!(failure.kind.len(), 64);
        assert_eq!(failure.message.len(), 4095);
        assert_eq!(failure.detail.unwrap().len(), 16 * 1024);
        let two = bounded(Failure::new("error", "two\nlines"));
        assert_eq!(two.message, "two lines");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(123), "123");
        assert_eq!(bytes(3 << 29), "1.5 GiB");
        assert_eq!(bytes(1000), "1000 bytes");
    }
}
