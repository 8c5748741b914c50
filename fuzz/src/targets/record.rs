//! The record codec: whatever is read, nothing panics; what is written is read again as
//! it was, and what is bent is read as something or refused.

use std::time::Duration;

use arbitrary::Unstructured;
use lovage_queue::clock::Millis;
use lovage_queue::job::{JobId, NewJob, Partition, Pin, When};
use lovage_queue::record::{self, Header, Route};
use lovage_queue::registry::Digest;

use super::Target;

const NOW: Millis = Millis(1_700_000_000_000);

#[derive(Default)]
pub(crate) struct Records {
    read: u64,
    written: u64,
}

impl Target for Records {
    fn run(&mut self, input: &[u8]) {
        self.read += u64::from(read(input));
        let mut random = Unstructured::new(input);
        let Ok(job) = job(&mut random) else { return };
        let Ok((version, call)) = record::encode_call(&job) else {
            return;
        };
        let mut bytes = record::encode(&job, version, &call, NOW);
        let again = record::decode("default", job.id, &bytes).expect("it was just written");
        assert_eq!(again.call, job);
        self.written += 1;
        // Bent in some places, as the rest of the input says.
        while let Ok((at, byte)) = random.arbitrary::<(u16, u8)>() {
            let at = usize::from(at) % bytes.len();
            bytes[at] = byte;
            if random.is_empty() {
                break;
            }
        }
        read(&bytes);
    }

    fn told(&self) -> String {
        format!(
            "{} were records, {} were written and read",
            self.read, self.written
        )
    }
}

fn read(bytes: &[u8]) -> bool {
    let _ = record::is_newer(bytes);
    let header = Header::decode(bytes);
    if let Ok(header) = &header {
        // What a header says is written as it was read.
        let again = Header::decode(&header.encode()).map(|it| it.encode());
        assert_eq!(again.ok(), Some(header.encode()));
    }
    let _ = Route::decode(bytes);
    let id = JobId::child(JobId([0; 16]), "x");
    record::decode("default", id, bytes).is_ok()
}

fn job(random: &mut Unstructured<'_>) -> arbitrary::Result<NewJob> {
    let id = JobId::child(JobId::new(Partition(0)), "fuzz");
    let (module, task) = (random.arbitrary::<String>()?, random.arbitrary::<String>()?);
    let mut job = NewJob::new(id, &module, &task, random.arbitrary::<Vec<u8>>()?);
    job.queue = random.arbitrary()?;
    job.lane = random.arbitrary()?;
    job.priority = random.int_in_range(0..=9)?;
    job.eta = When::At(Millis(NOW.0 + u64::from(random.arbitrary::<u16>()?)));
    job.pin = match random.int_in_range(0..=2)? {
        0 => Pin::Active,
        1 => Pin::Release(random.arbitrary()?),
        _ => Pin::Digest(Digest(random.arbitrary()?)),
    };
    job.options.max_attempts = random.arbitrary()?;
    job.options.fuel = random.arbitrary()?;
    let ms: Option<u32> = random.arbitrary()?;
    job.options.timeout = ms.map(|ms| Duration::from_millis(ms.into()));
    job.options.headers = random.arbitrary()?;
    Ok(job)
}
