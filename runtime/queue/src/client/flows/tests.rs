use serde_json::{Value, json};

use super::about::About;
use super::check::{self, Modules};
use super::tree::{Drawing, Part};
use super::*;
use crate::client::known::Known;
use crate::flow::{OnFailure, Step, call, chain, chord, graph, group, map, vertex};
use crate::job::{Partition, State};
use crate::registry::Manifest;
use crate::task::{TaskInfo, TaskOptions};

/// A module `m` of these tasks: their names, what each takes as `x` and what it returns.
fn module(tasks: &[(&str, Value, Value)]) -> Modules {
    let tasks = tasks.iter().map(|(name, takes, returns)| TaskInfo {
        name: (*name).into(),
        doc: String::new(),
        input_schema: json!({
            "type": "object", "required": ["x"], "additionalProperties": false,
            "properties": {"x": takes, "more": {}},
        }),
        output_schema: returns.clone(),
        options: TaskOptions::default(),
        schedules: Vec::new(),
    });
    let manifest = Manifest {
        tasks: tasks.collect(),
        size: 0,
        wants: Default::default(),
    };
    Modules::of("m", Known::new(manifest))
}

fn it(task: &str) -> crate::flow::Call {
    call(&format!("m.{task}")).unwrap()
}

fn with(task: &str, x: Value) -> crate::flow::Call {
    it(task).arg("x", &x).unwrap()
}

/// A call of so many headers, each of so many bytes.
fn headed(count: usize, size: usize) -> crate::flow::Call {
    let mut call = with("text", json!("a"));
    let headers = (0..count).map(|n| (n.to_string(), "h".repeat(size)));
    call.options.headers = headers.collect();
    call
}

/// What is said against a flow of tasks that take and return texts and numbers.
fn said(step: impl Into<Step>) -> Option<String> {
    let [text, number] = ["string", "integer"].map(|kind| json!({ "type": kind }));
    let texts = json!({"type": "array", "items": text});
    let failures = json!({"type": "array", "items": {"type": "object", "required": ["kind"]}});
    let modules = module(&[
        ("text", text.clone(), text.clone()),
        ("count", text.clone(), number.clone()),
        ("add", number.clone(), number),
        ("join", texts, text.clone()),
        ("told", failures, json!({})),
        ("any", json!({}), json!({})),
    ]);
    let plan = Plan::of(&step.into(), &OnFailure::Stop).unwrap();
    check::calls(&plan, &modules).err().map(|e| e.to_string())
}

#[test]
fn results_that_can_be_arguments_pass() {
    let texts = || map(&it("text"), "x", ["a", "b"]).unwrap();
    for step in [
        chain([
            with("text", json!("a")),
            it("count").previous("x"),
            it("add").previous("x"),
        ]),
        chord(
            [with("text", json!("a")), with("text", json!("b"))],
            it("join").previous("x"),
        ),
        chain((texts(), it("any").previous("x"), it("add").previous("x"))),
        chain((
            texts(),
            group([it("join").previous("x"), it("join").previous("x")]),
            it("join").previous("x"),
        )),
        texts().on_error(it("told").failures("x")),
        chain((
            with("text", json!("a")).or_default("none").unwrap(),
            it("text").previous("x"),
        )),
    ] {
        assert_eq!(said(step.clone()), None, "{step:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_path() {
    let texts = || map(&it("text"), "x", ["a", "b"]).unwrap();
    let numbers = || map(&it("count"), "x", ["a", "b", "c"]).unwrap();
    for (step, expected) in [
        (
            with("text", json!(7)).into(),
            "flow: the arguments do not fit `m.text`: at `/x`",
        ),
        (
            it("text").into(),
            "flow: the arguments do not fit `m.text`: \"x\" is a required",
        ),
        (
            chain((texts(), it("join"))),
            "chain[1]: the arguments do not fit `m.join`",
        ),
        (
            chain([with("text", json!("a")), it("add").previous("x")]),
            "chain[1]: argument `x` of `m.add` takes integer, and the result of chain[0] is string",
        ),
        (
            chain((texts(), it("text").previous("x"))),
            "chain[1]: argument `x` of `m.text` takes string, and the result of chain[0].group[0] to chain[0].group[1] is list of string",
        ),
        (
            chord((texts(), numbers()), it("join").previous("x")),
            "chain[1]: argument `x` of `m.join` takes list of string, and the result of chain[0].group[0].group[0] to chain[0].group[1].group[2] is list of list of string and list of integer",
        ),
        (
            chain((texts(), group((texts(), it("text").previous("x"))))),
            "chain[1].group[1]: argument `x`",
        ),
        (
            graph([
                vertex("a", with("text", json!("a"))),
                vertex("b", it("add").result_of("x", "a")),
            ]),
            "graph[b]: argument `x` of `m.add` takes integer, and the result of graph[a] is string",
        ),
        (
            texts().on_error(it("text").failures("x")),
            "on_error: argument `x` of `m.text` takes string, and the result of the flow's failures is list of",
        ),
        (
            chain([
                with("text", json!("a")).or_default(&7).unwrap(),
                it("text").previous("x"),
            ]),
            "chain[1]: argument `x` of `m.text` takes string, and the result of chain[0] is string or 7",
        ),
        (
            chain([
                with("text", json!("a")),
                with("text", json!("a")).previous("y"),
            ]),
            "chain[1]: the arguments do not fit `m.text`: it takes no argument `y`",
        ),
        (
            chain([
                with("any", json!(1)),
                with("any", json!(1))
                    .or_default(&"d".repeat(65_536))
                    .unwrap(),
            ]),
            "chain[1]: its default has 65541 bytes",
        ),
        (headed(65, 1).into(), "flow: it has 65 headers of"),
        (headed(2, 9_000).into(), "flow: it has 2 headers of"),
        (
            with("text", json!("a")).priority(10).into(),
            "flow: priority 10 is not",
        ),
        (
            with("text", json!("a")).queue("No!").into(),
            "flow: `No!` is no valid queue name",
        ),
        (
            with("text", json!("a")).lane("a\nb").into(),
            "flow: a lane key takes",
        ),
    ] {
        let said = said(step).unwrap();
        assert!(said.starts_with(expected), "{said}");
    }
}

/// What alike calls take of alike ones is looked at once: in each of these the first pair
/// fits, and the second differs in one thing.
#[test]
fn what_fits_once_is_not_taken_for_what_does_not() {
    let text = || with("text", json!("a"));
    let pair = |giver: crate::flow::Call, taker: &str| chain([giver, it(taker).previous("x")]);
    let numbers = || map(&it("count"), "x", ["a", "b"]).unwrap();
    let texts = || map(&it("text"), "x", ["a", "b"]).unwrap();
    let joined = |members: Step| chain((members, it("join").previous("x")));
    for (first, second) in [
        (
            pair(text(), "text"),
            pair(with("count", json!("a")), "text"),
        ),
        (pair(text(), "text"), pair(text(), "add")),
        (
            pair(text().or_default("none").unwrap(), "text"),
            pair(text().or_default(&7).unwrap(), "text"),
        ),
        (
            pair(text(), "text"),
            pair(text().or_default(&7).unwrap(), "text"),
        ),
        (joined(texts()), joined(numbers())),
    ] {
        assert_eq!(
            said(group([first.clone(), first.clone()])),
            None,
            "{first:?}"
        );
        let said = said(group([first, second.clone()]));
        let said = said.unwrap_or_else(|| panic!("{second:?}"));
        assert!(
            said.starts_with("group[1].chain[1]: argument `x`"),
            "{said}"
        );
    }
}

#[test]
fn a_nodes_job_has_its_seat_and_what_its_task_says() {
    let modules = module(&[("text", json!({}), json!({}))]);
    let mut first = with("text", json!(1))
        .delay(Duration::from_secs(5))
        .lane("k");
    first.expiry = Some(Duration::from_secs(60));
    let last = it("text")
        .previous("x")
        .or_default(&3)
        .unwrap()
        .queue("high");
    let plan = Plan::of(&chain([first, last]), &OnFailure::Stop).unwrap();
    let ids = [0, 1].map(|_| JobId::new(Partition(0)));
    let prepared = PreparedFlow {
        traceparent: None,
        _enqueueing: None,
        flow: NewFlow {
            id: JobId::new(Partition(0)),
            name: "f".into(),
            nodes: 2,
            keep: None,
            about: Vec::new(),
        },
        jobs: ids.to_vec(),
        is_keyed: false,
        modules,
        plan,
        line: None,
    };
    let [first, last] = [0, 1].map(|n| prepared.job(n, &prepared.plan.nodes[n]));
    let span = |secs| When::In(Duration::from_secs(secs));
    assert_eq!((first.eta, first.expiry), (span(5), Some(span(65))));
    assert_eq!(
        (&*first.queue, &*first.lane, first.id),
        ("default", "k", ids[0])
    );
    assert_eq!(first.seat.unwrap().joins, Some(0));
    assert_eq!((&*last.queue, last.priority), ("high", DEFAULT_PRIORITY));
    assert_eq!(
        last.options.default.as_deref().map(|it| &it[..]),
        Some(&[3][..])
    );
    assert_eq!(last.options.binds, prepared.plan.nodes[1].binds);
    assert_eq!(last.seat.unwrap().flow, prepared.id());
}

#[test]
fn what_is_kept_of_a_flow_reads_back_and_is_small() {
    let pairs: Vec<Step> = (0..50_000).map(|_| chain([it("a"), it("b")])).collect();
    let plan = Plan::of(&chord(pairs, it("c")), &OnFailure::Stop).unwrap();
    let about = About::of(&plan);
    let packed = about.pack().unwrap();
    let id = JobId::new(Partition(0));
    assert_eq!(About::unpack(id, &packed).unwrap(), about);
    for bent in [&packed[..packed.len() - 1], b"no frame", b""] {
        let e = About::unpack(id, bent).unwrap_err().to_string();
        assert!(e.contains(&id.to_string()), "{e}");
    }
    let wide: Vec<Step> = (0..100_000).map(|_| it("a").into()).collect();
    let plan = Plan::of(&group(wide), &OnFailure::Stop).unwrap();
    assert!(About::of(&plan).pack().unwrap().len() < 200);
}

#[test]
fn a_wide_group_is_counted_and_the_rest_is_drawn() {
    let wide: Vec<Step> = (0..40).map(|_| it("wide").into()).collect();
    let steps = chain((
        group([it("a"), it("b")]),
        group(wide).on_error(it("told")),
        graph([vertex("x", it("c")), vertex("y", it("d")).after(["x"])]),
    ));
    let plan = Plan::of(&steps, &OnFailure::Stop).unwrap();
    let about = About::of(&plan);
    let node = |n: usize| match plan.nodes[n].call.task.task.as_str() {
        "wide" if n.is_multiple_of(4) => Some(State::Running),
        "wide" => Some(State::Completed),
        _ => None,
    };
    let ids: Vec<JobId> = plan
        .nodes
        .iter()
        .map(|_| JobId::new(Partition(0)))
        .collect();
    let jobs = ids.iter().enumerate().map(|(n, id)| (*id, node(n)));
    let root = Drawing::of(&about, jobs.collect()).branch("flow", &about.shape);
    let Part::Chain(steps) = &root.part else {
        panic!("{root:?}")
    };
    let Part::Group(members) = &steps[0].part else {
        panic!("{root:?}")
    };
    let Part::Call(b) = &members[1].part else {
        panic!("{root:?}")
    };
    assert_eq!((&*members[1].path, &*b.task), ("chain[0].group[1]", "m.b"));
    let place = plan
        .nodes
        .iter()
        .position(|it| it.call.task.task == "b")
        .unwrap();
    assert_eq!(b.job, Some((ids[place], None)));
    let Part::Many("group", many) = &steps[1].part else {
        panic!("{root:?}")
    };
    assert_eq!((many.steps, many.tasks["m.wide"]), (40, 40));
    assert_eq!(
        many.states,
        [(Some(State::Running), 10), (Some(State::Completed), 30)]
    );
    assert_eq!(steps[1].on_error[0].task, "m.told");
    let Part::Graph(vertices) = &steps[2].part else {
        panic!("{root:?}")
    };
    assert_eq!(vertices[1].name.as_deref(), Some("y"));
    assert_eq!(
        (&*vertices[1].after[0], &*vertices[1].path),
        ("x", "chain[2].graph[y]")
    );
}
