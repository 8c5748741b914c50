//! The Redis server of the tests: it ends with the benchmark, however that ends.

#![allow(dead_code, reason = "the tests use more of it")]

#[path = "../tests/support/process.rs"]
pub(crate) mod process;
#[path = "../tests/support/redis.rs"]
pub(crate) mod redis;
#[path = "../tests/support/until.rs"]
mod waiting;

pub(crate) use waiting::until;
