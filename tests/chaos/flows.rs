//! Chords, and workers and a Redis that are killed under them: each callback with all
//! results in order, recorded once, and none that hangs.

use std::time::{Duration, Instant};

use lovage_queue::broker::{BrokerError, FlowState, FlowStatus};
use lovage_queue::client::{Client, ClientError};
use lovage_queue::flow::{Call, Flow, Step, call, chain, chord, group};
use lovage_queue::job::{Ending, JobId};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::audit::Audit;
use super::stage::{PATIENCE, Stage};
use super::workload::{BACKLOG, Kind, backlog};
use crate::fixtures::{ECHO, Guest};
use crate::support::guests::sleep;
use crate::support::redis::Server;
use crate::support::site::Site;

/// Short, so that the jobs of the dead come back soon.
const LEASE: Duration = Duration::from_millis(2500);
/// Members of each chord.
const MEMBERS: usize = 100;
const WORKERS: usize = 4;

/// Two tasks that return their arguments, `part` and `whole`. They take long enough that
/// now and then their worker is killed under them.
fn module() -> Vec<u8> {
    let code = format!(
        "(if (i32.eq (local.get $task-length) (i32.const 5)) (then {}) (else {})) {ECHO}",
        sleep(250),
        sleep(100),
    );
    Guest::with_imports(&code)
        .tasks(&[("part", "{}"), ("whole", "{}")])
        .build()
}

/// A step, and the result that it must have.
type Known = (Step, Value);

/// A member that tells itself from all others.
fn part(flow: usize, n: usize) -> (Call, Value) {
    let part = call("flows.part").unwrap();
    let part = part.arg("flow", &flow).unwrap().arg("n", &n).unwrap();
    (part, json!({"flow": flow, "n": n}))
}

fn whole() -> Call {
    call("flows.whole").unwrap().previous("all")
}

/// Of the one kind or the other, in every tenth place; the others are plain.
fn member(flow: usize, n: usize) -> Known {
    let (plain, its) = part(flow, n);
    let others = || {
        (0..3)
            .map(move |more| part(flow, 1000 * (more + 1) + n))
            .unzip()
    };
    match (flow % 4, n % 10) {
        (2, 3) => {
            let next = call("flows.part").unwrap().previous("before");
            (chain([plain, next]), json!({ "before": its }))
        }
        (3, 3) => {
            let (calls, all): (Vec<Call>, Vec<Value>) = others();
            (group(calls), all.into())
        }
        (3, 7) => {
            let (calls, all): (Vec<Call>, Vec<Value>) = others();
            (chord(calls, whole()), json!({ "all": all }))
        }
        _ => (plain.into(), its),
    }
}

/// A chord; in every fourth flow, a step behind it that takes the callback's result.
fn steps(flow: usize) -> Known {
    let (members, all): (Vec<Step>, Vec<Value>) = (0..MEMBERS).map(|n| member(flow, n)).unzip();
    let (step, result) = (chord(members, whole()), json!({ "all": all }));
    match flow % 4 {
        1 => (chain((step, whole())), json!({ "all": result })),
        _ => (step, result),
    }
}

/// A flow that the broker has accepted.
struct Sent {
    id: JobId,
    nodes: u32,
    result: Value,
}

/// What the broker answers, asked over and over until it is there; how often it was not.
async fn heard<T, F>(ask: impl Fn() -> F) -> (T, usize)
where
    F: Future<Output = Result<T, ClientError>>,
{
    let (since, mut unheard) = (Instant::now(), 0);
    loop {
        match ask().await {
            Ok(answer) => return (answer, unheard),
            Err(ClientError::Broker(BrokerError::Unreachable { .. })) => unheard += 1,
            Err(e) => panic!("{e}"),
        }
        assert!(since.elapsed() < PATIENCE, "the broker stays away");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Sends flows, in moderation, for about as long as the faults go on; how often one was
/// sent again.
async fn send_all(client: Client, count: usize, mut random: StdRng) -> (Vec<Sent>, usize) {
    let (mut all, mut again) = (Vec::new(), 0);
    for n in 0..count {
        let (step, result) = steps(n);
        let flow = Flow::new(&format!("chord-{n}"), step);
        let (prepared, _) = heard(|| client.prepare_flow(&flow)).await;
        let (id, repeated) = heard(|| client.send_flow(&prepared)).await;
        let nodes = prepared.len() as u32;
        all.push(Sent { id, nodes, result });
        again += repeated;
        tokio::time::sleep(Duration::from_millis(random.random_range(100..600))).await;
        while backlog(client.broker(), client.tenant()).await > BACKLOG {
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
    (all, again)
}

/// A flow once it has ended, or when the time is up. A call that was lost with three
/// workers ends its flow, as it should; then somebody lets it go on.
async fn end(client: &Client, sent: &Sent, deadline: Instant) -> (FlowStatus, bool) {
    let mut revived = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let (status, _) = heard(|| client.wait_flow(sent.id, left)).await;
        if status.state != FlowState::Failed || left.is_zero() {
            return (status, revived);
        }
        let failures = client.flow_failures(sent.id).await.unwrap();
        let lost = |it: &str| it == Ending::Lost.as_str();
        if failures.is_empty() || !failures.iter().all(|(_, it)| lost(&it.kind)) {
            return (status, revived);
        }
        revived |= client.retry_flow(sent.id).await.unwrap();
    }
}

/// The count of a case's flows, and of all their jobs.
struct Count<'s> {
    client: &'s Client,
    audit: Audit,
    ids: Vec<JobId>,
    /// Flows that somebody let go on.
    revived: usize,
    /// Callbacks whose worker died.
    hit: usize,
}

impl Count<'_> {
    async fn flow(&mut self, sent: &Sent, deadline: Instant) {
        let (status, revived) = end(self.client, sent, deadline).await;
        self.revived += usize::from(revived);
        let numbers = [
            status.nodes,
            status.completed,
            status.pending,
            status.failed,
        ];
        if status.state != FlowState::Completed {
            self.audit.lost.push(format!("{status:?}"));
        } else if numbers != [sent.nodes, sent.nodes, 0, 0] {
            self.audit.odd.push(format!("it counts wrong: {status:?}"));
        } else {
            let result = self.client.flow_result(sent.id, None).await.unwrap();
            let result: Value = rmp_serde::from_slice(&result).unwrap();
            if result != sent.result {
                let said = format!("{}: not what it should be: {result}", status.name);
                self.audit.odd.push(said);
            }
        }
        self.jobs(sent, revived).await;
    }

    async fn jobs(&mut self, sent: &Sent, revived: bool) {
        let (broker, tenant) = (self.client.broker(), self.client.tenant());
        let nodes = broker.flow_nodes(tenant, sent.id, 0, 10_000).await.unwrap();
        let ids: Vec<JobId> = nodes.into_iter().map(|it| it.0).collect();
        assert_eq!(ids.len(), sent.nodes as usize, "nodes of flow {}", sent.id);
        for (id, job) in ids.iter().zip(broker.jobs(tenant, &ids).await.unwrap()) {
            let Some(mut job) = job else {
                self.audit.lost.push(format!("{id} is gone"));
                continue;
            };
            if revived {
                let again = |it: &Ending| matches!(it, Ending::Lost | Ending::Cancelled);
                job.attempts.retain(|it| !again(&it.ending));
            }
            self.hit += usize::from(job.call.task == "whole" && job.crash > 0);
            self.audit.record(Kind::Noop, &job);
        }
        self.ids.extend(ids);
    }
}

/// So many flows, and beside them so many times a worker is killed, and Redis.
async fn flows(case: &'static str, site: Site, count: usize, kills: usize, restarts: usize) {
    let mut stage = Stage::new(case, site, LEASE);
    stage.open(&[&[][..]; WORKERS]).await;
    stage.site.push("flows", &module()).await;
    let client = stage.site.client().await.clone();
    let most = stage.plan.rounds(count);
    let sending = tokio::spawn(send_all(client.clone(), most, stage.plan.branch()));
    stage.strike(kills, restarts).await;
    let (sent, again) = sending.await.unwrap();
    let mut count = Count {
        client: &client,
        audit: Audit::default(),
        ids: Vec::new(),
        revived: 0,
        hit: 0,
    };
    let deadline = Instant::now() + PATIENCE;
    for it in &sent {
        count.flow(it, deadline).await;
    }
    let Count {
        mut audit,
        ids,
        revived,
        hit,
        ..
    } = count;
    let (broker, tenant) = (client.broker(), client.tenant());
    audit.counts(&**broker, tenant, ids.len(), 0).await;
    // Which of them are listed is for the broker to say: they are kept with their flows.
    audit.listed(&**broker, tenant, &ids).await;
    audit.jobs = ids.len();
    stage.notes.push(format!(
        "{} flows, {again} sent again, {revived} let go on, {hit} callbacks hit",
        sent.len()
    ));
    stage.account(audit);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_callback_has_all_results_on_redis() {
    let site = Site::on(Server::durable());
    flows("l flows, Redis", site, 40, 20, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_callback_has_all_results_on_sqlite() {
    flows("l flows, SQLite", Site::sqlite(), 12, 10, 0).await;
}
