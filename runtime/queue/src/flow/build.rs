//! How a program writes a flow.
//!
//! ```
//! use lovage_queue::flow::{Flow, call, chain, chord, map};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pages = map(&call("web.fetch")?, "url", ["https://a.example", "https://b.example"])?;
//! let steps = chain((
//!     pages,
//!     call("web.index")?.previous("pages"),
//!     call("mail.send")?.arg("to", "ann")?.delay(std::time::Duration::from_secs(60)),
//! ));
//! let flow = Flow::new("nightly", steps).on_error(call("mail.alarm")?.failures("what"));
//! # assert!(lovage_queue::flow::Plan::of(&flow.step, &flow.on_failure).is_ok());
//! # Ok(()) }
//! ```

use std::time::Duration;

use serde::Serialize;

use super::{Call, FlowError, MAX_FLOW_NAME, OnFailure, Source, Step, Vertex};
use crate::arguments::{Arguments, ArgumentsError};
use crate::job::{JobOptions, Pin};
use crate::task::{NameError, TaskName};

/// A flow that is to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// A name for people.
    pub name: String,
    /// What is to be done.
    pub step: Step,
    /// What becomes of it where a call fails that does not say so itself.
    pub on_failure: OnFailure,
    /// How long it is kept with all its jobs once it has ended, where that is not for
    /// the broker's retention to say.
    pub keep: Option<Duration>,
    /// An idempotency key: the same one again is the same flow, for as long as the first
    /// one's record is kept.
    pub key: Option<String>,
}

impl Flow {
    /// A flow that ends with the first failure.
    pub fn new(name: &str, step: impl Into<Step>) -> Self {
        Flow {
            name: name.to_owned(),
            step: step.into(),
            on_failure: OnFailure::Stop,
            keep: None,
            key: None,
        }
    }

    /// What becomes of it where a call fails that does not say so itself.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// What is called once when the first call of it has failed.
    pub fn on_error(mut self, handler: Call) -> Self {
        self.step = self.step.on_error(handler);
        self
    }

    /// Keeps it with all its jobs for so long once it has ended.
    pub fn keep(mut self, span: Duration) -> Self {
        self.keep = Some(span);
        self
    }

    /// Makes it idempotent: run again with the same key, it is the first one.
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    pub(crate) fn check_name(&self) -> Result<(), FlowError> {
        check_flow_name(&self.name)
    }
}

/// Whether a flow can have this name.
pub(crate) fn check_flow_name(name: &str) -> Result<(), FlowError> {
    let fits = (1..=MAX_FLOW_NAME).contains(&name.len());
    match fits && !name.chars().any(char::is_control) {
        true => Ok(()),
        false => Err(FlowError::Name(name.chars().take(MAX_FLOW_NAME).collect())),
    }
}

/// A call of `module.task`, with no arguments yet.
///
/// # Errors
/// A name that is none.
pub fn call(task: &str) -> Result<Call, NameError> {
    Ok(Call::of(task.parse()?))
}

impl Call {
    /// A call of a task, with no arguments yet.
    pub fn of(task: TaskName) -> Self {
        Call {
            task,
            arguments: Arguments::new(),
            results: Vec::new(),
            on_failure: None,
            delay: None,
            queue: None,
            lane: String::new(),
            priority: None,
            expiry: None,
            pin: Pin::Active,
            options: JobOptions::default(),
        }
    }

    /// Sets an argument.
    ///
    /// # Errors
    /// A value that cannot be encoded.
    pub fn arg(
        mut self,
        name: &str,
        value: &(impl Serialize + ?Sized),
    ) -> Result<Self, ArgumentsError> {
        self.arguments.set(name, value)?;
        Ok(self)
    }

    /// An argument that is the result of the step before this one.
    pub fn previous(self, argument: &str) -> Self {
        self.takes(argument, Source::Previous)
    }

    /// An argument that is the result of another step of the graph.
    pub fn result_of(self, argument: &str, step: &str) -> Self {
        self.takes(argument, Source::Named(step.to_owned()))
    }

    /// An argument of a handler: what failed, and why.
    pub fn failures(self, argument: &str) -> Self {
        self.takes(argument, Source::Failures)
    }

    fn takes(mut self, argument: &str, source: Source) -> Self {
        self.results.push((argument.to_owned(), source));
        self
    }

    /// What becomes of the flow without it.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = Some(on_failure);
        self
    }

    /// Where it fails, it counts as completed with this result.
    ///
    /// # Errors
    /// A value that cannot be encoded.
    pub fn or_default(
        self,
        value: &(impl Serialize + ?Sized),
    ) -> Result<Self, rmp_serde::encode::Error> {
        let default = rmp_serde::to_vec_named(value)?;
        Ok(self.on_failure(OnFailure::Default(default)))
    }

    /// Waits for so long once it could begin.
    pub fn delay(mut self, span: Duration) -> Self {
        self.delay = Some(span);
        self
    }

    /// Goes to this queue.
    pub fn queue(mut self, queue: &str) -> Self {
        self.queue = Some(queue.to_owned());
        self
    }

    /// Goes to this lane of its queue.
    pub fn lane(mut self, lane: &str) -> Self {
        lane.clone_into(&mut self.lane);
        self
    }

    /// 0 to 9, 9 first.
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = Some(priority);
        self
    }
}

impl std::convert::From<Call> for Step {
    fn from(call: Call) -> Self {
        Step::Call(Box::new(call))
    }
}

impl Step {
    /// What is called once when the first call of this step has failed.
    pub fn on_error(self, handler: Call) -> Self {
        Step::Guarded(Box::new(self), Box::new(handler))
    }
}

/// Steps: an array or a vector of calls or of steps, or a tuple of both.
pub trait Steps {
    /// Them.
    fn steps(self) -> Vec<Step>;
}

impl<T: Into<Step>> Steps for Vec<T> {
    fn steps(self) -> Vec<Step> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<T: Into<Step>, const N: usize> Steps for [T; N] {
    fn steps(self) -> Vec<Step> {
        self.into_iter().map(Into::into).collect()
    }
}

macro_rules! tuples {
    ($(($($name:ident)+))*) => { $(
        impl<$($name: Into<Step>),+> Steps for ($($name,)+) {
            fn steps(self) -> Vec<Step> {
                #[allow(non_snake_case)]
                let ($($name,)+) = self;
                vec![$($name.into()),+]
            }
        }
    )* };
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H) }

/// One after the other, each once the one before it has completed.
pub fn chain(steps: impl Steps) -> Step {
    Step::Chain(steps.steps())
}

/// All at once.
pub fn group(members: impl Steps) -> Step {
    Step::Group(members.steps())
}

/// All at once, and a callback once they have completed: by
/// [`previous`](Call::previous) it takes the list of their results.
pub fn chord(members: impl Steps, callback: impl Into<Step>) -> Step {
    Step::chord(members.steps(), callback.into())
}

/// One call for each of these values of an argument, all at once.
///
/// # Errors
/// A value that cannot be encoded.
pub fn map<T: Serialize>(
    call: &Call,
    argument: &str,
    values: impl IntoIterator<Item = T>,
) -> Result<Step, ArgumentsError> {
    Ok(Step::map(call, argument, encoded(argument, values)?))
}

/// One call for each of these sets of arguments, which go before the call's own.
pub fn starmap(call: &Call, all: impl IntoIterator<Item = Arguments>) -> Step {
    Step::starmap(call, all.into_iter().collect())
}

/// As [`map`], with `size` of the values in each call, as a list.
///
/// # Errors
/// A value that cannot be encoded.
pub fn chunks<T: Serialize>(
    call: &Call,
    argument: &str,
    values: impl IntoIterator<Item = T>,
    size: usize,
) -> Result<Step, ArgumentsError> {
    Ok(Step::chunks(
        call,
        argument,
        encoded(argument, values)?,
        size,
    ))
}

fn encoded<T: Serialize>(
    argument: &str,
    values: impl IntoIterator<Item = T>,
) -> Result<Vec<rmpv::Value>, ArgumentsError> {
    let wrong = |e: rmpv::ext::Error| ArgumentsError::Value(argument.to_owned(), e.to_string());
    let values = values.into_iter();
    values
        .map(|it| rmpv::ext::to_value(it).map_err(wrong))
        .collect()
}

/// Each once those have completed that it names.
pub fn graph(vertices: impl IntoIterator<Item = Vertex>) -> Step {
    Step::Graph(vertices.into_iter().collect())
}

/// A step of a graph.
pub fn vertex(name: &str, step: impl Into<Step>) -> Vertex {
    Vertex {
        name: name.to_owned(),
        after: Vec::new(),
        step: step.into(),
    }
}

impl Vertex {
    /// Begins once these have completed, beside those whose results it takes.
    pub fn after<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.after.extend(names.into_iter().map(str::to_owned));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{From, Plan};

    #[test]
    fn a_program_writes_what_lies_in_each_other() {
        let it = |task: &str| call(task).unwrap();
        let flow = Flow::new(
            "f",
            chain((
                it("m.a").arg("n", &1).unwrap(),
                group([it("m.b").previous("x"), it("m.c")]),
                graph([
                    vertex("d", it("m.d")),
                    vertex("e", it("m.e").result_of("y", "d")).after(["d"]),
                ]),
                chord(vec![it("m.f"); 3], it("m.g").previous("all")),
            )),
        )
        .on_error(it("m.told").failures("what"))
        .keep(Duration::from_secs(60));
        let plan = Plan::of(&flow.step, &flow.on_failure).unwrap();
        assert_eq!(plan.nodes.len(), 10);
        assert_eq!(plan.shape.result_at("on_error"), Some(From::Node(9)));
        assert_eq!(flow.check_name(), Ok(()));
        for wrong in ["", "a\nb", &"x".repeat(129)] {
            let refused = Flow::new(wrong, it("m.a")).check_name();
            assert!(matches!(refused, Err(FlowError::Name(_))), "{wrong}");
        }
    }

    #[test]
    fn maps_take_what_serde_can_write() {
        let base = call("m.a").unwrap().arg("n", &1).unwrap();
        let Step::Group(all) = map(&base, "x", ["a", "b"]).unwrap() else {
            panic!()
        };
        let Step::Call(second) = &all[1] else {
            panic!()
        };
        let expected = serde_json::json!({"n": 1, "x": "b"});
        assert_eq!(second.arguments.to_json(), expected);
        let Step::Group(all) = chunks(&base, "x", 0..5, 2).unwrap() else {
            panic!()
        };
        let Step::Call(last) = &all[2] else { panic!() };
        assert_eq!(last.arguments.to_json()["x"], serde_json::json!([4]));
    }
}
