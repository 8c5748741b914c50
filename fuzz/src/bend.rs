//! From an input to another one that is nearly as sound: where all is random, nobody gets
//! past the first byte that is looked at.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// The most that an input grows to.
const MOST: usize = 64 * 1024;
/// What is worth putting anywhere: numbers at an edge, and what begins something.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xc0",
    b"\xc1",
    b"\x91",
    b"\x81",
    b"\xdc\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x05",
    b"\xcb\x7f\xf8\0\0\0\0\0\0",
    b"[",
    b"{",
    b"[[[[[[[[",
    b"{\"a\":",
    b"]",
    b"}",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"-0",
    b"1e999",
    b"18446744073709551616",
    b"-1",
    b"0.1",
    b"{\"$ref\":\"#\"}",
    b"{\"allOf\":[",
    b"$ref",
    b"*",
    b"../",
    b"%2e%2e",
    b".",
    b"/",
    b":",
    b"\r\n",
    b"\xe2\x80\xae",
    b"\xf0\x9f\x92\xa9",
    b"99999999",
];

/// An input of no model.
pub(crate) fn fresh(random: &mut StdRng) -> Vec<u8> {
    let length = random.random_range(0..2048);
    (0..length).map(|_| random.random()).collect()
}

/// One that differs from this in some places.
pub(crate) fn bent(input: &[u8], corpus: &[Vec<u8>], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..random.random_range(1..=8) {
        once(&mut bytes, corpus, random);
    }
    bytes.truncate(MOST);
    bytes
}

fn once(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut StdRng) {
    let at = random.random_range(0..=bytes.len());
    let rest = bytes.len() - at;
    let span = at..at + random.random_range(0..=rest.min(32));
    match random.random_range(0..8) {
        0 if rest > 0 => bytes[at] ^= 1 << random.random_range(0..8),
        1 if rest > 0 => bytes[at] = random.random(),
        2 => drop(bytes.drain(span)),
        3 => bytes.truncate(at),
        4 => {
            let word = WORDS.choose(random).expect("there are some");
            bytes.splice(at..at, word.iter().copied());
        }
        5 => {
            let word = WORDS.choose(random).expect("there are some");
            bytes.splice(span, word.iter().copied());
        }
        6 => {
            let again: Vec<u8> = bytes[span].to_vec();
            let times = random.random_range(1..=64);
            bytes.splice(at..at, again.repeat(times));
        }
        _ => {
            // The beginning of this one, and the end of another.
            let other = corpus.choose(random).map_or(&[][..], Vec::as_slice);
            let from = random.random_range(0..=other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}
