//! Jobs that somebody else has made, before they are enqueued in their name.
//!
//! Whoever calls over HTTP checks its calls itself; a server takes nobody's word for it.

use std::collections::HashSet;

use super::flows::{check_bounds, takes_argument};
use super::{Client, ClientError, MAX_INPUT, Misfit};
use crate::arguments::Arguments;
use crate::broker::BrokerError;
use crate::hook;
use crate::job::{CLAIM_CHECK, NewJob, Payload, Pin};
use crate::registry::Digest;

/// Jobs after which others have their turn: a schema takes its time.
const AT_ONCE: usize = 100;
/// Bytes of the headers of a job that is in no flow, names included. What a flow's nodes
/// have is bounded with its other terms.
const MAX_HEADERS: usize = 8 * 1024;
/// A job may take this many workers down with it.
const MAX_CRASHES: u8 = 100;

impl Client {
    /// Whether all of these jobs could have been [prepared](Client::prepare) here: their
    /// tasks are there, and their inputs, as far as they have come, fit the schemas. What
    /// nobody who prepares a job would say of it is refused as well.
    ///
    /// # Errors
    /// As [`prepare`](Client::prepare); a large input that is not there, or not of the
    /// size that the job says; results taken in no flow.
    pub async fn check(&self, jobs: &[NewJob]) -> Result<(), ClientError> {
        let (mut passed, mut pins) = (HashSet::new(), HashSet::new());
        for (n, job) in jobs.iter().enumerate() {
            check_terms(job)?;
            if let Pin::Digest(digest) = job.pin
                && pins.insert((&*job.module, digest))
            {
                self.check_pin(&job.module, digest).await?;
            }
            // The same large input for the same task is read once.
            let large = job.input.blob().map(|it| large(job, it));
            if large.is_none_or(|it| passed.insert(it)) || !job.options.binds.is_empty() {
                self.check_one(job).await?;
            }
            if n % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Whether a digest is one of a module's own releases: the tenant may have others, under
    /// names whose limits and pauses are not this one's.
    async fn check_pin(&self, module: &str, digest: Digest) -> Result<(), ClientError> {
        let releases = self.broker.releases(&self.tenant, module).await?;
        match releases.iter().any(|it| it.digest == digest) {
            true => Ok(()),
            false => {
                let said = format!("module `{module}` has no release with the digest {digest}");
                Err(BrokerError::Invalid(said).into())
            }
        }
    }

    async fn check_one(&self, job: &NewJob) -> Result<(), ClientError> {
        let invalid = |said: String| ClientError::Broker(BrokerError::Invalid(said));
        let known = self.module(&job.module, job.pin).await?;
        let task = known.task(&job.module, &job.task)?;
        let name = format!("{}.{}", job.module, job.task);
        let mut coming = Vec::with_capacity(job.options.binds.len());
        for bind in &job.options.binds {
            if job.seat.is_none() {
                let said = "takes results, and is of no flow";
                return Err(invalid(format!("job {} of `{name}` {said}", job.id)));
            }
            if !takes_argument(task, &bind.argument) {
                let problems = vec![Misfit::no_argument(&bind.argument)];
                return Err(ClientError::Schema {
                    task: name,
                    problems,
                });
            }
            coming.push(&*bind.argument);
        }
        let input = self.input_of(job).await?;
        let arguments = Arguments::decode(&input)?;
        let problems = known.problems_beside(&job.task, &arguments, &coming);
        match problems.is_empty() {
            true => Ok(()),
            false => Err(ClientError::Schema {
                task: name,
                problems,
            }),
        }
    }

    /// The input, if it is no larger than it says and may be.
    async fn input_of(&self, job: &NewJob) -> Result<Vec<u8>, ClientError> {
        if job.input.size() > MAX_INPUT as u64 {
            let size = usize::try_from(job.input.size()).unwrap_or(usize::MAX);
            return Err(ClientError::TooLarge(size));
        }
        let invalid = |said| Err(BrokerError::Invalid(format!("job {}: {said}", job.id)).into());
        if job.input.is_large() {
            return invalid(format!(
                "an input of more than {CLAIM_CHECK} bytes is stored as a blob first"
            ));
        }
        let bytes = self.bytes(&job.input).await?;
        match &job.input {
            Payload::Blob { size, .. } if *size != bytes.len() as u64 => {
                invalid(format!("its input has {} bytes, not {size}", bytes.len()))
            }
            _ => Ok(bytes),
        }
    }
}

/// What can be seen of a job by itself.
fn check_terms(job: &NewJob) -> Result<(), BrokerError> {
    check_bounds(job)?;
    let invalid = |said: String| Err(BrokerError::Invalid(format!("job {}: {said}", job.id)));
    if let Err(said) = job.options.check() {
        return invalid(said);
    }
    if job.module == hook::MODULE {
        return invalid(format!(
            "the tasks of module `{}` are the workers' own",
            hook::MODULE
        ));
    }
    if !(1..=MAX_CRASHES).contains(&job.crash_limit) {
        return invalid(format!(
            "a crash limit is one of 1 to {MAX_CRASHES}, and not {}",
            job.crash_limit
        ));
    }
    let default = job.options.default.as_ref().map_or(0, |it| it.len());
    if default > CLAIM_CHECK {
        return invalid(format!(
            "its default has {default} bytes: give it at most {CLAIM_CHECK}"
        ));
    }
    let headers = job.options.headers.iter();
    let size: usize = headers.map(|(name, it)| name.len() + it.len()).sum();
    if job.seat.is_none() && size > MAX_HEADERS {
        return invalid(format!(
            "its headers have {size} bytes: give them at most {MAX_HEADERS}"
        ));
    }
    Ok(())
}

fn large(job: &NewJob, input: Digest) -> (&str, &str, Pin, Digest, u64) {
    (&job.module, &job.task, job.pin, input, job.input.size())
}
