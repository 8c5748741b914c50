use super::*;
use lovage::serde_json::json;
use lovage::testing::{call, tasks};

const DOCUMENT: &str = include_str!("../documents/gpl-3.txt");

fn pairs(frequencies: &Frequencies) -> Vec<(&str, u64)> {
    frequencies
        .top
        .iter()
        .map(|frequency| (frequency.word.as_str(), frequency.count))
        .collect()
}

#[test]
fn words_of_a_real_document() {
    let counted: Frequencies = call("frequencies", &json!({"text": DOCUMENT, "top": 3})).unwrap();
    assert_eq!(pairs(&counted), [("the", 345), ("of", 221), ("to", 192)]);
    assert!(
        counted.words > 5000 && counted.distinct > 900,
        "{counted:?}"
    );
}

#[test]
fn words_of_other_scripts() {
    let counted = frequencies("Straße STRASSE straße. Don't! Ναι, ναι — да", None);
    assert_eq!(
        pairs(&counted),
        [
            ("straße", 2),
            ("ναι", 2),
            ("don't", 1),
            ("strasse", 1),
            ("да", 1)
        ]
    );
    assert_eq!((counted.words, counted.distinct), (7, 5));
}

#[test]
fn an_empty_text() {
    assert_eq!(
        frequencies("", None),
        Frequencies {
            words: 0,
            distinct: 0,
            top: Vec::new()
        }
    );
}

#[test]
fn counts() {
    // An `e` and an accent of its own are one character.
    let counted = count("one cafe\u{301}\ntwo\n").unwrap();
    assert_eq!(
        counted,
        Count {
            lines: 2,
            words: 3,
            characters: 13,
            bytes: 15
        }
    );
}

#[test]
fn a_text_that_is_none_is_refused_by_name() {
    let failure = call::<Count>("count", &json!({"text": 5})).unwrap_err();
    assert_eq!(failure.kind, "argument");
    assert!(
        failure.message.starts_with("argument `text` of `count`"),
        "{}",
        failure.message
    );
}

#[test]
fn arguments_are_described() {
    let schema = tasks().swap_remove(1).input_schema;
    assert_eq!(schema["required"], json!(["text"]));
    assert_eq!(
        schema["properties"]["text"],
        json!({"type": "string", "description": "The document."})
    );
}
