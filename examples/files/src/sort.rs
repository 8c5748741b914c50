//! Sorting of what has no room in memory: sorted runs in files, and a merge of those.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Lines, Write};
use std::path::{Path, PathBuf};

use crate::Sorted;

/// Orders as lines of a CSV file, of which the columns have a width: so they are sorted as texts are.
pub(crate) fn orders(count: u32, seed: u64) -> impl Iterator<Item = String> {
    let mut state = seed;
    let mut random = move || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    (0..count).map(move |number| {
        let (customer, cents) = (random() % 10_000, random() % 100_000);
        let (whole, cents) = (cents / 100, cents % 100);
        format!("c{customer:04},{whole:04}.{cents:02},{number:08}")
    })
}

/// Sorts lines into a file of this folder.
pub(crate) fn sort(
    folder: &Path,
    lines: impl Iterator<Item = String>,
    at_once: usize,
) -> io::Result<Sorted> {
    let mut lines = lines.peekable();
    let mut runs = Vec::new();
    while lines.peek().is_some() {
        let mut some: Vec<String> = lines.by_ref().take(at_once).collect();
        some.sort_unstable();
        let path = folder.join(format!("run-{}.csv", runs.len()));
        let mut file = BufWriter::new(File::create(&path)?);
        for line in some {
            writeln!(file, "{line}")?;
        }
        file.flush()?;
        runs.push(path);
    }
    let sorted = merge(&runs, &folder.join("sorted.csv"))?;
    for run in &runs {
        fs::remove_file(run)?;
    }
    Ok(sorted)
}

/// The lines of a run that were not taken yet, and the next of them.
struct Run(Lines<BufReader<File>>);

impl Run {
    fn open(path: &PathBuf) -> io::Result<Self> {
        Ok(Run(BufReader::new(File::open(path)?).lines()))
    }
}

fn merge(paths: &[PathBuf], to: &Path) -> io::Result<Sorted> {
    let mut runs = paths
        .iter()
        .map(Run::open)
        .collect::<io::Result<Vec<_>>>()?;
    let mut heads = BinaryHeap::new();
    for (number, run) in runs.iter_mut().enumerate() {
        if let Some(line) = run.0.next() {
            heads.push(Reverse((line?, number)));
        }
    }
    let mut file = BufWriter::new(File::create(to)?);
    let (mut orders, mut digest) = (0, 0xcbf2_9ce4_8422_2325_u64);
    let (mut first, mut last) = (None, String::new());
    while let Some(Reverse((line, number))) = heads.pop() {
        if let Some(next) = runs[number].0.next() {
            heads.push(Reverse((next?, number)));
        }
        for byte in line.bytes().chain([b'\n']) {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        writeln!(file, "{line}")?;
        orders += 1;
        first.get_or_insert_with(|| line.clone());
        last = line;
    }
    file.flush()?;
    drop(file);
    Ok(Sorted {
        orders,
        runs: paths.len() as u32,
        bytes: fs::metadata(to)?.len(),
        digest: format!("{digest:016x}"),
        first: first.unwrap_or_default(),
        last,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_sort_what_memory_sorts() {
        let folder = std::env::temp_dir().join(format!("lovage-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut expected: Vec<String> = orders(5_000, 7).collect();
        expected.sort_unstable();
        let sorted = sort(&folder, orders(5_000, 7), 300).unwrap();
        assert_eq!((sorted.orders, sorted.runs), (5_000, 17));
        let text = fs::read_to_string(folder.join("sorted.csv")).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        assert_eq!(sorted.bytes, text.len() as u64);
        // As few files as many: the same digest.
        let whole = sort(&folder, orders(5_000, 7), 5_000).unwrap();
        assert_eq!((whole.digest, whole.runs), (sorted.digest, 1));
        let left = fs::read_dir(&folder).unwrap().count();
        assert_eq!(left, 1);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn no_orders_are_in_order() {
        let folder = std::env::temp_dir().join(format!("lovage-no-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let sorted = sort(&folder, orders(0, 7), 10).unwrap();
        assert_eq!((sorted.orders, sorted.bytes), (0, 0));
        fs::remove_dir_all(&folder).unwrap();
    }
}
