//! What fuel and epochs cost a guest that computes: wasmtime alone, set up as the
//! engine sets it up, with each of them on and off.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use wasmtime::{Config, Engine, Instance, Module, Store, TypedFunc};

/// The guests, and how many rounds make about a millisecond.
const GUESTS: [(&str, &str, i64); 3] = [
    ("integers", include_str!("guests/integers.wat"), 500_000),
    ("pointers", include_str!("guests/pointers.wat"), 100_000),
    ("calls", include_str!("guests/calls.wat"), 400),
];
/// What holds the guest: its name, fuel, epochs.
const METERS: [(&str, bool, bool); 4] = [
    ("free", false, false),
    ("epochs", false, true),
    ("fuel", true, false),
    ("both", true, true),
];

pub(crate) fn all(criterion: &mut Criterion) {
    for (guest, text, rounds) in GUESTS {
        let mut group = criterion.benchmark_group(format!("fuel/{guest}"));
        group.throughput(Throughput::Elements(rounds.unsigned_abs()));
        for (name, fuel, epochs) in METERS {
            metered(&mut group, name, text, rounds, (fuel, epochs));
        }
        group.finish();
    }
}

fn metered(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    text: &str,
    rounds: i64,
    (fuel, epochs): (bool, bool),
) {
    let mut config = Config::new();
    config.consume_fuel(fuel).epoch_interruption(epochs);
    let engine = Engine::new(&config).expect("wasmtime runs here");
    let binary = wat::parse_str(text).expect("a guest of ours is WAT");
    let module = Module::new(&engine, &binary).expect("a guest of ours compiles");
    let mut store = Store::new(&engine, ());
    if epochs {
        // It never ticks: what is measured is the look at it.
        store.set_epoch_deadline(1);
    }
    let instance = Instance::new(&mut store, &module, &[]).expect("it imports nothing");
    let run: TypedFunc<i64, i64> = instance
        .get_typed_func(&mut store, "run")
        .expect("each guest has `run`");
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            if fuel {
                store.set_fuel(u64::MAX).expect("fuel is switched on");
            }
            run.call(&mut store, rounds).expect("it has all it needs")
        });
    });
}
