//! How long flows are kept.

use super::rig::{Rig, chord, complete, flow};
use super::*;
use crate::broker::{FlowState, Flows, NewFlow};
use crate::job::WithoutNode::{Stops, Waits};

const HOUR: Duration = Duration::from_secs(3600);

fn keep() -> Retention {
    Retention {
        completed: HOUR,
        discarded: HOUR * 2,
        ..Retention::default()
    }
}

impl Rig {
    async fn pass(&self, span: Duration) {
        let millis = span.as_millis() as u64;
        self.now.fetch_add(millis, Ordering::SeqCst);
    }

    async fn prune(&self, keep: &Retention, limit: u32) -> u32 {
        let pruned = self.broker.prune(Partition(0), keep, limit).await;
        pruned.unwrap()
    }

    async fn is_kept(&self, it: &NewFlow) -> bool {
        self.broker.flow(TENANT, it.id).await.unwrap().is_some()
    }

    /// Runs a chord of this many nodes to its end.
    async fn ended(&mut self, nodes: u32, end: &Action) -> NewFlow {
        let it = flow(nodes);
        self.flow(&it, chord(&it, nodes - 1, Waits)).await;
        while !self.run(end).await.is_empty() {}
        self.promote().await;
        it
    }

    /// What lies in the tables of flows.
    async fn rows(&self) -> Vec<(String, i64)> {
        let rows = self.broker.core.read(|db| {
            let tables = [
                "flow",
                "flow_about",
                "node",
                "joint",
                "edge",
                "flow_work",
                "flow_tally",
                "job",
                "tally",
            ];
            let count = |table: &str| {
                let sql = format!("SELECT count(*) FROM {table}");
                Ok((
                    table.to_owned(),
                    db.conn.query_row(&sql, [], |row| row.get(0))?,
                ))
            };
            let rows: rusqlite::Result<Vec<_>> = tables.into_iter().map(count).collect();
            Ok(rows?)
        });
        let mut rows = rows.await.unwrap();
        rows.retain(|it| it.1 != 0);
        rows
    }
}

#[tokio::test]
async fn a_flow_leaves_whole_and_its_nodes_stay_while_it_runs() {
    let mut rig = Rig::new().await;
    let it = flow(4);
    let ids = rig.flow(&it, chord(&it, 3, Stops)).await;
    assert_eq!(rig.run(&complete()).await.len(), 3);
    rig.broker.enqueue(TENANT, &[job(), job()]).await.unwrap();
    let claimed = rig.claim(3).await;
    rig.settle(&claimed[1..], &complete()).await;
    rig.pass(HOUR * 3).await;
    assert_eq!(rig.prune(&keep(), 100).await, 2, "what is no node");
    assert_eq!(rig.prune(&Retention { count: 0, ..keep() }, 9).await, 0);
    let deleted = rig.broker.delete(TENANT, &ids[..1]).await.unwrap();
    assert_eq!(deleted, [false]);
    assert!(rig.broker.jobs(TENANT, &ids[..3]).await.unwrap()[2].is_some());

    rig.settle(&claimed[..1], &complete()).await;
    assert_eq!(rig.status(&it).await.state, FlowState::Completed);
    assert_eq!(rig.prune(&keep(), 100).await, 0);
    rig.pass(HOUR).await;
    assert_eq!(rig.prune(&keep(), 3).await, 3);
    assert!(!rig.is_kept(&it).await);
    assert_eq!(rig.broker.flows(TENANT, 0, 9).await.unwrap(), []);
    let requeued = rig.broker.requeue(TENANT, &ids[3..]).await.unwrap();
    assert!(!matches!(requeued[..], [Requeued::Now]));
    assert_eq!(rig.prune(&keep(), 3).await, 1);
    assert_eq!(rig.rows().await, []);
}

#[tokio::test]
async fn flows_leave_by_their_age_and_their_own_word() {
    let mut rig = Rig::new().await;
    let done = rig.ended(3, &complete()).await;
    let failed = rig.ended(3, &Action::Discard).await;
    assert_eq!(rig.status(&failed).await.state, FlowState::Failed);
    let mut short = flow(2);
    short.keep = Some(HOUR / 2);
    rig.flow(&short, chord(&short, 1, Waits)).await;
    while !rig.run(&complete()).await.is_empty() {}
    let building = flow(9);
    rig.build(&building, &chord(&building, 3, Waits)).await;

    rig.pass(HOUR / 2).await;
    assert_eq!(rig.prune(&keep(), 100).await, 2);
    assert!(!rig.is_kept(&short).await && rig.is_kept(&done).await);
    rig.pass(HOUR / 2).await;
    assert_eq!(rig.prune(&keep(), 100).await, 7);
    assert!(!rig.is_kept(&done).await && !rig.is_kept(&building).await);
    assert!(rig.is_kept(&failed).await);
    rig.pass(HOUR).await;
    assert_eq!(rig.prune(&keep(), 100).await, 3);
    assert_eq!(rig.rows().await, []);
}

#[tokio::test]
async fn flows_leave_where_they_are_too_many_or_too_large() {
    let mut rig = Rig::new().await;
    let first = rig.ended(3, &complete()).await;
    rig.pass(SOON).await;
    let second = rig.ended(3, &complete()).await;
    rig.pass(SOON).await;
    let third = rig.ended(3, &complete()).await;
    let few = Retention { count: 2, ..keep() };
    assert_eq!(rig.prune(&few, 100).await, 3);
    assert!(!rig.is_kept(&first).await && rig.is_kept(&second).await);
    rig.broker.enqueue(TENANT, &[job()]).await.unwrap();
    rig.run(&complete()).await;
    let small = Retention {
        bytes: 500,
        ..keep()
    };
    assert_eq!(rig.prune(&small, 100).await, 4, "the job before flows");
    assert!(!rig.is_kept(&second).await && rig.is_kept(&third).await);
    let none = Retention { bytes: 0, ..keep() };
    assert_eq!(rig.prune(&none, 100).await, 3);
    assert_eq!(rig.rows().await, []);
}
