//! Every operation of the broker, over Redis and SQLite alike, in the batches in
//! which it is used.
//!
//! # Layout
//! - this file: which operations there are
//! - `store`: a broker of the benchmark's own, and what brings it into the state that
//!   an operation needs; only the operation itself is timed
//! - `jobs`: the way of a job; `control`: what people do with jobs and scopes;
//!   `looks`: what changes nothing; `registry`: a push

mod control;
mod jobs;
mod looks;
mod registry;
mod store;

use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};

use self::store::Store;

/// Jobs in one enqueue.
const LARGE: usize = 1000;
/// Jobs in one batch of everything else.
const BATCH: usize = 200;
/// Bytes of a blob.
const BLOB: usize = 1024 * 1024;

pub(crate) fn all(criterion: &mut Criterion) {
    for store in [Store::redis(), Store::sqlite()] {
        let mut group = criterion.benchmark_group(store.name);
        group
            // What comes before an operation takes longer than the operation.
            .sampling_mode(SamplingMode::Flat)
            .sample_size(20)
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2));
        way_of_a_job(&mut group, &store);
        by_people(&mut group, &store);
        only_looks(&mut group, &store);
        a_push(&mut group, &store);
        group.throughput(Throughput::Bytes(BLOB as u64));
        case(&mut group, &store, "put_blob", control::put_blob);
        case(&mut group, &store, "blob", looks::blob);
        group.finish();
    }
}

fn way_of_a_job(group: &mut BenchmarkGroup<'_, WallTime>, store: &Store) {
    group.throughput(Throughput::Elements(BATCH as u64));
    // First: the others delete what they made, and what that leaves in the list of
    // completed jobs a prune would have to pass over.
    case(group, store, "prune", jobs::prune);
    group.throughput(Throughput::Elements(LARGE as u64));
    case(group, store, "enqueue", jobs::enqueue);
    group.throughput(Throughput::Elements(BATCH as u64));
    case(group, store, "claim", jobs::claim);
    case(group, store, "claim from 100 lanes", jobs::claim_from_lanes);
    case(group, store, "settle", jobs::settle);
    case(group, store, "settle as failed", jobs::settle_as_failed);
    case(group, store, "note", jobs::note);
    case(group, store, "promote", jobs::promote);
    case(group, store, "reclaim", jobs::reclaim);
    case(group, store, "retire", jobs::retire);
    group.throughput(Throughput::Elements(1));
    case(group, store, "extend", jobs::extend);
    case(group, store, "enqueue one", jobs::enqueue_one);
}

fn by_people(group: &mut BenchmarkGroup<'_, WallTime>, store: &Store) {
    group.throughput(Throughput::Elements(BATCH as u64));
    case(group, store, "cancel", control::cancel);
    case(group, store, "requeue", control::requeue);
    case(group, store, "delete", control::delete);
    group.throughput(Throughput::Elements(1));
    case(group, store, "limit", control::limit);
    case(group, store, "pause and resume", control::pause);
}

fn only_looks(group: &mut BenchmarkGroup<'_, WallTime>, store: &Store) {
    group.throughput(Throughput::Elements(BATCH as u64));
    case(group, store, "jobs", looks::jobs);
    case(group, store, "list", looks::list);
    case(group, store, "wait for ended ones", looks::wait);
    group.throughput(Throughput::Elements(1));
    case(group, store, "counts", looks::counts);
    case(group, store, "limits", looks::limits);
    case(group, store, "checkpoint", looks::checkpoint);
    case(group, store, "footprint", looks::footprint);
}

fn a_push(group: &mut BenchmarkGroup<'_, WallTime>, store: &Store) {
    group.throughput(Throughput::Elements(1));
    case(group, store, "put", registry::put);
    case(group, store, "stage", registry::stage);
    case(group, store, "activate", registry::activate);
    case(group, store, "readiness", registry::readiness);
    case(group, store, "module", registry::module);
    case(group, store, "manifest", registry::manifest_of);
    case(group, store, "releases", registry::releases);
    case(group, store, "active", registry::active);
}

/// Measures an operation, which says itself how long it took.
fn case(
    group: &mut BenchmarkGroup<'_, WallTime>,
    store: &Store,
    name: &str,
    operation: impl AsyncFn(&Store) -> Duration,
) {
    group.bench_function(name, |bencher| {
        bencher.to_async(&store.runtime).iter_custom(async |count| {
            let mut took = Duration::ZERO;
            for _ in 0..count {
                took += operation(store).await;
            }
            took
        });
    });
}
