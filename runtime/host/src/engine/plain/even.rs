//! Strings at even addresses, where they are to be of the encoding that any bytes are of.
//!
//! A function returns its bytes and texts where its own language puts them, and empty ones at
//! addresses that are none. So what it returns passes through code of ours, in its own
//! memory, that moves what lies at an odd one.

use std::collections::HashMap;
use std::fmt::Write as _;

use wasm_encoder::{
    Alias, CanonicalOption, Component, ComponentAliasSection, ExportKind, InstanceSection,
    ModuleArg, RawSection,
};

use super::Function;
use super::sections;
use super::shape::{FLAT_PARAMETERS, Shape};

/// What of each kind a component has, as far as it matters here.
pub(super) struct Counts {
    pub(super) modules: u32,
    pub(super) instances: u32,
    pub(super) functions: u32,
}

/// The core function in the place of a function's own, put into its component; the same one
/// where it returns no string.
pub(super) fn evened(
    component: &mut Component,
    counts: &mut Counts,
    function: &Function,
    core: u32,
    options: &[CanonicalOption],
) -> u32 {
    let Some(result) = function.result.as_ref().filter(|it| it.has_strings()) else {
        return core;
    };
    let find = |wanted: fn(&CanonicalOption) -> Option<u32>| options.iter().find_map(wanted);
    let memory = find(|it| match it {
        CanonicalOption::Memory(it) => Some(*it),
        _ => None,
    });
    let realloc = find(|it| match it {
        CanonicalOption::Realloc(it) => Some(*it),
        _ => None,
    });
    let code = code(function, result, realloc.is_some());
    let module = wat::parse_str(code).expect("it is ours");
    component.section(&RawSection {
        id: sections::MODULE,
        data: &module,
    });
    let mut items = vec![("function", ExportKind::Func, core)];
    items.extend(memory.map(|it| ("memory", ExportKind::Memory, it)));
    items.extend(realloc.map(|it| ("realloc", ExportKind::Func, it)));
    let mut instances = InstanceSection::new();
    instances.export_items(items);
    instances.instantiate(
        counts.modules,
        [("own", ModuleArg::Instance(counts.instances))],
    );
    component.section(&instances);
    let mut aliases = ComponentAliasSection::new();
    aliases.alias(Alias::CoreInstanceExport {
        instance: counts.instances + 1,
        kind: ExportKind::Func,
        name: "function",
    });
    component.section(&aliases);
    counts.modules += 1;
    counts.instances += 2;
    counts.functions += 1;
    counts.functions - 1
}

fn code(function: &Function, result: &Shape, has_realloc: bool) -> String {
    let flat = function.flat_parameters();
    let parameters = match flat.len() <= FLAT_PARAMETERS {
        true => flat.iter().map(|it| it.name()).collect(),
        false => vec!["i32"],
    };
    let passed = (0..parameters.len()).map(|n| format!("(local.get {n})"));
    let (passed, parameters) = (passed.collect::<String>(), parameters.join(" "));
    let mut walks = Walks::default();
    let walk = walks.of(result);
    let (import, room) = match has_realloc {
        true => (
            r#"(import "own" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))"#,
            "(call $realloc (i32.const 0) (i32.const 0) (i32.const 2) (local.get $size))",
        ),
        // It has no say in it: pages of its own do, which only such a one takes.
        false => (
            "",
            "(i32.mul (i32.const 65536) (memory.grow
              (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16)))))",
        ),
    };
    format!(
        r#"(module
        (import "own" "memory" (memory 0))
        (import "own" "function" (func $function (param {parameters}) (result i32)))
        {import}
        (func $string (param $at i32) (local $new i32) (local $size i32)
          (br_if 0 (i32.eqz (i32.and (i32.load (local.get $at)) (i32.const 1))))
          (local.set $size (i32.load offset=4 (local.get $at)))
          (if (local.get $size) (then
            (local.set $new {room})
            (memory.copy (local.get $new) (i32.load (local.get $at)) (local.get $size))))
          (i32.store (local.get $at) (local.get $new)))
        {}
        (func (export "function") (param {parameters}) (result i32) (local $at i32)
          (local.set $at (call $function {passed}))
          (call {walk} (local.get $at))
          (local.get $at)))"#,
        walks.code
    )
}

/// Functions that go through a value to its strings, one a type.
#[derive(Default)]
struct Walks<'s> {
    known: HashMap<&'s Shape, String>,
    code: String,
}

impl<'s> Walks<'s> {
    /// The name of the one for a type.
    fn of(&mut self, shape: &'s Shape) -> String {
        if matches!(shape, Shape::Text | Shape::Bytes) {
            return "$string".into();
        }
        if let Some(known) = self.known.get(shape) {
            return known.clone();
        }
        let body = match shape {
            Shape::List(element) => self.list(element),
            Shape::Tuple(items) => self.each(items.iter()),
            Shape::Record(fields) => self.each(fields.iter().map(|(_, it)| it)),
            choice => self.choice(choice),
        };
        let name = format!("$walk{}", self.known.len());
        let _ = writeln!(
            self.code,
            "(func {name} (param $at i32) (local $count i32) {body})"
        );
        self.known.insert(shape, name.clone());
        name
    }

    fn list(&mut self, element: &'s Shape) -> String {
        let (walk, size) = (self.of(element), element.layout().size);
        format!(
            "(local.set $count (i32.load offset=4 (local.get $at)))
            (local.set $at (i32.load (local.get $at)))
            (loop $next
              (br_if 1 (i32.eqz (local.get $count)))
              (call {walk} (local.get $at))
              (local.set $at (i32.add (local.get $at) (i32.const {size})))
              (local.set $count (i32.sub (local.get $count) (i32.const 1)))
              (br $next))"
        )
    }

    fn each(&mut self, shapes: impl Iterator<Item = &'s Shape>) -> String {
        let (mut at, mut body) = (0_usize, String::new());
        for shape in shapes {
            let layout = shape.layout();
            at = at.next_multiple_of(layout.align);
            if shape.has_strings() {
                body += &self.call(shape, at);
            }
            at += layout.size;
        }
        body
    }

    fn choice(&mut self, shape: &'s Shape) -> String {
        let load = match shape.tag() {
            1 => "i32.load8_u",
            2 => "i32.load16_u",
            _ => "i32.load",
        };
        let (mut body, payload_at) = (String::new(), shape.payload_at());
        for (n, case) in shape.cases().into_iter().enumerate() {
            if let Some(case) = case.filter(|it| it.has_strings()) {
                let call = self.call(case, payload_at);
                let _ = write!(
                    body,
                    "(if (i32.eq ({load} (local.get $at)) (i32.const {n})) (then {call}))"
                );
            }
        }
        body
    }

    fn call(&mut self, shape: &'s Shape, at: usize) -> String {
        let walk = self.of(shape);
        format!("(call {walk} (i32.add (local.get $at) (i32.const {at})))")
    }
}
