use std::time::Duration;

use super::*;
use crate::job::{Attempt, Ending, Partition};
use crate::retry::Retry;
use crate::task::Failure;

fn job() -> NewJob {
    let mut job = NewJob::new(JobId::new(Partition(3)), "images", "thumbnail", vec![0x80]);
    job.lane = "user 42".into();
    job.pin = Pin::Digest(Digest::of(b"x"));
    job.options.max_attempts = Some(7);
    job.options.headers.insert("trace".into(), "1".into());
    job
}

fn attempt(ending: Ending) -> Attempt {
    Attempt {
        ending,
        delivery: 1,
        worker: WorkerId(u64::MAX),
        digest: Some(Digest::of(b"x")),
        release: 4,
        started: Millis(1_700_000_000_000),
        took: Duration::from_micros(1234),
        fuel: 5,
        peak_memory: 65536,
        failure: Some(Failure::new("io", "broken")),
        log: b"hello\n".to_vec(),
    }
}

fn record_of(job: &NewJob, now: Millis) -> Vec<u8> {
    let (version, call) = encode_call(job).unwrap();
    encode(job, version, &call, now)
}

#[test]
fn a_record_reads_back_as_it_was_written() {
    let now = Millis(1_700_000_000_000);
    let job = NewJob {
        eta: When::At(now),
        ..job()
    };
    let mut record = record_of(&job, now);
    record.extend(encode_attempt(&attempt(Ending::Failed), None));
    record.extend(encode_attempt(
        &attempt(Ending::Completed),
        Some(&vec![1, 2, 3].into()),
    ));
    record[3] = State::Completed as u8;
    let read = decode("default", job.id, &record).unwrap();
    assert_eq!(read.call, job);
    assert_eq!(
        read.attempts,
        [attempt(Ending::Failed), attempt(Ending::Completed)]
    );
    assert_eq!(read.result, Some(vec![1, 2, 3].into()));
    assert_eq!((read.attempt, read.crash, read.worker), (0, 0, None));
}

#[test]
fn what_an_attempt_asked_for_reads_back() {
    let after = Retry::After(Duration::from_millis(1_500));
    for retry in [Retry::Policy, Retry::Now, after, Retry::Never] {
        let mut asked = attempt(Ending::Failed);
        asked.failure.as_mut().unwrap().retry = retry;
        let mut record = record_of(&job(), Millis(0));
        record.extend(encode_attempt(&asked, None));
        let read = decode("default", job().id, &record).unwrap();
        assert_eq!(read.attempts, [asked]);
    }
    // An older version knows of nothing behind the detail, and mostly there is nothing.
    let plain = encode_attempt(&attempt(Ending::Failed), None);
    let failure = rmp_serde::to_vec(&("io", "broken", None::<&str>)).unwrap();
    assert!(plain.windows(failure.len()).any(|it| it == failure));
}

#[test]
fn a_header_reads_back_as_it_was_written() {
    let header = Header {
        version: VERSION,
        priority: 9,
        crash_limit: 3,
        state: State::Retryable,
        delivery: 70_000,
        worker: u64::MAX - 1,
        started: Millis(1 << 47),
        attempt: 300,
        crash: 2,
        available: Millis(1),
        finished: Millis(2),
        fuel: 100_000_000_000,
        enqueued: Millis(3),
        flags: NOTED,
        call: 0x01_0203,
    };
    assert_eq!(Header::decode(&header.encode()), Ok(header));
}

#[test]
fn a_damaged_record_is_an_error_that_says_where_and_never_a_panic() {
    let job = job();
    let mut record = record_of(&job, Millis(5));
    let whole = record.len();
    record.extend(encode_attempt(&attempt(Ending::Failed), None));
    for cut in 0..record.len() {
        let read = decode("default", job.id, &record[..cut]);
        assert!(read.is_err() || cut == whole, "cut at {cut}");
    }
    for at in 0..record.len() {
        let mut bent = record.clone();
        bent[at] ^= 0xff;
        let _ = decode("default", job.id, &bent);
    }
    record[0] = 9;
    let read = decode("default", job.id, &record);
    assert_eq!(read, Err(RecordError::Version(9)));
}

#[test]
fn a_small_job_takes_a_small_record() {
    let job = NewJob::new(JobId::new(Partition(0)), "basics", "add", vec![0; 7]);
    let record = record_of(&job, Millis(5));
    assert!(record.len() <= 90, "{}", record.len());
}

#[test]
fn a_record_without_its_expiry_is_otherwise_the_same() {
    let now = Millis(1_700_000_000_000);
    let mut job = NewJob {
        eta: When::At(now),
        expiry: Some(When::At(now)),
        ..job()
    };
    for key in [None, Some(crate::job::Key::idempotency("order 17"))] {
        job.key = key;
        let mut record = record_of(&job, now);
        record.extend(encode_attempt(&attempt(Ending::Failed), None));
        let without = without_expiry(&record).unwrap();
        let read = decode("default", job.id, &without).unwrap();
        let expected = decode("default", job.id, &record).unwrap();
        assert_eq!(read.call.expiry, None);
        assert_eq!(expected.call.expiry, job.expiry);
        assert_eq!((read.call.key, &read.call.input), (key, &job.input));
        assert_eq!(read.attempts, expected.attempts);
        assert_eq!(without_expiry(&without).unwrap(), without);
    }
}

#[test]
fn only_a_job_with_terms_is_written_as_version_2() {
    let now = Millis(5_000);
    let plain = record_of(&job(), now);
    assert_eq!(plain[0], PLAIN);
    let with_terms = NewJob {
        expiry: Some(When::In(Duration::from_secs(9))),
        ..job()
    };
    let record = record_of(&with_terms, now);
    assert_eq!(record[0], VERSION);
    let read = decode("default", with_terms.id, &record).unwrap();
    assert_eq!(read.call.expiry, Some(When::At(Millis(14_000))));
}

#[test]
fn a_later_version_is_told_apart_from_no_version_at_all() {
    let mut record = record_of(&job(), Millis(5));
    assert!(!is_newer(&record));
    record[0] = VERSION + 1;
    assert!(is_newer(&record) && !is_newer(&record[..HEADER - 1]));
    record[0] = 0xff;
    assert!(!is_newer(&record));
}
