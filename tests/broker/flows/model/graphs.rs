//! Random flows as somebody would write them, and what each call of one takes.

use lovage_queue::arguments::Arguments;
use lovage_queue::flow::{Call, OnFailure, Source, Step, Vertex};
use proptest::prelude::*;
use proptest::sample::Index;
use rmpv::Value;

/// What a step of a graph is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Call,
    /// So many calls, each of which takes all that the step takes.
    Group(usize),
    /// So many calls, the first of which does; the others take what the one before gave.
    Chain(usize),
}

#[derive(Clone, Debug)]
struct Written {
    kind: Kind,
    after: Vec<usize>,
    takes: Vec<usize>,
    on_failure: Option<OnFailure>,
    handled: bool,
}

/// A random flow.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    steps: Vec<Written>,
    pub(super) otherwise: OnFailure,
}

/// The step that a call is of, and which call of it.
fn parse(name: &str) -> (usize, usize) {
    let (step, call) = name[1..].split_once('x').expect("a name of a call");
    (step.parse().unwrap(), call.parse().unwrap())
}

fn call_name(step: usize, call: usize) -> String {
    format!("v{step}x{call}")
}

impl Graph {
    pub(super) fn is_handler(&self, name: &str) -> bool {
        name.starts_with('h')
    }

    fn call(&self, name: &str) -> Call {
        let mut arguments = Arguments::new();
        arguments.set("own", name).unwrap();
        Call {
            arguments,
            ..Call::of(format!("m.{name}").parse().unwrap())
        }
    }

    fn step_call(&self, step: usize, call: usize) -> Step {
        let written = &self.steps[step];
        let mut made = self.call(&call_name(step, call));
        made.on_failure = written.on_failure.clone();
        made.results = match written.kind {
            Kind::Chain(_) if call > 0 => vec![("p".into(), Source::Previous)],
            _ => {
                let takes = written.takes.iter();
                let named = takes.map(|it| (format!("r{it}"), Source::Named(format!("s{it}"))));
                named.collect()
            }
        };
        Step::Call(Box::new(made))
    }

    /// As it is written.
    pub(super) fn step(&self) -> Step {
        let vertices = self.steps.iter().enumerate().map(|(n, written)| {
            let calls = |count| (0..count).map(|it| self.step_call(n, it)).collect();
            let step = match written.kind {
                Kind::Call => self.step_call(n, 0),
                Kind::Group(count) => Step::Group(calls(count)),
                Kind::Chain(count) => Step::Chain(calls(count)),
            };
            let step = match written.handled {
                true => {
                    let mut handler = self.call(&format!("h{n}"));
                    handler.results.push(("failed".into(), Source::Failures));
                    Step::Guarded(Box::new(step), Box::new(handler))
                }
                false => step,
            };
            Vertex {
                name: format!("s{n}"),
                after: written.after.iter().map(|it| format!("s{it}")).collect(),
                step,
            }
        });
        Step::Graph(vertices.collect())
    }

    /// The arguments of a call, where this is what others gave.
    pub(super) fn input_of(&self, name: &str, value: &dyn Fn(&str) -> Value) -> Value {
        let (step, call) = parse(name);
        let mut entries = vec![(Value::from("own"), Value::from(name))];
        match self.steps[step].kind {
            Kind::Chain(_) if call > 0 => {
                entries.push(("p".into(), value(&call_name(step, call - 1))));
            }
            _ => entries.extend(self.steps[step].takes.iter().map(|it| {
                let result = match self.steps[*it].kind {
                    Kind::Call => value(&call_name(*it, 0)),
                    Kind::Chain(count) => value(&call_name(*it, count - 1)),
                    Kind::Group(count) => {
                        let all = (0..count).map(|call| value(&call_name(*it, call)));
                        Value::Array(all.collect())
                    }
                };
                (format!("r{it}").into(), result)
            })),
        }
        Value::Map(entries)
    }
}

fn on_failure() -> impl Strategy<Value = OnFailure> {
    prop_oneof![
        3 => Just(OnFailure::Stop),
        3 => Just(OnFailure::Wait),
        1 => Just(OnFailure::Default(vec![0x07])),
    ]
}

/// Flows of up to 500 calls.
pub(super) fn graphs() -> impl Strategy<Value = Graph> {
    let kind = prop_oneof![
        4 => Just(Kind::Call),
        2 => (1..6_usize).prop_map(Kind::Group),
        1 => (6..70_usize).prop_map(Kind::Group),
        2 => (1..6_usize).prop_map(Kind::Chain),
    ];
    let before = || prop::collection::vec(any::<Index>(), 0..3);
    let own = prop::option::weighted(0.2, on_failure());
    let step = (kind, before(), before(), own, prop::bool::weighted(0.1));
    let steps = prop::collection::vec(step, 1..30);
    (steps, on_failure()).prop_map(|(steps, otherwise)| {
        let mut calls = 0;
        let steps = steps.into_iter().enumerate();
        let steps = steps.map(|(n, (kind, after, takes, on_failure, handled))| {
            let of = |all: Vec<Index>| {
                let mut all: Vec<usize> = match n {
                    0 => Vec::new(),
                    _ => all.iter().map(|it| it.index(n)).collect(),
                };
                all.sort_unstable();
                all.dedup();
                all
            };
            calls += match kind {
                Kind::Call => 1,
                Kind::Group(count) | Kind::Chain(count) => count,
            };
            let kind = if calls > 450 { Kind::Call } else { kind };
            Written {
                kind,
                after: of(after),
                takes: of(takes),
                on_failure,
                handled,
            }
        });
        let steps = steps.collect();
        Graph { steps, otherwise }
    })
}
