//! Somebody who means harm, with a module, an input, a token or a name; and a neighbour on
//! the same worker, whose jobs all keep their results meanwhile.
//!
//! # Layout
//! - here: the [`Stage`]: a broker, a worker, a neighbour, and Mallory
//! - `modules`: what runs and does harm; `pushes`: what is never let in
//! - `children`: jobs that make jobs
//! - `inputs`: what is sent to be read; `schemas`: what is to be read by
//! - `strangers`: one tenant's things and another's hands; `names`: what stands in names

mod children;
mod inputs;
mod modules;
mod names;
mod pushes;
mod schemas;
mod strangers;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lovage_queue::client::{Call, Client};
use lovage_queue::job::Job;
use tokio::task::JoinHandle;

use crate::support::guests::answering;
use crate::support::process::Process;
use crate::support::site::{Ran, Site, call};
use crate::support::{PATIENCE, until};

/// The tenant that means harm.
const MALLORY: &str = "mallory";
/// Jobs of the neighbour's that end beside each case, at least.
const BESIDE: u64 = 3;

/// What a case takes place on.
struct Stage {
    site: Site,
    worker: Process,
    pid: u32,
    mallory: Client,
    neighbour: Neighbour,
}

/// A tenant that enqueues one job after the other, each of which must complete.
struct Neighbour {
    done: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    /// The workers that its jobs ran on.
    jobs: JoinHandle<BTreeSet<u64>>,
}

impl Neighbour {
    async fn start(site: &Site) -> Self {
        site.push("calm", &answering(7)).await;
        let client = Client::over(Arc::clone(site.client().await.broker()), "default");
        let (done, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (count, end) = (Arc::clone(&done), Arc::clone(&stop));
        let jobs = tokio::spawn(async move {
            let mut workers = BTreeSet::new();
            while !end.load(Ordering::Relaxed) {
                let id = client.enqueue(call("calm")).await.unwrap();
                let job = client.wait(id, PATIENCE).await.unwrap();
                crate::worker::completed_once(&job, &[7]);
                workers.extend(job.attempts.iter().map(|it| it.worker.0));
                count.fetch_add(1, Ordering::Relaxed);
            }
            workers
        });
        Neighbour { done, stop, jobs }
    }
}

impl Stage {
    /// A worker with this configuration.
    async fn over(site: Site, worker: &[&str]) -> Self {
        let worker = site
            .worker(&[&["--concurrency", "8"], worker].concat())
            .await;
        Stage {
            pid: worker.pid(),
            worker,
            mallory: Client::over(Arc::clone(site.client().await.broker()), MALLORY),
            neighbour: Neighbour::start(&site).await,
            site,
        }
    }

    async fn set(site: Site) -> Self {
        Self::over(site, &[]).await
    }

    /// The command line in Mallory's hands.
    async fn lovage(&self, args: &[&str]) -> Ran {
        let mut command = self.site.command(args);
        command.env("LOVAGE_TENANT", MALLORY);
        Ran::of(command, b"").await
    }

    /// Pushes a module in Mallory's name.
    async fn push(&self, name: &str, component: &[u8]) -> Ran {
        let file = self.site.write(&format!("{name}.wasm"), component);
        let file = file.to_str().unwrap().to_owned();
        self.lovage(&["push", &file, "--name", name]).await
    }

    /// What becomes of a call of Mallory's.
    async fn job(&self, mut call: Call) -> Job {
        call.options.max_attempts = Some(1);
        let id = self.mallory.enqueue(call).await.unwrap();
        self.mallory.wait(id, PATIENCE).await.unwrap()
    }

    /// The worker lives, and so does its neighbour: some of its jobs end from here on.
    async fn lives(&mut self, after: &str) {
        let before = self.neighbour.done.load(Ordering::Relaxed);
        until(
            &format!("the neighbour goes on after `{after}`"),
            || async {
                let jobs = &self.neighbour.jobs;
                assert!(
                    !jobs.is_finished(),
                    "a job of the neighbour's failed: `{after}`"
                );
                let done = self.neighbour.done.load(Ordering::Relaxed);
                (done >= before + BESIDE).then_some(())
            },
        )
        .await;
        assert!(self.worker.is_alive(), "the worker died of `{after}`");
        assert_eq!(self.worker.pid(), self.pid);
    }

    /// All is over: nothing of the neighbour's failed, and one worker did all of it.
    async fn over_and_well(mut self) {
        self.lives("all of it").await;
        self.neighbour.stop.store(true, Ordering::Relaxed);
        let workers = self.neighbour.jobs.await.expect("all its jobs completed");
        assert_eq!(workers.len(), 1, "it was never another worker");
        let log = self.worker.log();
        assert!(!log.contains("panicked at src"), "{log}");
        assert!(!log.contains("panicked at runtime"), "{log}");
    }
}
