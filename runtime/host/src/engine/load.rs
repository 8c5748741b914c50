//! From bytes to a module: from memory, from disk, or from the compiler.

use std::time::Instant;

use lovage_queue::registry::Digest;
use wasmtime::component::Component;

use super::apart::{Source, Work};
use super::module::{Module, Refusal, check_header, told};
use super::shelf::Verdict;
use super::{Engine, EngineError, fuse, nesting, plain};

/// Why a module could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError<E> {
    /// Its bytes could not be had.
    #[error("{0}")]
    Fetch(E),
    /// There are no such bytes.
    #[error("there is no module {}", .0.short())]
    Missing(Digest),
    /// The bytes are those of another module.
    #[error("the bytes of module {} are of another digest", .0.short())]
    Corrupt(Digest),
    /// The engine does not take it. It never will: this verdict is kept.
    #[error(transparent)]
    Refused(Refusal),
    /// The engine is broken.
    #[error(transparent)]
    Engine(EngineError),
}

impl Engine {
    /// Compiles a module in this process, unless it is in memory or on disk. It blocks, for seconds
    /// where the module is large; [`compile_aside`](Engine::compile_aside) does not, and leaves it
    /// to the compiler apart where there is one.
    pub fn compile(&self, module: &[u8]) -> Result<Module, Refusal> {
        check_header(module)?;
        let digest = Digest::of(module);
        if let Some(verdict) = self.0.shelf.get(digest) {
            return verdict;
        }
        self.0.counts.missed();
        if let Some(module) = self.kept(digest) {
            return Ok(module);
        }
        let verdict = self.compiled(digest, module, |it| self.precompile(it));
        self.0.shelf.put(digest, verdict.clone());
        verdict
    }

    /// The same on a thread of its own, one module at a time.
    pub async fn compile_aside(&self, module: Vec<u8>) -> Result<Module, LoadError<EngineError>> {
        if let Err(refusal) = check_header(&module) {
            return Err(LoadError::Refused(refusal));
        }
        let digest = Digest::of(&module);
        self.load(digest, || async { Ok(Some(module)) }).await
    }

    /// A module that is in memory.
    pub fn cached(&self, digest: Digest) -> Option<Module> {
        let module = self.0.shelf.get(digest)?.ok();
        if module.is_some() {
            self.0.counts.hit();
        }
        module
    }

    /// Gets a module: from memory, or else from disk, or else by compiling what
    /// `fetch` brings (`None` where there is nothing). However many ask for one
    /// digest at a time, it is fetched and compiled once.
    pub async fn load<E, F>(
        &self,
        digest: Digest,
        fetch: impl FnOnce() -> F,
    ) -> Result<Module, LoadError<E>>
    where
        F: Future<Output = Result<Option<Vec<u8>>, E>>,
    {
        if let Some(verdict) = self.0.shelf.get(digest) {
            return verdict.map_err(LoadError::Refused);
        }
        let load = self.load_anew(digest, fetch);
        let verdict = self.0.shelf.load(digest, load).await?;
        verdict.map_err(LoadError::Refused)
    }

    async fn load_anew<E, F>(
        &self,
        digest: Digest,
        fetch: impl FnOnce() -> F,
    ) -> Result<Verdict, LoadError<E>>
    where
        F: Future<Output = Result<Option<Vec<u8>>, E>>,
    {
        // Somebody may have been faster between the look and here.
        if let Some(verdict) = self.0.shelf.get(digest) {
            return Ok(verdict);
        }
        self.0.counts.missed();
        if self.0.cache.is_some() {
            let engine = self.clone();
            let kept = tokio::task::spawn_blocking(move || engine.kept(digest)).await;
            if let Some(module) = kept.map_err(|error| LoadError::Engine(died(&error)))? {
                return Ok(Ok(module));
            }
        }
        let bytes = fetch().await.map_err(LoadError::Fetch)?;
        let bytes = bytes.ok_or(LoadError::Missing(digest))?;
        let engine = self.clone();
        let verdict = self.aside(move || {
            if Digest::of(&bytes) != digest {
                return Ok(None);
            }
            let verdict = match check_header(&bytes) {
                Ok(()) => engine.compile_as(digest, &bytes)?,
                Err(refusal) => Err(refusal),
            };
            // Here and not by the caller: where that one gave up waiting, the
            // work is not lost.
            engine.0.shelf.put(digest, verdict.clone());
            Ok(Some(verdict))
        });
        let verdict = verdict.await.and_then(|it| it).map_err(LoadError::Engine)?;
        verdict.ok_or(LoadError::Corrupt(digest))
    }

    /// Does slow work on a thread that may block, and no two at a time.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, EngineError> {
        let turn = std::sync::Arc::clone(&self.0.compiler).lock_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| died(&error))
    }

    /// Compiles, apart where that is set up.
    fn compile_as(&self, digest: Digest, bytes: &[u8]) -> Result<Verdict, EngineError> {
        let Some(compiler) = &self.0.settings.compiler else {
            return Ok(self.compiled(digest, bytes, |it| self.precompile(it)));
        };
        let mut failed = None;
        let verdict = self.compiled(digest, bytes, |module| {
            let work = Work {
                source: Source::Module(module),
                describe: false,
                parallel: self.0.settings.parallel_compile,
            };
            match compiler.compile(work) {
                Ok(compiled) => compiled.map(|it| it.artifact),
                Err(error) => {
                    let refusal = Refusal::Exhausts(error.to_string());
                    failed = Some(error);
                    Err(refusal)
                }
            }
        });
        failed.map_or(Ok(verdict), Err)
    }

    /// The compiler itself, with a look at how deep the module is nested before it.
    pub(super) fn precompile(&self, module: &[u8]) -> Result<Vec<u8>, Refusal> {
        nesting::check(module)?;
        if let Some(fused) = fuse::fused(module)
            && let Ok(artifact) = self.artifact(&fused)
        {
            return Ok(artifact);
        }
        // A refusal is of what was pushed.
        self.artifact(module)
    }

    fn artifact(&self, module: &[u8]) -> Result<Vec<u8>, Refusal> {
        let compile = |component: &[u8]| {
            let artifact = self.wasmtime().precompile_component(component);
            artifact.map_err(|error| Refusal::Invalid(told(&error)))
        };
        match plain::prepare(module)? {
            None => compile(module),
            Some(it) => Ok(plain::pack(&it.functions, &compile(&it.component)?)),
        }
    }

    /// Compiles, and keeps the artifact on disk.
    fn compiled(
        &self,
        digest: Digest,
        bytes: &[u8],
        compile: impl FnOnce(&[u8]) -> Result<Vec<u8>, Refusal>,
    ) -> Verdict {
        let began = Instant::now();
        let artifact = compile(bytes);
        self.0.counts.compiled(began.elapsed());
        let artifact = artifact?;
        let module = self.assemble(digest, bytes.len() as u64, &artifact)?;
        if let Some(cache) = &self.0.cache {
            cache.put(digest, bytes.len() as u64, &artifact);
        }
        Ok(module)
    }

    /// The module of an artifact on disk, put on the shelf.
    fn kept(&self, digest: Digest) -> Option<Module> {
        let cache = self.0.cache.as_ref()?;
        let (size, artifact) = cache.get(digest)?;
        match self.assemble(digest, size, &artifact) {
            Ok(module) => {
                self.0.shelf.put(digest, Ok(module.clone()));
                Some(module)
            }
            // Settings of the pool are no part of the fingerprint: it may not
            // fit any more. The compiler will say so properly.
            Err(error) => {
                tracing::warn!(%digest, %error, "removing a compiled module that does not load");
                cache.remove(digest);
                None
            }
        }
    }

    /// Makes a module of an artifact that this engine wrote: just now, or in an
    /// earlier life and authenticated by the cache.
    pub(super) fn assemble(&self, digest: Digest, size: u64, artifact: &[u8]) -> Verdict {
        if self.0.settings.elsewhere {
            return Ok(Module::elsewhere(digest, size, artifact));
        }
        let (plain, artifact) = plain::unpack(artifact)?;
        let component =
            trusted(self.wasmtime(), artifact).map_err(|error| Refusal::Needs(told(&error)))?;
        // Now rather than at the first job. Where it fails, that one does it.
        let _ = component.initialize_copy_on_write_image();
        Module::link(&self.0.linker, &component, digest, size, plain)
    }
}

/// Maps an artifact as executable code.
#[expect(
    unsafe_code,
    reason = "the one place where a compiled artifact is trusted"
)]
fn trusted(engine: &wasmtime::Engine, artifact: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must be what wasmtime's own compiler wrote, unaltered.
    // `assemble` has them from `precompile_component` in this very process; or
    // from `Cache::get`, which answers only with bytes whose MAC proves that this
    // host wrote them for this digest; or from the compiler's process, which is
    // trusted as the compiler is: who wins over it by a bent module has what he
    // would have in a compiler in here, once his module runs (ARCHITECTURE.md
    // says what that means, and who need not take it). Or this is such a process
    // itself, with nothing to lose. They are in memory that nobody else can
    // change, and `deserialize` checks compiler version and settings itself.
    unsafe { Component::deserialize(engine, artifact) }
}

fn died(error: &tokio::task::JoinError) -> EngineError {
    EngineError::Thread(error.to_string())
}
