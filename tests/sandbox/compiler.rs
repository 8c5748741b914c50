//! Modules that are compiled apart.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lovage::engine::{
    Compiled, Compiler, Engine, EngineError, LoadError, Refusal, Settings, Source, Work,
};
use lovage::sandbox::Program;
use lovage::sandbox::compiler::Apart;
use lovage_queue::job::Ending;

use super::{enemy, program};
use crate::engine::{invocation, run_with};
use crate::fixtures::{ECHO, Guest, component};
use crate::support::site::{Site, text};

/// The first word of a child, as a shell says it: that it is ready.
const READY: &str = r"printf '\010\000\000\000\201\245ready\220' >&0";

fn engine(apart: Apart) -> Engine {
    Engine::new(Settings {
        instances: 2,
        compiler: Some(Arc::new(apart)),
        ..Settings::default()
    })
    .unwrap()
}

fn apart() -> Apart {
    Apart {
        program: program(),
        ..Apart::default()
    }
}

async fn refusal(apart: Apart, module: Vec<u8>) -> Refusal {
    match engine(apart).inspect(module).await {
        Err(LoadError::Refused(refusal)) => refusal,
        other => panic!("it is not refused: {other:?}"),
    }
}

/// One whose compilation takes more than a moment and some memory.
fn heavy() -> Vec<u8> {
    let code: String = (0..20_000)
        .map(|n| format!("(local.set $n (i32.mul (local.get $n) (i32.load (i32.xor (local.get $n) (i32.const {n})))))"))
        .collect();
    let functions =
        (0..8).map(|n| format!("(func $f{n} (param $n i32) (result i32) {code} (local.get $n))"));
    Guest::new(ECHO)
        .functions(&functions.collect::<String>())
        .build()
}

/// A component with a function of so many blocks in each other.
fn nested(blocks: usize) -> Vec<u8> {
    let mut body = vec![0];
    body.extend([2, 0x40].repeat(blocks));
    body.extend(vec![0x0b; blocks + 1]);
    let code = section(10, &[vec![1], sized(&body)].concat());
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &[1, 0]),
        code,
    ];
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module.concat())].concat()
}

fn section(id: u8, bytes: &[u8]) -> Vec<u8> {
    [vec![id], sized(bytes)].concat()
}

/// Bytes behind their number, in LEB128.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let (mut size, mut all) = (bytes.len(), Vec::new());
    while size >= 0x80 {
        all.push(size as u8 | 0x80);
        size >>= 7;
    }
    all.push(size as u8);
    all.extend_from_slice(bytes);
    all
}

#[tokio::test]
async fn a_module_that_was_compiled_apart_runs_here() {
    let engine = engine(apart());
    let bytes = Guest::new(ECHO)
        .tasks(&[("go", "{}"), ("stop", "{}")])
        .build();
    let said = engine.inspect(bytes.clone()).await.unwrap();
    let names: Vec<_> = said.tasks.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["go", "stop"]);
    assert_eq!(engine.module_counts().compilations, 0, "not in here");
    let module = engine.compile_aside(bytes).await.unwrap();
    let outcome = run_with(&engine, &module, invocation(&module)).await;
    assert_eq!(outcome.end.ending(), Ending::Completed);
}

/// Notes what each question was about: whether about an artifact.
#[derive(Clone, Debug, Default)]
struct Noting(Arc<Mutex<Vec<bool>>>);

impl Compiler for Noting {
    fn compile(&self, work: Work<'_>) -> Result<Result<Compiled, Refusal>, EngineError> {
        let is_artifact = matches!(work.source, Source::Artifact { .. });
        self.0.lock().unwrap().push(is_artifact);
        apart().compile(work)
    }
}

#[tokio::test]
async fn what_is_on_disk_is_described_without_compiling_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let noting = Noting::default();
    let engine = || {
        Engine::new(Settings {
            instances: 2,
            cache: Some(dir.path().to_owned()),
            compiler: Some(Arc::new(noting.clone())),
            ..Settings::default()
        })
        .unwrap()
    };
    let bytes = Guest::new(ECHO).build();
    let said = engine().inspect(bytes.clone()).await.unwrap();
    assert_eq!(engine().inspect(bytes).await.unwrap(), said);
    assert_eq!(*noting.0.lock().unwrap(), [false, true]);
}

#[tokio::test]
async fn the_verdicts_are_those_of_a_compiler_in_here() {
    let trap = Guest::new(ECHO).describe("unreachable").build();
    // Much fuel in little time: on a busy machine its deadline must not come first.
    let constants = "(drop (i32.const 0))".repeat(1_000);
    let burn = format!("(loop $on {constants} (br $on))");
    let burn = Guest::new(ECHO).describe(&burn).build();
    let import = component(r#"(component (import "wasi:nothing/at-all@0.2.0" (instance)))"#);
    for module in [trap, burn, import, component("(component)"), b"no".to_vec()] {
        let here = Engine::new(Settings::default()).unwrap();
        let here = here.inspect(module.clone()).await.unwrap_err().to_string();
        assert_eq!(refusal(apart(), module).await.to_string(), here);
    }
}

#[tokio::test]
async fn time_and_memory_of_a_compilation_end() {
    let late = refusal(
        Apart {
            timeout: Duration::from_millis(150),
            ..apart()
        },
        heavy(),
    );
    assert_eq!(late.await, Refusal::Exhausts("took more than 600ms".into()));
    let large = refusal(
        Apart {
            memory: 128 << 20,
            ..apart()
        },
        heavy(),
    );
    assert_eq!(
        large.await,
        Refusal::Exhausts("took more than 128 MiB of memory".into())
    );
}

#[tokio::test]
async fn ten_megabytes_of_blocks_are_refused_before_a_compiler_sees_them() {
    let bomb = nested(3_300_000);
    assert!(bomb.len() > 9_900_000);
    let since = Instant::now();
    let refusal = refusal(apart(), bomb).await;
    assert!(matches!(refusal, Refusal::TooDeep(_)), "{refusal}");
    assert!(since.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_compiler_that_was_taken_over_costs_its_own_module_only() {
    let dir = tempfile::tempdir().unwrap();
    let good = Guest::new(ECHO).build();
    for (script, said) in [
        (format!("{READY}; kill -SEGV $$"), "was killed by signal 11"),
        (format!("{READY}; exit 7"), "ended with code 7"),
        (
            format!("{READY}; printf 'nonsense, and more of it' >&0; sleep 60"),
            "took over",
        ),
        (format!("{READY}; {READY}; sleep 60"), "took over"),
        (
            format!("{READY}; printf '\\377\\377\\377\\177' >&0; sleep 60"),
            "took over",
        ),
        (format!("{READY}; exec sleep 60"), "took more than 2s"),
        (format!("{READY}; exec yes >&2"), "took more than 2s"),
    ] {
        // Whoever says what it says has the time for it.
        let timeout = match said {
            "took more than 2s" => Duration::from_millis(500),
            _ => Duration::from_secs(10),
        };
        let taken = Apart {
            program: enemy(dir.path(), &script),
            timeout,
            ..Apart::default()
        };
        let refusal = refusal(taken, good.clone()).await;
        assert!(
            matches!(refusal, Refusal::Exhausts(_)),
            "{script}: {refusal}"
        );
        assert!(refusal.to_string().contains(said), "{script}: {refusal}");
    }
}

#[tokio::test]
async fn no_compiler_is_our_own_fault_and_no_verdict() {
    let dir = tempfile::tempdir().unwrap();
    for program in [
        Program::at("/nowhere/lovage"),
        enemy(dir.path(), "exit 3"),
        enemy(dir.path(), "echo no >&0; sleep 60"),
    ] {
        let engine = engine(Apart {
            program,
            timeout: Duration::from_millis(500),
            ..Apart::default()
        });
        let bytes = Guest::new(ECHO).build();
        let error = engine.inspect(bytes.clone()).await.unwrap_err();
        assert!(matches!(error, LoadError::Engine(_)), "{error}");
        let error = engine.compile_aside(bytes).await.unwrap_err();
        assert!(matches!(error, LoadError::Engine(_)), "{error}");
    }
}

#[tokio::test]
async fn a_push_says_what_a_compilation_took() {
    let site = Site::sqlite();
    let file = site.write("heavy.wasm", heavy());
    let mut push = site.command(["push", text(&file)]);
    push.env("LOVAGE_COMPILE__MEMORY", "128MiB");
    let said = [
        "`",
        "compiling it took more than 128 MiB of memory",
        "strip it",
    ];
    crate::support::site::Ran::of(push, b"")
        .await
        .fails(5, &said);
    let file = site.write("bomb.wasm", nested(100_000));
    let said = ["nested too deep", "blocks in each other"];
    site.lovage(&["push", text(&file)]).await.fails(5, &said);
    let mut push = site.command(["push", text(&file)]);
    push.env("LOVAGE_COMPILE__MEMORY", "1MiB");
    let said = ["compile.memory", "at least 64 MiB"];
    crate::support::site::Ran::of(push, b"")
        .await
        .fails(2, &said);
}
