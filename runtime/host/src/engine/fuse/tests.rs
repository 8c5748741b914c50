//! A fused component does what it did, by itself and by what it exports.

use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Engine, Store, StoreContextMut};

use super::fused;

/// The two shared libraries and the memory, table and places that they share, as toolchains link
/// them: `{libraries}` says what more there is.
const SHARED: &str = r#"
(component
  (core module $main
    (memory (export "memory") 1)
    (table (export "table") 8 funcref)
    (global (export "a:table_base") i32 (i32.const 1))
    (global (export "b:table_base") i32 (i32.const 3))
    (global (export "a:memory_base") i32 (i32.const 64))
    (global (export "stack") (mut i32) (i32.const 4096))
    (data (i32.const 16) "\2a\00\00\00"))
  (core module $a
    (type $unary (func (param i32) (result i32)))
    (import "env" "memory" (memory 1))
    (import "env" "table" (table 2 funcref))
    (import "env" "__table_base" (global $base i32))
    (import "env" "__memory_base" (global $data i32))
    (import "env" "stack" (global $stack (mut i32)))
    (func $double (type $unary) (i32.mul (local.get 0) (i32.const 2)))
    (func $triple (export "triple") (type $unary) (i32.mul (local.get 0) (i32.const 3)))
    (func (export "push") (result i32)
      (global.set $stack (i32.sub (global.get $stack) (i32.const 16)))
      (global.get $stack))
    (func (export "said") (result i32) (i32.load (global.get $data)))
    (global (export "end") i32 (i32.add (global.get $data) (i32.const 4)))
    (elem (global.get $base) $double $triple)
    (data (global.get $data) "\07\00\00\00"))
  (core module $b
    (type $unary (func (param i32) (result i32)))
    (import "env" "memory" (memory 1))
    (import "env" "table" (table $table 2 funcref))
    (import "env" "__table_base" (global $base i32))
    (import "a" "triple" (func $triple (type $unary)))
    (import "a" "push" (func $push (result i32)))
    (import "a" "said" (func $said (result i32)))
    (func $negate (type $unary) (i32.sub (i32.const 0) (local.get 0)))
    (func $escapes (export "escapes") (type $unary) (i32.add (local.get 0) (i32.const 100)))
    (elem (global.get $base) func $negate $triple)
    (elem $passive func $negate)
    (data $more "\05\00\00\00")
    (func $through-table (export "by-table") (param i32 i32) (result i32)
      (call_indirect (type $unary) (local.get 1) (local.get 0)))
    (func (export "direct") (param i32) (result i32)
      (drop (call $push))
      (i32.add (call $triple (local.get 0)) (i32.add (call $push) (call $said))))
    (func (export "late") (result i32)
      (memory.init $more (i32.const 128) (i32.const 0) (i32.const 4))
      (data.drop $more)
      (table.init $passive (i32.const 7) (i32.const 0) (i32.const 1))
      (elem.drop $passive)
      (call_indirect (type $unary) (i32.load (i32.const 128)) (i32.const 7)))
    (func (export "taken") (param i32) (result i32)
      (table.set $table (i32.const 6) (ref.func $escapes))
      (call_indirect (type $unary) (local.get 0) (i32.const 6)))
    (func (export "constant") (result i32) (i32.load (i32.const 16))))
  {more}
  (core instance $main (instantiate $main))
  (alias core export $main "memory" (core memory $memory))
  (alias core export $main "table" (core table $table))
  (alias core export $main "a:table_base" (core global $a-table))
  (alias core export $main "b:table_base" (core global $b-table))
  (alias core export $main "a:memory_base" (core global $a-memory))
  (alias core export $main "stack" (core global $stack))
  (core instance $a-env
    (export "memory" (memory $memory)) (export "table" (table $table))
    (export "__table_base" (global $a-table)) (export "__memory_base" (global $a-memory))
    (export "stack" (global $stack)))
  (core instance $a (instantiate $a (with "env" (instance $a-env))))
  (core instance $b-env
    (export "memory" (memory $memory)) (export "table" (table $table))
    (export "__table_base" (global $b-table)))
  (core instance $b (instantiate $b (with "env" (instance $b-env)) (with "a" (instance $a))))
  {instances}
  (func (export "by-table") (param "f" u32) (param "x" u32) (result u32)
    (canon lift (core func $b "by-table")))
  (func (export "direct") (param "x" u32) (result u32) (canon lift (core func $b "direct")))
  (func (export "late") (result u32) (canon lift (core func $b "late")))
  (func (export "taken") (param "x" u32) (result u32) (canon lift (core func $b "taken")))
  (func (export "constant") (result u32) (canon lift (core func $b "constant"))))
"#;

fn shared(more: &str, instances: &str) -> Vec<u8> {
    let text = SHARED.replace("{more}", more);
    wat::parse_str(text.replace("{instances}", instances)).unwrap()
}

/// Calls, one after the other in one instance: results, and how a trap begins.
fn answers(component: &[u8], calls: &[(&str, &[u32])]) -> Vec<Result<u32, String>> {
    let engine = Engine::default();
    let component = Component::new(&engine, component).unwrap();
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    let length = |_: StoreContextMut<'_, ()>, (text,): (String,)| Ok((text.len() as u32,));
    linker.root().func_wrap("length", length).unwrap();
    let instance = linker.instantiate(&mut store, &component).unwrap();
    let calls = calls.iter().map(|(name, arguments)| {
        let function = instance.get_func(&mut store, name).unwrap();
        let arguments: Vec<_> = arguments.iter().map(|it| Val::U32(*it)).collect();
        let mut results = [Val::U32(0)];
        match function.call(&mut store, &arguments, &mut results) {
            Ok(()) => match results[0] {
                Val::U32(result) => Ok(result),
                _ => panic!("{results:?}"),
            },
            Err(error) => Err(format!("{error:?}")),
        }
    });
    calls.collect()
}

/// Core modules of a component that have something in them, and its core instances of modules.
fn cores(component: &[u8]) -> (usize, usize) {
    let (mut modules, mut instances) = (0, 0);
    for payload in wasmparser::Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            wasmparser::Payload::ModuleSection {
                unchecked_range, ..
            } => modules += usize::from(unchecked_range.len() > 8),
            wasmparser::Payload::InstanceSection(section) => {
                let section = section.into_iter().map(Result::unwrap);
                instances += section
                    .filter(|it| matches!(it, wasmparser::Instance::Instantiate { .. }))
                    .count();
            }
            _ => {}
        }
    }
    (modules, instances)
}

const CALLS: &[(&str, &[u32])] = &[
    ("by-table", &[1, 21]),
    ("by-table", &[2, 21]),
    ("by-table", &[3, 21]),
    ("by-table", &[4, 21]),
    ("direct", &[5]),
    ("direct", &[5]),
    ("taken", &[1]),
    ("late", &[]),
    ("constant", &[]),
];

#[test]
fn libraries_that_share_a_memory_and_a_table_become_one() {
    let component = shared("", "");
    let one = fused(&component).unwrap();
    assert_eq!((cores(&component), cores(&one)), ((3, 3), (1, 1)));
    let expected = [
        42,
        63,
        21_u32.wrapping_neg(),
        63,
        4086,
        4054,
        101,
        5_u32.wrapping_neg(),
        42,
    ];
    assert_eq!(answers(&component, CALLS), expected.map(Ok));
    assert_eq!(answers(&one, CALLS), expected.map(Ok));
}

#[test]
fn segments_stand_where_wasmtime_sees_them() {
    let one = fused(&shared("", "")).unwrap();
    for payload in wasmparser::Parser::new(0).parse_all(&one) {
        if let wasmparser::Payload::ElementSection(section) = payload.unwrap() {
            let mut offsets = Vec::new();
            for element in section {
                if let wasmparser::ElementKind::Active { offset_expr, .. } = element.unwrap().kind {
                    let mut operators = offset_expr.get_operators_reader();
                    offsets.push(format!("{:?}", operators.read().unwrap()));
                }
            }
            assert_eq!(offsets, ["I32Const { value: 1 }", "I32Const { value: 3 }"]);
            return;
        }
    }
    panic!("it has elements");
}

#[test]
fn a_trap_names_the_functions_as_before() {
    let component = shared("", "");
    let one = fused(&component).unwrap();
    let trap = |component: &[u8]| answers(component, &[("by-table", &[0, 1])]).remove(0);
    for told in [trap(&component), trap(&one)] {
        let told = told.unwrap_err();
        assert!(
            told.contains("through-table") && told.contains("uninitialized element"),
            "{told}"
        );
    }
}

#[test]
fn what_runs_at_its_instantiation_stays_by_itself() {
    let more = r#"(core module $starts
        (import "env" "memory" (memory 1))
        (func $start (i32.store (i32.const 16) (i32.const 9)))
        (start $start))"#;
    let instances = r#"(core instance (instantiate $starts (with "env" (instance $a-env))))"#;
    let component = shared(more, instances);
    let one = fused(&component).unwrap();
    assert_eq!(cores(&one), (2, 2));
    assert_eq!(answers(&one, &[("constant", &[])]), [Ok(9)]);
    assert_eq!(answers(&component, &[("constant", &[])]), [Ok(9)]);
}

/// Between the members, and before the last of them, something else writes to the same table.
#[test]
fn who_writes_last_writes_last() {
    let more = r#"(core module $other
        (import "env" "table" (table 2 funcref))
        (func $start)
        (func $one (param i32) (result i32) (i32.const 1))
        (elem (i32.const 1) $one)
        (start $start))
      (core module $last
        (import "env" "table" (table 2 funcref))
        (func $two (param i32) (result i32) (i32.const 2))
        (elem (i32.const 1) $two))"#;
    let instances = r#"(core instance (instantiate $other (with "env" (instance $a-env))))
      (core instance (instantiate $last (with "env" (instance $a-env))))"#;
    let component = shared(more, instances);
    let one = fused(&component).unwrap();
    assert_eq!(cores(&one), (3, 3));
    assert_eq!(answers(&one, &[("by-table", &[1, 0])]), [Ok(2)]);
    assert_eq!(answers(&component, &[("by-table", &[1, 0])]), [Ok(2)]);
}

/// It calls what reads the table, before the last of the members writes there.
#[test]
fn who_runs_in_between_sees_what_is_there_by_then() {
    let more = r#"(core module $other
        (import "b" "by-table" (func $call (param i32 i32) (result i32)))
        (import "env" "stack" (global $stack (mut i32)))
        (func $start (global.set $stack (call $call (i32.const 1) (i32.const 8))))
        (start $start))
      (core module $last
        (import "env" "table" (table 2 funcref))
        (func $two (param i32) (result i32) (i32.const 2))
        (elem (i32.const 1) $two))"#;
    let instances = r#"(alias core export $b "by-table" (core func $by-table))
      (core instance $b-some (export "by-table" (func $by-table)))
      (core instance $stack-env (export "stack" (global $stack)))
      (core instance (instantiate $other
        (with "env" (instance $stack-env)) (with "b" (instance $b-some))))
      (core instance (instantiate $last (with "env" (instance $a-env))))"#;
    let component = shared(more, instances);
    let one = fused(&component).unwrap();
    assert_eq!(cores(&one), (3, 3));
    let calls: &[(&str, &[u32])] = &[("by-table", &[1, 0]), ("direct", &[0])];
    // The stack begins where the other put it: 16, less 32, and 7 that is said.
    let expected = [2, 16_u32.wrapping_sub(32).wrapping_add(7)];
    assert_eq!(answers(&component, calls), expected.map(Ok));
    assert_eq!(answers(&one, calls), expected.map(Ok));
}

#[test]
fn a_module_with_two_instances_keeps_both() {
    let more = r#"(core module $counts
        (global $n (mut i32) (i32.const 0))
        (func (export "count") (result i32)
          (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))
      (core instance $first (instantiate $counts))
      (core instance $second (instantiate $counts))
      (func (export "first") (result u32) (canon lift (core func $first "count")))
      (func (export "second") (result u32) (canon lift (core func $second "count")))"#;
    let component = shared(more, "");
    let one = fused(&component).unwrap();
    assert_eq!(cores(&one), (2, 3));
    let calls: &[(&str, &[u32])] = &[
        ("first", &[]),
        ("first", &[]),
        ("second", &[]),
        ("direct", &[5]),
    ];
    assert_eq!(answers(&one, calls), [1, 2, 1, 4086].map(Ok));
}

/// As `wit-component` links what it lowers: by a table that is filled when the memory is there.
const LOWERED: &str = r#"
(component
  (import "length" (func $length (param "text" string) (result u32)))
  (core module $shim
    (type $t (func (param i32 i32) (result i32)))
    (table (export "$imports") 1 1 funcref)
    (func (export "0") (type $t)
      (call_indirect (type $t) (local.get 0) (local.get 1) (i32.const 0))))
  (core module $main
    (import "host" "length" (func $length (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 8) "hello")
    (func (export "run") (result i32) (call $length (i32.const 8) (i32.const 5))))
  (core module $fixup
    (import "" "0" (func (param i32 i32) (result i32)))
    (import "shim" "$imports" (table 1 1 funcref))
    (elem (i32.const 0) func 0))
  (core instance $shim (instantiate $shim))
  (alias core export $shim "0" (core func $indirect))
  (core instance $host (export "length" (func $indirect)))
  (core instance $main (instantiate $main (with "host" (instance $host))))
  (alias core export $main "memory" (core memory $memory))
  (core func $lowered (canon lower (func $length) (memory $memory)))
  (core instance $actual (export "0" (func $lowered)))
  (core instance (instantiate $fixup (with "" (instance $actual)) (with "shim" (instance $shim))))
  (func (export "run") (result u32) (canon lift (core func $main "run"))))
"#;

#[test]
fn lowered_functions_that_need_the_memory_come_behind_it() {
    let component = wat::parse_str(LOWERED).unwrap();
    let one = fused(&component).unwrap();
    assert_eq!((cores(&component), cores(&one)), ((3, 3), (2, 2)));
    assert_eq!(answers(&component, &[("run", &[])]), [Ok(5)]);
    assert_eq!(answers(&one, &[("run", &[])]), [Ok(5)]);
}

#[test]
fn who_fills_a_table_again_fills_it_last() {
    let last = r#"
  (core module $last
    (import "shim" "$imports" (table 1 1 funcref))
    (func $nine (param i32 i32) (result i32) (i32.const 9))
    (elem (i32.const 0) func $nine))
  (core instance (instantiate $last (with "shim" (instance $shim))))
  (func (export "run")"#;
    let text = LOWERED.replace("\n  (func (export \"run\")", last);
    let component = wat::parse_str(text).unwrap();
    let one = fused(&component).unwrap();
    assert_eq!((cores(&component), cores(&one)), ((4, 4), (3, 3)));
    assert_eq!(answers(&component, &[("run", &[])]), [Ok(9)]);
    assert_eq!(answers(&one, &[("run", &[])]), [Ok(9)]);
}

/// Wasmtime refuses them, and shall say why of what was pushed.
#[test]
fn what_does_not_fit_is_left_as_it_is() {
    let text = SHARED.replace("{more}", "").replace("{instances}", "");
    let wrong = [
        (
            r#"(import "a" "push" (func $push (result i32)))"#,
            r#"(import "a" "push" (func $push (result i64)))"#,
        ),
        (
            r#"(import "env" "table" (table 2 funcref))"#,
            r#"(import "env" "table" (table 9 funcref))"#,
        ),
        (
            r#"(import "env" "stack" (global $stack (mut i32)))"#,
            r#"(import "env" "stack" (global $stack (mut i64)))"#,
        ),
        (r#"(import "a" "said""#, r#"(import "a" "unsaid""#),
    ];
    for (right, wrong) in wrong {
        let bent = text.replace(right, wrong);
        assert_ne!(bent, text);
        assert_eq!(fused(&wat::parse_str(bent).unwrap()), None, "{wrong}");
    }
    assert_eq!(fused(b"\0asm\x0d\0\x01\0"), None);
    assert_eq!(fused(b"nothing"), None);
}
