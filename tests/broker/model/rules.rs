//! The model: a tenant's jobs as plain values, and the contract's rules as they
//! are written, with no thought of speed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lovage_queue::broker::{Cancelled, Enqueued, QueueCounts, Requeued};
use lovage_queue::clock::{Millis, millis};
use lovage_queue::job::{Conflict, JobId, Key, NewJob, State, Until, WorkerId};
use lovage_queue::limits::{Limit, Scope};
use lovage_queue::task::TaskName;

use super::operations::{End, OPEN, QUEUES};

/// A job as the model knows it.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) call: NewJob,
    /// `None` once it is forgotten.
    pub(super) state: Option<State>,
    /// Failed runs; `None` where the contract does not say whether one counts.
    pub(super) attempt: Option<u32>,
    pub(super) crash: u32,
    pub(super) enqueued: Millis,
    /// When it becomes available, while it waits for its time.
    pub(super) due: Millis,
    pub(super) finished: Millis,
    pub(super) cancelling: bool,
    /// When it expires, unless that no longer applies.
    pub(super) expiry: Option<Millis>,
    /// Who had each delivery.
    pub(super) deliveries: Vec<WorkerId>,
    /// The deliveries of which an attempt was told.
    pub(super) told: Vec<u32>,
    /// It has been available since it was enqueued, and nobody has had it.
    pub(super) fresh: bool,
    /// Its last delivery was not settled: it was taken from its worker.
    pub(super) taken: bool,
    /// It is a source that goes on once so few jobs of its pages have not ended.
    low: Option<usize>,
    /// It waits for that, and for no time.
    pub(super) paged: bool,
}

impl Job {
    pub(super) fn is(&self, state: State) -> bool {
        self.state == Some(state)
    }

    pub(super) fn delivery(&self) -> u32 {
        self.deliveries.len() as u32
    }

    /// Who runs it.
    pub(super) fn worker(&self) -> Option<WorkerId> {
        self.deliveries
            .last()
            .copied()
            .filter(|_| self.is(State::Running))
    }

    fn waits(&self) -> bool {
        let waiting = [State::Scheduled, State::Available, State::Retryable];
        self.state.is_some_and(|state| waiting.contains(&state))
    }

    /// Whether it is to be cancelled instead of started.
    pub(super) fn is_expired(&self, now: Millis) -> bool {
        let begun = self.attempt != Some(0);
        self.waits() && !begun && self.expiry.is_some_and(|at| at <= now)
    }

    /// All scopes it belongs to.
    pub(super) fn scopes(&self) -> Vec<Scope> {
        let (queue, lane) = (self.call.queue.clone(), self.call.lane.clone());
        let task = TaskName {
            module: self.call.module.clone(),
            task: self.call.task.clone(),
        };
        let mut scopes = vec![
            Scope::Tenant,
            Scope::Queue(queue.clone()),
            Scope::Module(task.module.clone()),
            Scope::Task(task),
        ];
        if !lane.is_empty() {
            scopes.push(Scope::Lane(queue, lane));
        }
        scopes
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) now: Millis,
    pub(super) jobs: Vec<Job>,
    pub(super) limits: BTreeMap<Scope, Limit>,
    pub(super) paused: BTreeSet<Scope>,
    /// Starts of each scope since its rate was set.
    pub(super) starts: BTreeMap<Scope, Vec<Millis>>,
    /// Starts of each scope that did not count after all.
    refunds: BTreeMap<Scope, usize>,
    /// Whether a limit or a pause ever moved jobs out of the tenant's own lane.
    pub(super) stepped_aside: bool,
    names: BTreeMap<Key, usize>,
    holders: BTreeMap<Key, usize>,
}

impl Model {
    /// An empty one.
    pub(super) fn at(now: Millis) -> Self {
        Model {
            now,
            ..Model::default()
        }
    }

    pub(super) fn find(&self, id: JobId) -> Option<usize> {
        self.jobs.iter().position(|job| job.call.id == id)
    }

    /// All jobs of a state.
    pub(super) fn of(&self, state: State) -> impl Iterator<Item = usize> {
        (0..self.jobs.len()).filter(move |n| self.jobs[*n].is(state))
    }

    fn holder(&self, key: Key) -> Option<usize> {
        let n = *self.holders.get(&key)?;
        let job = &self.jobs[n];
        match job.call.unique?.until {
            Until::For(span) => (job.enqueued.after(span) > self.now).then_some(n),
            Until::Start | Until::Done => Some(n),
        }
    }

    /// A job's unique key is free, unless it is held for a span.
    fn let_go(&mut self, n: usize) {
        if let Some(unique) = self.jobs[n].call.unique
            && !matches!(unique.until, Until::For(_))
            && self.holders.get(&unique.key) == Some(&n)
        {
            self.holders.remove(&unique.key);
        }
    }

    pub(super) fn end(&mut self, n: usize, state: State) {
        self.jobs[n].state = Some(state);
        self.jobs[n].finished = self.now;
        self.let_go(n);
        self.wake();
    }

    /// Sources go on of whose pages few enough jobs are left.
    fn wake(&mut self) {
        for n in 0..self.jobs.len() {
            let id = self.jobs[n].call.id;
            let is_open = |job: &&Job| {
                let counts = job.call.counted && job.call.options.parent == Some(id);
                counts && job.state.is_some_and(|state| !state.is_final())
            };
            let open = self.jobs.iter().filter(is_open).count();
            let job = &mut self.jobs[n];
            if job.low.is_some_and(|low| open <= low) {
                job.low = None;
                if job.is(State::Scheduled) && job.paged {
                    (job.state, job.paged) = (Some(State::Available), false);
                }
            }
        }
    }

    /// A source has made a page.
    fn turn_page(&mut self, n: usize, jobs: &[NewJob]) {
        for job in jobs {
            self.put(None, job);
        }
        let job = &mut self.jobs[n];
        (job.state, job.paged) = (Some(State::Scheduled), true);
        (job.attempt, job.crash) = (Some(0), 0);
        job.due = self.now.after(Duration::from_secs(365 * 24 * 3600));
        job.low = Some(OPEN as usize / 2);
        job.told.clear();
        self.wake();
    }

    /// All jobs, or the id of the one that refuses them.
    pub(super) fn enqueue(&mut self, batch: &[NewJob]) -> Result<Vec<Enqueued>, JobId> {
        let before = self.clone();
        let answers = batch.iter().map(|job| self.enqueue_one(job)).collect();
        if let Err(holder) = answers {
            *self = before;
            return Err(holder);
        }
        answers
    }

    fn enqueue_one(&mut self, call: &NewJob) -> Result<Enqueued, JobId> {
        let before = self.find(call.id);
        if before.is_some_and(|n| self.jobs[n].state.is_some()) {
            return Ok(Enqueued::Exists);
        }
        if let Some(n) = call.key.and_then(|key| self.names.get(&key)) {
            return Ok(Enqueued::Instead(self.jobs[*n].call.id));
        }
        let unique = call.unique.map(|it| (it, self.holder(it.key)));
        if let Some((unique, Some(holder))) = unique {
            let id = self.jobs[holder].call.id;
            match unique.conflict {
                Conflict::Existing => return Ok(Enqueued::Instead(id)),
                Conflict::Reject => return Err(id),
                Conflict::Replace => {
                    self.cancel(Some(holder));
                }
            }
        }
        let n = self.put(before, call);
        call.key.map(|key| self.names.insert(key, n));
        call.unique.map(|it| self.holders.insert(it.key, n));
        Ok(Enqueued::New)
    }

    fn put(&mut self, at: Option<usize>, call: &NewJob) -> usize {
        let due = call.eta.from(self.now).max(self.now);
        let at_once = due == self.now;
        // One that comes back under its id lies behind others that came before it.
        let fresh = at_once && at.is_none();
        let job = Job {
            call: call.clone(),
            state: Some(if at_once {
                State::Available
            } else {
                State::Scheduled
            }),
            attempt: Some(0),
            crash: 0,
            enqueued: self.now,
            due,
            finished: Millis(0),
            cancelling: false,
            expiry: call.expiry.map(|it| it.from(self.now)),
            deliveries: Vec::new(),
            told: Vec::new(),
            fresh,
            taken: false,
            low: at.and_then(|n| self.jobs[n].low),
            paged: false,
        };
        match at {
            Some(n) => self.jobs[n] = job,
            None => self.jobs.push(job),
        }
        at.unwrap_or(self.jobs.len() - 1)
    }

    pub(super) fn cancel(&mut self, n: Option<usize>) -> Cancelled {
        let known = n.and_then(|n| Some((n, self.jobs[n].state?)));
        match known {
            None => Cancelled::Missing,
            Some((_, state)) if state.is_final() => Cancelled::Ended(state),
            Some((n, State::Running)) => {
                self.jobs[n].cancelling = true;
                Cancelled::Asked
            }
            Some((n, _)) => {
                self.end(n, State::Cancelled);
                Cancelled::Now
            }
        }
    }

    pub(super) fn requeue(&mut self, n: usize) -> Requeued {
        match self.jobs[n].state {
            None => return Requeued::Missing,
            Some(State::Discarded | State::Cancelled) => {}
            Some(other) => return Requeued::Not(other),
        }
        if let Some(unique) = self.jobs[n].call.unique
            && !matches!(unique.until, Until::For(_))
        {
            match self.holder(unique.key) {
                Some(holder) if holder != n => {
                    return Requeued::Duplicate(self.jobs[holder].call.id);
                }
                _ => self.holders.insert(unique.key, n),
            };
        }
        let job = &mut self.jobs[n];
        job.state = Some(State::Available);
        (job.attempt, job.crash, job.finished) = (Some(0), 0, Millis(0));
        (job.expiry, job.cancelling) = (None, false);
        (job.fresh, job.taken, job.paged) = (false, false, false);
        Requeued::Now
    }

    pub(super) fn delete(&mut self, n: usize) -> bool {
        if !self.jobs[n].state.is_some_and(State::is_final) {
            return false;
        }
        self.jobs[n].state = None;
        self.names.retain(|_, it| *it != n);
        self.holders.retain(|_, it| *it != n);
        true
    }

    /// A job is started that may be; why it may not, otherwise.
    pub(super) fn start(&mut self, n: usize, worker: WorkerId) -> Result<(), String> {
        let job = &self.jobs[n];
        if !job.is(State::Available) {
            return Err(format!("it is {:?}", job.state));
        }
        if job.is_expired(self.now) {
            return Err("it has expired".into());
        }
        for scope in job.scopes() {
            if self.paused.contains(&scope) {
                return Err(format!("`{scope}` is paused"));
            }
            let (most, running) = (self.concurrency(&scope), self.running(&scope));
            if most.is_some_and(|most| running >= most) {
                return Err(format!("{running} of `{scope}` run, and {most:?} may"));
            }
        }
        self.jobs[n].state = Some(State::Running);
        self.jobs[n].deliveries.push(worker);
        (self.jobs[n].fresh, self.jobs[n].taken) = (false, false);
        if self.jobs[n]
            .call
            .unique
            .is_some_and(|it| it.until == Until::Start)
        {
            self.let_go(n);
        }
        for scope in self.jobs[n].scopes() {
            self.check_rate(&scope)?;
        }
        Ok(())
    }

    /// One more start of a scope, if its rate allows it: in any span of time there
    /// are as many as fit, and what 50 ms more would hold.
    fn check_rate(&mut self, scope: &Scope) -> Result<(), String> {
        let Some(rate) = self.limits.get(scope).and_then(|it| it.rate) else {
            return Ok(());
        };
        let step = millis(rate.period) / u64::from(rate.count);
        let starts = self.starts.entry(scope.clone()).or_default();
        starts.push(self.now);
        let refunds = self.refunds.get(scope).copied().unwrap_or(0);
        for (n, since) in starts.iter().enumerate() {
            let span = millis(self.now.since(*since));
            let most = (span + 50) / step + 1;
            let count = starts.len() - n;
            if count > most as usize + refunds {
                return Err(format!("{count} of `{scope}` have begun in {span} ms"));
            }
        }
        Ok(())
    }

    /// A delivery ends as its worker says, with these children.
    pub(super) fn settle(&mut self, n: usize, end: End, children: &[NewJob]) {
        let asked = self.jobs[n].cancelling;
        let delivery = self.jobs[n].delivery();
        match end {
            End::GiveBack(_) => {
                for scope in self.jobs[n].scopes() {
                    *self.refunds.entry(scope).or_default() += 1;
                }
            }
            End::Page(_) => {}
            _ => self.jobs[n].told.push(delivery),
        }
        let failed = matches!(end, End::Retry(_) | End::Discard);
        if failed {
            let attempt = self.jobs[n].attempt.filter(|_| !asked);
            self.jobs[n].attempt = attempt.map(|it| it + 1);
        }
        match end {
            End::Complete => self.end(n, State::Completed),
            _ if asked => self.end(n, State::Cancelled),
            End::Discard => self.end(n, State::Discarded),
            End::Cancel => self.end(n, State::Cancelled),
            End::Retry(0) | End::GiveBack(0) => self.jobs[n].state = Some(State::Available),
            End::Retry(wait) => self.wait(n, State::Retryable, wait),
            End::GiveBack(wait) => self.wait(n, State::Scheduled, wait),
            End::Page(_) => self.turn_page(n, children),
        }
    }

    fn wait(&mut self, n: usize, state: State, seconds: u64) {
        self.jobs[n].state = Some(state);
        self.jobs[n].due = Millis(self.now.0 + seconds * 1_000);
    }

    /// A worker's jobs are taken from it. How many come back, and how many are
    /// lost.
    pub(super) fn take_from(&mut self, worker: WorkerId, crashed: bool) -> (u32, u32) {
        let (mut back, mut lost) = (0, 0);
        for n in self.of(State::Running).collect::<Vec<_>>() {
            if self.jobs[n].worker() != Some(worker) {
                continue;
            }
            self.jobs[n].taken = true;
            self.jobs[n].crash += u32::from(crashed);
            let job = &self.jobs[n];
            if job.cancelling {
                self.end(n, State::Cancelled);
            } else if crashed && job.crash >= u32::from(job.call.crash_limit) {
                self.end(n, State::Discarded);
                lost += 1;
            } else {
                self.jobs[n].state = Some(State::Available);
                back += 1;
            }
        }
        (back, lost)
    }

    /// How many jobs of a scope may run at once.
    pub(super) fn concurrency(&self, scope: &Scope) -> Option<u32> {
        let of = |scope: &Scope| self.limits.get(scope).and_then(|it| it.concurrency);
        match scope {
            Scope::Lane(queue, _) => of(scope).or_else(|| of(&Scope::Lanes(queue.clone()))),
            _ => of(scope),
        }
    }

    /// How many do.
    pub(super) fn running(&self, scope: &Scope) -> u32 {
        let of = |n: &usize| self.jobs[*n].scopes().contains(scope);
        self.of(State::Running).filter(of).count() as u32
    }

    pub(super) fn limit(&mut self, scope: &Scope, limit: &Limit) {
        self.limits.remove(scope);
        if *limit != Limit::default() {
            self.limits.insert(scope.clone(), *limit);
        }
        // What came before the rate is forgotten: how much of it counts is open.
        self.starts.remove(scope);
        self.stepped_aside |= matches!(scope, Scope::Task(_));
    }

    pub(super) fn pause(&mut self, scope: &Scope, paused: bool) {
        self.stepped_aside |= matches!(scope, Scope::Task(_) | Scope::Module(_));
        if paused {
            self.paused.insert(scope.clone());
        } else {
            self.paused.remove(scope);
        }
    }

    /// Whether nothing at all keeps a job from being started.
    pub(super) fn may_surely_start(&self, n: usize) -> bool {
        let job = &self.jobs[n];
        job.is(State::Available)
            && !job.is_expired(self.now)
            && job.scopes().iter().all(|scope| {
                let rated = self.limits.get(scope).is_some_and(|it| it.rate.is_some());
                let full = self
                    .concurrency(scope)
                    .is_some_and(|most| self.running(scope) >= most);
                !rated && !full && !self.paused.contains(scope)
            })
    }

    pub(super) fn counts(&self) -> Vec<QueueCounts> {
        let of = |queue: &str| {
            let count = |state| {
                let here = |n: &usize| self.jobs[*n].call.queue == queue;
                self.of(state).filter(here).count() as u64
            };
            QueueCounts {
                queue: queue.into(),
                pending: 0,
                scheduled: count(State::Scheduled),
                available: count(State::Available),
                running: count(State::Running),
                retryable: count(State::Retryable),
                completed: count(State::Completed),
                discarded: count(State::Discarded),
                cancelled: count(State::Cancelled),
                oldest: None,
            }
        };
        QUEUES.into_iter().map(of).collect()
    }
}
