use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::job::WithoutNode;

fn call(name: &str) -> Call {
    super::call(&format!("m.{name}")).unwrap()
}

fn step(name: &str) -> Step {
    Step::Call(Box::new(call(name)))
}

/// One that takes a result as its argument `x`.
fn taking(name: &str, source: Source) -> Step {
    let mut call = call(name);
    call.results.push(("x".into(), source));
    Step::Call(Box::new(call))
}

fn named(name: &str) -> Source {
    Source::Named(name.into())
}

fn vertex(name: &str, after: &[&str], step: Step) -> Vertex {
    Vertex {
        name: name.into(),
        after: after.iter().map(|it| (*it).into()).collect(),
        step,
    }
}

fn plan(step: &Step) -> Plan {
    Plan::of(step, &OnFailure::Stop).unwrap()
}

/// The place of a call in the plan.
fn at(plan: &Plan, name: &str) -> u32 {
    let place = plan.nodes.iter().position(|it| it.call.task.task == name);
    place.expect("it is there") as u32
}

/// The names of the nodes that a node waits for, by its joints.
fn waits(plan: &Plan, name: &str) -> BTreeSet<String> {
    let needs = plan.nodes[at(plan, name) as usize].needs.iter();
    let members = needs.flat_map(|joint| {
        let joint = plan.joints[*joint as usize];
        joint.first..joint.first + joint.count
    });
    members
        .map(|it| plan.nodes[it as usize].call.task.task.clone())
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|it| (*it).to_owned()).collect()
}

#[test]
fn a_chain_is_one_after_the_other_and_hands_its_result_on() {
    let chain = Step::Chain(vec![step("a"), taking("b", Source::Previous), step("c")]);
    let plan = plan(&chain);
    assert_eq!(waits(&plan, "a"), set(&[]));
    assert_eq!(waits(&plan, "b"), set(&["a"]));
    assert_eq!(waits(&plan, "c"), set(&["b"]));
    let b = &plan.nodes[at(&plan, "b") as usize];
    let from = From::Node(at(&plan, "a"));
    assert_eq!(
        b.binds,
        [Bind {
            argument: "x".into(),
            from
        }]
    );
    assert_eq!(plan.result, From::Node(at(&plan, "c")));
    assert_eq!(plan.nodes[at(&plan, "c") as usize].joins, None);
}

#[test]
fn a_chord_takes_the_list_of_its_members_in_their_order() {
    let members = ["a", "b", "c"].map(step).to_vec();
    let plan = plan(&Step::chord(members, taking("sum", Source::Previous)));
    assert_eq!(plan.joints.len(), 1, "one count");
    assert_eq!(waits(&plan, "sum"), set(&["a", "b", "c"]));
    let sum = &plan.nodes[at(&plan, "sum") as usize];
    let from = From::Nodes { first: 0, count: 3 };
    assert_eq!(sum.binds[0].from, from);
    assert_eq!([0, 1, 2], ["a", "b", "c"].map(|it| at(&plan, it)));
}

#[test]
fn a_wide_group_before_a_wide_group_is_one_joint() {
    let wide = |n: usize| Step::Group((0..n).map(|_| step("a")).collect());
    let plan = plan(&Step::Chain(vec![wide(30_000), wide(30_000)]));
    assert_eq!(plan.nodes.len(), 60_000);
    assert_eq!(
        plan.joints,
        [Joint {
            first: 0,
            count: 30_000
        }]
    );
    assert!(plan.nodes[30_000..].iter().all(|it| it.needs == [0]));
    let first = From::Nodes {
        first: 30_000,
        count: 30_000,
    };
    assert_eq!(plan.result, first);
}

#[test]
fn a_diamond_waits_for_both_sides_and_for_each_alone() {
    let graph = Step::Graph(vec![
        vertex("end", &["left"], taking("end", named("right"))),
        vertex("left", &["begin"], step("left")),
        vertex("right", &[], taking("right", named("begin"))),
        vertex("only", &["left"], step("only")),
        vertex("begin", &[], step("begin")),
    ]);
    let plan = plan(&graph);
    assert_eq!(waits(&plan, "begin"), set(&[]));
    assert_eq!(waits(&plan, "left"), set(&["begin"]));
    assert_eq!(waits(&plan, "end"), set(&["left", "right"]));
    assert_eq!(waits(&plan, "only"), set(&["left"]));
    let [end, only] = ["end", "only"].map(|it| From::Node(at(&plan, it)));
    let results = match &plan.result {
        From::List(all) => all.clone(),
        From::Nodes { first, count } => (*first..first + count).map(From::Node).collect(),
        other => panic!("{other:?}"),
    };
    assert_eq!(results, [end, only]);
}

#[test]
fn steps_lie_in_each_other_at_will() {
    let member = |a: &str, b: &str| Step::Chain(vec![step(a), taking(b, Source::Previous)]);
    let graph = Step::Graph(vec![
        vertex(
            "g",
            &[],
            Step::Group(vec![member("a", "b"), member("c", "d")]),
        ),
        vertex("h", &[], taking("h", named("g"))),
    ]);
    let plan = plan(&Step::Chain(vec![step("first"), graph, step("last")]));
    assert_eq!(waits(&plan, "a"), set(&["first"]));
    assert_eq!(waits(&plan, "c"), set(&["first"]));
    assert_eq!(waits(&plan, "h"), set(&["b", "d"]));
    assert_eq!(waits(&plan, "last"), set(&["h"]));
    let h = &plan.nodes[at(&plan, "h") as usize];
    let first = at(&plan, "b");
    assert_eq!(h.binds[0].from, From::Nodes { first, count: 2 });
}

#[test]
fn a_handler_waits_for_the_alarms_of_what_it_guards() {
    let mut told = call("told");
    told.results.push(("what".into(), Source::Failures));
    let inner = Step::Guarded(Box::new(step("a")), Box::new(told.clone()));
    told.task = "m.outer".parse().unwrap();
    let both = Step::Chain(vec![inner, step("b")]);
    let plan = plan(&Step::Guarded(Box::new(both), Box::new(told)));
    let node = |name: &str| &plan.nodes[at(&plan, name) as usize];
    let (outer, inner) = (node("b").alarms.unwrap(), node("a").alarms.unwrap());
    assert_ne!(outer, inner);
    assert_eq!(node("told").needs, [inner]);
    let mut both = [outer, inner];
    both.sort_unstable();
    assert_eq!(node("outer").needs, both);
    assert_eq!(node("outer").without, WithoutNode::Handles);
    assert!(both.iter().all(|it| plan.joints[*it as usize].count == 0));
    let [a, b] = ["a", "b"].map(|name| at(&plan, name));
    assert_eq!(node("told").binds[0].from, From::Failures(vec![(a, 1)]));
    assert_eq!(
        node("outer").binds[0].from,
        From::Failures(shape::ranges(vec![a, b]))
    );
    assert_eq!(waits(&plan, "b"), set(&["a"]));
    assert_eq!(plan.result, From::Node(b));
}

#[test]
fn what_a_node_says_of_its_failure_goes_before_what_the_flow_says() {
    let mut own = call("own");
    own.on_failure = Some(OnFailure::Default(vec![0xc0]));
    let group = Step::Group(vec![Step::Call(Box::new(own)), step("other")]);
    let plan = Plan::of(&group, &OnFailure::Wait).unwrap();
    let node = |name: &str| &plan.nodes[at(&plan, name) as usize];
    assert_eq!(node("own").without, WithoutNode::GoesOn);
    assert_eq!(node("own").default, Some(vec![0xc0]));
    assert_eq!(node("other").without, WithoutNode::Waits);
}

#[test]
fn a_shape_tells_calls_side_by_side_in_few_words() {
    let wide = |n: usize| Step::Group((0..n).map(|_| step("a")).collect());
    let plan = plan(&Step::chord(
        vec![wide(100_000), step("b")],
        taking("c", Source::Previous),
    ));
    let Shape::Chain(steps) = &plan.shape else {
        panic!("{:?}", plan.shape)
    };
    let Shape::Group(members) = &steps[0] else {
        panic!("{:?}", steps[0])
    };
    assert_eq!(
        members[0],
        Shape::Calls {
            first: 0,
            count: 100_000
        }
    );
    assert_eq!(members[1], Shape::Call(at(&plan, "b")));
    assert_eq!(steps[1], Shape::Call(at(&plan, "c")));
}

#[test]
fn steps_are_found_by_their_paths_and_nodes_have_them() {
    let mut told = call("told");
    told.results.push(("what".into(), Source::Failures));
    let wide = Step::Group((0..12).map(|_| step("w")).collect());
    let graph = Step::Graph(vec![
        vertex("end", &["left x"], step("end")),
        vertex("left x", &[], Step::Group(vec![step("l"), step("m")])),
        vertex("only", &[], step("only").on_error(told.clone())),
    ]);
    let steps = vec![wide, graph, step("last").on_error(told.clone())];
    let flow = Step::Chain(steps).on_error(told);
    let plan = plan(&flow);
    for node in 0..plan.nodes.len() as u32 {
        let path = plan.shape.path(node).unwrap();
        assert_eq!(
            plan.shape.result_at(&path),
            Some(From::Node(node)),
            "{path}"
        );
    }
    assert_eq!(plan.shape.path(99), None);
    let result = |path: &str| plan.shape.result_at(path);
    assert_eq!(
        result("chain[0]"),
        Some(From::Nodes {
            first: 0,
            count: 12
        })
    );
    let at = |name: &str| at(&plan, name);
    assert_eq!(result("chain[1].graph[end]"), Some(From::Node(at("end"))));
    assert_eq!(
        result("chain[1].graph[left x].group[1]"),
        Some(From::Node(at("m")))
    );
    let ends = result("chain[1]").unwrap();
    assert!(matches!(ends, From::List(_) | From::Nodes { count: 2, .. }));
    for none in [
        "chain",
        "chain[3]",
        "chain[0].group[12]",
        "chain[0].group[1]x",
        "chain[0]group[1]",
        "chain[1].graph[left]",
        "chain[2].on_error.x",
        "group[0]",
        "chain[x]",
        "chain[2].chain[0]",
    ] {
        assert_eq!(result(none), None, "{none}");
    }
    assert_eq!(result("flow"), Some(plan.result.clone()));
    assert_eq!(plan.result, From::Node(at("last")));
}

#[test]
fn what_all_of_a_wide_group_take_is_kept_once() {
    let takes = || taking("b", Source::Previous);
    let wide = |n: usize, one: &dyn Fn() -> Step| Step::Group((0..n).map(|_| one()).collect());
    // A copy for each would be 400 million.
    let flow = Step::Chain(vec![wide(20_000, &|| step("a")), wide(20_000, &takes)]);
    let plan = plan(&flow);
    let all = From::Nodes {
        first: 0,
        count: 20_000,
    };
    assert!(
        plan.nodes[20_000..]
            .iter()
            .all(|it| it.binds[0].from == all)
    );
}

#[test]
fn a_flow_of_too_many_who_wait_for_too_many_is_refused() {
    let n = 3_000;
    let names: Vec<String> = (0..n).map(|n| format!("v{n}")).collect();
    let before: Vec<&str> = names.iter().map(|it| &**it).collect();
    let begin = before.iter().map(|name| vertex(name, &[], step("a")));
    let wide = || Step::Group((0..n).map(|_| step("b")).collect());
    let tangled = |end| Step::Graph(begin.clone().chain([vertex("end", &before, end)]).collect());
    let refused = Plan::of(&tangled(wide()), &OnFailure::Stop);
    assert_eq!(refused.unwrap_err(), FlowError::Tangled);
    // A step between gathers them.
    plan(&tangled(Step::Chain(vec![step("gather"), wide()])));
    // So is a list that lies in pieces, once for each who takes it.
    let member = |_| Step::Group(vec![step("a"), step("b")]);
    let takers = (0..n).map(|_| taking("c", Source::Previous)).collect();
    let pieces = Step::Chain(vec![
        Step::Group((0..n).map(member).collect()),
        Step::Group(takers),
    ]);
    let refused = Plan::of(&pieces, &OnFailure::Stop);
    assert_eq!(refused.unwrap_err(), FlowError::Tangled);
}

#[test]
fn maps_and_chunks_are_groups() {
    let values = || (0..7).map(rmpv::Value::from).collect::<Vec<_>>();
    let calls = |step: &Step| match step {
        Step::Group(all) => all.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(calls(&Step::map(&call("a"), "x", values())), 7);
    assert_eq!(calls(&Step::chunks(&call("a"), "x", values(), 3)), 3);
    let mut one = Arguments::new();
    one.set("x", &1).unwrap();
    let starmap = Step::starmap(&call("a"), vec![one, Arguments::new()]);
    let Step::Group(all) = starmap else { panic!() };
    let Step::Call(first) = &all[0] else { panic!() };
    assert_eq!(first.arguments.to_json(), serde_json::json!({"x": 1}));
}

#[test]
fn what_cannot_be_is_refused_with_its_path() {
    let cycle = Step::Graph(vec![
        vertex("a", &["b"], step("a")),
        vertex("b", &["c"], step("b")),
        vertex("c", &["a"], step("c")),
        vertex("d", &[], step("d")),
        vertex("e", &["f"], step("e")),
        vertex("f", &["a", "d"], step("f")),
    ]);
    let mut stubborn = call("told");
    stubborn.on_failure = Some(OnFailure::Wait);
    let mut twice = call("a");
    twice.results = vec![("x".into(), Source::Previous); 2];
    let twice = Step::Call(Box::new(twice));
    let mut previous = call("told");
    previous.results.push(("x".into(), Source::Previous));
    let deep = (0..40).fold(step("a"), |inner, _| Step::Chain(vec![inner]));
    let two = |name| {
        Step::Graph(vec![
            vertex("a", &[], step("a")),
            vertex(name, &[], step("b")),
        ])
    };
    for (step, said) in [
        (Step::Group(vec![]), "flow: it has no steps"),
        (
            Step::Chain(vec![step("a"), Step::Chain(vec![])]),
            "chain[1]: it has no steps",
        ),
        (cycle, "flow: `a`, `b`, `c` wait for each other"),
        (two("a"), "flow: two steps are named `a`"),
        (
            Step::Graph(vec![vertex("a", &["x"], step("a"))]),
            "graph[a]: there is no step `x`",
        ),
        (
            Step::Chain(vec![step("a"), taking("b", named("x"))]),
            "chain[1]: there is no step `x`",
        ),
        (
            taking("a", Source::Previous),
            "flow: argument `x` is the result of the step before",
        ),
        (
            Step::Chain(vec![step("a"), twice]),
            "chain[1]: argument `x` is given twice",
        ),
        (
            Step::Chain(vec![step("a"), two("b.c")]),
            "chain[1]: \"b.c\" is no name of a step",
        ),
        (two(""), "flow: \"\" is no name"),
        (two("b\n"), "flow: \"b\\n\" is no name"),
        (two(&"b".repeat(129)), "flow: \"bbb"),
        (
            step("a").on_error(stubborn),
            "on_error: it takes no `on_failure`",
        ),
        (deep, "chain[0].chain[0]"),
        (
            Step::Chain(vec![step("a"), taking("b", Source::Failures)]),
            "chain[1]: argument `x` is what failed",
        ),
        (
            Step::Guarded(Box::new(step("a")), Box::new(previous)),
            "on_error: argument `x` is the result of the step before",
        ),
    ] {
        let error = Plan::of(&step, &OnFailure::Stop).unwrap_err().to_string();
        assert!(error.starts_with(said), "{said}: {error}");
    }
}

/// A graph of so many steps, each of which names some of those before it.
fn graphs() -> impl Strategy<Value = Vec<Vec<usize>>> {
    let edges = (1..40_usize).prop_flat_map(|count| {
        let of = |n: usize| prop::collection::vec(0..n.max(1), 0..n.min(4) + 1);
        (0..count).map(of).collect::<Vec<_>>()
    });
    edges.prop_map(|mut edges| {
        edges[0].clear();
        edges
    })
}

proptest! {
    #[test]
    fn a_graphs_steps_wait_for_what_they_name_and_for_nothing_else(edges in graphs()) {
        let name = |n: usize| format!("v{n}");
        let vertices = edges.iter().enumerate().rev().map(|(n, before)| Vertex {
            name: name(n),
            after: before.iter().map(|it| name(*it)).collect(),
            step: step(&name(n)),
        });
        let plan = plan(&Step::Graph(vertices.collect()));
        prop_assert_eq!(plan.nodes.len(), edges.len());
        prop_assert_eq!(plan.shape.result(), plan.result.clone());
        for (n, before) in edges.iter().enumerate() {
            let expected: BTreeSet<String> = before.iter().map(|it| name(*it)).collect();
            prop_assert_eq!(waits(&plan, &name(n)), expected);
        }
        // Each joint is its members, side by side, and each node is of one at most.
        for (number, joint) in (0..).zip(&plan.joints) {
            prop_assert!(joint.count > 0);
            let joins = plan.nodes.iter().map(|it| it.joins);
            let members: Vec<u32> = (0..).zip(joins).filter(|it| it.1 == Some(number)).map(|it| it.0).collect();
            let side_by_side: Vec<u32> = (joint.first..joint.first + joint.count).collect();
            prop_assert_eq!(members, side_by_side);
        }
    }
}
