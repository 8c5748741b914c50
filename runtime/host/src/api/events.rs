//! The live stream of what happens, as server-sent events (WHATWG HTML, section 9.2).

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use futures_util::{StreamExt, stream};
use lovage_queue::client::Client;
use lovage_queue::event::Event;
use lovage_queue::job::{Job, JobId, Progress, State as JobState};
use lovage_queue::task::{TaskName, check_name};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Interval, interval};
use utoipa::IntoParams;

use super::Shared;
use super::auth::{Caller, Look};
use super::body::Params;
use super::feed::{Listener, Told, What};
use super::jobs::id_of;
use super::problem::{Problem, Reply};
use super::shapes;

/// A comment goes out where nothing else has for so long, so that nobody between takes the
/// connection for dead.
const ALIVE: Duration = Duration::from_secs(15);
/// How often a job is looked at that somebody follows.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is asked whether whoever listens still may.
const CHECK: Duration = Duration::from_secs(5);
/// The header by which a listener goes on where it was.
pub(super) const LAST: &str = "last-event-id";

/// What to hear of.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListenParams {
    /// Only of this queue.
    #[param(pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    queue: Option<String>,
    /// Only of this task, `module.task`.
    #[param(value_type = Option<shapes::TaskName>)]
    task: Option<String>,
    /// Only of this job; with its progress, as `progress` events.
    #[param(format = "uuid")]
    job: Option<String>,
    /// Goes on behind this event, as the header `Last-Event-ID` does.
    after: Option<String>,
}

/// Hear of what happens
///
/// An endless stream of server-sent events. `jobs`: something became of some jobs of a task
/// (`kind`, `queue`, `task`, `count`, and the `ids` of the first 20). `release`, `limit`,
/// `flow` and `schedule`: something was changed. `progress`: how far the job is that is
/// followed. `gap`: some events were missed; what is shown must be read anew. Each but
/// `progress` has an `id`: sent as `Last-Event-ID`, it is where the stream goes on. The stream
/// begins with an `id` of its own, which is no event.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(ListenParams, ("Last-Event-ID" = Option<String>, Header, pattern = "^[!-~]*$", description = "Where to go on.")),
    responses((status = 200, description = "The stream", body = String, content_type = "text/event-stream")))]
pub(super) async fn listen(
    State(api): State<Shared>,
    caller: Caller<Look>,
    Params(params): Params<ListenParams>,
    headers: HeaderMap,
) -> Reply {
    if let Some(queue) = &params.queue {
        check_name(queue, "queue").map_err(|e| Problem::bad(e.to_string()))?;
    }
    if let Some(Err(e)) = params.task.as_deref().map(str::parse::<TaskName>) {
        return Err(Problem::bad(e.to_string()));
    }
    let job = params.job.as_deref().map(id_of).transpose()?;
    if let Some(id) = job {
        caller.client.job(id).await?;
    }
    let last = headers.get(LAST).map(|it| it.to_str().map(str::to_owned));
    let last = last.transpose();
    let last = last.map_err(|_| Problem::bad("`Last-Event-ID` is none of ours"))?;
    let after = last.or(params.after).filter(|it| !it.is_empty());
    let listener = api.feeds.listen(caller.client.tenant(), after).await?;
    let stream = Stream {
        listener,
        wish: Wish {
            queue: params.queue,
            task: params.task,
            job: job.map(|id| id.to_string()),
        },
        followed: job.map(|id| Followed::new(caller.client.clone(), id)),
        check: interval(CHECK),
        caller,
        api,
    };
    // An id alone is no event: it is where to go on for whoever hears of nothing else.
    let begin = stream.listener.begin();
    let begin = begin.map(|cursor| Sent::default().id(cursor));
    let stream = stream::unfold(stream, |mut stream| async {
        let sent = stream.next().await?;
        Some((sent, stream))
    });
    let stream = stream::iter(begin).chain(stream);
    let stream = stream.map(Ok::<_, Infallible>);
    let alive = KeepAlive::new().interval(ALIVE);
    Ok(Sse::new(stream).keep_alive(alive).into_response())
}

/// Which events somebody wants.
struct Wish {
    queue: Option<String>,
    task: Option<String>,
    job: Option<String>,
}

impl Wish {
    fn takes(&self, event: &Event) -> bool {
        let is = |wish: &Option<String>, it: &str| wish.as_ref().is_none_or(|wish| wish == it);
        match event {
            Event::Jobs(it) => {
                is(&self.queue, &it.queue)
                    && is(&self.task, &it.task)
                    && self.job.as_ref().is_none_or(|id| it.ids.contains(id))
            }
            _ => self.queue.is_none() && self.task.is_none() && self.job.is_none(),
        }
    }
}

struct Stream {
    listener: Listener,
    wish: Wish,
    followed: Option<Followed>,
    check: Interval,
    caller: Caller<Look>,
    api: Shared,
}

impl Stream {
    /// What is sent next; `None` at the end, which is the server's.
    async fn next(&mut self) -> Option<Sent> {
        loop {
            let followed = async {
                match &mut self.followed {
                    Some(it) => it.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                told = self.listener.next() => {
                    if let Some(sent) = self.wish.sent(&told) {
                        return Some(sent);
                    }
                }
                progress = followed => return Some(named("progress", &progress.to_string())),
                _ = self.check.tick() => {
                    if !self.caller.is_valid(&self.api).await {
                        return None;
                    }
                }
                () = self.api.stopping() => return None,
            }
        }
    }
}

impl Wish {
    fn sent(&self, told: &Told) -> Option<Sent> {
        let sent = match &told.what {
            What::Gap => named("gap", "{}"),
            What::Event(event, name, json) if self.takes(event) => named(name, json),
            What::Event(..) | What::Unknown => return None,
        };
        Some(sent.id(&told.cursor))
    }
}

fn named(name: &str, data: &str) -> Sent {
    Sent::default().event(name).data(data)
}

/// A job that somebody follows.
struct Followed {
    client: Client,
    id: JobId,
    look: Interval,
    last: Option<(JobState, Option<Progress>, usize)>,
    ended: bool,
}

impl Followed {
    fn new(client: Client, id: JobId) -> Self {
        Followed {
            client,
            id,
            look: interval(LOOK),
            last: None,
            ended: false,
        }
    }

    /// How it stands, once that has changed.
    async fn changed(&mut self) -> Value {
        while !self.ended {
            self.look.tick().await;
            // One that cannot be read just now, or is gone, has nothing to tell.
            let Ok(job) = self.client.job(self.id).await else {
                continue;
            };
            let written = job.log.as_ref().map_or(0, Vec::len);
            let now = Some((job.state, job.progress.clone(), written));
            if self.last != now {
                self.last = now;
                self.ended = job.state.is_final();
                return progress(&job);
            }
        }
        std::future::pending().await
    }
}

fn progress(job: &Job) -> Value {
    json!({"id": job.call.id, "state": job.state, "progress": job.progress})
}
