//! A job's bytes, written and read.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use lovage_queue::clock::Millis;
use lovage_queue::job::{Attempt, Ending, JobId, NewJob, Partition, WorkerId};
use lovage_queue::record;
use lovage_queue::registry::Digest;

const NOW: Millis = Millis(1_800_000_000_000);

pub(crate) fn all(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    for (name, input) in [("100 bytes", 100), ("10 KiB", 10 * 1024)] {
        let id = JobId::new(Partition(0));
        let job = NewJob::new(id, "images", "thumbnail", vec![7; input]);
        group.bench_function(format!("encode/{name}"), |b| b.iter(|| encoded(&job)));
        let plain = encoded(&job);
        group.bench_function(format!("decode/{name}"), |b| {
            b.iter(|| record::decode("default", id, black_box(&plain)));
        });
        let once = [plain, record::encode_attempt(&attempt(), None)].concat();
        group.bench_function(format!("decode with an attempt/{name}"), |b| {
            b.iter(|| record::decode("default", id, black_box(&once)));
        });
    }
    let (attempt, result) = (attempt(), vec![0xc0].into());
    group.bench_function("encode an attempt", |b| {
        b.iter(|| record::encode_attempt(black_box(&attempt), Some(&result)));
    });
    group.finish();
}

fn encoded(job: &NewJob) -> Vec<u8> {
    let (version, call) = record::encode_call(black_box(job)).expect("a sound job");
    record::encode(job, version, &call, NOW)
}

fn attempt() -> Attempt {
    Attempt {
        ending: Ending::Completed,
        delivery: 1,
        worker: WorkerId(7),
        digest: Some(Digest::of(b"a module")),
        release: 3,
        started: NOW,
        took: Duration::from_micros(10),
        fuel: 100,
        peak_memory: 128 * 1024,
        failure: None,
        log: Vec::new(),
    }
}
