//! One child that runs attempts, as the worker sees it: what runs there, and what is said.
//!
//! It reads the child's words as an enemy's. Nonsense, silence, too much memory, an attempt
//! that does not end: each ends the child, and with it what runs there, and nothing else.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lovage_queue::registry::Digest;
use serde_bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;

use super::asking::{Asking, QUESTIONS};
use super::child::{Child, ended};
use super::messages::{Attempt, Order, Report};
use super::pool::Settings;
use super::{tell, watch, wire};
use crate::engine::{
    BatchCall, End, Host, Invocation, Limits, Module, Outcome, Reply, Request, Tap,
};

/// Bytes of one report: as much as a guest may hand over at once, and what is around it.
const REPORT: usize = 160 * 1024 * 1024;
/// How long a child may take until it is ready.
const READY: Duration = Duration::from_secs(20);
/// How long past its deadline an attempt may take to end.
const LATE: Duration = Duration::from_secs(10);
/// Bytes of artifacts that a child keeps. It may have to be sent some again.
const MODULES: u64 = 512 * 1024 * 1024;
/// Orders that are written at once.
const AT_ONCE: usize = 64;

/// What became of an attempt, with the ends of a batch's jobs; or of the child that ran it.
pub(super) type Ends = Result<(Outcome, Vec<End>), Fault>;

/// A child that ended before its attempts.
#[derive(Clone, Debug, Default)]
pub(super) struct Fault {
    /// What it did, or what was done to it.
    pub(super) why: String,
    /// Whether it ran nothing else: then it is this attempt's doing.
    pub(super) alone: bool,
    pub(super) took: Duration,
}

/// One child.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) settings: Settings,
    pub(super) pid: u32,
    orders: mpsc::UnboundedSender<Vec<u8>>,
    state: Mutex<State>,
    /// Told when it is to end.
    leave: Notify,
    numbers: AtomicU64,
}

#[derive(Debug)]
struct State {
    calls: HashMap<u64, Call>,
    /// What the child has been sent: bytes, and when it was used last.
    modules: HashMap<Digest, (u64, Instant)>,
    open: bool,
    used: Instant,
    /// Since when an answer is waited for.
    asked: Option<Instant>,
}

struct Call {
    end: oneshot::Sender<Ends>,
    host: Arc<dyn Host>,
    limits: Limits,
    digest: Digest,
    jobs: Option<usize>,
    log: Tap,
    began: Instant,
    asking: Asking,
    /// What its host is answering, by the question's number.
    answering: HashMap<u32, Answering>,
}

/// A request that a host answers.
struct Answering {
    task: AbortHandle,
    /// Whether others may be answered beside it: what makes jobs counts them as it goes.
    beside: bool,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.answering.values().for_each(|it| it.task.abort());
    }
}

/// An attempt on its way, which is stopped when nobody waits for it any more.
pub(super) struct Begun<'a> {
    runner: &'a Runner,
    call: u64,
    pub(super) end: oneshot::Receiver<Ends>,
}

impl Begun<'_> {
    /// It should stop; or it is stopped.
    pub(super) fn cancel(&self, now: bool) {
        let call = self.call;
        self.runner.order(&Order::Cancel { call, now });
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let left = self.runner.lock().calls.remove(&self.call);
        if left.is_some() {
            self.cancel(true);
        }
    }
}

impl Runner {
    /// Starts a child, and waits until it is ready. In a runtime that has sockets.
    pub(super) async fn start(settings: Settings) -> io::Result<Arc<Self>> {
        let (program, args) = (settings.program.clone(), settings.args());
        let started = tokio::task::spawn_blocking(move || Child::start(&program, &args));
        let child = started.await.map_err(io::Error::other)??;
        let pipe = child.pipe().try_clone()?;
        pipe.set_nonblocking(true)?;
        let (read, write) = UnixStream::from_std(pipe)?.into_split();
        let mut read = BufReader::with_capacity(64 * 1024, read);
        let mut bytes = Vec::new();
        let first = tokio::time::timeout(READY, next(&mut read, &mut bytes)).await;
        match first {
            Ok(Ok(())) => match wire::parse(&bytes).map_err(io::Error::other)? {
                Report::Ready(lacks) => tell(&lacks),
                _ => return Err(io::Error::other("it does not say that it is ready")),
            },
            other => {
                let why = match other {
                    Ok(Err(why)) => why,
                    _ => "it says nothing".into(),
                };
                let end = tokio::task::spawn_blocking(move || child.end(true)).await;
                let said = end.map(|it| it.1).unwrap_or_default();
                return Err(io::Error::other(format!("{why}; {said}")));
            }
        }
        let (orders, waiting) = mpsc::unbounded_channel();
        let runner = Arc::new(Runner {
            pid: child.pid(),
            settings,
            orders,
            state: Mutex::new(State {
                calls: HashMap::new(),
                modules: HashMap::new(),
                open: true,
                used: Instant::now(),
                asked: None,
            }),
            leave: Notify::new(),
            numbers: AtomicU64::new(0),
        });
        tokio::spawn(runner.clone().live(child, read, write, waiting));
        Ok(runner)
    }

    /// The child's life, from here on to its end.
    async fn live(
        self: Arc<Self>,
        child: Child,
        read: BufReader<OwnedReadHalf>,
        write: OwnedWriteHalf,
        orders: mpsc::UnboundedReceiver<Vec<u8>>,
    ) {
        let wrote = tokio::spawn(send(orders, write));
        let why = tokio::select! {
            why = self.listen(read) => Some(why),
            why = watch::over(&self) => why,
            () = self.leave.notified() => None,
        };
        wrote.abort();
        self.lock().open = false;
        let end = tokio::task::spawn_blocking(move || child.end(true)).await;
        let (status, said) = end.unwrap_or_default();
        let calls = std::mem::take(&mut self.lock().calls);
        if let Some(why) = &why {
            let (pid, status, lost) = (self.pid, ended(status), calls.len());
            tracing::warn!(
                pid,
                why,
                status,
                said,
                lost,
                "a process that runs attempts is gone"
            );
        }
        let why = why.unwrap_or_else(|| "was not needed any more".into());
        let why = match status.map(|it| ended(Some(it))) {
            Some(status) if why == GONE => status,
            _ => why,
        };
        let alone = calls.len() == 1;
        for (_, mut call) in calls {
            let (answer, _) = oneshot::channel();
            let fault = Fault {
                why: why.clone(),
                alone,
                took: call.began.elapsed(),
            };
            let _ = std::mem::replace(&mut call.end, answer).send(Err(fault));
        }
    }

    /// Begins an attempt; none where the child is gone.
    pub(super) fn begin(
        &self,
        module: &Module,
        invocation: &Invocation,
        batch: Option<Vec<BatchCall>>,
        host: Arc<dyn Host>,
    ) -> Option<Begun<'_>> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let jobs = batch.as_ref().map(Vec::len);
        let mut order = Vec::new();
        wire::put(
            &Order::Run(number, Box::new(Attempt::of(invocation, batch))),
            &mut order,
        );
        let (answer, end) = oneshot::channel();
        let now = Instant::now();
        let call = Call {
            end: answer,
            host,
            limits: invocation.limits.clone(),
            digest: module.digest(),
            jobs,
            log: invocation.log.clone(),
            began: now,
            asking: Asking::new(),
            answering: HashMap::new(),
        };
        let mut state = self.lock();
        if !state.open {
            return None;
        }
        self.hand_over(&mut state, module, now);
        state.used = now;
        state.calls.insert(number, call);
        // Under the lock, so that no module is named before it was sent.
        let _ = self.orders.send(order);
        drop(state);
        Some(Begun {
            runner: self,
            call: number,
            end,
        })
    }

    /// Sees to it that the child has a module.
    fn hand_over(&self, state: &mut State, module: &Module, now: Instant) {
        let digest = module.digest();
        if let Some((_, used)) = state.modules.get_mut(&digest) {
            *used = now;
            return;
        }
        let artifact = module.artifact().unwrap_or_default();
        self.order(&Order::Module {
            digest: digest.0,
            artifact: std::borrow::Cow::Borrowed(Bytes::new(artifact)),
        });
        state.modules.insert(digest, (artifact.len() as u64, now));
        while state.modules.len() > 1
            && state.modules.values().map(|it| it.0).sum::<u64>() > MODULES
        {
            let oldest = state.modules.iter().min_by_key(|(_, it)| it.1);
            let Some(oldest) = oldest.map(|it| *it.0) else {
                break;
            };
            state.modules.remove(&oldest);
            self.order(&Order::Forget(oldest.0));
        }
    }

    /// Ends the child, whatever runs there.
    pub(super) fn leave(&self) {
        self.lock().open = false;
        self.leave.notify_one();
    }

    /// Closes it where nothing runs; whether that was so.
    pub(super) fn shut(&self) -> bool {
        let mut state = self.lock();
        let idle = state.calls.is_empty();
        state.open &= !idle;
        idle
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().open
    }

    /// Since when nothing runs here; `None` while something does.
    pub(super) fn idle(&self) -> Option<Instant> {
        let state = self.lock();
        state.calls.is_empty().then_some(state.used)
    }

    /// Asks whether anybody is there. Answers since when nobody said so.
    pub(super) fn ask(&self) -> Option<Duration> {
        let mut state = self.lock();
        let asked = state.asked;
        match asked {
            Some(since) => Some(since.elapsed()),
            None if state.calls.is_empty() => None,
            None => {
                state.asked = Some(Instant::now());
                drop(state);
                self.order(&Order::Ping);
                None
            }
        }
    }

    /// Whether an attempt should have ended long ago.
    pub(super) fn is_late(&self) -> bool {
        let late = |call: &Call| {
            let most = call.limits.deadline.saturating_add(LATE);
            call.began.elapsed() > most
        };
        self.lock().calls.values().any(late)
    }

    fn order(&self, order: &Order<'_>) {
        let mut bytes = Vec::new();
        wire::put(order, &mut bytes);
        let _ = self.orders.send(bytes);
    }

    /// Follows the child's words to their end, or to the first that makes no sense.
    async fn listen(self: &Arc<Self>, mut read: BufReader<OwnedReadHalf>) -> String {
        let mut bytes = Vec::new();
        loop {
            if let Err(why) = next(&mut read, &mut bytes).await {
                return why;
            }
            let heard = match wire::parse(&bytes) {
                Ok(report) => self.hear(report),
                Err(e) => Err(e.to_string()),
            };
            if let Err(nonsense) = heard {
                return format!("was ended: {nonsense}");
            }
        }
    }

    /// An attempt that is not known was left meanwhile, and what is said of it is late.
    fn hear(self: &Arc<Self>, report: Report) -> Result<(), String> {
        match report {
            Report::Ready(_) => Err("it was ready before".into()),
            Report::Pong => {
                self.lock().asked = None;
                Ok(())
            }
            Report::Log(call, bytes) => {
                if let Some(call) = self.lock().calls.get(&call) {
                    call.log.append(call.limits.log, &bytes);
                }
                Ok(())
            }
            Report::Asked {
                call,
                question,
                request,
            } => self.answer(call, question, request),
            Report::Left { call, question } => {
                let mut state = self.lock();
                let call = state.calls.get_mut(&call);
                if let Some(it) = call.and_then(|it| it.answering.remove(&question)) {
                    it.task.abort();
                }
                Ok(())
            }
            Report::Ended(number, ended) => {
                let call = {
                    let mut state = self.lock();
                    state.used = Instant::now();
                    state.calls.remove(&number)
                };
                let Some(mut call) = call else { return Ok(()) };
                match ended.check(&call.limits, call.jobs) {
                    Ok(end) => {
                        call.log.take();
                        let (answer, _) = oneshot::channel();
                        let _ = std::mem::replace(&mut call.end, answer).send(Ok(end));
                        Ok(())
                    }
                    Err(nonsense) => {
                        // It goes with the others.
                        self.lock().calls.insert(number, call);
                        Err(format!("it tells of {nonsense}"))
                    }
                }
            }
        }
    }

    /// Has the host of an attempt answer it, on a task that ends with the attempt.
    fn answer(
        self: &Arc<Self>,
        number: u64,
        question: u32,
        request: Request,
    ) -> Result<(), String> {
        let mut state = self.lock();
        let Some(call) = state.calls.get_mut(&number) else {
            return Ok(());
        };
        let beside = matches!(request, Request::Access(_));
        let alone = || call.answering.values().all(|it| it.beside);
        let few = call.answering.len() < QUESTIONS && (beside || alone());
        // A number that is taken would leave an answer that nobody can stop.
        if !few || call.answering.contains_key(&question) {
            return Err("an attempt asks too many things at once".into());
        }
        call.asking.check(&request, &call.limits, call.digest)?;
        let (runner, host) = (Arc::clone(self), call.host.clone());
        let is_page = matches!(request, Request::EnqueuePage(_));
        let answering = tokio::spawn(async move {
            let reply = host.call(request).await;
            if let Some(call) = runner.lock().calls.get_mut(&number) {
                if let (true, Ok(Reply::Done)) = (is_page, &reply) {
                    call.asking.made_page();
                }
                // From the answer on it may ask again.
                call.answering.remove(&question);
            }
            runner.order(&Order::Reply {
                call: number,
                question,
                reply,
            });
        });
        let task = answering.abort_handle();
        call.answering.insert(question, Answering { task, beside });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a closed pipe says: how the child ended says more.
const GONE: &str = "is gone";

/// Reads the next message's bytes in the place of others.
async fn next(read: &mut BufReader<OwnedReadHalf>, bytes: &mut Vec<u8>) -> Result<(), String> {
    let mut head = [0; 4];
    let gone = |_: io::Error| GONE.to_owned();
    read.read_exact(&mut head).await.map_err(gone)?;
    let length = wire::length(head, REPORT).map_err(|e| format!("was ended: {e}"))?;
    bytes.clear();
    let mut rest = read.take(length as u64);
    rest.read_to_end(bytes).await.map_err(gone)?;
    match bytes.len() < length {
        true => Err(GONE.into()),
        false => Ok(()),
    }
}

/// Writes orders, many at a time where there are many.
async fn send(mut orders: mpsc::UnboundedReceiver<Vec<u8>>, mut write: OwnedWriteHalf) {
    let (mut some, mut bytes) = (Vec::new(), Vec::new());
    while orders.recv_many(&mut some, AT_ONCE).await > 0 {
        bytes.clear();
        some.drain(..).for_each(|it| bytes.extend(it));
        if write.write_all(&bytes).await.is_err() {
            return;
        }
        if bytes.capacity() > 4 * 1024 * 1024 {
            bytes = Vec::new();
        }
    }
}
