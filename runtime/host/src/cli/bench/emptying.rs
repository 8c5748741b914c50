//! How fast a queue empties, and by whose work.

use std::time::Instant;

use lovage_queue::job::{JobId, NewJob};

use super::bare;
use super::rig::{Rig, own_queue};
use super::worker::Worker;
use crate::worker::Settings;

/// The backlog's middle, which is what counts: after the first tenth all is warm,
/// and in the last there is too little left for everybody.
const FROM: u64 = 1;
const TO: u64 = 9;
const PARTS: u64 = 10;

/// Who empties a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A loop that claims and settles, and does nothing else.
    Bare,
    /// A worker with an echo in the engine's place.
    Echo,
    /// A worker: a fresh instance a job.
    Engine,
}

impl By {
    pub(super) const ALL: [By; 3] = [By::Bare, By::Echo, By::Engine];
}

/// Jobs that wait in a queue of their own.
pub(super) struct Backlog {
    queue: String,
    jobs: u64,
    /// The jobs at both ends of its middle.
    marks: Vec<JobId>,
}

impl Backlog {
    /// So many no-ops in so many lanes.
    pub(super) async fn of_noops(rig: &Rig<'_>, jobs: u64, lanes: u64) -> anyhow::Result<Self> {
        let lane = |n: u64| match lanes {
            1 => String::new(),
            _ => format!("lane-{}", n % lanes),
        };
        let job = |n, queue: &str| NewJob {
            lane: lane(n),
            ..rig.noop(queue)
        };
        Self::of(rig, jobs, lanes, job).await
    }

    /// So many jobs, in lanes that take turns. Where there are many, all of them move
    /// on together: the job that tells of the whole lies in the middle of the lanes.
    pub(super) async fn of(
        rig: &Rig<'_>,
        jobs: u64,
        lanes: u64,
        job: impl Fn(u64, &str) -> NewJob,
    ) -> anyhow::Result<Self> {
        let queue = own_queue();
        let at = |part: u64| {
            let round = jobs * part / PARTS / lanes * lanes;
            (round + lanes / 2).min(jobs - 1)
        };
        let marked = |n: u64| n == at(FROM) || n == at(TO);
        let marks = rig.fill(jobs, marked, |n| job(n, &queue)).await?;
        Ok(Backlog { queue, jobs, marks })
    }

    /// Jobs that are there already: `mark` finds the one that has this place in the
    /// order in which they end.
    pub(super) async fn standing(
        queue: String,
        jobs: u64,
        mark: impl AsyncFn(u64) -> anyhow::Result<JobId>,
    ) -> anyhow::Result<Self> {
        let mut marks = Vec::new();
        for part in [FROM, TO] {
            marks.push(mark(jobs * part / PARTS).await?);
        }
        Ok(Backlog { queue, jobs, marks })
    }

    /// Has it emptied; how many jobs that was a second.
    pub(super) async fn empty(self, rig: &Rig<'_>, by: By) -> anyhow::Result<f64> {
        self.empty_with(rig, by, |_| ()).await
    }

    /// The same by a worker with changed settings.
    pub(super) async fn empty_with(
        self,
        rig: &Rig<'_>,
        by: By,
        change: impl FnOnce(&mut Settings),
    ) -> anyhow::Result<f64> {
        if by == By::Bare {
            return Ok(self.slope(&bare::empty(rig, &self.queue).await?));
        }
        let spinner = rig.context.out.spinner("drain");
        let worker = Worker::with(rig, &[&self.queue], |settings| {
            settings.echo = by == By::Echo;
            change(settings);
        })?;
        let emptied = self.watch(rig, &worker).await;
        spinner.finish_and_clear();
        worker.stop().await?;
        Ok(self.slope(&emptied?))
    }

    /// Looks twice, when the broker says that a marked job has ended: the worker has
    /// the broker to itself in between.
    async fn watch(&self, rig: &Rig<'_>, worker: &Worker) -> anyhow::Result<bare::Emptied> {
        let (begun, mut steps) = (Instant::now(), Vec::new());
        for mark in &self.marks {
            rig.completed(*mark, &self.queue, Some(worker)).await?;
            let left = rig.left(&self.queue).await?;
            steps.push((Instant::now(), self.jobs.saturating_sub(left)));
        }
        rig.emptied(&self.queue, worker).await?;
        steps.push((Instant::now(), self.jobs));
        Ok(bare::Emptied { begun, steps })
    }

    /// Jobs a second in the middle of the backlog.
    fn slope(&self, emptied: &bare::Emptied) -> f64 {
        slope(self.jobs, emptied)
    }
}

fn slope(jobs: u64, emptied: &bare::Emptied) -> f64 {
    let bare::Emptied { begun, steps } = emptied;
    let reached = |part: u64| steps.iter().find(|(_, done)| done * PARTS >= jobs * part);
    let rate = |from: (Instant, u64), to: (Instant, u64)| {
        let span = to.0.saturating_duration_since(from.0).as_secs_f64();
        (to.1 - from.1) as f64 / span.max(f64::EPSILON)
    };
    match (reached(FROM), reached(TO), steps.last()) {
        (Some(from), Some(to), _) if to.1 > from.1 => rate(*from, *to),
        // So few that one look saw both: all there is to go by is the whole.
        (.., Some(last)) => rate((*begun, 0), *last),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_middle_of_a_backlog_counts() {
        let begun = Instant::now();
        let emptied = |steps: &[(u64, u64)]| bare::Emptied {
            begun,
            steps: steps
                .iter()
                .map(|(ms, done)| (begun + Duration::from_millis(*ms), *done))
                .collect(),
        };
        // A slow start and a slow end.
        let steps = [(500, 50), (1000, 100), (2000, 900), (9000, 1000)];
        assert_eq!(slope(1000, &emptied(&steps)).round(), 800.0);
        // One look saw it all.
        assert_eq!(slope(10, &emptied(&[(5000, 10)])).round(), 2.0);
        assert_eq!(slope(10, &emptied(&[])), 0.0);
    }
}
