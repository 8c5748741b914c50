//! Bytes by digest, in chunks: modules, and what is too large for a record.

use super::{RedisBroker, scripts};
use crate::broker::{BrokerError, Result, corrupt};
use crate::registry::{Digest, blob};

/// Chunks a call: some megabytes, so that a large blob blocks nobody.
const CHUNKS: usize = 4;

/// What is stored in chunks: its letter among the stored keys, and its word.
#[derive(Clone, Copy)]
pub(super) enum Stored {
    Module,
    Blob,
}

impl Stored {
    fn letter(self) -> &'static str {
        match self {
            Stored::Module => "b",
            Stored::Blob => "x",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Stored::Module => "module",
            Stored::Blob => "blob",
        }
    }
}

impl RedisBroker {
    /// Sends chunks that nobody sees before they are given their name; the
    /// upload's number.
    pub(super) async fn upload(&self, tenant: &str, bytes: &[u8]) -> Result<u64> {
        let chunks = blob::pack(bytes).map_err(|e| BrokerError::Invalid(e.to_string()))?;
        let upload: u64 = rand::random();
        for (i, some) in chunks.chunks(CHUNKS).enumerate() {
            let mut command = self.of_tenant(&scripts::UPLOAD, tenant);
            command.arg(upload).arg(i * CHUNKS).arg(some);
            self.run(&scripts::UPLOAD, &command).await?;
        }
        Ok(upload)
    }

    /// Reads chunks, puts them together and verifies them.
    pub(super) async fn download(
        &self,
        tenant: &str,
        what: Stored,
        digest: Digest,
    ) -> Result<Option<Vec<u8>>> {
        let mut chunks = Vec::new();
        loop {
            let mut command = self.of_tenant(&scripts::CHUNKS, tenant);
            command.arg(what.letter()).arg(&digest.0);
            command.arg(chunks.len()).arg(CHUNKS);
            let mut reply = self.list_of(&scripts::CHUNKS, &command).await?;
            if reply.is_empty() {
                break;
            }
            while !reply.is_empty() {
                chunks.push(reply.bytes()?);
            }
        }
        if chunks.is_empty() {
            return Ok(None);
        }
        match blob::unpack(&chunks, digest) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(corrupt(
                format!("{} {digest}", what.word()),
                "its bytes have another digest",
            )),
        }
    }

    pub(super) async fn write_blob(&self, tenant: &str, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        // Most often it is not there, but where it is a megabyte is not sent.
        for upload in [None, Some(())] {
            let upload = match upload {
                None => 0,
                Some(()) => self.upload(tenant, bytes).await?,
            };
            let mut command = self.of_tenant(&scripts::PUT_BLOB, tenant);
            command.arg(upload).arg(&digest.0).arg(bytes.len());
            if self.number_of(&scripts::PUT_BLOB, &command).await? == 1 {
                return Ok(digest);
            }
        }
        Err(BrokerError::Missing(format!("the upload of blob {digest}")))
    }

    pub(super) async fn read_blob(&self, tenant: &str, digest: Digest) -> Result<Option<Vec<u8>>> {
        self.download(tenant, Stored::Blob, digest).await
    }
}
