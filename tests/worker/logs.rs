//! What running jobs write, and how much of it stays.

use std::time::Duration;

use lovage_queue::job::Ending;
use lovage_queue::retry::Backoff;

use super::endings;
use crate::fixtures::Guest;
use crate::support::guests::{FAILURE, fail, sleep};
use crate::support::site::call;
use crate::support::{site_test, until};

/// Writes so many bytes from an address.
fn write(at: usize, length: usize) -> String {
    format!(
        "(call $write (call $get-stdout) (i32.const {at}) (i32.const {length}) (i32.const 128))"
    )
}

site_test!(a_log_can_be_read_while_its_job_runs, |site| async move {
    // Long enough between the two that somebody sees the first alone.
    let code = [write(2000, 4), sleep(8_000), write(2004, 4), sleep(60_000)].concat();
    let guest = Guest::with_imports(&code).text(2000, "one\ntwo\n");
    site.push("app", &guest.build()).await;
    let _worker = site.worker(&[]).await;
    let id = site.enqueue("app", 1).await[0];
    for text in ["one\n", "one\ntwo\n"] {
        until(&format!("it has written `{text}`"), || async {
            let job = site.job(id).await;
            assert!(!job.state.is_final(), "{job:#?}");
            (job.log.as_deref() == Some(text.as_bytes())).then_some(())
        })
        .await;
    }
    site.client().await.cancel(&[id]).await.unwrap();
    let job = site.ends(&[id]).await.remove(0);
    assert_eq!(endings(&job), [Ending::Cancelled]);
    assert_eq!(job.attempts[0].log, b"one\ntwo\n");
    assert_eq!(job.log, None, "it stands with its attempt now");
});

site_test!(
    a_job_that_is_tried_for_ever_grows_no_endless_record,
    |site| async move {
        const MOST: usize = 256 * 1024;
        // Each attempt would leave 64 KiB.
        let code = [&write(8192, 4096).repeat(20), &*fail(1, 0)].concat();
        let guest = Guest::with_imports(&code).text(2000, FAILURE);
        site.push("app", &guest.build()).await;
        let _worker = site.worker(&[]).await;
        let mut call = call("app");
        call.options.max_attempts = Some(20);
        call.options.backoff = Some(Backoff {
            base: Duration::from_millis(1),
            ..Backoff::default()
        });
        let job = site
            .ends(&site.enqueue_all(vec![call]).await)
            .await
            .remove(0);
        assert_eq!(endings(&job), [Ending::Failed; 20]);
        let logs: Vec<usize> = job.attempts.iter().map(|it| it.log.len()).collect();
        assert!(logs.iter().sum::<usize>() <= MOST, "{logs:?}");
        assert!((60_000..=65_536).contains(&logs[0]), "{logs:?}");
        assert!(logs[9] > 0, "{logs:?}");
        assert!(job.attempts.iter().all(|it| it.failure.is_some()));
    }
);
