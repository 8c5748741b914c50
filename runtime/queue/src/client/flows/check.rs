//! A flow's calls against their tasks, before anything of it is made.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use super::types::{Given, Schema};
use super::{Client, ClientError};
use crate::arguments::{read_value, to_json};
use crate::broker::BrokerError;
use crate::client::MAX_INPUT;
use crate::client::known::{Known, Misfit};
use crate::flow::{Call, From, Node, Plan};
use crate::job::{Bind, CLAIM_CHECK, MAX_PRIORITY, NewJob, Pin};
use crate::task::{TaskInfo, TaskName, check_lane, check_name};

/// Headers of a call, and bytes of all of them: each job of a flow has its own.
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// A result that cannot be the argument that it is to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{path}: argument `{argument}` of `{task}` takes {takes}, and the result of {from} is {gets}"
)]
pub struct Mismatch {
    /// The step that takes it, as it was written.
    pub path: String,
    /// The argument.
    pub argument: String,
    /// The task that takes it.
    pub task: TaskName,
    /// The argument's type.
    pub takes: String,
    /// The steps whose result it is.
    pub from: String,
    /// The result's type.
    pub gets: String,
}

/// The modules of a flow's calls: each is looked up once, so that all of the flow is
/// checked against the same.
pub(super) struct Modules(HashMap<String, Vec<(Pin, Arc<Known>)>>);

impl Modules {
    #[cfg(test)]
    pub(super) fn of(name: &str, known: Known) -> Self {
        let active = vec![(Pin::Active, Arc::new(known))];
        Modules(HashMap::from([(name.to_owned(), active)]))
    }

    fn get(&self, call: &Call) -> Option<&Known> {
        let of_name = self.0.get(&call.task.module)?;
        let known = of_name.iter().find(|(pin, _)| *pin == call.pin)?;
        Some(&known.1)
    }

    /// What a call's module says of its task.
    pub(super) fn task(&self, call: &Call) -> &TaskInfo {
        let TaskName { module, task } = &call.task;
        let known = self.get(call).expect("all modules were looked up");
        known.task(module, task).expect("all tasks were looked up")
    }
}

/// The path of a node, for an error.
fn at(plan: &Plan, place: usize, why: ClientError) -> ClientError {
    let path = plan.shape.path(place as u32);
    let (path, why) = (path.unwrap_or_else(|| "flow".into()), Box::new(why));
    ClientError::Step { path, why }
}

impl Client {
    /// The modules of a plan's calls, all of which have their tasks.
    pub(super) async fn modules_of(&self, plan: &Plan) -> Result<Modules, ClientError> {
        let mut modules = Modules(HashMap::new());
        for (place, node) in plan.nodes.iter().enumerate() {
            let call = &node.call;
            if modules.get(call).is_none() {
                let known = self.module(&call.task.module, call.pin).await;
                let known = known.map_err(|e| match e {
                    ClientError::Broker(e) => ClientError::Broker(e),
                    e => at(plan, place, e),
                })?;
                let of_name = modules.0.entry(call.task.module.clone()).or_default();
                of_name.push((call.pin, known));
            }
            let TaskName { module, task } = &call.task;
            let known = modules.get(call).expect("it was just looked up");
            known.task(module, task).map_err(|e| at(plan, place, e))?;
        }
        Ok(modules)
    }
}

/// Whose result it is: of equal ones it is of one type.
#[derive(PartialEq, Eq, Hash)]
enum Giver<'a> {
    One(&'a TaskName, Pin, Option<&'a [u8]>),
    Many(Vec<u8>),
}

impl<'a> Giver<'a> {
    fn of(plan: &'a Plan, from: &From) -> Self {
        match from {
            From::Node(node) => {
                let Node { call, default, .. } = &plan.nodes[*node as usize];
                Giver::One(&call.task, call.pin, default.as_deref())
            }
            many => Giver::Many(rmp_serde::to_vec(many).expect("a vector takes all writes")),
        }
    }
}

/// Whether each call of a plan may be.
pub(super) fn calls(plan: &Plan, modules: &Modules) -> Result<(), ClientError> {
    let mut passed = HashSet::new();
    for (place, node) in plan.nodes.iter().enumerate() {
        let problem = call(node, modules);
        problem.map_err(|e| at(plan, place, e))?;
        // What alike calls take of alike ones is looked at once.
        for bind in &node.binds {
            let Bind { argument, from } = bind;
            let taker = (&node.call.task, node.call.pin, argument.as_str());
            if passed.insert((taker, Giver::of(plan, from))) {
                bound(plan, place, bind, modules)?;
            }
        }
    }
    Ok(())
}

/// What of a call can be looked at by itself.
fn call(node: &Node, modules: &Modules) -> Result<(), ClientError> {
    let call = &node.call;
    if let Some(queue) = &call.queue {
        check_name(queue, "queue")?;
    }
    check_lane(&call.lane)?;
    if let Some(priority) = call.priority.filter(|it| *it > MAX_PRIORITY) {
        let said = format!("priority {priority} is not one of 0 to {MAX_PRIORITY}");
        return Err(BrokerError::Invalid(said).into());
    }
    call.options.check().map_err(BrokerError::Invalid)?;
    bounds(node.default.as_deref(), &call.options.headers)?;
    let coming: Vec<&str> = node.binds.iter().map(|it| &*it.argument).collect();
    let known = modules.get(call).expect("all modules were looked up");
    call.arguments.check_bounds()?;
    let problems = known.problems_beside(&call.task.task, &call.arguments, &coming);
    if !problems.is_empty() {
        let task = call.task.to_string();
        return Err(ClientError::Schema { task, problems });
    }
    match call.arguments.clone().encode().len() {
        size if size > MAX_INPUT => Err(ClientError::TooLarge(size)),
        _ => Ok(()),
    }
}

/// The same of a flow's node that somebody else has made; others have no such bounds.
pub(in crate::client) fn check_bounds(job: &NewJob) -> Result<(), BrokerError> {
    match job.seat {
        Some(_) => bounds(
            job.options.default.as_ref().map(|it| &it[..]),
            &job.options.headers,
        ),
        None => Ok(()),
    }
}

/// Whether a task takes an argument of this name.
pub(in crate::client) fn takes_argument(task: &TaskInfo, name: &str) -> bool {
    Schema::of(&task.input_schema).argument(name).is_some()
}

/// What is kept with each node has its bounds.
fn bounds(default: Option<&[u8]>, headers: &BTreeMap<String, String>) -> Result<(), BrokerError> {
    if let Some(default) = default.filter(|it| it.len() > CLAIM_CHECK) {
        let size = default.len();
        let said = format!("its default has {size} bytes: give it at most {CLAIM_CHECK}");
        return Err(BrokerError::Invalid(said));
    }
    let size: usize = headers.iter().map(|(name, it)| name.len() + it.len()).sum();
    if headers.len() > MAX_HEADERS || size > MAX_HEADER_BYTES {
        let count = headers.len();
        let said = format!(
            "it has {count} headers of {size} bytes: give it at most {MAX_HEADERS}, of \
             {MAX_HEADER_BYTES} bytes together"
        );
        return Err(BrokerError::Invalid(said));
    }
    Ok(())
}

/// Whether a node's argument can be the result that it is to be.
fn bound(plan: &Plan, place: usize, bind: &Bind, modules: &Modules) -> Result<(), ClientError> {
    let call = &plan.nodes[place].call;
    let wanted = Schema::of(&modules.task(call).input_schema).argument(&bind.argument);
    let Some(wanted) = wanted else {
        let task = call.task.to_string();
        let problems = vec![Misfit::no_argument(&bind.argument)];
        return Err(at(plan, place, ClientError::Schema { task, problems }));
    };
    let given = given(plan, &bind.from, modules);
    if !given.cannot_be(wanted) {
        return Ok(());
    }
    let path = |place| plan.shape.path(place).unwrap_or_else(|| "flow".into());
    Err(ClientError::Mismatch(Box::new(Mismatch {
        path: path(place as u32),
        argument: bind.argument.clone(),
        task: call.task.clone(),
        takes: wanted.told(),
        from: match ends(&bind.from) {
            None => "the flow's failures".into(),
            Some((first, last)) if first == last => path(first),
            Some((first, last)) => format!("{} to {}", path(first), path(last)),
        },
        gets: given.told(),
    })))
}

/// The first and the last node of some.
fn ends(from: &From) -> Option<(u32, u32)> {
    match from {
        From::Node(node) => Some((*node, *node)),
        From::Nodes { first, count } => Some((*first, first + count.saturating_sub(1))),
        From::List(all) => Some((ends(all.first()?)?.0, ends(all.last()?)?.1)),
        From::Failures(_) => None,
    }
}

/// What a handler is told.
static FAILURES: LazyLock<Value> = LazyLock::new(|| {
    let text = json!({"type": "string"});
    let fields = json!({"id": text, "task": text, "kind": text, "message": text});
    json!({"type": "array", "items": {
        "type": "object", "properties": fields, "required": ["id", "task", "kind", "message"],
    }})
});

/// What the results of these nodes are.
fn given<'a>(plan: &'a Plan, from: &From, modules: &'a Modules) -> Given<'a> {
    match from {
        From::Node(node) => one(&plan.nodes[*node as usize], modules),
        From::Nodes { first, count } => {
            let (first, count) = (*first as usize, *count as usize);
            // Most of a group are alike.
            let mut seen = HashSet::new();
            let nodes = plan.nodes[first..first + count].iter();
            let nodes = nodes.filter(|it| seen.insert((&it.call.task, it.call.pin, &it.default)));
            Given::List(nodes.map(|it| one(it, modules)).collect())
        }
        From::List(all) => Given::List(all.iter().map(|it| given(plan, it, modules)).collect()),
        From::Failures(_) => Given::One(Schema::of(&FAILURES)),
    }
}

fn one<'a>(node: &'a Node, modules: &'a Modules) -> Given<'a> {
    let result = Given::One(Schema::of(&modules.task(&node.call).output_schema));
    let Some(default) = &node.default else {
        return result;
    };
    let default = match read_value(default) {
        Ok(value) => Given::Value(to_json(&value)),
        Err(_) => return result,
    };
    Given::Either(vec![result, default])
}
