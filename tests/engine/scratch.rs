//! Scratch folders, with a guest that a toolchain made and its standard library.

use lovage::engine::{End, Invocation, Limits, Module, Outcome};
use lovage_queue::job::Ending;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{ENGINE, run_with};
use crate::net::grants;
use crate::support::wasm::Examples;

const MIB: u64 = 1 << 20;

static MODULE: OnceCell<Module> = OnceCell::const_new();

async fn module() -> &'static Module {
    let compile = || async {
        let built = tokio::task::spawn_blocking(|| {
            let component = Examples::build().component("files");
            ENGINE.compile(&std::fs::read(component).unwrap()).unwrap()
        });
        built.await.unwrap()
    };
    MODULE.get_or_init(compile).await
}

async fn run(granted: &[&str], limits: Limits, task: &str, input: Value) -> Outcome {
    let module = module().await;
    let input = rmp_serde::to_vec_named(&input).unwrap();
    let invocation = Invocation {
        limits,
        grants: grants(granted),
        ..Invocation::local(module.digest(), task, input)
    };
    run_with(&ENGINE, module, invocation).await
}

fn log(outcome: &Outcome) -> String {
    String::from_utf8_lossy(&outcome.log.bytes).into_owned()
}

#[track_caller]
fn result(outcome: &Outcome) -> Value {
    match &outcome.end {
        End::Completed(result) => rmp_serde::from_slice(result).unwrap(),
        other => panic!("{other:?}\n{}", log(outcome)),
    }
}

/// How much was written until there was no room: the standard library asks streams, of
/// whose errors its libc tells no more than that there is one, or all.
#[track_caller]
fn filled(said: &str) -> u64 {
    let (written, error) = said.split_once(' ').unwrap();
    assert!(["StorageFull", "Uncategorized"].contains(&error), "{said}");
    written.parse().unwrap()
}

/// What became of each step.
async fn script(granted: &[&str], steps: &[&str]) -> (Vec<String>, Outcome) {
    let input = json!({ "steps": steps });
    let outcome = run(granted, Limits::default(), "script", input).await;
    let said = serde_json::from_value(result(&outcome)).unwrap();
    (said, outcome)
}

/// Steps, each with what has to become of it.
async fn says(granted: &[&str], expected: &[(&str, &str)]) {
    let steps: Vec<&str> = expected.iter().map(|it| it.0).collect();
    let (said, _) = script(granted, &steps).await;
    let said: Vec<_> = steps
        .into_iter()
        .zip(said.iter().map(String::as_str))
        .collect();
    assert_eq!(said, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_sorts_in_files_what_its_memory_does_not_hold() {
    let limits = Limits {
        memory: 8 * MIB,
        ..Limits::default()
    };
    let sort = |at_once: u32| {
        let input = json!({ "orders": 200_000, "seed": 7, "at_once": at_once });
        run(&["scratch 64MiB"], limits.clone(), "sort", input)
    };
    let (few, many) = (sort(4_000).await, sort(10_000).await);
    let sorted = result(&few);
    assert_eq!(
        (&sorted["orders"], &sorted["runs"]),
        (&json!(200_000), &json!(50))
    );
    assert_eq!(sorted["digest"], result(&many)["digest"]);
    // Its files are no part of its memory, nor of what is said of that.
    assert!(few.peak_memory <= 8 * MIB, "{}", few.peak_memory);
    let all = sort(200_000).await;
    assert_eq!(all.end.ending(), Ending::OutOfMemory, "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_standard_library_finds_a_folder_like_any() {
    let steps = [
        ("folders", "1"),
        ("list /", "tmp/"),
        ("list /tmp", ""),
        ("write /tmp/a hello", "ok"),
        ("append /tmp/a -there", "ok"),
        ("read tmp/a", "hello-there"),
        ("mkdir /d", "ok"),
        ("mkdir /d", "AlreadyExists"),
        ("rename /tmp/a /d/b", "ok"),
        ("read /tmp/a", "NotFound"),
        ("link /d/b /c", "ok"),
        ("append /c !", "ok"),
        ("read /d/b", "hello-there!"),
        ("symlink d/b s", "ok"),
        ("target /s", "d/b"),
        ("size /s", "12"),
        ("list /", "c d/ s tmp/"),
        // The standard library has no name for it on every target.
        ("remove d", "not-empty"),
        ("rm /d/b", "ok"),
        ("read /s", "NotFound"),
        ("rmdir /d", "ok"),
        ("read /c", "hello-there!"),
        ("read /c/d", "NotADirectory"),
        ("write /tmp x", "IsADirectory"),
        ("resize /c 5", "ok"),
        ("read /c", "hello"),
        ("seek /tmp/s", "100003 99995 end"),
        ("unlinked /tmp/u", "still there true"),
        ("times /c", "true"),
    ];
    says(&["scratch 1MiB"], &steps).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_grant_there_is_no_folder() {
    let refused = ["write /tmp/a x", "read /etc/passwd", "list /", "mkdir a"];
    for granted in [&[][..], &["config scratch", "bucket tmp"]] {
        let (said, _) = script(granted, &["folders", "open tmp", "symlink a b"]).await;
        assert_eq!(said, ["0", "no folder", "no folder"]);
        let (said, _) = script(granted, &refused).await;
        let is_error = |it: &String| it.chars().all(char::is_alphanumeric) && it != "ok";
        assert!(said.iter().all(is_error), "{said:?}");
    }
    // Nor where the host gives none.
    let limits = Limits {
        scratch: 0,
        ..Limits::default()
    };
    let input = json!({ "steps": ["folders"] });
    let outcome = run(&["scratch 1MiB"], limits, "script", input).await;
    assert_eq!(result(&outcome), json!(["0"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_leads_out_of_it() {
    let steps = [
        ("read /etc/passwd", "NotFound"),
        ("open etc/passwd", "no-entry"),
        ("open /etc/passwd", "not-permitted"),
        ("open ../../etc/passwd", "not-permitted"),
        ("open tmp/../../etc/passwd", "not-permitted"),
        ("open tmp/../tmp/..", "is-directory"),
        ("symlink /etc etc", "not-permitted"),
        ("symlink ../../../etc tmp/etc", "ok"),
        ("open tmp/etc", "not-permitted"),
        ("open tmp/etc/passwd", "not-permitted"),
        ("symlink loop loop", "ok"),
        ("open loop", "loop"),
        // Moved to where it would lead out, had it not been moved.
        ("mkdir /d", "ok"),
        ("symlink ../x d/x", "ok"),
        ("open d/x", "no-entry"),
        ("move d/x x", "ok"),
        ("open x", "not-permitted"),
        ("move d ../d", "not-permitted"),
        ("up d", "not-permitted"),
    ];
    says(&["scratch 1MiB"], &steps).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_full_says_so_and_goes_on() {
    let steps = [
        "resize /tmp/huge 18446744073709551615",
        "resize /tmp/huge 1048577",
        "fill /tmp/f",
        "write /tmp/g x",
        "rm /tmp/f",
        "write /tmp/g x",
        "read /tmp/g",
    ];
    let (said, outcome) = script(&["scratch 100B", "scratch 1MiB"], &steps).await;
    // A whole number of writes, with names beside them.
    assert_eq!(filled(&said[2]), MIB - 4096, "{said:?}");
    // A number that is none for a file's size is refused before the folder hears of it.
    assert!(
        ["InvalidInput", "StorageFull", "FileTooLarge"].contains(&&*said[0]),
        "{said:?}"
    );
    assert_eq!(said[1], "StorageFull");
    assert_eq!(&said[4..], ["ok", "ok", "x"]);
    let log = log(&outcome);
    assert_eq!(log, "lovage: the scratch folder of 1 MiB is full\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_gives_no_more_than_it_has() {
    let limits = Limits {
        scratch: 64 * 1024,
        ..Limits::default()
    };
    let input = json!({ "steps": ["fill /tmp/f"] });
    let outcome = run(&["scratch 1GiB"], limits, "script", input).await;
    let said = result(&outcome);
    assert_eq!(filled(said[0].as_str().unwrap()), 60 * 1024);
    let text = log(&outcome);
    let told = "64 KiB is full: 1 GiB were granted, and `limits.max_scratch` is less";
    assert!(text.contains(told), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_files_and_open_ones_have_a_number() {
    let steps = ["mkdir /d", "many /d", "held"];
    let (said, outcome) = script(&["scratch 64MiB"], &steps).await;
    // `tmp` and `d` are two of them.
    assert_eq!(
        said,
        ["ok", "65534 StorageFull", "true quota"],
        "{}",
        log(&outcome)
    );
    // In less room there are fewer: each takes 256 bytes and its name.
    let (said, _) = script(&["scratch 64KiB"], &["many /tmp"]).await;
    let made = said[0].strip_suffix(" StorageFull").unwrap();
    let made: u64 = made.parse().unwrap();
    assert!((240..256).contains(&made), "{made}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_attempt_has_a_folder_of_its_own() {
    let write = ["write /tmp/mine x", "list /tmp"];
    let write = || script(&["scratch 1MiB"], &write);
    // Beside each other, and one after the other.
    let (first, second) = tokio::join!(write(), write());
    for (said, _) in [first, second, write().await] {
        assert_eq!(said, ["ok", "mine"]);
    }
    says(&["scratch 1MiB"], &[("list /tmp", ""), ("list /", "tmp/")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_calls_are_counted_with_all_others() {
    let limits = Limits {
        imports: 5_000,
        ..Limits::default()
    };
    let input = json!({ "steps": ["many /tmp"] });
    let outcome = run(&["scratch 64MiB"], limits, "script", input).await;
    assert_eq!(outcome.end.ending(), Ending::Trapped, "{outcome:?}");
    let said = format!("{:?}", outcome.end);
    assert!(said.contains("5000") || said.contains("5,000"), "{said}");
}
