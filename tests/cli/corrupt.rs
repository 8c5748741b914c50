//! A record that is garbage: it is named, and nothing else suffers.

use lovage_queue::job::{JobId, Partition};
use lovage_queue::task::DEFAULT_TENANT;
use rusqlite::params;

use super::app;
use crate::support::site::Site;
use crate::support::{site_test, until};

async fn spoil(site: &mut Site, id: JobId) {
    let record = b"\xffthis is no record";
    if site.database().exists() {
        let file = rusqlite::Connection::open(site.database()).unwrap();
        file.busy_timeout(crate::support::PATIENCE).unwrap();
        let sql = "UPDATE job SET record = ?2 WHERE id = ?1";
        assert_eq!(file.execute(sql, params![id.0, record]), Ok(1));
    } else {
        site.server()
            .corrupt(Partition(0), DEFAULT_TENANT, id, record);
    }
}

async fn call(site: &Site) -> JobId {
    let args = ["call", "app.go", "side=1"];
    site.lovage(&args).await.ok().out.trim().parse().unwrap()
}

site_test!(
    a_corrupt_record_is_named_and_holds_up_nothing,
    |site| async move {
        let mut site = site;
        site.push("app", &app()).await;
        let ids = [call(&site).await, call(&site).await, call(&site).await];
        spoil(&mut site, ids[1]).await;
        let bad = ids[1].to_string();

        let said = site
            .lovage(&["job", &bad])
            .await
            .fails(7, &[&bad, "in the broker is corrupt"]);
        assert_eq!(said.out, "");
        let listed = site.lovage(&["jobs", "--json"]).await.ok();
        assert_eq!(listed.json().as_array().unwrap().len(), 2, "{listed:?}");
        assert!(listed.err.contains(&bad), "{listed:?}");
        site.lovage(&["queues"]).await.ok();

        let mut worker = site.worker(&["--concurrency", "1"]).await;
        for job in site.ends(&[ids[0], ids[2]]).await {
            assert_eq!(job.attempts.len(), 1, "{job:#?}");
        }
        worker.says(&bad).await;
        assert!(worker.log().contains("cannot be read"), "{}", worker.log());
        // It is settled for good: nobody claims it again and again.
        until("it no longer runs", || async {
            let counts = site.counts().await;
            (counts.running + counts.available == 0).then_some(())
        })
        .await;
        let after = call(&site).await;
        assert_eq!(site.ends(&[after]).await[0].attempts.len(), 1);
        assert_eq!(
            worker.log().matches("the record of a job").count(),
            1,
            "{}",
            worker.log()
        );
        assert!(worker.is_alive());

        // It lies on the dead list, and goes from there like any other.
        let dead = site.lovage(&["dead", "list"]).await.ok();
        assert!(dead.err.contains(&bad), "{dead:?}");
        let requeued = ["dead", "requeue", &bad];
        site.lovage(&requeued).await.fails(4, &["there is no job"]);
        let some = ["dead", "delete", "--all", "--task", "app.go"];
        let ran = site.lovage(&some).await.ok();
        assert_eq!(ran.out, "no job fits\n", "nobody knows its task");
        let all = site.lovage(&["dead", "delete", "--all"]).await.ok();
        assert_eq!(all.out, format!("{bad} is deleted\n1 deleted\n"));
        site.lovage(&["job", &bad])
            .await
            .fails(4, &["there is no job"]);
        let dead = site.lovage(&["dead", "list"]).await.ok();
        assert_eq!(dead.err, "");
    }
);
