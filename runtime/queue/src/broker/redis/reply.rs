//! Reading the scripts' answers.

use redis::Value;

use super::connection::unexpected;
use super::scripts::Script;
use crate::broker::Result;
use crate::job::JobId;

/// An answer on its way to being read; it remembers whose it is.
pub(super) struct Reply {
    script: &'static str,
    values: std::vec::IntoIter<Value>,
}

impl Reply {
    pub(super) fn of(script: &Script, value: Value) -> Result<Self> {
        match value {
            Value::Array(values) => Ok(Reply {
                script: script.name,
                values: values.into_iter(),
            }),
            other => Err(unexpected(script.name, &format!("no list but {other:?}"))),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.len() == 0
    }

    pub(super) fn value(&mut self) -> Result<Value> {
        let missing = || unexpected(self.script, "too few values");
        self.values.next().ok_or_else(missing)
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>> {
        match self.values.next() {
            Some(Value::BulkString(bytes)) => Ok(bytes),
            Some(Value::SimpleString(text)) => Ok(text.into_bytes()),
            other => Err(unexpected(self.script, &format!("no bytes but {other:?}"))),
        }
    }

    pub(super) fn text(&mut self) -> Result<String> {
        let script = self.script;
        String::from_utf8(self.bytes()?).map_err(|_| unexpected(script, "a name that is no UTF-8"))
    }

    pub(super) fn int(&mut self) -> Result<i64> {
        match self.values.next() {
            Some(Value::Int(number)) => Ok(number),
            Some(Value::BulkString(bytes)) => std::str::from_utf8(&bytes)
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| unexpected(self.script, "no number")),
            other => Err(unexpected(self.script, &format!("no number but {other:?}"))),
        }
    }

    pub(super) fn number(&mut self) -> Result<u64> {
        let script = self.script;
        u64::try_from(self.int()?).map_err(|_| unexpected(script, "a negative number"))
    }

    pub(super) fn id(&mut self) -> Result<JobId> {
        let script = self.script;
        let bytes = self
            .bytes()?
            .try_into()
            .map_err(|_| unexpected(script, "an id of a wrong length"))?;
        Ok(JobId(bytes))
    }

    /// A job's id with its tenant behind it.
    pub(super) fn job(&mut self) -> Result<(String, JobId)> {
        let script = self.script;
        let wrong = || unexpected(script, "no job and its tenant");
        let bytes = self.bytes()?;
        let (id, tenant) = bytes.split_first_chunk().ok_or_else(wrong)?;
        let tenant = str::from_utf8(tenant).map_err(|_| wrong())?;
        Ok((tenant.to_owned(), JobId(*id)))
    }

    /// Ids, one behind the other.
    pub(super) fn ids(&mut self) -> Result<Vec<JobId>> {
        let bytes = self.bytes()?;
        let (ids, rest) = bytes.as_chunks::<16>();
        match rest {
            [] => Ok(ids.iter().copied().map(JobId).collect()),
            _ => Err(unexpected(self.script, "ids of a wrong length")),
        }
    }

    /// Two numbers and an id, in one.
    pub(super) fn place(&self, bytes: &[u8]) -> Result<(u32, u32, JobId)> {
        let parts = bytes
            .split_first_chunk::<4>()
            .and_then(|(which, rest)| Some((which, rest.split_first_chunk::<4>()?)));
        let wrong = || unexpected(self.script, "a place of a wrong length");
        let (which, (place, id)) = parts.ok_or_else(wrong)?;
        let id = JobId(id.try_into().map_err(|_| wrong())?);
        Ok((u32::from_le_bytes(*which), u32::from_le_bytes(*place), id))
    }

    /// The next of some ids that other parts of the answer count on.
    pub(super) fn one_more(&self, ids: &mut impl Iterator<Item = JobId>) -> Result<JobId> {
        ids.next()
            .ok_or_else(|| unexpected(self.script, "too few ids"))
    }

    /// The next value, a list itself.
    pub(super) fn list(&mut self) -> Result<Reply> {
        match self.values.next() {
            Some(Value::Array(values)) => Ok(Reply {
                script: self.script,
                values: values.into_iter(),
            }),
            other => Err(unexpected(self.script, &format!("no list but {other:?}"))),
        }
    }
}
