//! What tasks keep in buckets, from the push to the value: as granted, and no further.

use lovage_queue::client::Call;
use lovage_queue::job::State;
use serde_json::{Value, json};

use crate::support::site::{Ran, Site, text};
use crate::support::until;
use crate::support::wasm::Examples;

async fn component() -> Vec<u8> {
    let built = tokio::task::spawn_blocking(Examples::build).await.unwrap();
    std::fs::read(built.component("buckets")).unwrap()
}

async fn call(site: &Site, task: &str, args: &[&str]) -> Ran {
    let task = format!("buckets.{task}");
    let call = [&["call", &task][..], args, &["--wait", "--json"]].concat();
    site.lovage(&call).await
}

async fn result(site: &Site, task: &str, args: &[&str]) -> Value {
    call(site, task, args).await.ok().json()["result"].take()
}

/// The value of a key, as whoever administers it sees it.
async fn get(site: &Site, bucket: &str, key: &str) -> String {
    site.lovage(&["buckets", "get", bucket, key]).await.ok().out
}

async fn keeps_what_it_was_granted(site: Site) {
    let file = site.write("buckets.wasm", component().await);
    let _worker = site.worker(&[]).await;
    let pushed = site.lovage(&["push", text(&file)]).await;
    let pushed = pushed.fails(5, &["awaits approval"]);
    assert!(pushed.out.contains("bucket rates"), "{pushed:?}");
    site.lovage(&["grants", "approve", "buckets"]).await.ok();

    // What one job has counted, the next goes on with.
    for calls in 1..=3 {
        let expected = json!({"allowed": calls < 3, "calls": calls});
        let args = ["user=ann", "limit:=2"];
        assert_eq!(result(&site, "allowed", &args).await, expected);
    }
    assert_eq!(get(&site, "rates", "ann/0").await, "3");
    site.lovage(&["buckets", "set", "rates", "ann/0", "41"])
        .await
        .ok();
    let counted = result(&site, "allowed", &["user=ann", "limit:=2"]).await;
    assert_eq!(counted["calls"], 42);
    for known in [false, true] {
        let expected = json!({"count": 25, "known": known});
        assert_eq!(result(&site, "primes", &["below:=100"]).await, expected);
    }
    for (from, to, is) in [
        ("from:=null", "to=ann", true),
        ("from:=null", "to=bob", false),
        ("from=bob", "to=cyd", false),
        ("from=ann", "to=bob", true),
    ] {
        let passed = result(&site, "handover", &["lock=door", from, to]).await;
        assert_eq!(passed, is, "{from} {to}");
    }
    assert_eq!(get(&site, "rates", "lock/door").await, "bob");
    assert_eq!(result(&site, "forget", &["user=ann"]).await, 1);
    let keys = site.lovage(&["buckets", "keys", "rates"]).await.ok();
    assert_eq!(keys.out, "lock/door\n");

    // No other bucket, whatever is in it; and the log says which.
    site.lovage(&["buckets", "set", "other", "k", "v"])
        .await
        .ok();
    for name in ["other", "rate", "rates.x", ""] {
        let peeked = result(&site, "peek", &[&format!("bucket={name}")]).await;
        assert_eq!(peeked, format!("not granted: `bucket {name}`"));
    }
    let id = call(&site, "peek", &["bucket=other"]).await.ok().json()["id"].take();
    let log = site.lovage(&["job", id.as_str().unwrap(), "--log"]).await;
    assert!(log.ok().out.contains("not granted `bucket other`"));
    let revoke = ["grants", "revoke", "buckets", "bucket rates"];
    site.lovage(&revoke).await.ok();
    until("the grant is gone", || async {
        let ran = call(&site, "allowed", &["user=ann", "limit:=2"]).await;
        let said = ran.json();
        let denied = said.to_string().contains("not granted: `bucket rates`");
        (said["state"] == "discarded" && denied).then_some(())
    })
    .await;
}

async fn push(site: &Site, tenant: &str) {
    let file = site.write("buckets.wasm", component().await);
    let args = ["push", text(&file), "--grant", "--tenant", tenant];
    site.lovage(&args).await.ok();
}

/// Jobs that count the same at once, on two workers.
async fn counts_exactly(site: Site) {
    push(&site, "default").await;
    let _workers = [site.worker(&[]).await, site.worker(&[]).await];
    let call = || {
        let call = Call::new("buckets.allowed").unwrap();
        call.arg("user", &"ann").unwrap().arg("limit", &60).unwrap()
    };
    let ids = site.enqueue_all((0..100).map(|_| call()).collect()).await;
    let jobs = site.ends(&ids).await;
    assert!(jobs.iter().all(|job| job.state == State::Completed));
    let allowed = jobs.iter().filter(|job| {
        let result = job.result.as_ref().and_then(|it| it.inline()).unwrap();
        let result: Value = rmp_serde::from_slice(result).unwrap();
        result["allowed"] == true
    });
    assert_eq!(allowed.count(), 60, "as many as are allowed, over both");
    assert_eq!(get(&site, "rates", "ann/0").await, "100");
}

async fn is_held_to_its_quota(site: Site) {
    let tenant = ["--tenant", "acme"];
    let create = ["tenant", "create", "acme", "--bytes", "8MiB"];
    site.lovage(&create).await.ok();
    push(&site, "acme").await;
    push(&site, "default").await;
    let _worker = site.worker(&[]).await;
    let fill = async |bytes: &str| {
        let args = [bytes, "times:=20", tenant[0], tenant[1]];
        result(&site, "fill", &args).await
    };
    let refused = fill("bytes:=1048576").await;
    let said = "the tenant's quota `bytes` of 8388608 does not allow it";
    assert!(refused.as_str().unwrap().contains(said), "{refused}");
    // What is refused changes nothing, and what is less is taken.
    let list = ["buckets", "--json", "--tenant", "acme"];
    let listed = site.lovage(&list).await.ok().json();
    let (keys, bytes) = (&listed[0]["keys"], &listed[0]["bytes"]);
    let keys = keys.as_u64().unwrap();
    assert!((5..8).contains(&keys), "{listed}");
    assert_eq!(*bytes, keys * ((1 << 20) + 11));
    assert_eq!(fill("bytes:=10").await, "");
    // A step's bounds are told as well, and the neighbour has a bucket of its own.
    let large = fill("bytes:=1048577").await;
    let large = large.as_str().unwrap().to_owned();
    assert!(
        large.contains("a value has at most 1048576 bytes"),
        "{large}"
    );
    let of_default = site.lovage(&["buckets", "--json"]).await.ok().json();
    assert_eq!(of_default, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_keeps_what_it_was_granted() {
    keeps_what_it_was_granted(Site::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_in_a_process_of_its_own_keeps_it_too() {
    keeps_what_it_was_granted(Site::redis().apart()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_two_workers_count_exactly() {
    counts_exactly(Site::redis()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_in_processes_of_their_own_do_so_too() {
    counts_exactly(Site::sqlite().apart()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_buckets_are_held_to_its_quota() {
    is_held_to_its_quota(Site::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_of_their_own_are_held_to_it_too() {
    is_held_to_its_quota(Site::redis().apart()).await;
}
