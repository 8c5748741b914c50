//! Works with files in a scratch folder, of which each attempt has its own. The standard library knows it as `/`, with a `/tmp` in it.

mod script;
mod sort;

use lovage::Failure;
use std::path::Path;

lovage::wants!["scratch 64MiB"];

/// Orders in their order.
#[lovage::data]
#[derive(Debug, PartialEq)]
struct Sorted {
    orders: u32,
    /// Files that they were in meanwhile.
    runs: u32,
    /// Bytes of the file that they are in now.
    bytes: u64,
    /// FNV-1a over it, to compare.
    digest: String,
    first: String,
    last: String,
}

/// Makes orders, as another system's export would have them, and sorts them by customer and amount.
///
/// Only so many of them as `at_once` says are in memory: those are sorted and written to a file of their own, and the files merged in
/// the end. So the memory that it takes does not grow with their number.
#[lovage::task(memory = "8MiB", timeout = "60s", retries = 0)]
fn sort(orders: u32, seed: u64, at_once: Option<u32>) -> Result<Sorted, Failure> {
    let at_once = at_once.unwrap_or(10_000).max(1) as usize;
    // Not `std::env::temp_dir`, which this target has not.
    let folder = Path::new("/tmp");
    sort::sort(folder, sort::orders(orders, seed), at_once).map_err(failed)
}

/// Does one thing after the other, and tells what became of each.
#[lovage::task(retries = 0)]
fn script(steps: Vec<String>) -> Vec<String> {
    steps.iter().map(|step| script::take(step)).collect()
}

fn failed(e: std::io::Error) -> Failure {
    Failure::new(e.to_string()).kind("files")
}
