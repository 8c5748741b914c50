//! Property tests: random operations against a broker and against a model of it
//! that is too simple to be wrong. What the contract leaves open, such as which
//! job a claim takes first, the model does not predict: it checks that what
//! happened was allowed.
//!
//! # Layout
//! - `rules`: the model
//! - `operations`: what may happen, at random
//! - `run`: does it to both, step by step; `workers`: what workers do of it
//! - `check`: compares them, and in the end drains the broker to see that no job
//!   is lost
//!
//! `LOVAGE_CASES` says how many cases are tried, and `LOVAGE_SEED` which ones. A
//! failure is shrunk, and told as the steps that lead to it.

mod check;
mod operations;
mod rules;
mod run;
mod workers;

use std::collections::BTreeSet;
use std::sync::Mutex;

use lovage_queue::job::Partition;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use tokio::runtime::Runtime;

use self::operations::operations;
use self::run::Case;
use super::harness::Bench;

/// How many cases a run of all tests tries.
const CASES: u32 = 250;
/// How many operations a case has at most.
const STEPS: usize = 60;
/// The tenants of this broker's cases do not meet: each has a partition of its
/// own.
const PARTITIONS: u16 = Partition::LIMIT;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is no number")),
    )
}

/// Tries so many cases, unless the environment says how many.
pub(super) fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases: number("LOVAGE_CASES").map_or(cases, |cases| cases as u32),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number("LOVAGE_SEED").unwrap_or(0).to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    TestRunner::new_with_rng(config, rng)
}

/// Tries all cases, each of them over what `bench` gives it.
fn try_all(
    runtime: &Runtime,
    mut case: impl FnMut(Vec<operations::Operation>) -> Result<(), String>,
) {
    let _within = runtime.enter();
    let case = Mutex::new(&mut case);
    let tried = runner(CASES).run(&operations(STEPS), |operations| {
        let mut case = case.lock().unwrap();
        case(operations).map_err(TestCaseError::fail)
    });
    match tried {
        Ok(()) => {}
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        Err(TestError::Abort(reason)) => panic!("no cases: {reason}"),
    }
}

pub(super) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// A tenant in a partition that no case has had yet; all of them had one, `None`.
fn fresh_tenant(bench: &Bench, used: &mut BTreeSet<Partition>) -> Option<String> {
    if used.len() > usize::from(PARTITIONS) / 2 {
        return None;
    }
    let case = used.len();
    (0..)
        .map(|n| format!("case-{case}-{n}"))
        .find(|tenant| used.insert(bench.partition(tenant)))
}

mod every_operation_does_what_the_model_does {
    use super::*;

    #[test]
    fn redis() {
        let runtime = runtime();
        let start = || runtime.block_on(Bench::redis_of(PARTITIONS));
        let (mut bench, mut used) = (start(), BTreeSet::new());
        try_all(&runtime, |operations| {
            let tenant = fresh_tenant(&bench, &mut used).unwrap_or_else(|| {
                (bench, used) = (start(), BTreeSet::new());
                fresh_tenant(&bench, &mut used).expect("all partitions are free")
            });
            runtime.block_on(Case::new(&bench, &tenant).run(&operations))
        });
    }

    #[test]
    fn sqlite() {
        let runtime = runtime();
        try_all(&runtime, |operations| {
            let bench = runtime.block_on(Bench::sqlite());
            runtime.block_on(Case::new(&bench, "case").run(&operations))
        });
    }
}
