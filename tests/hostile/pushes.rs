//! Components that are refused: each in bounded time, with a reason, and no worker hears
//! of any.

use std::time::{Duration, Instant};

use super::Stage;
use crate::fixtures::{ECHO, Guest, SPIN, component};
use crate::support::site_test;

/// How long a push may take to be refused. Most take no time at all; a `describe` that
/// spins is ended by its own limits.
const SOON: Duration = Duration::from_secs(30);

/// A sound module with more beside it.
fn with(more: &str) -> Vec<u8> {
    let text = Guest::new(ECHO).wat();
    let end = text.rfind(')').unwrap();
    component(&format!("{} {more})", &text[..end]))
}

/// So many nested blocks in one function.
fn nested_blocks(bytes: usize) -> Vec<u8> {
    let blocks = bytes / 3;
    let mut body = vec![0];
    body.extend([0x02, 0x40].repeat(blocks));
    body.resize(body.len() + blocks + 1, 0x0b);
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 1, &[1, 0x60, 0, 0]);
    section(&mut module, 3, &[1, 0]);
    let mut code = vec![1];
    leb(&mut code, body.len());
    code.extend(body);
    section(&mut module, 10, &code);
    let mut whole = b"\0asm\x0d\0\x01\0".to_vec();
    section(&mut whole, 1, &module);
    whole
}

fn section(out: &mut Vec<u8>, id: u8, bytes: &[u8]) {
    out.push(id);
    leb(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn leb(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A type that is a list of a list of a list.
fn nested_type(depth: usize) -> String {
    let lists = (1..depth).map(|n| format!("(type $t{n} (list $t{}))", n - 1));
    format!(
        "(component (type $t0 (list u8)) {})",
        lists.collect::<String>()
    )
}

/// A tuple of tuples, each of two of the one before: a power of two of values.
fn doubling_type(depth: usize) -> String {
    let next = |n: usize| format!("(type $t{n} (tuple $t{0} $t{0}))", n - 1);
    let types: String = (1..depth).map(next).collect();
    let last = depth - 1;
    format!(
        "(component (type $t0 (tuple u64 u64)) {types}
            (import \"acme:x/y\" (func (param \"x\" $t{last}))))"
    )
}

fn wide_type(fields: usize) -> String {
    let fields: String = (0..fields)
        .map(|n| format!("(field \"f{n}\" u64)"))
        .collect();
    format!("(component (type (record {fields})))")
}

fn started(code: &str) -> Vec<u8> {
    Guest::new(ECHO)
        .functions(&format!("(func $begin {code}) (start $begin)"))
        .build()
}

fn instances(count: usize) -> String {
    "(core instance (instantiate $Tiny))".repeat(count)
}

/// What is pushed, and what is said of it.
fn cases() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let describe = |code: &str| Guest::with_imports(ECHO).describe(code).build();
    let memories = "(core module $M (memory 1)) (core instance (instantiate $M))".to_owned();
    let more = "(core instance (instantiate $M))".repeat(4);
    let tiny = "(core module $Tiny)";
    let flood = "(i32.store (i32.const 16) (i32.const 256)) (i32.store (i32.const 20) (i32.const 200)) (return (i32.const 16))";
    vec![
        ("trap-in-start", started("unreachable"), "`describe`"),
        ("spin-in-start", started(SPIN), "`describe`"),
        ("trap-in-describe", describe("unreachable"), "`describe`"),
        ("spin-in-describe", describe(SPIN), "`describe`"),
        (
            "sleep-in-describe",
            describe("(call $block (call $subscribe-duration (i64.const -1)))"),
            "`describe`",
        ),
        (
            "memory-in-describe",
            describe(
                "(loop $on (br_if $on (i32.ne (i32.const -1) (memory.grow (i32.const 16))))) unreachable",
            ),
            "256 MiB of memory",
        ),
        ("flood-in-describe", describe(flood), "`describe`"),
        (
            "many-instances",
            with(&format!("{tiny} {}", instances(60))),
            "more than a slot",
        ),
        (
            "many-memories",
            with(&(memories + &more)),
            "more than a slot",
        ),
        (
            "large-table",
            with("(core module $T (table 30000 funcref)) (core instance (instantiate $T))"),
            "more than a slot",
        ),
        (
            "large-memory",
            with("(core module $L (memory 65536)) (core instance (instantiate $L))"),
            "",
        ),
        (
            "async-builtins",
            with("(core func $yield (canon waitable-set.new))"),
            "not a valid component",
        ),
        ("nested-type", component(&nested_type(5_000)), ""),
        ("doubling-type", component(&doubling_type(60)), ""),
        ("wide-type", component(&wide_type(200_000)), ""),
        ("compile-bomb", nested_blocks(10_000_000), ""),
        (
            "half-a-compile-bomb",
            nested_blocks(3_000_000),
            "nested too deep",
        ),
        ("empty", Vec::new(), "not a WebAssembly file"),
        ("zeros", vec![0; 1 << 20], "not a WebAssembly file"),
    ]
}

site_test!(
    each_hostile_component_is_refused_and_nobody_knows,
    |site| async move {
        let mut stage = Stage::set(site).await;
        for (name, bytes, says) in cases() {
            let since = Instant::now();
            stage.push(name, &bytes).await.fails(5, &[says]);
            assert!(since.elapsed() < SOON, "{name}: {:?}", since.elapsed());
            stage.lives(name).await;
        }
        let releases = stage.lovage(&["releases", "--json"]).await.ok().json();
        assert_eq!(releases.as_array().map(Vec::len), Some(0), "{releases}");
        stage.over_and_well().await;
    }
);
