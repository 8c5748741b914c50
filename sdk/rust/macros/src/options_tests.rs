use super::*;
use proc_macro2::TokenStream;
use std::str::FromStr;

fn parse(text: &str) -> Result<Options> {
    syn::parse2(TokenStream::from_str(text).expect("tokens"))
}

/// The message of the refusal, and the text it points at.
fn refused(text: &str) -> (String, String) {
    let error = parse(text).expect_err(text);
    (
        error.to_string(),
        error.span().source_text().unwrap_or_default(),
    )
}

#[test]
fn every_option() {
    let options = parse(
        r#"name = "make-thumbnail", queue = "media", priority = 7, retries = 3, backoff(base = "1s", factor = 2, max = "1m"),
           max_age = "1h", retry_exhausted = true, timeout = "30s", soft_timeout = "25s", expires = "10m",
           result_ttl = "1d", unique = "done", on_conflict = "replace", fuel = 10_000_000, memory = "64MiB", rate = "100/1m", concurrency = 4, batch(max = 100, wait = "50ms"),"#,
    )
    .unwrap();
    assert_eq!(options.name.as_deref(), Some("make-thumbnail"));
    assert_eq!(options.queue.as_deref(), Some("media"));
    assert_eq!(options.priority, Some(7));
    assert_eq!(options.max_attempts, Some(4));
    assert_eq!(
        options.backoff,
        Some(Backoff {
            base_ms: 1000,
            factor: 2.0,
            max_ms: 60_000
        })
    );
    assert_eq!(options.max_age_ms, Some(3_600_000));
    assert_eq!(options.retry_exhausted, Some(true));
    assert_eq!(options.timeout_ms, Some(30_000));
    assert_eq!(options.soft_timeout_ms, Some(25_000));
    assert_eq!(options.expiry_ms, Some(600_000));
    assert_eq!(options.result_ttl_ms, Some(86_400_000));
    assert_eq!(options.unique, Some(Until::Done));
    assert_eq!(options.on_conflict, Some(Conflict::Replace));
    assert_eq!(options.fuel, Some(10_000_000));
    assert_eq!(options.memory, Some(64 << 20));
    assert_eq!(
        options.rate,
        Some(Rate {
            count: 100,
            period_ms: 60_000
        })
    );
    assert_eq!(options.concurrency, Some(4));
    let batch = Batch {
        max: 100,
        wait_ms: 50,
    };
    assert_eq!(options.batch, Some(batch));
}

#[test]
fn none_at_all() {
    let options = parse("").unwrap();
    assert!(options.name.is_none() && options.max_attempts.is_none() && options.backoff.is_none());
}

#[test]
fn a_short_backoff_keeps_the_other_defaults() {
    let options = parse(r#"backoff = "10s""#).unwrap();
    assert_eq!(
        options.backoff,
        Some(Backoff {
            base_ms: 10_000,
            factor: 3.0,
            max_ms: 3_600_000
        })
    );
    let long = parse(r#"backoff = "2h""#).unwrap();
    assert_eq!(long.backoff.unwrap().max_ms, 7_200_000);
}

#[test]
fn an_unknown_option_is_answered_with_the_list() {
    let (message, span) = refused("retry = 3");
    assert_eq!(
        message,
        format!(
            "no option `retry`: the options are {VALID}, {}",
            schedule::VALID
        )
    );
    assert_eq!(span, "retry");
    let (message, span) = refused(r#"backoff(start = "5s")"#);
    assert_eq!(
        message,
        "no option `start`: the options of `backoff` are base, factor, max"
    );
    assert_eq!(span, "start");
}

#[test]
fn a_doubled_option_is_refused_at_the_second() {
    assert_eq!(
        refused("retries = 3, retries = 4").0,
        "option `retries` is given twice"
    );
    assert_eq!(
        refused(r#"backoff(base = "1s", base = "2s")"#).0,
        "option `base` is given twice"
    );
    assert_eq!(
        refused(r#"batch(max = 1, wait = "1s"), batch = { max = 1, wait = "1s" }"#).0,
        "option `batch` is given twice"
    );
}

#[test]
fn a_wrong_value_is_refused_at_its_span() {
    let (message, span) = refused(r#"retries = 3, timeout = "30 seconds""#);
    assert!(
        message.starts_with("`30 seconds` is not a duration"),
        "{message}"
    );
    assert_eq!(span, "\"30 seconds\"");
    assert_eq!(
        refused("priority = 10").0,
        "`10` is not a whole number from 0 to 9"
    );
    assert_eq!(refused("concurrency = 0").1, "0");
    assert_eq!(refused(r#"unique = "always""#).1, "\"always\"");
    let (message, span) = refused(r#"unique = "done", on_conflict = "ignore""#);
    assert!(message.contains("`ignore` is not"), "{message}");
    assert_eq!(span, "\"ignore\"");
    let (message, span) = refused(r#"on_conflict = "reject""#);
    assert_eq!(message, "`on_conflict` says nothing without `unique`");
    assert_eq!(span, "on_conflict");
    assert!(
        refused("retry_exhausted = 1")
            .0
            .contains("expected boolean literal")
    );
    assert_eq!(refused(r#"expires = "0s""#).1, "\"0s\"");
    assert_eq!(refused("fuel = 0").1, "0");
    assert!(
        refused(r#"name = "Make Thumbnail""#)
            .0
            .contains("is no task name")
    );
    assert_eq!(refused(r#"queue = """#).0, "a queue has a name");
    assert!(
        refused("timeout = 30")
            .0
            .contains("expected string literal")
    );
    assert!(
        refused("backoff(factor = 0.5)")
            .0
            .contains("a number from 1")
    );
    assert!(
        refused(r#"backoff(base = "2m", max = "1m")"#)
            .0
            .contains("at least its `base`")
    );
}

#[test]
fn a_schedule_of_its_own() {
    let tokens = |text| parse(text).unwrap().schedule.tokens().to_string();
    assert_eq!(tokens("priority = 1"), "& []");
    let every = tokens(r#"every = "5m", jitter = "10s", catch_up = 3, overlap = "skip""#);
    for said in ["EveryMs (300000u64)", "10000u64", "All (3u32)", "Skip"] {
        assert!(every.contains(said), "{said}: {every}");
    }
    let cron = tokens(r#"cron = "0 9 * * MON-FRI", tz = "Europe/Berlin""#);
    for said in [
        "Cron (\"0 9 * * MON-FRI\")",
        "Some (\"Europe/Berlin\")",
        "CatchUp :: Last",
    ] {
        assert!(cron.contains(said), "{said}: {cron}");
    }
}

#[test]
fn a_schedule_that_makes_no_sense_is_refused_where_it_stands() {
    for (text, said, at) in [
        (r#"tz = "UTC""#, "without `every` or `cron`", "tz"),
        (r#"every = "1m", cron = "@daily""#, "not both", "cron"),
        (r#"every = "1m", tz = "UTC""#, "counts from the epoch", "tz"),
        (r#"every = "10ms""#, "once a second", "\"10ms\""),
        (r#"cron = "0 9""#, "is no cron line", "\"0 9\""),
        (r#"cron = "@daily", tz = """#, "a time zone", "\"\""),
        (r#"every = "1m", catch_up = 0"#, "from 1 to 1000", "0"),
        (r#"every = "1m", catch_up = "all""#, "neither", "\"all\""),
        (
            r#"every = "1m", overlap = "wait""#,
            "is not \"allow\"",
            "\"wait\"",
        ),
        (r#"every = "1m", every = "2m""#, "given twice", "every"),
    ] {
        let (message, span) = refused(text);
        assert!(message.contains(said), "{text}: {message}");
        assert_eq!(span, at, "{text}");
    }
}
