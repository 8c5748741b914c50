//! The benchmark: whether it measures what it says, never how much that is.

use lovage_queue::broker::Filter;
use lovage_queue::job::State;
use serde_json::Value;

use super::app;
use crate::fixtures::Guest;
use crate::support::site::{Site, text};
use crate::support::site_test;

/// A figure with its spread over so many repeats.
#[track_caller]
fn is_spread(figure: &Value, repeats: usize) {
    let number = |name: &str| figure[name].as_f64().unwrap_or_else(|| panic!("{figure}"));
    let [lowest, median, highest] = ["lowest", "median", "highest"].map(number);
    assert!(lowest <= median && median <= highest, "{figure}");
    assert!(lowest >= 0.0 && highest > 0.0, "{figure}");
    assert_eq!(
        figure["samples"].as_array().unwrap().len(),
        repeats,
        "{figure}"
    );
}

#[track_caller]
fn are_spreads(found: &Value, names: &[&str], repeats: usize) {
    names
        .iter()
        .for_each(|name| is_spread(&found[name], repeats));
}

#[track_caller]
fn are_percentiles(found: &Value, repeats: usize) {
    let median = |name: &str| found[name]["median"].as_f64().unwrap();
    for name in ["p50", "p99", "p99.9", "max"] {
        assert_eq!(found[name]["samples"].as_array().unwrap().len(), repeats);
        assert!(median("p50") <= median(name), "{found}");
    }
}

/// What a measurement finds, in two repeats.
async fn bench(site: &Site, args: &str) -> Value {
    let both = ["--repeats", "2", "--json"];
    let args: Vec<&str> = ["bench"]
        .into_iter()
        .chain(args.split(' '))
        .chain(both)
        .collect();
    let ran = site.lovage(&args).await.ok();
    assert_eq!(ran.err, "", "nothing went wrong");
    let found = ran.json();
    assert!(
        found["broker"].is_string() && found["version"].is_string(),
        "{found}"
    );
    found
}

/// Nothing of a measurement waits for a worker that will never come.
async fn leaves_nothing_behind(site: &Site) {
    let client = site.client().await;
    for tenant in [
        client.tenant(),
        "bench-many",
        "bench-one",
        "bench-heavy",
        "bench-light-0",
    ] {
        for row in client.broker().counts(tenant).await.unwrap() {
            let waiting = row.available + row.running + row.scheduled + row.retryable + row.pending;
            assert_eq!((waiting, row.discarded), (0, 0), "{row:?}");
        }
    }
}

site_test!(a_drain_has_two_baselines, |site| async move {
    let found = bench(&site, "drain --jobs 300 --lanes 7 -c 3").await;
    assert_eq!((&found["jobs"], &found["lanes"]), (&300.into(), &7.into()));
    let rates = ["drain_per_second", "echo_per_second", "bare_per_second"];
    are_spreads(&found, &rates, 2);
    are_spreads(&found, &["engine_to_echo", "engine_to_bare"], 2);
    leaves_nothing_behind(&site).await;

    // An echo answers with the input, an engine with what the no-op returns.
    let client = site.client().await;
    let completed = Filter::of(State::Completed, 10_000);
    let page = client.broker().list(client.tenant(), &completed).await;
    let jobs = page.unwrap().jobs;
    let results = |bytes: &[u8]| {
        let inline =
            |it: &&lovage_queue::job::Job| it.result.as_ref().unwrap().inline() == Some(bytes);
        jobs.iter().filter(inline).count()
    };
    assert_eq!((results(&[0x80]), results(&[0xc0])), (630, 1260));
    let fuel = |it: &&lovage_queue::job::Job| it.result.as_ref().unwrap().inline() == Some(&[0x80]);
    assert!(jobs.iter().filter(fuel).all(|it| it.fuel == 0));
});

site_test!(
    enqueue_compares_the_client_with_a_bare_loop,
    |site| async move {
        let found = bench(&site, "enqueue --jobs 250 --batch 100").await;
        assert_eq!(
            (&found["jobs"], &found["batch"]),
            (&250.into(), &100.into())
        );
        let names = ["enqueue_per_second", "bare_per_second", "client_to_bare"];
        are_spreads(&found, &names, 2);
        leaves_nothing_behind(&site).await;
    }
);

site_test!(a_roundtrip_keeps_its_rate, |site| async move {
    let found = bench(&site, "roundtrip --calls 40 --rate 100").await;
    assert_eq!(
        (&found["offered_per_second"], &found["closed"]),
        (&100.into(), &false.into())
    );
    for name in ["sent_late_ms", "enqueue_ms", "roundtrip_ms"] {
        are_percentiles(&found[name], 2);
    }
    // No faster than it was asked to be, however fast the answers come.
    let achieved = found["achieved_per_second"]["highest"].as_f64().unwrap();
    assert!(achieved < 110.0, "{achieved}");
    leaves_nothing_behind(&site).await;
});

site_test!(a_roundtrip_has_company, |site| async move {
    let found = bench(&site, "roundtrip --calls 20 --closed --busy --spinning 1").await;
    assert_eq!(
        (&found["offered_per_second"], &found["closed"]),
        (&Value::Null, &true.into())
    );
    assert_eq!(
        (&found["busy"], &found["spinning"]),
        (&true.into(), &1.into())
    );
    are_percentiles(&found["roundtrip_ms"], 2);
    leaves_nothing_behind(&site).await;
    let found = bench(&site, "roundtrip --calls 20 --apart").await;
    assert_eq!(found["apart"], true);
    are_percentiles(&found["roundtrip_ms"], 2);
});

site_test!(
    starts_are_of_workers_modules_and_pushes,
    |site| async move {
        let names = [
            "worker_start_ms",
            "worker_claim_ms",
            "module_from_disk_ms",
            "module_compiled_ms",
            "module_in_memory_ms",
            "push_begin_ms",
            "push_end_ms",
        ];
        let found = bench(&site, "start").await;
        // By the broker's clock, which has milliseconds: it may be none.
        are_spreads(&found, &[&names[..1], &names[2..]].concat(), 2);
        assert!(found[names[1]]["median"].is_number(), "{found}");
        let module = site.write("app.wasm", app());
        let args = format!(
            "start --task go --input {{\"side\":3}} --module {}",
            text(&module)
        );
        let found = bench(&site, &args).await;
        assert_eq!(found["task"], "go");
        is_spread(&found["push_begin_ms"], 2);
        leaves_nothing_behind(&site).await;
    }
);

site_test!(memory_is_of_jobs_and_of_a_worker, |site| async move {
    let found = bench(&site, "memory --sample 1000 --jobs 300").await;
    for name in ["queued_job_bytes", "finished_job_bytes"] {
        is_spread(&found[name], 2);
        let bytes = found[name]["median"].as_f64().unwrap();
        assert!((100.0..2000.0).contains(&bytes), "{name}: {bytes}");
    }
    for mark in ["after_first_job", "after_a_tenth", "after_all"] {
        is_spread(&found["worker_bytes"][mark], 2);
    }
    leaves_nothing_behind(&site).await;
});

site_test!(schedules_and_turns_are_measured, |site| async move {
    let found = bench(&site, "scheduled --jobs 20").await;
    are_percentiles(&found["late_ms"], 2);
    let found = bench(&site, "fairness --backlog 500 --lanes 20").await;
    is_spread(&found["light_lanes_done_after_ms"], 2);
    let share = found["share_of_many_lanes"]["median"].as_f64().unwrap();
    assert!((0.0..1.0).contains(&share), "{share}");
    let args = "tenants --heavy 30 --tenants 3 --jobs 5 --span 300ms";
    let found = bench(&site, args).await;
    let figures = ["light_alone_ms", "light_beside_heavy_ms", "times_as_long"];
    are_spreads(&found, &figures, 2);
    let share = found["cpu_share_of_heavy"]["median"].as_f64().unwrap();
    assert!((0.0..1.0).contains(&share), "{share}");
    leaves_nothing_behind(&site).await;
});

site_test!(
    breadth_has_a_row_for_each_kind_of_company,
    |site| async move {
        let args = "breadth --jobs 100 --kept 200 --lanes 10 --queued 300 --modules 3";
        let found = bench(&site, args).await;
        let rows = found["beside"].as_array().unwrap();
        let counts: Vec<_> = rows
            .iter()
            .map(|it| (it["name"].as_str().unwrap(), &it["count"]))
            .collect();
        let expected = [
            ("kept", 200),
            ("lanes", 10),
            ("queued", 300),
            ("modules_pushed", 3),
            ("modules_called", 3),
        ];
        assert_eq!(counts.len(), expected.len(), "{found}");
        for ((name, count), (its, wanted)) in expected.into_iter().zip(counts) {
            assert_eq!((its, wanted), (name, &count.into()));
        }
        for row in rows {
            are_spreads(row, &["without_per_second", "with_per_second"], 2);
            assert!(row["ratio"].as_f64().unwrap() > 0.0, "{row}");
        }
        leaves_nothing_behind(&site).await;
        let found = bench(
            &site,
            "breadth --jobs 100 --kept 0 --lanes 10 --queued 0 --modules 0",
        )
        .await;
        assert_eq!(found["beside"].as_array().unwrap().len(), 1);
    }
);

site_test!(by_itself_it_runs_all_of_them, |site| async move {
    let args = ["bench", "--size", "1", "--repeats", "1"];
    let found = site
        .lovage(&[&args[..], &["--json"]].concat())
        .await
        .ok()
        .json();
    let all = [
        "drain",
        "enqueue",
        "roundtrip",
        "roundtrip_closed",
        "start",
        "memory",
        "scheduled",
        "fairness",
        "breadth",
        "idle",
        "flows",
    ];
    for name in all {
        assert!(found[name].is_object(), "{name}: {found}");
    }
    is_spread(&found["drain"]["drain_per_second"], 1);
    let told = site.lovage(&args).await.ok().out;
    for head in [
        "DRAIN ",
        "ENQUEUE ",
        "COLD START ",
        "MEMORY ",
        "DRAIN BESIDE ",
        "FLOWS ",
    ] {
        assert!(told.contains(head), "{head}: {told}");
    }
});

#[tokio::test]
async fn what_cannot_be_measured_is_said() {
    let site = Site::sqlite();
    for (args, said) in [
        ("drain --jobs 9", "--jobs"),
        ("drain --repeats 0", "--repeats"),
        ("drain --concurrency 0", "--concurrency"),
        ("roundtrip --rate 0", "--rate"),
        ("flows --jobs 999", "--jobs"),
        ("flows --wide 100001", "--wide"),
        ("roundtrip --rate 5 --closed", "--closed"),
        ("start --task go", "--module"),
        ("start --input {}", "--module"),
        ("--jobs 300", "--jobs"),
    ] {
        let args: Vec<&str> = ["bench"].into_iter().chain(args.split(' ')).collect();
        site.lovage(&args).await.fails(2, &[said, "--help"]);
    }
    assert!(!site.database().exists(), "nothing was begun");
    let too_many = ["bench", "roundtrip", "--spinning", "100000"];
    let said = ["`--spinning 100000`", "`worker.concurrency`"];
    site.lovage(&too_many).await.fails(2, &said);
}

#[tokio::test]
async fn a_module_that_cannot_be_measured_is_said() {
    let site = Site::sqlite();
    site.write("app.wasm", app());
    site.write("broken.wasm", Guest::new("(unreachable)").build());
    for (file, task, input, code, said) in [
        ("none.wasm", "go", "{}", 4, "there is no file `none.wasm`"),
        ("app.wasm", "run", "{}", 4, "no task `run`"),
        ("app.wasm", "go", "{", 2, "`--input` is no JSON"),
        ("app.wasm", "go", "[]", 5, "one object"),
        ("app.wasm", "go", "{}", 5, "side"),
        ("broken.wasm", "go", "{}", 1, "unreachable"),
    ] {
        let args = [
            "bench", "start", "--module", file, "--task", task, "--input", input,
        ];
        site.lovage(&args).await.fails(code, &[said]);
    }
}

site_test!(idle_is_told_without_and_with_schedules, |site| async move {
    let found = bench(&site, "idle --schedules 300 --span 300ms").await;
    let worker = &found["worker"];
    for figure in ["without_ms_per_second", "with_ms_per_second"] {
        let samples = worker[figure]["samples"].as_array().unwrap();
        assert_eq!(samples.len(), 2, "{found}");
    }
    assert_eq!(found["schedules"], 300);
    let left = site.lovage(&["schedules", "--json"]).await.ok().json();
    assert_eq!(left, serde_json::json!([]), "they are gone again");
    let wrong = ["bench", "idle", "--schedules", "0"];
    site.lovage(&wrong)
        .await
        .fails(2, &["0 is not in 1..=100000"]);
});

site_test!(
    what_is_of_a_flow_is_measured_beside_plain_jobs,
    |site| async move {
        let found = bench(&site, "flows --jobs 1000 --wide 300").await;
        let figures = [
            "plain_per_second",
            "chains_per_second",
            "chords_per_second",
            "chain_step_to_plain",
            "chord_member_to_plain",
            "enqueue_per_second",
            "build_chains_per_second",
            "build_chords_per_second",
        ];
        are_spreads(&found, &figures, 2);
        let wide = &found["wide"];
        assert_eq!(wide["members"], 300);
        let figures = ["per_second", "built_per_second", "seconds", "job_to_plain"];
        are_spreads(wide, &figures, 2);
        // Where it is told, it took a millisecond.
        let longest = &wide["longest_step_ms"];
        assert_eq!(longest.is_null(), wide["longest_step"].is_null());
        assert!(longest.is_null() || longest["lowest"].as_f64().unwrap() >= 1.0);
        leaves_nothing_behind(&site).await;
        let client = site.client().await;
        assert_eq!(client.flows(0, 10).await.unwrap(), [], "they are gone");
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_neighbour_of_hostile_modules_feels_is_told() {
    let site = Site::sqlite();
    let found = bench(&site, "hostile --calls 5 --hostile 2").await;
    assert_eq!((&found["calls"], &found["hostile"]), (&5.into(), &2.into()));
    are_percentiles(&found["quiet_ms"], 2);
    let beside = found["beside"].as_object().unwrap();
    assert_eq!(beside.len(), 7, "{found}");
    for (name, kind) in beside {
        are_percentiles(&kind["roundtrip_ms"], 2);
        assert!(
            kind["p99_to_quiet"]["median"].as_f64().unwrap() > 0.0,
            "{name}"
        );
    }
    leaves_nothing_behind(&site).await;
}
