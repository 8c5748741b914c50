//! Counts the words of documents.

use lovage::Failure;
use std::collections::HashMap;
use unicode_segmentation::UnicodeSegmentation;

/// A word and how often it occurs.
#[lovage::data]
#[derive(Debug, PartialEq)]
struct Frequency {
    word: String,
    count: u64,
}

/// The words of a document.
#[lovage::data]
#[derive(Debug, PartialEq)]
struct Frequencies {
    /// Words in all.
    words: u64,
    /// Words that differ, whatever their case.
    distinct: u64,
    /// The most frequent words first, those of one count by alphabet.
    top: Vec<Frequency>,
}

/// Counts how often each word of a text occurs.
///
/// Words are those of Unicode, so that `don't` is one and `well-known` two, in any script; upper and lower case are one.
#[lovage::task(timeout = "30s", memory = "128MiB")]
fn frequencies(
    /// The document.
    text: &str,
    /// How many of the most frequent words to answer with: 10 where it is left out.
    top: Option<u32>,
) -> Frequencies {
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut words = 0;
    for word in text.unicode_words() {
        words += 1;
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    let distinct = counts.len() as u64;
    let mut ranked: Vec<_> = counts
        .into_iter()
        .map(|(word, count)| Frequency { word, count })
        .collect();
    ranked.sort_by(|left, right| {
        right
            .count
            .cmp(&left.count)
            .then_with(|| left.word.cmp(&right.word))
    });
    ranked.truncate(top.unwrap_or(10) as usize);
    Frequencies {
        words,
        distinct,
        top: ranked,
    }
}

/// How large a document is.
#[lovage::data]
#[derive(Debug, PartialEq)]
struct Count {
    lines: u64,
    words: u64,
    /// As a person counts them: an accented letter is one, however it is encoded.
    characters: u64,
    bytes: u64,
}

/// Counts the lines, words and characters of a text.
#[lovage::task]
fn count(
    /// The document.
    text: &str,
) -> Result<Count, Failure> {
    Ok(Count {
        lines: text.lines().count() as u64,
        words: text.unicode_words().count() as u64,
        characters: text.graphemes(true).count() as u64,
        bytes: text.len() as u64,
    })
}

#[cfg(test)]
mod tests;
