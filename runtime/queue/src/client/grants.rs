//! What modules were granted: looked at, approved and taken back; and the way to an active
//! release, which is open to those that want no more than that.

use super::{Client, ClientError};
use crate::broker::{BrokerError, Shelf};
use crate::grant::{Grant, Grants, MAX_GRANTS};
use crate::granted::{Approval, Approver, Granted};
use crate::registry::{Digest, Release};

impl Client {
    /// What a module was granted.
    ///
    /// # Errors
    /// Those of the broker.
    pub async fn granted(&self, module: &str) -> Result<Granted, ClientError> {
        let entry = self.broker.entry(&self.tenant, Shelf::Grants, module);
        read(module, entry.await?)
    }

    /// What all modules were granted, sorted by name.
    ///
    /// # Errors
    /// Those of the broker.
    pub async fn all_granted(&self) -> Result<Vec<(String, Granted)>, ClientError> {
        let entries = self.broker.entries(&self.tenant, Shelf::Grants).await?;
        let each = entries.into_iter().map(|(module, bytes)| {
            let granted = read(&module, Some(bytes))?;
            Ok((module, granted))
        });
        each.collect()
    }

    /// A release of a module, the newest where no number is given, and what it wants.
    ///
    /// # Errors
    /// A module or a release that is not there, and those of the broker.
    pub async fn wanted(
        &self,
        module: &str,
        number: Option<u32>,
    ) -> Result<(Release, Grants), ClientError> {
        let releases = self.broker.releases(&self.tenant, module).await?;
        let mut all = releases.into_iter();
        let release = match number {
            None => all.next(),
            Some(number) => all.find(|it| it.number == number),
        };
        let release = release.ok_or_else(|| match number {
            Some(number) => ClientError::UnknownRelease(module.into(), number),
            None => ClientError::UnknownModule(module.into()),
        })?;
        let wants = self.wants_of(release.digest).await?;
        Ok((release, wants))
    }

    /// What a module's release wants and was not granted.
    ///
    /// # Errors
    /// Those of the broker.
    pub async fn lacking(&self, module: &str, digest: Digest) -> Result<Vec<Grant>, ClientError> {
        let wants = self.wants_of(digest).await?;
        if wants.is_empty() {
            return Ok(Vec::new());
        }
        let granted = self.granted(module).await?.grants();
        Ok(wants.without(&granted).into_iter().cloned().collect())
    }

    /// Makes a release the active one, unless it wants what its module was not granted.
    /// Whoever opens a door to people goes this way, and not to the broker.
    ///
    /// # Errors
    /// [`ClientError::Ungranted`], a release that is not there, and those of the broker.
    pub async fn activate(&self, module: &str, number: u32) -> Result<(), ClientError> {
        // A server looks itself: what was granted is not for everybody to read there.
        if self.broker.tenant().is_none() {
            let releases = self.broker.releases(&self.tenant, module).await?;
            if let Some(release) = releases.iter().find(|it| it.number == number) {
                let lacks = self.lacking(module, release.digest).await?;
                if !lacks.is_empty() {
                    let (module, release) = (module.to_owned(), number);
                    return Err(ClientError::Ungranted {
                        module,
                        release,
                        lacks,
                    });
                }
            }
        }
        Ok(self.broker.activate(&self.tenant, module, number).await?)
    }

    /// Grants a module something beside what it has.
    ///
    /// # Errors
    /// What this approver may not give, too many grants, and those of the broker.
    pub async fn approve(
        &self,
        module: &str,
        grants: &Grants,
        approver: Approver,
        by: &str,
    ) -> Result<Granted, ClientError> {
        let granted = self.granted(module).await?;
        self.give(module, granted, grants, approver, by).await
    }

    /// Has a module granted exactly this.
    ///
    /// # Errors
    /// As [`approve`](Self::approve).
    pub async fn grant(
        &self,
        module: &str,
        grants: &Grants,
        approver: Approver,
        by: &str,
    ) -> Result<Granted, ClientError> {
        let mut granted = self.granted(module).await?;
        granted.retain(grants);
        self.give(module, granted, grants, approver, by).await
    }

    /// Takes grants of a module back, or all of them; whether there were any. Attempts
    /// that begin a moment later go without.
    ///
    /// # Errors
    /// Those of the broker.
    pub async fn revoke(&self, module: &str, grant: Option<&Grant>) -> Result<bool, ClientError> {
        let Some(grant) = grant else {
            let gone = self
                .broker
                .remove_entry(&self.tenant, Shelf::Grants, module);
            return Ok(gone.await?);
        };
        let mut granted = self.granted(module).await?;
        if !granted.remove(grant) {
            return Ok(false);
        }
        self.keep(module, &granted).await?;
        Ok(true)
    }

    /// Grants a module something beside this.
    async fn give(
        &self,
        module: &str,
        mut granted: Granted,
        grants: &Grants,
        approver: Approver,
        by: &str,
    ) -> Result<Granted, ClientError> {
        may(approver, grants.0.iter().filter(|it| !granted.has(it)))?;
        let at = self.broker.time(&self.tenant).await?;
        let by = by.to_owned();
        granted.add(grants, &Approval { by, at });
        self.keep(module, &granted).await?;
        Ok(granted)
    }

    async fn keep(&self, module: &str, granted: &Granted) -> Result<(), ClientError> {
        if granted.iter().count() > MAX_GRANTS {
            let said = format!("a module has at most {MAX_GRANTS} grants: revoke some first");
            return Err(BrokerError::Invalid(said).into());
        }
        let bytes = granted.encode();
        let kept = self
            .broker
            .put_entry(&self.tenant, Shelf::Grants, module, &bytes);
        Ok(kept.await?)
    }

    async fn wants_of(&self, digest: Digest) -> Result<Grants, ClientError> {
        let manifest = self.broker.manifest(&self.tenant, digest).await?;
        Ok(manifest.map(|it| it.wants).unwrap_or_default())
    }
}

/// What is kept of a module's grants, in the form that it is granted by.
fn read(module: &str, bytes: Option<Vec<u8>>) -> Result<Granted, ClientError> {
    let Some(bytes) = bytes else {
        return Ok(Granted::default());
    };
    Granted::decode(&bytes).ok_or_else(|| {
        let what = format!("what module `{module}` was granted");
        let reason = "it is of another form".to_owned();
        BrokerError::Corrupt { what, reason }.into()
    })
}

/// Whether somebody may give all of these.
pub(super) fn may<'a>(
    approver: Approver,
    grants: impl Iterator<Item = &'a Grant>,
) -> Result<(), BrokerError> {
    match approver.refuses(grants) {
        None => Ok(()),
        Some(grant) => Err(BrokerError::Denied(format!(
            "`{grant}` opens the operator's own network: it is approved at the broker itself, not over HTTP"
        ))),
    }
}
