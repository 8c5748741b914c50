//! Tasks as authors write them, called as a worker calls them.

use crate::testing::{self, Context, TaskInfo};
use crate::{Backoff, Bytes, Failure, Rate, Retry, context};
use serde_json::{Value, json};

#[crate::data]
#[derive(Debug, PartialEq)]
struct Thumbnail {
    image: Bytes,
    #[serde(rename = "maxSide")]
    max_side: u32,
}

/// Makes a thumbnail.
///
/// Of a picture.
#[crate::task(
    name = "make-thumbnail",
    queue = "media",
    priority = 7,
    retries = 3,
    backoff(base = "1s", factor = 2, max = "1m"),
    max_age = "1h",
    retry_exhausted = true,
    timeout = "30s",
    soft_timeout = "25s",
    expires = "10m",
    result_ttl = "1d",
    unique = "5m",
    on_conflict = "replace",
    fuel = 10_000_000,
    memory = "64MiB",
    rate = "100/1m",
    concurrency = 4
)]
fn thumbnail(
    /// The picture.
    image: Bytes,
    mut max_side: u32,
    scale: Option<u32>,
) -> Result<Thumbnail, Failure> {
    max_side *= scale.unwrap_or(1);
    if image.is_empty() {
        return Err(Failure::new("no picture").kind("image").never_retry());
    }
    Ok(Thumbnail { image, max_side })
}

/// What an author calls it must not matter to the code that the attribute writes.
#[crate::task]
fn run(
    input: &str,
    task: u8,
    r#type: Value,
) -> std::result::Result<String, std::num::ParseIntError> {
    let number: u8 = input.parse()?;
    Ok(format!("{} {}", number + task, r#type))
}

#[crate::task]
fn tidy() {
    context::progress(1.0, "tidied").unwrap();
}

#[crate::data]
struct Word {
    /// What is counted.
    word: String,
    twice: Option<bool>,
}

/// Counts letters.
#[crate::task(batch = { max = 100, wait = "50ms" })]
fn letters(words: Vec<Word>) -> Vec<Result<usize, Failure>> {
    let letters = |it: Word| match it.word.as_str() {
        "" => Err(Failure::new("no word").kind("empty")),
        word => Ok(word.len() * if it.twice == Some(true) { 2 } else { 1 }),
    };
    words.into_iter().map(letters).collect()
}

#[cfg(any())]
#[crate::task]
fn left_out(missing: NoSuchType) {}

fn info(name: &str) -> TaskInfo {
    testing::tasks()
        .into_iter()
        .find(|task| task.name == name)
        .expect(name)
}

#[test]
fn tasks_are_listed_by_name() {
    let names: Vec<_> = testing::tasks().iter().map(|task| task.name).collect();
    assert_eq!(names, ["letters", "make-thumbnail", "run", "tidy"]);
}

#[test]
fn a_batched_task_is_described_by_one_call() {
    let task = info("letters");
    let batch = crate::Batch {
        max: 100,
        wait_ms: 50,
    };
    assert_eq!(task.options.batch, Some(batch));
    assert_eq!(task.input_schema["required"], json!(["word"]));
    assert_eq!(task.input_schema["additionalProperties"], false);
    assert_eq!(
        task.input_schema["properties"]["word"]["description"],
        "What is counted."
    );
    assert_eq!(task.output_schema["type"], "integer");
}

#[test]
fn a_batched_task_answers_many_calls_and_one() {
    let calls = [
        json!({"word": "three", "twice": true}),
        json!({"word": ""}),
        json!({"words": 1}),
        json!({"word": "no"}),
    ];
    let answers = testing::call_batch::<usize>("letters", &calls);
    assert_eq!((&answers[0], &answers[3]), (&Ok(10), &Ok(2)));
    let kinds = [&answers[1], &answers[2]].map(|it| it.as_ref().unwrap_err().kind.as_str());
    assert_eq!(kinds, ["empty", "argument"]);
    assert_eq!(testing::call("letters", &calls[3]), Ok(2_usize));
    let each = testing::call_batch::<Value>("tidy", &[json!({}), json!({})]);
    assert_eq!(each, [Ok(Value::Null), Ok(Value::Null)]);
}

#[test]
fn a_task_is_described() {
    let task = info("make-thumbnail");
    assert_eq!(task.doc, "Makes a thumbnail.\n\nOf a picture.");
    assert_eq!(task.input_schema["required"], json!(["image", "max_side"]));
    assert_eq!(
        task.input_schema["properties"]["image"]["description"],
        "The picture."
    );
    assert_eq!(
        task.output_schema["properties"]["image"],
        json!({"type": "string", "contentEncoding": "base64"})
    );
    assert_eq!(task.output_schema["required"], json!(["image", "maxSide"]));
    assert_eq!(info("tidy").output_schema["type"], "null");
    assert_eq!(info("run").output_schema["type"], "string");
    assert_eq!(info("run").input_schema["properties"]["type"], true);
}

#[test]
fn options_are_described() {
    let options = info("make-thumbnail").options;
    assert_eq!(
        (options.queue, options.priority, options.max_attempts),
        (Some("media"), Some(7), Some(4))
    );
    assert_eq!(
        options.backoff,
        Some(Backoff {
            base_ms: 1000,
            factor: 2.0,
            max_ms: 60_000
        })
    );
    assert_eq!(
        (options.timeout_ms, options.fuel, options.memory),
        (Some(30_000), Some(10_000_000), Some(64 << 20))
    );
    assert_eq!(
        (options.max_age_ms, options.retry_exhausted),
        (Some(3_600_000), Some(true))
    );
    assert_eq!(
        (options.soft_timeout_ms, options.expiry_ms),
        (Some(25_000), Some(600_000))
    );
    assert_eq!(options.result_ttl_ms, Some(86_400_000));
    assert_eq!(
        options.unique,
        Some(crate::Unique {
            until: crate::Until::ForMs(300_000),
            conflict: crate::Conflict::Replace
        })
    );
    assert_eq!(
        (options.rate, options.concurrency),
        (
            Some(Rate {
                count: 100,
                period_ms: 60_000
            }),
            Some(4)
        )
    );
    assert_eq!(info("tidy").options, crate::TaskOptions::default());
}

#[test]
fn a_call_goes_through_messagepack() {
    let given = Thumbnail {
        image: Bytes::from("abc"),
        max_side: 64,
    };
    let arguments = json!({"image": "YWJj", "max_side": 32, "scale": 2});
    assert_eq!(
        testing::call::<Thumbnail>("make-thumbnail", &arguments),
        Ok(given)
    );
    let arguments = json!({"input": "4", "task": 3, "type": null});
    assert_eq!(
        testing::call::<String>("run", &arguments).unwrap(),
        "7 null"
    );
    let ((), record) = Context::new().run(|| testing::call("tidy", &json!({})).unwrap());
    assert_eq!(record.progress[0].share, Some(1.0));
}

#[test]
fn a_call_that_fails() {
    let call = |task: &str, arguments: Value| testing::call::<Value>(task, &arguments).unwrap_err();
    let failure = call("make-thumbnail", json!({"image": "", "max_side": 1}));
    assert_eq!(
        (failure.kind.as_str(), failure.retry),
        ("image", Retry::Never)
    );
    let failure = call("make-thumbnail", json!({"image": "", "max_side": "x"}));
    let expected =
        "argument `max_side` of `make-thumbnail`: invalid type: string \"x\", expected u32";
    assert_eq!(
        (
            failure.kind.as_str(),
            failure.message.as_str(),
            failure.retry
        ),
        ("argument", expected, Retry::Never)
    );
    let failure = call("run", json!({"input": "x", "task": 1, "type": 1}));
    assert_eq!(
        (failure.kind.as_str(), failure.retry),
        ("error", Retry::Policy)
    );
    assert_eq!(failure.message, "invalid digit found in string");
}

#[test]
fn an_unknown_task_is_answered_with_the_list() {
    let failure = testing::call::<Value>("resize", &json!({})).unwrap_err();
    assert_eq!(
        (failure.kind.as_str(), failure.retry),
        ("unknown-task", Retry::Never)
    );
    assert_eq!(
        failure.message,
        "this module has no task `resize`: its tasks are `letters`, `make-thumbnail`, `run`, `tidy`"
    );
}

#[test]
fn contexts_do_not_leak() {
    let outer = Context::new()
        .attempt(2)
        .header("a", "b")
        .cancelled()
        .saved(&vec![1, 2]);
    let ((), record) = outer.run(|| {
        assert_eq!((context::attempt(), context::max_attempts()), (2, 5));
        assert_eq!(context::headers(), [("a".to_owned(), "b".to_owned())]);
        assert!(context::cancelled());
        let saved = context::restore::<Vec<u8>>().unwrap().unwrap();
        assert_eq!(
            (saved.state.as_slice(), saved.digest.as_str()),
            (&[1, 2][..], testing::DIGEST)
        );
        assert!(
            context::restore::<String>()
                .unwrap_err()
                .to_string()
                .contains("cannot be decoded")
        );
        let ((), inner) = Context::new().run(|| context::checkpoint(&7).unwrap());
        assert_eq!(inner.checkpoint(), Some(7));
        assert_eq!(context::attempt(), 2);
    });
    assert_eq!(record.checkpoint::<u8>(), None);
    assert_eq!(context::attempt(), 1);
    assert!(
        context::remaining().as_secs() > 0 && !context::cancelled() && !context::id().is_empty()
    );
}
