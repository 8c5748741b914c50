//! Records of several versions of the format on one broker: plain ones, ones
//! with terms, and ones that a later Lovage has written.

use std::time::Duration;

use lovage_queue::job::{JobId, State, When};

use super::stage::Stage;
use super::workload::{Kind, MODULE, Planned, Produced, module};
use crate::support::redis::{Server, ask, key};
use crate::support::site::Site;

/// The version of a Lovage to come.
const LATER: u8 = 3;

/// A job's record as it lies there.
struct Record {
    port: u16,
    key: Vec<u8>,
}

impl Record {
    fn of(stage: &mut Stage, planned: &Planned) -> Self {
        let id = planned.job.id;
        Record {
            port: stage.site.server().port(),
            key: key(id.partition(), "default", "j", &id.0),
        }
    }

    fn bytes(&self) -> String {
        ask(self.port, &[b"GET", &self.key])
    }

    fn version(&self) -> u8 {
        let first = ask(self.port, &[b"GETRANGE", &self.key, b"0", b"0"]);
        first.as_bytes()[first.find('\n').unwrap() + 1]
    }

    fn set_version(&self, version: u8) {
        ask(self.port, &[b"SETRANGE", &self.key, b"0", &[version]]);
    }
}

/// Jobs whose records a later Lovage has written: in front of the others in two
/// lanes, and one that is scheduled. Nobody works yet.
async fn later_ones(stage: &mut Stage, produced: &mut Produced) -> Vec<(JobId, Record)> {
    let client = stage.site.client().await.clone();
    let mut some = [(); 3].map(|()| Planned::new(&client, Kind::Noop));
    some[1].job.lane = "a".into();
    some[2].job.eta = When::In(Duration::from_millis(400));
    produced.enqueue(&client, some.to_vec()).await;
    let mut later = Vec::new();
    for planned in &some {
        let record = Record::of(stage, planned);
        assert_eq!(record.version(), 1);
        record.set_version(LATER);
        later.push((planned.job.id, record));
    }
    later
}

/// Jobs with terms and jobs without, all of them in those lanes.
async fn known_ones(stage: &mut Stage, produced: &mut Produced) -> Vec<JobId> {
    let client = stage.site.client().await.clone();
    let mut batch = Vec::new();
    for n in 0..stage.plan.rounds(120) {
        let kind = [Kind::Noop, Kind::Short, Kind::Fails][n % 3];
        let mut planned = Planned::new(&client, kind);
        planned.job.lane = ["", "a"][n / 3 % 2].into();
        batch.push(if n % 2 == 0 {
            planned
        } else {
            planned.with_terms()
        });
    }
    produced.enqueue(&client, batch.clone()).await;
    for (planned, version) in batch.iter().zip([1, 2].iter().cycle()) {
        assert_eq!(Record::of(stage, planned).version(), *version);
    }
    batch.iter().map(|it| it.job.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_version_waits_for_whoever_knows_it_and_stops_nobody() {
    let site = Site::on(Server::start());
    let mut stage = Stage::new("j versions of the record", site, Duration::from_secs(10));
    stage.site.push(MODULE, &module()).await;
    let mut produced = Produced::default();
    let later = later_ones(&mut stage, &mut produced).await;
    let before: Vec<String> = later.iter().map(|(_, record)| record.bytes()).collect();
    let mut known = known_ones(&mut stage, &mut produced).await;
    stage.open(&[&[], &[]]).await;
    stage.site.ends(&known).await;

    // They come up again every second, and again each time.
    for _ in 0..3 {
        known = known_ones(&mut stage, &mut produced).await;
        stage.site.ends(&known).await;
        stage.plan.moment(1000..=1200).await;
        stage.faults += later.len();
    }
    for ((id, record), before) in later.iter().zip(before) {
        assert_eq!(record.bytes(), before, "{id} is left alone");
    }
    let dead = stage.site.list(State::Discarded).await;
    assert_eq!(dead, [], "none is given up");

    // Somebody comes who knows that version.
    for (_, record) in &later {
        record.set_version(1);
    }
    stage.close(produced, false).await;
}
