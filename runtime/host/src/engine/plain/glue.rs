//! The component that makes the calls, and its code.

use std::fmt::Write as _;

use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentTypeRef, ComponentTypeSection, ComponentValType, ExportKind,
    InstanceSection, ModuleArg, PrimitiveValType, RawSection,
};

use super::shape::{FLAT_PARAMETERS, Flat, Shape};
use super::typing::{Naming, Types};
use super::{Function, sections};

/// Where in its memory the image of a call's arguments begins: a multiple of what any
/// value's address is.
pub(super) const IMAGE: u32 = 64;
/// Where a call leaves what it answers with: an address and a size.
const ANSWER: u32 = 16;
/// A function's number in the wrapper's names.
pub(super) fn call(number: usize) -> String {
    format!("call-{number}")
}

/// The glue's memory, of which nothing is ever given back: it is gone after the call.
const MEMORY: &str = r#"(module
  (memory (export "memory") 1)
  (global $top (export "top") (mut i32) (i32.const 64))
  (func (export "realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32)
    (result i32) (local $at i32) (local $end i64)
    (if (i32.le_u (local.get $new) (local.get $size)) (then (return (local.get $old))))
    (local.set $at (i32.and
      (i32.add (global.get $top) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (local.set $end (i64.add (i64.extend_i32_u (local.get $at)) (i64.extend_i32_u (local.get $new))))
    (if (i64.gt_u (local.get $end) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)))
      (then (if (i32.eq (i32.const -1) (memory.grow (i32.wrap_i64 (i64.shr_u (i64.add
          (i64.sub (local.get $end) (i64.shl (i64.extend_i32_u (memory.size)) (i64.const 16)))
          (i64.const 65535)) (i64.const 16)))))
        (then unreachable))))
    (global.set $top (i32.wrap_i64 (local.get $end)))
    (memory.copy (local.get $at) (local.get $old) (local.get $size))
    (local.get $at)))"#;

/// The component that makes the calls.
pub(super) fn component(functions: &[Function], raw: &[bool]) -> Vec<u8> {
    let mut types = Types::new(Naming::Import, 0);
    for (n, function) in functions.iter().enumerate() {
        let ty = types.function(function, raw[n]);
        types.import(&format!("f{n}"), ComponentTypeRef::Func(ty));
    }
    let bytes = types.define(|it| it.list(PrimitiveValType::U8));
    let call_type = types.count;
    let mut section = ComponentTypeSection::new();
    let bytes = ComponentValType::Type(bytes);
    let at = ComponentValType::Primitive(PrimitiveValType::U32);
    section
        .function()
        .params([("image", bytes), ("at", at)])
        .result(Some(bytes));
    let mut glue = types.component;
    glue.section(&section);

    let module = |text: &str| wat::parse_str(text).expect("it is ours");
    let count = functions.len() as u32;
    let [memory, code] = [module(MEMORY), module(&code(functions))];
    for data in [&memory, &code] {
        glue.section(&RawSection {
            id: sections::MODULE,
            data,
        });
    }
    let mut instances = InstanceSection::new();
    instances.instantiate(0, [] as [(&str, ModuleArg); 0]);
    glue.section(&instances);
    let mut aliases = ComponentAliasSection::new();
    for (kind, name) in [
        (ExportKind::Memory, "memory"),
        (ExportKind::Func, "realloc"),
    ] {
        aliases.alias(Alias::CoreInstanceExport {
            instance: 0,
            kind,
            name,
        });
    }
    glue.section(&aliases);
    let options = |text| {
        let memory = [CanonicalOption::Memory(0), CanonicalOption::Realloc(0)];
        [text, memory[0], memory[1]]
    };
    let mut canonical = CanonicalFunctionSection::new();
    for (n, raw) in (0..count).zip(raw) {
        canonical.lower(
            n,
            options(match raw {
                true => CanonicalOption::CompactUTF16,
                false => CanonicalOption::UTF8,
            }),
        );
    }
    glue.section(&canonical);
    let lowered = (0..count).map(|n| (format!("f{n}"), ExportKind::Func, 1 + n));
    let mut instances = InstanceSection::new();
    instances.export_items(lowered.collect::<Vec<_>>());
    instances.instantiate(
        1,
        [
            ("memory", ModuleArg::Instance(0)),
            ("functions", ModuleArg::Instance(1)),
        ],
    );
    glue.section(&instances);
    let (mut aliases, mut canonical) = (
        ComponentAliasSection::new(),
        CanonicalFunctionSection::new(),
    );
    let mut exports = ComponentExportSection::new();
    for n in 0..count {
        let name = &*call(n as usize);
        let kind = ExportKind::Func;
        aliases.alias(Alias::CoreInstanceExport {
            instance: 2,
            kind,
            name,
        });
        canonical.lift(1 + count + n, call_type, options(CanonicalOption::UTF8));
        exports.export(name, ComponentExportKind::Func, count + n, None);
    }
    glue.section(&aliases).section(&canonical).section(&exports);
    glue.finish()
}

/// The code of the calls: reads arguments from the image, makes the call, and answers with
/// all that lies in memory from where the result begins.
fn code(functions: &[Function]) -> String {
    let (mut imports, mut calls) = (String::new(), String::new());
    for (n, function) in functions.iter().enumerate() {
        let flat = function.flat_parameters();
        let (kinds, arguments): (Vec<_>, Vec<_>) = match flat.len() <= FLAT_PARAMETERS {
            false => (vec!["i32"], vec!["(local.get $image)".to_owned()]),
            true => {
                let load = |(n, it): (usize, &Flat)| {
                    format!("({}.load offset={} (local.get $image))", it.name(), 8 * n)
                };
                (
                    flat.iter().map(|it| it.name()).collect(),
                    flat.iter().enumerate().map(load).collect(),
                )
            }
        };
        let (mut kinds, mut arguments) = (kinds.join(" "), arguments.join(" "));
        let result = function
            .result
            .as_ref()
            .map(Shape::flat)
            .unwrap_or_default();
        let mut answer = "";
        let called = match &*result {
            [] => format!("(call $f{n} {arguments})"),
            [one] => {
                answer = one.name();
                format!("({answer}.store (local.get $at) (call $f{n} {arguments}))")
            }
            _ => {
                kinds += " i32";
                arguments += " (local.get $at)";
                format!("(call $f{n} {arguments})")
            }
        };
        let _ = writeln!(
            imports,
            r#"(import "functions" "f{n}" (func $f{n} (param {kinds}) (result {answer})))"#
        );
        let _ = writeln!(
            calls,
            r#"(func (export "{}") (param $image i32) (param i32) (param $at i32) (result i32)
              {called}
              (i32.store (i32.const {ANSWER}) (local.get $at))
              (i32.store offset=4 (i32.const {ANSWER}) (i32.sub (global.get $top) (local.get $at)))
              (i32.const {ANSWER}))"#,
            call(n)
        );
    }
    format!(
        r#"(module {imports}
        (import "memory" "memory" (memory 1))
        (import "memory" "top" (global $top (mut i32)))
        {calls})"#
    )
}
