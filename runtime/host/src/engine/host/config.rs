//! `wasi:config/store`: values and secrets of the tenant's, by name.

use super::{Access, CallError, Reply, Request, State, mismatch};
use crate::engine::bindings::wasi::config::store::{Error, Host};

impl Host for State {
    async fn get(&mut self, key: String) -> Result<Option<String>, Error> {
        if !self.grants.value(&key) {
            let key = crate::engine::outcome::cut(&key, 200);
            let text = format!("the module was not granted `config {key}` or `secret {key}`");
            return Err(CallError::Denied(text).into());
        }
        match self.ask(Request::Access(Access::Value(key))).await? {
            Reply::Value(value) => Ok(value.map(|it| it.0)),
            _ => Err(mismatch().into()),
        }
    }

    async fn get_all(&mut self) -> Result<Vec<(String, String)>, Error> {
        match self.ask(Request::Access(Access::Values)).await? {
            Reply::Values(values) => Ok(values.into_iter().map(|(key, it)| (key, it.0)).collect()),
            _ => Err(mismatch().into()),
        }
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        Error::Upstream(error.to_string())
    }
}
