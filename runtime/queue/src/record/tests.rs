use super::*;
use crate::job::Partition;

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

#[test]
fn a_record_reads_back_as_it_was_written() {
    let job = job();
    let call = encode_call(&job).unwrap();
    let mut record = encode(&job, &call, Millis(1_700_000_000_000));
    record.extend(encode_attempt(&attempt(Ending::Failed), None));
    record.extend(encode_attempt(
        &attempt(Ending::Completed),
        Some(&[1, 2, 3]),
    ));
    record[3] = State::Completed as u8;
    let read = decode("default", job.id, &record).unwrap();
    assert_eq!(read.call, job);
    assert_eq!(
        read.attempts,
        [attempt(Ending::Failed), attempt(Ending::Completed)]
    );
    assert_eq!(read.result.as_deref(), Some(&[1, 2, 3][..]));
    assert_eq!((read.attempt, read.crash, read.worker), (0, 0, None));
}

#[test]
fn a_header_reads_back_as_it_was_written() {
    let header = Header {
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
    let call = encode_call(&job).unwrap();
    let mut record = encode(&job, &call, Millis(5));
    record.extend(encode_attempt(&attempt(Ending::Failed), None));
    for cut in 0..record.len() {
        let read = decode("default", job.id, &record[..cut]);
        assert!(read.is_err() || cut == HEADER + call.len(), "cut at {cut}");
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
    let record = encode(&job, &encode_call(&job).unwrap(), Millis(5));
    assert!(record.len() <= 90, "{}", record.len());
}
