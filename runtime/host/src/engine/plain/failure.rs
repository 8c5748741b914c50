//! What somebody returned as an error, as a failure.

use std::sync::LazyLock;

use rmpv::Value;

use super::pack::{Head, Reader};
use super::shape::{Integer, Shape};
use crate::engine::bindings::lovage::task::types;
use crate::engine::outcome::cut;

/// Values of an error that is written out.
const TOLD: usize = 1_000;

/// The contract's own type, `lovage:task/types.failure`.
static CONTRACT: LazyLock<Shape> = LazyLock::new(|| {
    let retry = [
        ("policy", None),
        ("now", None),
        ("after", Some(Shape::Integer(Integer::U64))),
        ("never", None),
    ];
    let fields = [
        ("kind", Shape::Text),
        ("message", Shape::Text),
        ("detail", Shape::Option(Box::new(Shape::Text))),
        (
            "retry",
            Shape::Variant(retry.map(|(case, held)| (case.into(), held)).into()),
        ),
    ];
    Shape::Record(fields.map(|(name, of)| (name.into(), of)).into())
});

/// A failure of the contract's is what it says; else a text is the message, and a case the
/// kind.
pub(super) fn failure(shape: Option<&Shape>, error: &[u8]) -> types::Failure {
    if shape == Some(&*CONTRACT)
        && let Ok(value) = rmpv::decode::read_value(&mut &error[..])
    {
        return of_contract(&value);
    }
    let is_case = matches!(shape, Some(Shape::Enum(_) | Shape::Variant(_)));
    let error = outlined(error);
    let told = |value: &Value| match value {
        Value::String(text) => text.as_str().unwrap_or_default().to_owned(),
        Value::Nil => "failed, and does not say why".into(),
        other => other.to_string(),
    };
    let (kind, message) = match &error {
        Value::Map(entries) if is_case && entries.len() == 1 => {
            (told(&entries[0].0), told(&entries[0].1))
        }
        Value::Map(entries) => {
            let message = entries
                .iter()
                .find(|(name, _)| name.as_str() == Some("message"));
            let message = message.map(|(_, it)| it).filter(|it| it.is_str());
            ("error".into(), told(message.unwrap_or(&error)))
        }
        Value::String(_) if is_case => (told(&error), told(&error)),
        other => ("error".into(), told(other)),
    };
    types::Failure {
        kind,
        message,
        detail: None,
        retry: types::Retry::Policy,
    }
}

/// An error as a value, which takes many times its memory; so of one of many values there is
/// nothing but its case and its size.
fn outlined(error: &[u8]) -> Value {
    let mut rest = Reader(error);
    if (0..TOLD).any(|_| rest.head().is_err()) {
        return rmpv::decode::read_value(&mut &error[..]).unwrap_or(Value::Nil);
    }
    let text = Value::from(format!("{} bytes of values", error.len()));
    let mut rest = Reader(error);
    match [rest.head(), rest.head()] {
        [Ok(Head::Map(1)), Ok(Head::Text(case))] => Value::Map(vec![(case.into(), text)]),
        _ => text,
    }
}

/// A value of the contract's type.
fn of_contract(value: &Value) -> types::Failure {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let retry = &value["retry"];
    types::Failure {
        kind: text("kind").unwrap_or_default(),
        message: text("message").unwrap_or_default(),
        detail: text("detail"),
        retry: match (retry.as_str(), retry["after"].as_u64()) {
            (_, Some(ms)) => types::Retry::After(ms),
            (Some("now"), _) => types::Retry::Now,
            (Some("never"), _) => types::Retry::Never,
            _ => types::Retry::Policy,
        },
    }
}

/// A failure that would come again.
pub(super) fn fatal(kind: &str, message: String) -> types::Failure {
    types::Failure {
        kind: kind.into(),
        message: cut(&message, 2_000).to_owned(),
        detail: None,
        retry: types::Retry::Never,
    }
}
