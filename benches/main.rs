//! The pieces by themselves, with criterion: `cargo bench --bench pieces -- NAME`.
//! `lovage bench` measures the whole.
//!
//! # Layout
//! - `engine`: an attempt without a queue, and a module on its way into memory
//! - `fuel`: what fuel and epochs cost three kinds of guest, which lie in `guests/`
//! - `codec`: a job's bytes
//! - `broker`: every operation, over Redis and SQLite alike
//! - `support`, `fixtures`: a Redis server and task modules, as the tests have them

#![allow(missing_docs)]

mod broker;
mod codec;
mod engine;
#[path = "../tests/fixtures/mod.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod fixtures;
mod fuel;
mod support;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion::criterion_group!(pieces, codec::all, engine::all, fuel::all, broker::all);
criterion::criterion_main!(pieces);
