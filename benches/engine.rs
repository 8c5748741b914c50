//! An attempt without a queue, and a module on its way into memory.

use std::sync::Arc;
use std::time::Instant;

use criterion::{BatchSize, Criterion, Throughput};
use lovage::engine::{End, Engine, Invocation, Module, NoHost, Settings};
use lovage_queue::registry::Digest;
use tokio::runtime::{Builder, Runtime};

use crate::fixtures::{ECHO, Guest};

/// The no-op of `lovage bench`.
const NOOP: &str = include_str!("../runtime/host/src/cli/bench/noop.wat");
/// A MessagePack map without entries.
const NOTHING: &[u8] = &[0x80];
const MIB: usize = 1024 * 1024;

pub(crate) fn all(criterion: &mut Criterion) {
    let engine = Engine::new(Settings::default()).expect("an engine runs here");
    let noop = wat::parse_str(NOOP).expect("a component");
    attempts(criterion, &engine, &noop);
    large(criterion, &engine);
    modules(criterion);
}

/// A fresh instance, its call, and its end.
fn attempts(criterion: &mut Criterion, engine: &Engine, noop: &[u8]) {
    let module = engine.compile(noop).expect("the no-op compiles");
    let mut group = criterion.benchmark_group("engine/attempt");
    group.throughput(Throughput::Elements(1));
    for threads in [1, 2] {
        let runtime = threaded(threads);
        group.bench_function(format!("no-op, threads: {threads}"), |bencher| {
            bencher.iter_custom(|count| {
                let since = Instant::now();
                runtime.block_on(spread(engine, &module, threads as u64, count));
                since.elapsed()
            });
        });
    }
    group.finish();
}

/// So many runs in all, one after the other on each thread.
async fn spread(engine: &Engine, module: &Module, threads: u64, count: u64) {
    let each = |thread: u64| {
        let share = count / threads + u64::from(thread < count % threads);
        let (engine, module) = (engine.clone(), module.clone());
        tokio::spawn(async move {
            for _ in 0..share {
                run(&engine, &module, NOTHING.to_vec()).await;
            }
        })
    };
    let tasks: Vec<_> = (0..threads).map(each).collect();
    for task in tasks {
        task.await.expect("no run panics");
    }
}

/// A megabyte in and out again.
fn large(criterion: &mut Criterion, engine: &Engine) {
    let echo = Guest::new(ECHO).pages(20).build();
    let module = engine.compile(&echo).expect("the echo compiles");
    let mut group = criterion.benchmark_group("engine/attempt");
    group.throughput(Throughput::Bytes(2 * MIB as u64));
    let runtime = threaded(1);
    group.bench_function("1 MiB in and out", |bencher| {
        // To make the input is the caller's.
        let input = || vec![7; MIB];
        let attempt = |input| run(engine, &module, input);
        bencher
            .to_async(&runtime)
            .iter_batched(input, attempt, BatchSize::LargeInput);
    });
    group.finish();
}

async fn run(engine: &Engine, module: &Module, input: Vec<u8>) {
    let invocation = Invocation::local(module.digest(), "go", input);
    let outcome = engine.run(module, invocation, Arc::new(NoHost::default()));
    let end = outcome.await.end;
    assert!(matches!(end, End::Completed(_)), "{end:?}");
}

/// From bytes to something that runs. Two modules take turns in a memory that holds
/// one, so that neither is ever found there.
fn modules(criterion: &mut Criterion) {
    let modules = ["a", "b"].map(|name| Guest::new(ECHO).text(2000, name).build());
    let forgetful = |cache| Settings {
        module_bytes: 1,
        cache,
        ..Settings::default()
    };
    let mut group = criterion.benchmark_group("engine/module");
    let compiler = Engine::new(forgetful(None)).expect("an engine runs here");
    let mut turns = modules.iter().cycle();
    group.bench_function("compile", |bencher| {
        bencher.iter(|| compiler.compile(turns.next().expect("it is endless")));
    });

    let folder = tempfile::tempdir().expect("a folder");
    let cache = Some(folder.path().to_owned());
    let loader = Engine::new(forgetful(cache)).expect("an engine runs here");
    for module in &modules {
        loader.compile(module).expect("it compiles");
    }
    let digests = modules.map(|module| Digest::of(&module));
    let (runtime, mut turns) = (threaded(1), digests.iter().cycle());
    group.bench_function("load its artifact", |bencher| {
        bencher.iter_custom(|count| {
            let since = Instant::now();
            for _ in 0..count {
                let digest = *turns.next().expect("it is endless");
                runtime.block_on(load(&loader, digest));
            }
            since.elapsed()
        });
    });
    group.finish();
}

async fn load(engine: &Engine, digest: Digest) {
    let nowhere_else = || async { Ok::<_, std::io::Error>(None) };
    let loaded = engine.load(digest, nowhere_else).await;
    loaded.expect("its artifact is on disk");
}

fn threaded(threads: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .expect("threads")
}
