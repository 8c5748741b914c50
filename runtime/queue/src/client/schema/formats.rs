//! The formats of texts that are checked: those of a time and of a UUID, which tasks read
//! from texts. Any other says what a text is, and nobody is held to it.
//!
//! Whatever a schema's draft, so that the same words mean the same, and in constant time:
//! a library's own checks of further formats, and of what a text encodes, would read
//! mebibytes as often as a schema says so, and nobody counts that.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jsonschema::ValidationOptions;
use serde_json::Value;

/// Bytes of the longest text that has one of these formats: fractions of seconds may have
/// more digits than anybody keeps.
const LONGEST: usize = 64;

type Check = fn(&str) -> bool;

/// Each with a text that has it.
const CHECKED: [(&str, Check, &str); 4] = [
    ("date-time", is_moment, "2027-01-31T09:00:00Z"),
    ("date", is_date, "2027-01-31"),
    ("time", is_time, "09:00:00"),
    ("uuid", is_uuid, "0198c2f1-6f2e-7a41-8d52-3f1f6a1c9b07"),
];

/// Those that the library would check.
const LEFT: [&str; 15] = [
    "duration",
    "email",
    "hostname",
    "idn-email",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "uri",
    "uri-reference",
    "uri-template",
];

/// Has a validator check these formats, and nothing else of the kind.
pub(super) fn set(options: ValidationOptions<'_>) -> ValidationOptions<'_> {
    // Assertions in drafts 6 and 7, and in no other.
    let options = options
        .without_content_encoding_support("base64")
        .without_content_media_type_support("application/json");
    let options = options.should_validate_formats(true);
    let checked = CHECKED
        .into_iter()
        .fold(options, |options, (name, check, _)| {
            options.with_format(name, move |text: &str| text.len() <= LONGEST && check(text))
        });
    let left = LEFT.into_iter();
    left.fold(checked, |options, name| {
        options.with_format(name, |_: &str| true)
    })
}

/// What is wrong with a value that does not have this format.
pub(super) fn problem(value: &Value, format: &str) -> String {
    let known = CHECKED.iter().find(|(name, ..)| *name == format);
    let example = known.map_or("", |(.., example)| example);
    format!("{value} is no `{format}`, as `{example}` is one")
}

/// A moment of RFC 3339, or of what ISO 8601 has beyond it; its offset is there, and no
/// name of a zone.
fn is_moment(text: &str) -> bool {
    !text.ends_with(']') && text.parse::<Timestamp>().is_ok()
}

/// `full-date` of RFC 3339.
fn is_date(text: &str) -> bool {
    text.len() == "2027-01-31".len() && text.parse::<Date>().is_ok()
}

/// A time of day, with or without an offset: that of RFC 3339 has one, that of most
/// languages has none.
fn is_time(text: &str) -> bool {
    // A date before it would be read over.
    let is_bare = text.as_bytes().get(2) == Some(&b':');
    is_bare && (text.parse::<Time>().is_ok() || is_moment(&format!("2027-01-31T{text}")))
}

/// The form of RFC 9562.
fn is_uuid(text: &str) -> bool {
    let fits = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::compile;

    fn takes(format: &str, text: &str) -> bool {
        // The drafts differ in whether a format is more than a word.
        let drafts = ["draft-07/schema", "draft/2020-12/schema"];
        let taken = drafts.map(|draft| {
            let draft = match draft {
                "draft-07/schema" => format!("http://json-schema.org/{draft}#"),
                _ => format!("https://json-schema.org/{draft}"),
            };
            let schema = json!({"$schema": draft, "type": "string", "format": format});
            compile(&schema).unwrap().is_valid(&json!(text))
        });
        assert_eq!(taken[0], taken[1], "{format}: {text}");
        taken[0]
    }

    #[test]
    fn a_text_is_what_its_format_says() {
        for (format, right, wrong) in [
            (
                "date-time",
                &["2027-01-31T09:00:00Z", "2027-01-31t09:00:00.123456+05:30"][..],
                &[
                    "",
                    "now",
                    "2027-01-31",
                    "2027-01-31T09:00:00",
                    "2027-01-31T09:00:00Z[Europe/Berlin]",
                    "2027-02-30T09:00:00Z",
                ][..],
            ),
            (
                "date",
                &["2027-01-31", "2028-02-29"],
                &[
                    "",
                    "2027-02-29",
                    "2027-1-31",
                    "2027-01-31T09:00:00Z",
                    "31.1.2027",
                ],
            ),
            (
                "time",
                &["09:00:00", "09:00:00.5", "09:00:00Z", "23:59:59-08:00"],
                &[
                    "",
                    "25:00:00",
                    "nine",
                    "2027-01-31T09:00:00",
                    "2027-01-31T09:00:00Z",
                ],
            ),
            (
                "uuid",
                &[
                    "01890a5d-ac96-774b-bcce-b302099a8057",
                    "01890A5D-AC96-774B-BCCE-B302099A8057",
                ],
                &[
                    "",
                    "01890a5dac96774bbcceb302099a8057",
                    "01890a5d-ac96-774b-bcce-b302099a805g",
                ],
            ),
        ] {
            let example = super::problem(&json!(wrong[1]), format);
            let example = example.split('`').nth(3).unwrap();
            assert!(takes(format, example), "{format}: {example}");
            for text in right {
                assert!(takes(format, text), "{format}: {text}");
            }
            for text in wrong {
                assert!(!takes(format, text), "{format}: {text}");
            }
            let endless = format!("2027-01-31T09:00:00.{}Z", "0".repeat(super::LONGEST));
            assert!(!takes(format, &endless), "{format}");
        }
    }

    #[test]
    fn nobody_is_held_to_what_a_text_encodes() {
        let schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "contentEncoding": "base64", "contentMediaType": "application/json",
        });
        assert!(compile(&schema).unwrap().is_valid(&json!("(neither")));
    }

    #[test]
    fn nobody_is_held_to_any_other_format() {
        for format in super::LEFT.into_iter().chain(["decimal", "of-my-own"]) {
            assert!(takes(format, "(no one's) [format"), "{format}");
        }
    }
}
