//! Calls for each of many values, and the room that a flow's calls have.
//!
//! A few lines of a file may stand for a million calls, each with a copy of the
//! arguments that all of them have: what that comes to is known before any is made.

use super::{Fields, JsonError, Result, arguments, packed};
use crate::flow::{Call, OnFailure, Step};

/// Bytes that the copies of a flow's calls take in memory.
const COPIES: usize = 256 << 20;

/// What a flow may still have.
pub(super) struct Room {
    most: usize,
    calls: usize,
    bytes: usize,
}

impl Room {
    pub(super) fn of(calls: usize) -> Self {
        Room {
            most: calls,
            calls,
            bytes: COPIES,
        }
    }

    /// So many calls more.
    pub(super) fn calls(&mut self, path: &str, count: usize) -> Result<()> {
        match self.calls.checked_sub(count) {
            Some(left) => {
                self.calls = left;
                Ok(())
            }
            None => Err(JsonError {
                path: path.to_owned(),
                said: format!("the flow has more than {} calls", self.most),
            }),
        }
    }

    /// So many copies of a call.
    fn copies(&mut self, path: &str, call: &Call, count: usize) -> Result<()> {
        match self.bytes.checked_sub(weight(call).saturating_mul(count)) {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => Err(JsonError {
                path: path.to_owned(),
                said: format!(
                    "what all its calls have in common would take more than {} MiB: let \
                     them have it of a step before, or take fewer",
                    COPIES >> 20
                ),
            }),
        }
    }
}

/// What a copy of a call holds beside itself. A value in a list or an object takes far
/// more in memory than on the wire.
fn weight(call: &Call) -> usize {
    let input = call.arguments.clone().encode();
    let value = rmpv::decode::read_value_ref(&mut &input[..]);
    let inner = value.map_or(0, |it| values(&it)) * size_of::<rmpv::Value>();
    let headers = call.options.headers.iter();
    let headers: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
    let results: usize = call.results.iter().map(|(name, _)| name.len()).sum();
    let default = match &call.on_failure {
        Some(OnFailure::Default(value)) => value.len(),
        _ => 0,
    };
    let queue = call.queue.as_ref().map_or(0, String::len);
    input.len() + inner + headers + results + default + queue + call.lane.len()
}

/// How many values lie in this one.
fn values(value: &rmpv::ValueRef<'_>) -> usize {
    match value {
        rmpv::ValueRef::Array(items) => items.len() + items.iter().map(values).sum::<usize>(),
        rmpv::ValueRef::Map(entries) => {
            let inner = entries.iter().map(|(_, value)| values(value));
            2 * entries.len() + inner.sum::<usize>()
        }
        _ => 0,
    }
}

impl Fields {
    /// A call for each of many values.
    pub(super) fn many(&mut self, kind: &str, room: &mut Room) -> Result<Step> {
        let inner = self.needed(kind)?;
        let mut fields = Fields::of(&self.at(kind), inner)?;
        let values = fields.list("values")?;
        if kind == "starmap" {
            let (path, count) = (fields.at("values"), values.len());
            room.calls(&path, count)?;
            let sets = values.into_iter().enumerate();
            let sets = sets.map(|(n, set)| arguments(&format!("{path}[{n}]"), set));
            let sets = sets.collect::<Result<Vec<_>>>()?;
            let call = fields.call()?;
            fields.end()?;
            room.copies(&path, &call, count)?;
            return Ok(Step::starmap(&call, sets));
        }
        let Some(over) = fields.text("over")? else {
            return fields.error("over", "name the argument that the values are of");
        };
        let size = match kind {
            "chunks" => fields.number("size", u32::MAX.into())?,
            _ => None,
        };
        if kind == "chunks" && size.unwrap_or(0) == 0 {
            return fields.error("size", "say how many values a call takes: at least 1");
        }
        let call = fields.call()?;
        let path = fields.at("values");
        let count = values.len().div_ceil(size.unwrap_or(1) as usize);
        room.calls(&path, count)?;
        if call.arguments.has(&over) || call.results.iter().any(|it| it.0 == over) {
            return fields.error("over", format!("argument `{over}` is given already"));
        }
        fields.end()?;
        room.copies(&path, &call, count)?;
        let values: Vec<rmpv::Value> = values.iter().map(packed).collect();
        Ok(match size {
            Some(size) => Step::chunks(&call, &over, values, size as usize),
            None => Step::map(&call, &over, values),
        })
    }
}
