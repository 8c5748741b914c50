//! What a process does that runs attempts: orders in, reports out. Its engine knows no
//! broker and no disk; what a task asks for goes up the pipe.
//!
//! Three kinds of threads: the one that reads orders, guests, and the one that writes
//! reports, as many at a time as there are.

use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use lovage_queue::job::Ending;
use lovage_queue::registry::Digest;
use serde_bytes::ByteBuf;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use super::asking::QUESTIONS;
use super::confine::{self, Bounds};
use super::messages::{Attempt, Ended, Order, Report};
use super::wire;
use crate::cores;
use crate::engine::{
    CallError, Cancel, End, Engine, Host, Module, Outcome, Refusal, Reply, Request, Settings, Tap,
};

/// Bytes of one order: an artifact is the largest.
const ORDER: usize = u32::MAX as usize;
/// Bytes of reports that are written at once.
const AT_ONCE: usize = 256 * 1024;
/// How often logs of running attempts are told.
const LOGS: Duration = Duration::from_millis(250);

/// What runs, by number.
type Running = Arc<Mutex<HashMap<u64, Run>>>;

/// One attempt that runs.
struct Run {
    cancel: Cancel,
    log: Tap,
    /// Bytes of it that were told.
    told: usize,
    /// What it waits for of its host, by the question's number.
    asks: HashMap<u32, oneshot::Sender<Result<Reply, CallError>>>,
}

/// Runs attempts until the pipe closes.
pub(super) fn serve(
    pipe: UnixStream,
    bounds: Bounds,
    instances: u32,
    threads: usize,
) -> io::Result<()> {
    // What the engine reads of its own process, it opens while that can be done.
    Engine::prepare_process();
    // And what it may ask for its threads, before it asks nothing any more.
    cores::give_way();
    let lacks = confine::lock_in(bounds)?;
    let engine = Engine::new(Settings {
        instances,
        ..Settings::default()
    });
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .enable_time()
        .global_queue_interval(2)
        .event_interval(2)
        .build()?;
    let child = Child {
        engine: engine.map_err(io::Error::other)?,
        runtime,
        reports: write(pipe.try_clone()?)?,
        running: Running::default(),
        modules: HashMap::new(),
    };
    child.report(Report::Ready(lacks));
    child
        .runtime
        .spawn(tell_logs(child.running.clone(), child.reports.clone()));
    child.follow(pipe)
}

struct Child {
    engine: Engine,
    runtime: Runtime,
    reports: mpsc::Sender<Report>,
    running: Running,
    modules: HashMap<[u8; 32], Result<Module, Refusal>>,
}

impl Child {
    /// Does what is ordered. The end of the orders is the end of this process, whatever runs.
    fn follow(mut self, pipe: UnixStream) -> io::Result<()> {
        let mut pipe = BufReader::with_capacity(64 * 1024, pipe);
        let mut bytes = Vec::new();
        while wire::fill(&mut pipe, ORDER, &mut bytes).is_ok() {
            match wire::parse(&bytes) {
                Ok(order) => self.obey(order),
                Err(e) => {
                    let _ = writeln!(io::stderr(), "error: {e}");
                    break;
                }
            }
        }
        process::exit(0)
    }

    fn obey(&mut self, order: Order<'_>) {
        match order {
            Order::Module { digest, artifact } => {
                let module = self.engine.adopt(Digest(digest), &artifact);
                self.modules.insert(digest, module);
            }
            Order::Forget(digest) => drop(self.modules.remove(&digest)),
            Order::Run(call, attempt) => self.run(call, *attempt),
            Order::Reply {
                call,
                question,
                reply,
            } => {
                let mut running = lock(&self.running);
                let run = running.get_mut(&call);
                let asks = run.and_then(|it| it.asks.remove(&question));
                if let Some(asks) = asks {
                    let _ = asks.send(reply);
                }
            }
            Order::Cancel { call, now } => match lock(&self.running).get(&call) {
                Some(run) if now => run.cancel.stop(),
                Some(run) => run.cancel.cancel(),
                None => {}
            },
            Order::Ping => {
                // By way of a guest's thread: it is they whose answer says something.
                let reports = self.reports.clone();
                self.runtime
                    .spawn(async move { drop(reports.send(Report::Pong)) });
            }
        }
    }

    fn run(&self, call: u64, attempt: Attempt<'_>) {
        let (invocation, batch) = attempt.invocation();
        let module = match self.modules.get(&invocation.context.digest.0) {
            Some(Ok(module)) => module.clone(),
            other => {
                let text = match other {
                    Some(Err(refusal)) => refusal.to_string(),
                    _ => "the process that should run it has no such module".into(),
                };
                let end = Outcome::unrun(End::trapped(Ending::HostError, text));
                return self.report(Report::Ended(call, Box::new(Ended::from(end))));
            }
        };
        let run = Run {
            cancel: invocation.cancel.clone(),
            log: invocation.log.clone(),
            told: 0,
            asks: HashMap::new(),
        };
        lock(&self.running).insert(call, run);
        let (engine, running, reports) = (
            self.engine.clone(),
            self.running.clone(),
            self.reports.clone(),
        );
        self.runtime.spawn(async move {
            let host = Arc::new(Upward {
                call,
                running: running.clone(),
                reports: reports.clone(),
                turns: Semaphore::new(QUESTIONS),
                questions: AtomicU32::new(0),
            });
            let ended: Ended = match batch {
                Some(calls) => engine
                    .run_batch(&module, invocation, calls, host)
                    .await
                    .into(),
                None => Ended::from(engine.run(&module, invocation, host).await),
            };
            lock(&running).remove(&call);
            let _ = reports.send(Report::Ended(call, Box::new(ended)));
        });
    }

    fn report(&self, report: Report) {
        let _ = self.reports.send(report);
    }
}

/// The host of an attempt: the worker at the other end.
struct Upward {
    call: u64,
    running: Running,
    reports: mpsc::Sender<Report>,
    /// Questions that may be under way beside those that are.
    turns: Semaphore,
    questions: AtomicU32,
}

#[async_trait]
impl Host for Upward {
    async fn call(&self, request: Request) -> Result<Reply, CallError> {
        let gone = || CallError::Unavailable("the host is gone".into());
        let question = self.questions.fetch_add(1, Ordering::Relaxed);
        let turn = self.turns.acquire().await;
        let (answer, answered) = oneshot::channel();
        match lock(&self.running).get_mut(&self.call) {
            Some(run) => run.asks.insert(question, answer),
            None => return Err(gone()),
        };
        let asked = Asked {
            host: self,
            question,
            _turn: turn.ok(),
        };
        let call = self.call;
        let _ = self.reports.send(Report::Asked {
            call,
            question,
            request,
        });
        let answer = answered.await;
        drop(asked);
        answer.unwrap_or_else(|_| Err(gone()))
    }
}

/// A question under way. Where nobody waits for its answer any more, the host is told so.
struct Asked<'a> {
    host: &'a Upward,
    question: u32,
    _turn: Option<SemaphorePermit<'a>>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let (call, question) = (self.host.call, self.question);
        let mut running = lock(&self.host.running);
        let left = running.get_mut(&call).map(|it| it.asks.remove(&question));
        if left.flatten().is_some() {
            let _ = self.host.reports.send(Report::Left { call, question });
        }
    }
}

/// Starts the thread that writes, many reports at a time where there are many.
fn write(mut pipe: UnixStream) -> io::Result<mpsc::Sender<Report>> {
    let (reports, waiting) = mpsc::channel::<Report>();
    thread::Builder::new()
        .name("reports".into())
        .spawn(move || {
            let mut bytes = Vec::new();
            while let Ok(first) = waiting.recv() {
                bytes.clear();
                wire::put(&first, &mut bytes);
                while bytes.len() < AT_ONCE {
                    match waiting.try_recv() {
                        Ok(next) => wire::put(&next, &mut bytes),
                        Err(_) => break,
                    }
                }
                if pipe.write_all(&bytes).is_err() {
                    process::exit(0);
                }
            }
        })?;
    Ok(reports)
}

async fn tell_logs(running: Running, reports: mpsc::Sender<Report>) {
    loop {
        tokio::time::sleep(LOGS).await;
        for (call, run) in lock(&running).iter_mut() {
            if let Some(log) = run.log.more_than(run.told) {
                let news = ByteBuf::from(&log[run.told..]);
                run.told = log.len();
                let _ = reports.send(Report::Log(*call, news));
            }
        }
    }
}

fn lock(running: &Running) -> MutexGuard<'_, HashMap<u64, Run>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
