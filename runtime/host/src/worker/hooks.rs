//! Web-hooks: what a job's end makes of them, and their delivery, which workers do
//! themselves and not in the engine.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lovage_queue::broker::{Broker, Shelf};
use lovage_queue::client::TRACEPARENT;
use lovage_queue::clock::Millis;
use lovage_queue::hook::{Hook, MODULE, TASK};
use lovage_queue::job::{Action, Attempt, Job, JobId, NewJob, State};
use lovage_queue::retry::Policy;
use lovage_queue::task::Failure;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Semaphore;

use super::attempt::action;
use super::delivery::{BROKEN, Delivery, Offspring, Unrun};
use super::session::Session;
use super::settle::AGAIN;
use crate::engine::{End, Outcome};
use crate::net::Dialer;
use crate::webhook::{Message, Sender, Undelivered};

/// For how long what is known of a tenant's hooks holds.
const HOLDS: Duration = Duration::from_secs(5);
/// Tenants whose hooks are remembered.
const TENANTS: usize = 10_000;
/// How often a delivery is tried where its hook does not say.
const ATTEMPTS: u32 = 8;
/// Deliveries under way at once: they take no slots from tasks.
const AT_ONCE: usize = 64;
/// Bytes of a failure's message that a hook is told.
const MESSAGE: usize = 4 * 1024;
/// What a delivery weighs while it is set aside.
const WEIGHT: usize = 8 * 1024;

/// The hooks that a worker knows of, and what it tells them through.
pub(super) struct Hooks {
    tenants: Mutex<HashMap<String, Known>>,
    sender: Sender,
    turns: Semaphore,
}

struct Known {
    hooks: Arc<[Hook]>,
    since: Instant,
}

/// What a delivery is given.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Input {
    hook: String,
    body: String,
}

/// What is known of a job that has a hook, before it runs: its own words move away then.
#[derive(Clone)]
pub(super) struct Watched {
    hooks: Arc<[Hook]>,
    module: String,
    task: String,
    queue: String,
    attempt: u32,
    root: Option<JobId>,
    depth: u32,
    traceparent: Option<String>,
}

impl Hooks {
    /// None that is known yet, of a worker that lets them go to private addresses or not.
    pub(super) fn new(dialer: &Dialer, private: bool) -> Self {
        Hooks {
            tenants: Mutex::default(),
            sender: Sender::new(dialer, private),
            turns: Semaphore::new(AT_ONCE),
        }
    }

    fn known(&self, tenant: &str) -> Option<(Arc<[Hook]>, bool)> {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let known = tenants.get(tenant)?;
        Some((known.hooks.clone(), known.since.elapsed() < HOLDS))
    }

    fn keep(&self, tenant: &str, hooks: Arc<[Hook]>) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.len() >= TENANTS {
            tenants.clear();
        }
        let since = Instant::now();
        tenants.insert(tenant.to_owned(), Known { hooks, since });
    }

    /// A tenant's hooks, as they were a moment ago. Only who is the first of its tenant, or
    /// the first in a while, waits for the broker.
    async fn of(&self, broker: &dyn Broker, tenant: &str) -> Arc<[Hook]> {
        let known = self.known(tenant);
        match &known {
            Some((hooks, true)) => return hooks.clone(),
            // The others need not ask as well.
            Some((hooks, false)) => self.keep(tenant, hooks.clone()),
            None => {}
        }
        match broker.entries(tenant, Shelf::Hooks).await {
            Ok(entries) => {
                let hooks = entries.iter().filter_map(|(_, bytes)| Hook::decode(bytes));
                let hooks: Arc<[Hook]> = hooks.collect();
                self.keep(tenant, hooks.clone());
                hooks
            }
            Err(e) => {
                tracing::warn!(tenant, error = %e, "could not look for web-hooks");
                known.map(|it| it.0).unwrap_or_default()
            }
        }
    }
}

/// What of a job its hooks will be told, if there are any that could hear of it.
pub(super) async fn watch(session: &Session, job: &Job) -> Option<Box<Watched>> {
    let call = &job.call;
    let hooks = session.hooks.of(&*session.broker, &job.tenant).await;
    let hears = |it: &Hook| {
        let ends = [State::Completed, State::Discarded, State::Cancelled];
        ends.iter()
            .any(|end| it.hears(&call.module, &call.task, *end))
    };
    hooks.iter().any(hears).then(|| {
        Box::new(Watched {
            module: call.module.clone(),
            task: call.task.clone(),
            queue: call.queue.clone(),
            attempt: job.attempt,
            root: call.options.root,
            depth: call.options.depth,
            traceparent: call.options.headers.get(TRACEPARENT).cloned(),
            hooks,
        })
    })
}

impl Watched {
    /// The jobs that tell of an end, to be made with it.
    pub(super) fn deliveries(
        &self,
        id: JobId,
        action: &Action,
        attempt: Option<&Attempt>,
    ) -> Vec<NewJob> {
        let state = match action {
            Action::Complete(_) => State::Completed,
            Action::Discard => State::Discarded,
            Action::Cancel => State::Cancelled,
            _ => return Vec::new(),
        };
        let hears = |it: &&Hook| it.hears(&self.module, &self.task, state);
        let hooks: Vec<&Hook> = self.hooks.iter().filter(hears).collect();
        if hooks.is_empty() {
            return Vec::new();
        }
        let body = self.body(id, state, attempt);
        let jobs = hooks.into_iter().map(|hook| {
            let input = Input {
                hook: hook.name.clone(),
                body: body.clone(),
            };
            let input = rmp_serde::to_vec_named(&input).expect("it is plain data");
            let mut job = NewJob::new(hook.delivery_of(id), MODULE, TASK, input);
            job.queue.clone_from(&self.queue);
            let options = &mut job.options;
            options.max_attempts = Some(hook.attempts.unwrap_or(ATTEMPTS));
            (options.parent, options.root) = (Some(id), Some(self.root.unwrap_or(id)));
            options.depth = self.depth + 1;
            let headers = &mut options.headers;
            headers.extend(self.traceparent.clone().map(|it| (TRACEPARENT.into(), it)));
            job
        });
        jobs.collect()
    }

    fn body(&self, id: JobId, state: State, attempt: Option<&Attempt>) -> String {
        let ended = attempt.map_or_else(Millis::of_this_host, |it| it.started.after(it.took));
        let at = jiff::Timestamp::from_millisecond(ended.0.cast_signed()).unwrap_or_default();
        let mut data = json!({
            "id": id.to_string(),
            "task": format!("{}.{}", self.module, self.task),
            "queue": self.queue,
            "state": state.as_str(),
            "attempts": u64::from(self.attempt) + u64::from(attempt.is_some()),
        });
        if let Some(failure) = attempt.and_then(|it| it.failure.as_ref()) {
            let message = &failure.message;
            let message = &message[..message.floor_char_boundary(MESSAGE)];
            data["failure"] = json!({"kind": failure.kind, "message": message});
        }
        json!({
            "type": format!("job.{state}"),
            "timestamp": at.to_string(),
            "data": data,
        })
        .to_string()
    }
}

/// Whether a job is a delivery, or another task that no engine runs.
pub(super) fn is_own(job: &Job) -> bool {
    job.call.module == MODULE
}

/// Delivers, and settles that as any job. The threads of guests know no sockets: the
/// worker's own do.
pub(super) fn run(delivery: Delivery, job: Job) {
    let threads = delivery.session.threads.clone();
    threads.spawn(one(delivery, job));
}

async fn one(mut delivery: Delivery, job: Job) {
    let session = delivery.session.clone();
    let done = match delivery.set_aside(WEIGHT) {
        true => deliver(&session, &delivery, &job).await,
        false => Err(Unrun::GiveBack(BROKEN)),
    };
    delivery.conclude(done, Offspring::default()).await;
}

async fn deliver(
    session: &Session,
    delivery: &Delivery,
    job: &Job,
) -> Result<(Action, Attempt), Unrun> {
    let stopped = delivery.grip.cancel.stopped();
    let turn = session.hooks.turns.acquire();
    let end = tokio::select! {
        biased;
        () = stopped => return Err(Unrun::GiveBack(Duration::ZERO)),
        done = async {
            // It is never closed.
            let _turn = turn.await;
            let began = Instant::now();
            (tell(session, job).await, began.elapsed())
        } => done,
    };
    let (end, took) = end;
    let mut outcome = Outcome::unrun(end);
    outcome.wall = took;
    let policy = Policy {
        max_attempts: job.call.options.max_attempts.unwrap_or(ATTEMPTS),
        ..Policy::default()
    };
    let attempt = delivery.record(&outcome, None);
    let age = delivery.started.since(job.enqueued) + took;
    Ok((action(job, &policy, age, outcome)?, attempt))
}

async fn tell(session: &Session, job: &Job) -> End {
    let fatal = |kind: &str, text: String| End::Failed(Failure::fatal(kind, text));
    let input = job.call.input.inline().unwrap_or_default();
    let input: Input = match rmp_serde::from_slice(input) {
        Ok(input) if job.call.task == TASK => input,
        _ => {
            return fatal(
                "unknown-task",
                format!(
                    "there is no task `{MODULE}.{}` that takes this",
                    job.call.task
                ),
            );
        }
    };
    let hook = loop {
        let name = &input.hook;
        match session.broker.entry(&job.tenant, Shelf::Hooks, name).await {
            Ok(entry) => break entry.and_then(|bytes| Hook::decode(&bytes)),
            Err(e) => {
                tracing::debug!(job = %job.call.id, error = %e, "could not look for a web-hook; will try again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    let Some(hook) = hook else {
        let text = format!("there is no web-hook `{}` any more", input.hook);
        return fatal("no-hook", text);
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let id = job.call.id.to_string();
    let message = Message {
        id: &id,
        at: now.unwrap_or_default().as_secs(),
        body: input.body,
    };
    match session
        .hooks
        .sender
        .send(&hook.url, &hook.secret, message)
        .await
    {
        Ok(status) => {
            let status = json!({"status": status.as_u16()});
            End::Completed(rmp_serde::to_vec_named(&status).expect("it is plain data"))
        }
        Err(e @ Undelivered::Secret) => fatal("webhook", e.to_string()),
        Err(e) => End::Failed(Failure::new(
            "webhook",
            format!("hook `{}`: {e}", hook.name),
        )),
    }
}
