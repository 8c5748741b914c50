//! What a flow comes to: nodes in an order in which results lie side by side, and the
//! joints that they wait for.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::shape::{Shape, list, ranges};
use super::{Bind, Call, FlowError, From, OnFailure, Source, Step, Vertex};
use crate::job::WithoutNode;

/// How many sets and joints the nodes of a flow wait for, and pieces of results that
/// they take, all together. Each node carries its own: a few thousand steps that wait
/// for a few thousand others each would be a plan of gigabytes.
pub(super) const MAX_CARRIED: usize = 4_000_000;

/// A flow as brokers take it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its nodes. Those of a joint lie side by side, in the order in which they were
    /// written.
    pub nodes: Vec<Node>,
    /// Its joints; their number is their place.
    pub joints: Vec<Joint>,
    /// Where its own result is.
    pub result: From,
    /// How it was written.
    pub shape: Shape,
}

/// One call of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is called.
    pub call: Call,
    /// The arguments that are results.
    pub binds: Vec<Bind>,
    /// The joints that it waits for, in order; none where it begins with the flow.
    pub needs: Vec<u32>,
    /// The joint that it is of, where others wait for it.
    pub joins: Option<u32>,
    /// The joint whose handlers its failure frees.
    pub alarms: Option<u32>,
    /// What becomes of the flow without it.
    pub without: WithoutNode,
    /// What counts as its result then.
    pub default: Option<Vec<u8>>,
}

/// A set of nodes that others wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joint {
    /// Its first node.
    pub first: u32,
    /// How many nodes it has, side by side; none where only failures free it.
    pub count: u32,
}

impl Plan {
    /// What a flow comes to, where its calls fail as `otherwise` says unless they say it
    /// themselves.
    ///
    /// # Errors
    /// A flow that cannot be: see [`FlowError`].
    pub fn of(step: &Step, otherwise: &OnFailure) -> Result<Plan, FlowError> {
        super::check::check(step)?;
        let mut sketch = Sketch::default();
        let done = sketch.step(step, &[], None, &Names::default());
        sketch.finish(&done, otherwise)
    }
}

/// A call without what its binds say.
fn bare(call: &Call) -> Call {
    Call {
        results: Vec::new(),
        ..call.clone()
    }
}

/// A set of nodes that have to complete before something, by their places in the
/// sketch. The same set is the same number wherever it is waited for.
type SetId = usize;

/// What a step of the sketch leaves to those behind it.
#[derive(Clone)]
struct Done {
    /// The set of its last nodes.
    set: SetId,
    /// Shared by all that take it: a list may be as wide as the flow.
    result: Rc<From>,
    shape: Shape,
}

/// The steps of a graph that can be named.
type Names = HashMap<String, Rc<Done>>;

/// Nodes in the order in which they were written.
#[derive(Default)]
struct Sketch {
    nodes: Vec<Sketched>,
    /// The members of each set.
    sets: Vec<Vec<u32>>,
    /// How many alarms there are, and the innermost one here.
    alarms: usize,
    alarm: Option<usize>,
    /// What its nodes carry so far: see [`MAX_CARRIED`].
    carried: usize,
}

struct Sketched {
    call: Call,
    binds: Vec<(String, Rc<From>)>,
    /// The sets that it waits for.
    waits: Vec<SetId>,
    /// What its failure sets off; of a handler, nothing.
    alarm: Option<usize>,
    /// The alarms that it handles.
    handles: Vec<usize>,
}

impl Sketch {
    /// Puts a step behind these sets. `previous` is the step before it in its chain.
    fn step(
        &mut self,
        step: &Step,
        after: &[SetId],
        previous: Option<&Done>,
        names: &Names,
    ) -> Done {
        match step {
            Step::Call(call) => self.call(call, after, previous, names),
            Step::Chain(steps) => {
                let (mut after, mut last) = (after.to_vec(), None::<Done>);
                let mut shapes = Vec::with_capacity(steps.len());
                for step in steps {
                    let done = self.step(step, &after, last.as_ref().or(previous), names);
                    after = vec![done.set];
                    shapes.push(done.shape.clone());
                    last = Some(done);
                }
                let last = last.expect("a chain that was checked has steps");
                let shape = Shape::Chain(shapes);
                Done { shape, ..last }
            }
            Step::Group(members) => {
                let members = members.iter();
                let all = members.map(|it| self.step(it, after, previous, names));
                let all: Vec<Done> = all.collect();
                self.together(&all)
            }
            Step::Graph(vertices) => self.graph(vertices, after, previous),
            Step::Guarded(step, handler) => {
                let (outer, first) = (self.alarm, self.nodes.len());
                self.alarm = Some(self.alarms);
                let alarms = self.alarms..;
                self.alarms += 1;
                let done = self.step(step, after, previous, names);
                self.alarm = outer;
                let handles: Vec<usize> = alarms.take_while(|it| *it < self.alarms).collect();
                let handler = self.handler(handler, first, handles);
                let shape = Shape::Guarded(Box::new(done.shape), handler);
                Done { shape, ..done }
            }
        }
    }

    fn call(
        &mut self,
        call: &Call,
        after: &[SetId],
        previous: Option<&Done>,
        names: &Names,
    ) -> Done {
        if self.carried > MAX_CARRIED {
            return self.nothing();
        }
        let number = self.nodes.len() as u32;
        let mut waits = after.to_vec();
        let mut binds = Vec::with_capacity(call.results.len());
        for (argument, source) in &call.results {
            let done = match source {
                Source::Previous => previous.expect("it was checked that there is one"),
                Source::Named(name) => &names[name],
                Source::Failures => unreachable!("it was checked that a call is no handler"),
            };
            waits.push(done.set);
            binds.push((argument.clone(), done.result.clone()));
        }
        waits.sort_unstable();
        waits.dedup();
        self.carried += waits.len();
        self.nodes.push(Sketched {
            call: bare(call),
            binds,
            waits,
            alarm: self.alarm,
            handles: Vec::new(),
        });
        Done {
            set: self.set(vec![number]),
            result: Rc::new(From::Node(number)),
            shape: Shape::Call(number),
        }
    }

    /// Stands for all that is beyond what a flow may carry: there will be no plan.
    fn nothing(&mut self) -> Done {
        Done {
            set: self.set(Vec::new()),
            result: Rc::new(From::List(Vec::new())),
            shape: Shape::Call(0),
        }
    }

    /// What is called when a node from the `first` on has failed.
    fn handler(&mut self, call: &Call, first: usize, handles: Vec<usize>) -> u32 {
        if self.carried > MAX_CARRIED {
            return 0;
        }
        let number = self.nodes.len() as u32;
        let steps = (first..self.nodes.len()).filter(|at| self.nodes[*at].handles.is_empty());
        let failures = ranges(steps.map(|at| at as u32).collect());
        let failures = Rc::new(From::Failures(failures));
        self.carried += handles.len();
        let binds = call.results.iter();
        let binds = binds.map(|(argument, _)| (argument.clone(), failures.clone()));
        self.nodes.push(Sketched {
            call: bare(call),
            binds: binds.collect(),
            waits: Vec::new(),
            alarm: None,
            handles,
        });
        number
    }

    fn set(&mut self, members: Vec<u32>) -> SetId {
        self.sets.push(members);
        self.sets.len() - 1
    }

    /// All of these steps, as one.
    fn together(&mut self, all: &[Done]) -> Done {
        let members = all.iter().flat_map(|it| self.sets[it.set].iter().copied());
        let members: Vec<u32> = members.collect();
        let shapes = all.iter().map(|it| it.shape.clone());
        Done {
            set: self.set(members),
            result: Rc::new(From::List(
                all.iter().map(|it| (*it.result).clone()).collect(),
            )),
            shape: Shape::Group(shapes.collect()),
        }
    }

    /// In an order in which each stands behind those that it names; it was checked that
    /// there is one. The graph's own result is the list of those that nobody waits for,
    /// or the one.
    fn graph(&mut self, vertices: &[Vertex], after: &[SetId], previous: Option<&Done>) -> Done {
        let mut names = Names::new();
        let waited: HashSet<&str> = vertices.iter().flat_map(super::check::named).collect();
        for at in super::check::order(vertices) {
            let vertex = &vertices[at];
            let before = super::check::named(vertex);
            let mut waits: Vec<SetId> = before.iter().map(|it| names[*it].set).collect();
            if waits.is_empty() {
                waits.extend_from_slice(after);
            }
            let done = Rc::new(self.step(&vertex.step, &waits, previous, &names));
            names.insert(vertex.name.clone(), done);
        }
        let ends = vertices.iter().filter(|it| !waited.contains(&*it.name));
        let ends: Vec<Done> = ends.map(|it| (*names[&it.name]).clone()).collect();
        let done = match ends.len() {
            1 => ends[0].clone(),
            _ => self.together(&ends),
        };
        let shapes = vertices.iter().map(|vertex| {
            let before = super::check::named(vertex);
            let before = before.into_iter().map(str::to_owned).collect();
            let shape = names[&vertex.name].shape.clone();
            (vertex.name.clone(), before, shape)
        });
        Done {
            shape: Shape::Graph(shapes.collect()),
            ..done
        }
    }

    /// Numbers joints and nodes. A node's joint is told by the sets that hold it and that
    /// somebody waits for: nodes of the same sets are waited for by the same nodes.
    fn finish(self, done: &Done, otherwise: &OnFailure) -> Result<Plan, FlowError> {
        let mut carried = self.carried;
        if carried > MAX_CARRIED {
            return Err(FlowError::Tangled);
        }
        let mut waited = vec![false; self.sets.len()];
        for node in &self.nodes {
            node.waits.iter().for_each(|set| waited[*set] = true);
        }
        let mut held: Vec<Vec<SetId>> = vec![Vec::new(); self.nodes.len()];
        for (set, members) in self.sets.iter().enumerate().filter(|it| waited[it.0]) {
            members
                .iter()
                .for_each(|node| held[*node as usize].push(set));
        }
        let mut numbers: HashMap<&[SetId], u32> = HashMap::new();
        let mut joints_of: Vec<Vec<u32>> = vec![Vec::new(); self.sets.len()];
        let joins: Vec<Option<u32>> = held
            .iter()
            .map(|sets| {
                if sets.is_empty() {
                    return None;
                }
                let new = numbers.len() as u32;
                let number = *numbers.entry(sets).or_insert(new);
                if number == new {
                    sets.iter().for_each(|set| joints_of[*set].push(number));
                }
                Some(number)
            })
            .collect();

        for node in &self.nodes {
            let needs = node.waits.iter().map(|set| joints_of[*set].len());
            carried += needs.sum::<usize>() + node.handles.len();
            if carried > MAX_CARRIED {
                return Err(FlowError::Tangled);
            }
        }

        // Those of no joint come last.
        let mut order: Vec<u32> = (0..self.nodes.len() as u32).collect();
        order.sort_by_key(|node| (joins[*node as usize].unwrap_or(u32::MAX), *node));
        let mut places = vec![0; order.len()];
        for (place, node) in order.iter().enumerate() {
            places[*node as usize] = place as u32;
        }
        let mut joints = vec![Joint { first: 0, count: 0 }; numbers.len()];
        for (place, node) in order.iter().enumerate() {
            if let Some(joint) = joins[*node as usize] {
                let joint = &mut joints[joint as usize];
                if joint.count == 0 {
                    joint.first = place as u32;
                }
                joint.count += 1;
            }
        }

        let alarms = joints.len() as u32;
        joints.resize(joints.len() + self.alarms, Joint { first: 0, count: 0 });
        let result = done.result.placed(&places);
        let shape = done.shape.placed(&places);
        let mut placed: HashMap<*const From, (From, usize)> = HashMap::new();
        let mut sketched: Vec<Option<Sketched>> = self.nodes.into_iter().map(Some).collect();
        let nodes = order.iter().map(|node| {
            let it = sketched[*node as usize].take().expect("each node once");
            let needs = it.waits.iter().flat_map(|set| joints_of[*set].iter());
            let handles = it.handles.iter().map(|alarm| alarms + *alarm as u32);
            let mut needs: Vec<u32> = needs.copied().chain(handles).collect();
            needs.sort_unstable();
            needs.dedup();
            let binds = it.binds.iter().map(|(argument, from)| {
                let known = placed.entry(Rc::as_ptr(from));
                let (from, pieces) = known.or_insert_with(|| {
                    let from = from.placed(&places);
                    let pieces = from.pieces();
                    (from, pieces)
                });
                carried += *pieces;
                if carried > MAX_CARRIED {
                    return Err(FlowError::Tangled);
                }
                let (argument, from) = (argument.clone(), from.clone());
                Ok(Bind { argument, from })
            });
            let binds = binds.collect::<Result<Vec<_>, _>>()?;
            let on_failure = it.call.on_failure.as_ref().unwrap_or(otherwise);
            let (without, default) = match on_failure {
                _ if !it.handles.is_empty() => (WithoutNode::Handles, None),
                OnFailure::Stop => (WithoutNode::Stops, None),
                OnFailure::Wait => (WithoutNode::Waits, None),
                OnFailure::Default(value) => (WithoutNode::GoesOn, Some(value.clone())),
            };
            Ok(Node {
                binds,
                call: it.call,
                needs,
                joins: joins[*node as usize],
                alarms: it.alarm.map(|alarm| alarms + alarm as u32),
                without,
                default,
            })
        });
        Ok(Plan {
            nodes: nodes.collect::<Result<_, _>>()?,
            joints,
            result,
            shape,
        })
    }
}

impl From {
    /// How many values it is made of in memory.
    fn pieces(&self) -> usize {
        match self {
            From::Node(_) | From::Nodes { .. } => 1,
            From::List(all) => 1 + all.iter().map(From::pieces).sum::<usize>(),
            From::Failures(ranges) => ranges.len(),
        }
    }

    /// The same by the nodes' last places; nodes side by side are told as such.
    fn placed(&self, places: &[u32]) -> From {
        match self {
            From::Node(node) => From::Node(places[*node as usize]),
            From::Nodes { .. } => self.clone(),
            From::Failures(all) => {
                let all = all.iter().flat_map(|(at, count)| *at..at + count);
                From::Failures(ranges(all.map(|at| places[at as usize]).collect()))
            }
            From::List(all) => list(all.iter().map(|it| it.placed(places)).collect()),
        }
    }
}
