//! The slots of a worker, shared among tenants.

use lovage_queue::client::Client;
use lovage_queue::job::State;

use super::completed_once;
use crate::support::PATIENCE;
use crate::support::guests::{answering, beginning};
use crate::support::site::call;
use crate::support::site_test;

const OTHER: &str = "other";

site_test!(
    one_tenants_long_jobs_hold_up_nobody_elses,
    |site| async move {
        site.push("long", &beginning(50_000)).await;
        let file = site.write("quick.wasm", answering(7));
        let file = file.to_str().unwrap();
        let push = ["push", file, "--name", "quick", "--tenant", OTHER];
        site.lovage(&push).await.ok();
        let _worker = site.worker(&["--concurrency", "3"]).await;
        let long = site.enqueue("long", 12).await;
        site.begun(&long[..3]).await;
        let broker = site.client().await.broker().clone();
        let other = Client::over(broker.clone(), OTHER);
        // One after the other: each wakes a worker that is full.
        for _ in 0..3 {
            let id = other.enqueue(call("quick")).await.unwrap();
            let ended = broker.wait(OTHER, &[id], PATIENCE).await.unwrap();
            completed_once(ended[0].as_ref().unwrap(), &[7]);
        }
        let running = site.list(State::Running).await;
        assert_eq!(running.len(), 3, "and the spare slots are not theirs");
    }
);
