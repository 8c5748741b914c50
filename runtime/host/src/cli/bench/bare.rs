//! The bare loop: the broker's own operations, called by one loop and nothing else.
//! It stands for the broker's scripts, and is what a worker is compared with.

use std::time::{Duration, Instant};

use lovage_queue::broker::{Broker, Claim, Claimed, Settled};
use lovage_queue::job::{Action, Attempt, Ending, Partition, Settlement, Spent, WorkerId};

use super::rig::Rig;

/// Jobs in one claim: about as many as a worker claims that is fast.
const BATCH: u32 = 200;
/// No heartbeat is sent.
const LEASE: Duration = Duration::from_secs(24 * 3600);
/// Nil, in MessagePack.
const NIL: &[u8] = &[0xc0];

/// What a loop did: how many jobs it had settled, and when.
pub(super) struct Emptied {
    pub(super) begun: Instant,
    pub(super) steps: Vec<(Instant, u64)>,
}

/// Empties a queue: while a batch is settled, the next is claimed.
pub(super) async fn empty(rig: &Rig<'_>, queue: &str) -> anyhow::Result<Emptied> {
    let broker = &**rig.client.broker();
    let (begun, mut steps, mut done) = (Instant::now(), Vec::new(), 0);
    for partition in (0..broker.partitions()).map(Partition) {
        let worker = WorkerId::random();
        let mut held = Vec::new();
        for number in 1.. {
            let claim = Claim {
                partition,
                worker,
                number,
                queues: vec![(queue.to_owned(), BATCH)],
                max: BATCH,
                lease: LEASE,
                crowded: Vec::new(),
            };
            let (claimed, settled) =
                tokio::join!(broker.claim(&claim), settle(broker, worker, &held));
            done += settled?;
            steps.push((Instant::now(), done));
            held = claimed?;
            if held.is_empty() {
                break;
            }
        }
        broker.retire(partition, worker).await?;
    }
    Ok(Emptied { begun, steps })
}

/// Settles jobs as completed, with an attempt such as a worker tells of; how many.
async fn settle(broker: &dyn Broker, worker: WorkerId, jobs: &[Claimed]) -> anyhow::Result<u64> {
    let settlement = |it: &Claimed| Settlement {
        tenant: it.tenant.clone(),
        id: it.id,
        delivery: it.delivery,
        queue: it.queue.clone(),
        action: Action::Complete(NIL.to_vec().into()),
        attempt: Some(Attempt {
            ending: Ending::Completed,
            delivery: it.delivery,
            worker,
            digest: it.target.map(|(digest, _)| digest),
            release: it.target.map_or(0, |(_, release)| release),
            started: it.started,
            took: Duration::from_micros(10),
            fuel: 100,
            peak_memory: 128 * 1024,
            failure: None,
            log: Vec::new(),
        }),
        children: Vec::new(),
        flows: Vec::new(),
        spent: Spent {
            charged: it.charged,
            ..Spent::default()
        },
    };
    let settlements: Vec<Settlement> = jobs.iter().map(settlement).collect();
    let answers = broker.settle(worker, &settlements).await?;
    let refused = answers.iter().find(|it| **it != Settled::Recorded);
    match refused {
        None => Ok(answers.len() as u64),
        Some(answer) => anyhow::bail!("a settlement of the bare loop came to {answer:?}"),
    }
}
