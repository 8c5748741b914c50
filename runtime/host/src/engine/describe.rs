//! What a module says of its tasks, checked before anybody relies on it.

use std::collections::HashSet;
use std::time::Duration;

use lovage_queue::clock::Millis;
use lovage_queue::grant::{GrantError, Grants, MAX_GRANTS};
use lovage_queue::job::{Conflict, MAX_PRIORITY, Until};
use lovage_queue::retry::{Backoff, Retry};
use lovage_queue::schedule::{CatchUp, Overlap, TaskSchedule, Trigger};
use lovage_queue::task::{Batch, Failure, Rate, TaskInfo, TaskOptions, check_name};
use serde_json::Value;

use super::apart::Said;
use super::batch::Batched;
use super::bindings::lovage::task::types;
use super::host::Capability;
use super::module::Refusal;
use super::outcome::cut;
use super::plain::Plain;

/// Tasks that a module may have.
const TASKS: usize = 1_000;
/// Schedules that a task may have.
const SCHEDULES: usize = 16;
/// Schedules that all tasks of a module may have: each is kept, and looked at when it is
/// due, whether or not anybody runs its jobs.
const ALL_SCHEDULES: usize = 100;
/// Bytes of all docs and schemas together: they are kept with the digest and
/// read by dashboards.
const TEXT: usize = 4 * 1024 * 1024;

/// Reads the answers of `describe`: the handler's, and that of `batches`.
pub(super) fn read(
    tasks: Vec<types::TaskInfo>,
    batched: Vec<Batched>,
) -> Result<Vec<TaskInfo>, Refusal> {
    if tasks.is_empty() {
        return refuse("names no task: a module has at least one");
    }
    if tasks.len() > TASKS {
        return refuse(format!("names {} tasks, more than {TASKS}", tasks.len()));
    }
    let text: usize = tasks
        .iter()
        .map(|task| task.doc.len() + task.input_schema.len() + task.output_schema.len())
        .sum();
    if text > TEXT {
        return refuse(format!("answers with {text} bytes, more than {TEXT}"));
    }
    let schedules: usize = tasks.iter().map(|task| task.schedules.len()).sum();
    if schedules > ALL_SCHEDULES {
        return refuse(format!(
            "names {schedules} schedules, more than {ALL_SCHEDULES}"
        ));
    }
    let mut names = HashSet::new();
    let mut infos = Vec::with_capacity(tasks.len());
    for task in tasks {
        let info = task_info(task)?;
        if !names.insert(info.name.clone()) {
            return refuse(format!("names the task `{}` twice", info.name));
        }
        infos.push(info);
    }
    for it in batched {
        batch(it, &mut infos)?;
    }
    Ok(infos)
}

/// Looks again at what another process has read of `describe`, as at what anybody says.
pub(super) fn check(said: &Said) -> Result<(), Refusal> {
    if said.wants.0.len() > MAX_GRANTS {
        let text = format!("names more than {MAX_GRANTS} grants");
        return Err(Refusal::Wants(text));
    }
    let tasks = &said.tasks;
    let mut names = HashSet::new();
    if tasks.is_empty() || tasks.len() > TASKS {
        return refuse(format!("names {} tasks, not 1 to {TASKS}", tasks.len()));
    }
    let now = Millis::of_this_host();
    for task in tasks {
        let wrong = |what: &dyn std::fmt::Display| {
            Refusal::Describe(format!("of `{}`: {what}", cut(&task.name, 100)))
        };
        check_name(&task.name, "task").map_err(|e| wrong(&e))?;
        if !names.insert(&task.name) {
            return Err(wrong(&"is named twice"));
        }
        if !task.input_schema.is_object() || !task.output_schema.is_object() {
            return Err(wrong(&"a schema of it is no JSON object"));
        }
        if task.schedules.len() > SCHEDULES {
            return Err(wrong(&format!("has more than {SCHEDULES} schedules")));
        }
        for schedule in &task.schedules {
            schedule.check(now).map_err(|e| wrong(&e))?;
        }
        let options = &task.options;
        if let Some(queue) = &options.queue {
            check_name(queue, "queue").map_err(|e| wrong(&e))?;
        }
        if options.priority.is_some_and(|it| it > MAX_PRIORITY) {
            return Err(wrong(&format!("its priority is not 0 to {MAX_PRIORITY}")));
        }
        if let Some(batch) = &options.batch {
            batch.check().map_err(|e| wrong(&e))?;
        }
        if options
            .backoff
            .as_ref()
            .is_some_and(|it| !it.factor.is_finite())
        {
            return Err(wrong(&"its backoff is no number"));
        }
        if options
            .rate
            .as_ref()
            .is_some_and(|it| it.count == 0 || it.period.is_zero())
        {
            return Err(wrong(&"its rate is none"));
        }
    }
    Ok(())
}

/// The tasks of a module with no SDK.
pub(super) fn of_plain(plain: &Plain) -> Result<Vec<TaskInfo>, Refusal> {
    let tasks = plain.tasks();
    if tasks.len() > TASKS {
        return refuse(format!("names {} tasks, more than {TASKS}", tasks.len()));
    }
    let texts = tasks.iter().map(|task| {
        let schemas = [&task.input_schema, &task.output_schema];
        task.doc.len() + schemas.map(|it| it.to_string().len()).iter().sum::<usize>()
    });
    match texts.sum::<usize>() {
        text if text > TEXT => refuse(format!("answers with {text} bytes, more than {TEXT}")),
        _ => Ok(tasks),
    }
}

/// Notes with a task that it is batched.
fn batch(batched: Batched, tasks: &mut [TaskInfo]) -> Result<(), Refusal> {
    let name = cut(&batched.task, 100);
    let task = tasks.iter_mut().find(|task| task.name == batched.task);
    let Some(task) = task else {
        return refuse(format!("batches a task `{name}`, which the module lacks"));
    };
    let batch = Batch {
        max: batched.max,
        wait: Duration::from_millis(batched.wait_ms),
    };
    if let Err(error) = batch.check() {
        return refuse(format!("of `{name}`: {error}"));
    }
    match task.options.batch.replace(batch) {
        None => Ok(()),
        Some(_) => refuse(format!("batches the task `{name}` twice")),
    }
}

fn refuse<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Describe(text.into()))
}

/// Reads the answer of `wants`. What is imported without being wanted would only ever be
/// denied.
pub(super) fn wants(lines: &[String], reaches: &[Capability]) -> Result<Grants, Refusal> {
    if lines.len() > MAX_GRANTS {
        let text = format!("names {} grants, more than {MAX_GRANTS}", lines.len());
        return Err(Refusal::Wants(text));
    }
    let wants: Result<_, _> = lines.iter().map(|line| line.parse()).collect();
    let wants = wants.map_err(|e: GrantError| Refusal::Wants(format!("has a wrong line: {e}")))?;
    let wants = Grants(wants);
    match reaches.iter().find(|it| !it.is_among(&wants)) {
        None => Ok(wants),
        Some(it) => Err(Refusal::Unwanted {
            import: it.import.into(),
            what: it.what.into(),
        }),
    }
}

fn task_info(task: types::TaskInfo) -> Result<TaskInfo, Refusal> {
    let name = cut(&task.name, 100);
    if let Err(error) = check_name(&task.name, "task") {
        return refuse(format!("names a task that cannot be: {error}"));
    }
    let schema = |text: &str, of: &str| match serde_json::from_str::<Value>(text) {
        Ok(schema) if schema.is_object() => Ok(schema),
        Ok(_) => refuse(format!("of `{name}`: its {of} schema is no JSON object")),
        Err(error) => refuse(format!("of `{name}`: its {of} schema is no JSON: {error}")),
    };
    let input_schema = schema(&task.input_schema, "input")?;
    let output_schema = schema(&task.output_schema, "output")?;
    let options = match options(task.options) {
        Ok(options) => options,
        Err(what) => return refuse(format!("of `{name}`: {what}")),
    };
    if task.schedules.len() > SCHEDULES {
        return refuse(format!(
            "of `{name}`: it has more than {SCHEDULES} schedules"
        ));
    }
    let schedules = task.schedules.into_iter().map(schedule).collect();
    let schedules: Vec<_> = match schedules {
        Ok(schedules) => schedules,
        Err(what) => {
            let what: String = what;
            return refuse(format!("of `{name}`: its schedule: {what}"));
        }
    };
    Ok(TaskInfo {
        name: task.name,
        doc: task.doc,
        input_schema,
        output_schema,
        options,
        schedules,
    })
}

/// Schedules have no more words of their own than the contract gives them; whether
/// these make sense is looked at here.
fn schedule(schedule: types::Schedule) -> Result<TaskSchedule, String> {
    let zone = schedule.zone.unwrap_or_else(|| "UTC".into());
    let schedule = TaskSchedule {
        trigger: match schedule.trigger {
            types::Trigger::EveryMs(ms) => Trigger::Every {
                period: Duration::from_millis(ms),
                from: None,
            },
            types::Trigger::Cron(line) => Trigger::Cron { line, zone },
        },
        jitter: Duration::from_millis(schedule.jitter_ms),
        catch_up: match schedule.catch_up {
            types::CatchUp::None => CatchUp::None,
            types::CatchUp::Last => CatchUp::Last,
            types::CatchUp::All(n) => CatchUp::All(n),
        },
        overlap: match schedule.overlap {
            types::Overlap::Allow => Overlap::Allow,
            types::Overlap::Skip => Overlap::Skip,
            types::Overlap::Queue => Overlap::Queue,
            types::Overlap::Replace => Overlap::Replace,
        },
    };
    let now = Millis::of_this_host();
    schedule.check(now).map_err(|e| e.to_string())?;
    Ok(schedule)
}

fn options(options: types::TaskOptions) -> Result<TaskOptions, String> {
    if let Some(queue) = &options.queue {
        check_name(queue, "queue").map_err(|error| error.to_string())?;
    }
    if options.priority.is_some_and(|it| it > MAX_PRIORITY) {
        return Err(format!("its priority is not 0 to {MAX_PRIORITY}"));
    }
    let none_is_zero = [
        ("max-attempts", options.max_attempts == Some(0)),
        ("timeout-ms", options.timeout_ms == Some(0)),
        ("expiry-ms", options.expiry_ms == Some(0)),
        ("fuel", options.fuel == Some(0)),
        ("memory", options.memory == Some(0)),
        ("concurrency", options.concurrency == Some(0)),
        (
            "rate",
            options
                .rate
                .is_some_and(|rate| rate.count == 0 || rate.period_ms == 0),
        ),
    ];
    if let Some((name, _)) = none_is_zero.iter().find(|(_, zero)| *zero) {
        return Err(format!("its {name} is 0, so that it could never run"));
    }
    let backoff = options.backoff.map(backoff).transpose()?;
    let span = |ms: Option<u64>| ms.map(Duration::from_millis);
    Ok(TaskOptions {
        queue: options.queue,
        priority: options.priority,
        max_attempts: options.max_attempts,
        backoff,
        max_age: span(options.max_age_ms),
        retry_exhausted: options.retry_exhausted,
        timeout: span(options.timeout_ms),
        soft_timeout: span(options.soft_timeout_ms),
        expiry: span(options.expiry_ms),
        result_ttl: span(options.result_ttl_ms),
        unique: options.unique.map(unique),
        fuel: options.fuel,
        memory: options.memory,
        rate: options.rate.map(|rate| Rate {
            count: rate.count,
            period: Duration::from_millis(rate.period_ms),
        }),
        concurrency: options.concurrency,
        // Told by an interface of its own.
        batch: None,
    })
}

fn unique(unique: types::Unique) -> (Until, Conflict) {
    let until = match unique.until {
        types::Until::Start => Until::Start,
        types::Until::Done => Until::Done,
        types::Until::ForMs(ms) => Until::For(Duration::from_millis(ms)),
    };
    let conflict = match unique.conflict {
        types::Conflict::Existing => Conflict::Existing,
        types::Conflict::Reject => Conflict::Reject,
        types::Conflict::Replace => Conflict::Replace,
    };
    (until, conflict)
}

fn backoff(backoff: types::Backoff) -> Result<Backoff, String> {
    if !(backoff.factor.is_finite() && backoff.factor >= 0.0) {
        return Err(format!("its backoff factor is {}", backoff.factor));
    }
    Ok(Backoff {
        base: Duration::from_millis(backoff.base_ms),
        factor: backoff.factor,
        max: Duration::from_millis(backoff.max_ms),
    })
}

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        Failure {
            kind: failure.kind,
            message: failure.message,
            detail: failure.detail,
            retry: match failure.retry {
                types::Retry::Policy => Retry::Policy,
                types::Retry::Now => Retry::Now,
                types::Retry::After(ms) => Retry::After(Duration::from_millis(ms)),
                types::Retry::Never => Retry::Never,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str) -> types::TaskInfo {
        types::TaskInfo {
            name: name.into(),
            doc: String::new(),
            input_schema: "{}".into(),
            output_schema: "{}".into(),
            options: types::TaskOptions {
                queue: None,
                priority: None,
                max_attempts: None,
                backoff: None,
                max_age_ms: None,
                retry_exhausted: None,
                timeout_ms: None,
                soft_timeout_ms: None,
                expiry_ms: None,
                result_ttl_ms: None,
                unique: None,
                fuel: None,
                memory: None,
                rate: None,
                concurrency: None,
            },
            schedules: Vec::new(),
        }
    }

    fn refusal(tasks: Vec<types::TaskInfo>) -> String {
        read(tasks, Vec::new()).unwrap_err().to_string()
    }

    #[test]
    fn a_sound_answer_is_taken() {
        let mut b = task("b");
        b.options.timeout_ms = Some(1500);
        b.options.unique = Some(types::Unique {
            until: types::Until::ForMs(100),
            conflict: types::Conflict::Replace,
        });
        let infos = read(vec![task("a"), b], Vec::new()).unwrap();
        assert_eq!(infos[0].options, TaskOptions::default());
        let options = &infos[1].options;
        assert_eq!(options.timeout, Some(Duration::from_millis(1500)));
        let span = Until::For(Duration::from_millis(100));
        assert_eq!(options.unique, Some((span, Conflict::Replace)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(refusal(vec![]).contains("no task"));
        assert!(refusal(vec![task("a"), task("a")]).contains("`a` twice"));
        assert!(refusal(vec![task("A b")]).contains("`A b` is no valid task name"));
        let mut schema = task("a");
        schema.output_schema = "[]".into();
        let text = refusal(vec![schema]);
        assert_eq!(
            text,
            "`describe` of `a`: its output schema is no JSON object"
        );
        let mut zero = task("a");
        zero.options.fuel = Some(0);
        assert!(refusal(vec![zero]).contains("its fuel is 0"));
        let mut factor = task("a");
        factor.options.backoff = Some(types::Backoff {
            base_ms: 1,
            factor: f64::NAN,
            max_ms: 1,
        });
        assert!(refusal(vec![factor]).contains("NaN"));
    }
    #[test]
    fn a_batched_task_is_there_once_and_has_its_bounds() {
        let batched = |task: &str, max, wait_ms| Batched {
            task: task.into(),
            max,
            wait_ms,
        };
        let infos = read(vec![task("a"), task("b")], vec![batched("b", 100, 50)]);
        let infos = infos.unwrap();
        let wait = Duration::from_millis(50);
        assert_eq!(infos[0].options.batch, None);
        assert_eq!(infos[1].options.batch, Some(Batch { max: 100, wait }));
        let refused = |batched| {
            let refused = read(vec![task("a")], batched).unwrap_err();
            refused.to_string()
        };
        let text = refused(vec![batched("x", 1, 1)]);
        assert!(text.contains("`x`, which the module lacks"), "{text}");
        let text = refused(vec![batched("a", 1, 1), batched("a", 1, 1)]);
        assert!(text.contains("`a` twice"), "{text}");
        let text = refused(vec![batched("a", 1001, 1)]);
        assert_eq!(
            text,
            "`describe` of `a`: a batch takes 1 to 1000 jobs, not 1001"
        );
        let text = refused(vec![batched("a", 2, 0)]);
        assert!(text.contains("1 ms to 60s, not 0ns"), "{text}");
    }
}
