//! A push and a rollback are live at the next claim, with no worker restarted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lovage_queue::job::JobId;

use super::completed_once;
use crate::support::guests::answering;
use crate::support::site::Site;
use crate::support::{site_test, until};

/// Jobs in one go of the steady load, and the pause after it.
const LOAD: (usize, Duration) = (3, Duration::from_millis(4));
/// How many jobs there must be before and after the push.
const ENOUGH: usize = 90;

/// Enqueues steadily, and writes down of each job whether the push was over
/// before it was enqueued.
#[derive(Default)]
struct Load {
    pushed: AtomicBool,
    stop: AtomicBool,
    enqueued: Mutex<Vec<(bool, JobId)>>,
}

impl Load {
    async fn run(self: Arc<Self>, site: Arc<Site>) {
        while !self.stop.load(Ordering::SeqCst) {
            let pushed = self.pushed.load(Ordering::SeqCst);
            let ids = site.enqueue("app", LOAD.0).await;
            let ids = ids.into_iter().map(|id| (pushed, id));
            self.enqueued.lock().unwrap().extend(ids);
            tokio::time::sleep(LOAD.1).await;
        }
    }

    async fn enough(&self, pushed: bool) {
        until("enough jobs are enqueued", || async {
            let enqueued = self.enqueued.lock().unwrap();
            let count = enqueued.iter().filter(|it| it.0 == pushed).count();
            (count >= ENOUGH).then_some(())
        })
        .await;
    }
}

site_test!(
    a_push_and_a_rollback_are_live_at_the_next_claim,
    |site| async move {
        site.push("app", &answering(1)).await;
        let mut worker = site.worker(&[]).await;
        let (site, pid) = (Arc::new(site), worker.pid());
        let load = Arc::new(Load::default());
        let loading = tokio::spawn(load.clone().run(site.clone()));
        load.enough(false).await;
        site.push("app", &answering(2)).await;
        load.pushed.store(true, Ordering::SeqCst);
        load.enough(true).await;
        load.stop.store(true, Ordering::SeqCst);
        loading.await.unwrap();

        let enqueued = load.enqueued.lock().unwrap().clone();
        let ids: Vec<JobId> = enqueued.iter().map(|(_, id)| *id).collect();
        let jobs = site.ends(&ids).await;
        let identity = jobs[0].worker;
        for ((pushed, _), job) in enqueued.iter().zip(&jobs) {
            let release = job.attempts[0].release;
            completed_once(job, &[release as u8]);
            assert_eq!(job.worker, identity, "the worker never died");
            // What was enqueued before the push may have waited until after it.
            assert!(release == 2 || release == 1 && !pushed, "{job:#?}");
        }
        assert_eq!(
            jobs[0].attempts[0].release, 1,
            "there was a load before the push"
        );

        site.lovage(&["rollback", "app"]).await.ok();
        for job in site.ends(&site.enqueue("app", ENOUGH).await).await {
            completed_once(&job, &[1]);
            assert_eq!((job.attempts[0].release, job.worker), (1, identity));
        }
        assert!(worker.is_alive());
        assert_eq!(worker.pid(), pid);
    }
);
