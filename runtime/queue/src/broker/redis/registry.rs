//! Modules and releases on Redis.

use redis::Value;

use super::blobs::Stored;
use super::connection::unexpected;
use super::{RedisBroker, control, schedules, scripts};
use crate::broker::schedules::{Declared, Schedules};
use crate::broker::{BrokerError, Result, corrupt};
use crate::clock::Millis;
use crate::limits::Limit;
use crate::registry::{Digest, Manifest, RELEASES_KEPT, Readiness, Registry, Release};

#[async_trait::async_trait]
impl Registry for RedisBroker {
    async fn put(&self, tenant: &str, module: &[u8], manifest: &Manifest) -> Result<Digest> {
        let digest = Digest::of(module);
        // What is refused is refused before it is sent.
        let mut command = self.of_tenant(&scripts::PUT, tenant);
        command.arg("").arg(&digest.0).arg(module.len()).arg("");
        self.number_of(&scripts::PUT, &command).await?;
        let upload = self.upload(tenant, module).await?;
        let mut command = self.of_tenant(&scripts::PUT, tenant);
        command.arg(upload).arg(&digest.0).arg(module.len());
        command.arg(serde_json::to_vec(manifest).expect("a manifest is plain data"));
        match self.number_of(&scripts::PUT, &command).await? {
            1 => Ok(digest),
            _ => Err(BrokerError::Missing(format!(
                "the upload of module {digest}"
            ))),
        }
    }

    async fn module(&self, tenant: &str, digest: Digest) -> Result<Option<Vec<u8>>> {
        self.download(tenant, Stored::Module, digest).await
    }

    async fn manifest(&self, tenant: &str, digest: Digest) -> Result<Option<Manifest>> {
        let mut command = self.of_tenant(&scripts::MANIFEST, tenant);
        command.arg(&digest.0);
        match self.bytes_of(&scripts::MANIFEST, &command).await? {
            Some(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|e| corrupt(format!("the manifest of module {digest}"), e)),
            None => Ok(None),
        }
    }

    async fn stage(&self, tenant: &str, name: &str, digest: Digest, by: &str) -> Result<Release> {
        let mut command = self.of_tenant(&scripts::STAGE, tenant);
        command.arg(name).arg(&digest.0).arg(by);
        let value = self.run(&scripts::STAGE, &command).await?;
        if value == Value::Nil {
            return Err(BrokerError::Missing(format!("module {digest}")));
        }
        let mut reply = super::Reply::of(&scripts::STAGE, value)?;
        let (number, active) = (reply.number()? as u32, reply.int()? == 1);
        read_release(number, active, &reply.bytes()?)
    }

    async fn readiness(&self, tenant: &str, digest: Digest) -> Result<Readiness> {
        let mut command = self.of_tenant(&scripts::READINESS, tenant);
        command.arg(&digest.0);
        let mut reply = self.list_of(&scripts::READINESS, &command).await?;
        let mut readiness = Readiness {
            live: reply.number()? as u32,
            ready: reply.number()? as u32,
            refused: Vec::new(),
        };
        while !reply.is_empty() {
            readiness.refused.push(reply.text()?);
        }
        Ok(readiness)
    }

    async fn activate(&self, tenant: &str, name: &str, number: u32) -> Result<()> {
        let releases = self.releases(tenant, name).await?;
        let missing = || BrokerError::Missing(format!("release {number} of `{name}`"));
        let release = releases.iter().find(|it| it.number == number);
        let digest = release.ok_or_else(missing)?.digest;
        let manifest = self.manifest(tenant, digest).await?.ok_or_else(missing)?;
        let mut command = self.of_tenant(&scripts::ACTIVATE, tenant);
        command.arg(name).arg(number).arg(RELEASES_KEPT);
        for task in &manifest.tasks {
            if let Some(limit) = Limit::declared(&task.options) {
                command.arg(format!("{name}.{}", task.name));
                control::write_limit(&mut command, &limit);
            }
        }
        let now = self.time(tenant).await?;
        command.arg("");
        schedules::write_declared(&mut command, &Declared::of_module(name, &manifest, now));
        let value = self.run(&scripts::ACTIVATE, &command).await?;
        if value == Value::Array(vec![Value::BulkString(b"missing".into())]) {
            return Err(missing());
        }
        schedules::read_declared(&mut super::Reply::of(&scripts::ACTIVATE, value)?)
    }

    async fn releases(&self, tenant: &str, name: &str) -> Result<Vec<Release>> {
        let mut releases: Vec<_> = self
            .releases_of(tenant, name)
            .await?
            .into_iter()
            .map(|(_, release)| release)
            .collect();
        releases.sort_by_key(|release| std::cmp::Reverse(release.number));
        Ok(releases)
    }

    async fn active(&self, tenant: &str) -> Result<Vec<(String, Release)>> {
        let mut active = self.releases_of(tenant, "").await?;
        active.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(active)
    }
}

impl RedisBroker {
    /// The releases of a name; of the empty one, each name's active release.
    async fn releases_of(&self, tenant: &str, name: &str) -> Result<Vec<(String, Release)>> {
        let mut command = self.of_tenant(&scripts::RELEASES, tenant);
        command.arg(name);
        let mut reply = self.list_of(&scripts::RELEASES, &command).await?;
        let mut releases = Vec::new();
        while !reply.is_empty() {
            let mut row = reply.list()?;
            let (name, number, active) = (row.text()?, row.number()? as u32, row.int()? == 1);
            releases.push((name, read_release(number, active, &row.bytes()?)?));
        }
        Ok(releases)
    }
}

/// A release as the scripts keep it: digest, time, and by whom.
fn read_release(number: u32, active: bool, bytes: &[u8]) -> Result<Release> {
    let parts = bytes.split_first_chunk::<32>().and_then(|(digest, rest)| {
        let (time, by) = rest.split_first_chunk::<6>()?;
        Some((digest, time, by))
    });
    let Some((digest, time, by)) = parts else {
        return Err(unexpected("releases", "a release that is too short"));
    };
    let mut at = [0; 8];
    at[..6].copy_from_slice(time);
    Ok(Release {
        number,
        active,
        digest: Digest(*digest),
        at: Millis(u64::from_le_bytes(at)),
        by: String::from_utf8_lossy(by).into_owned(),
    })
}
