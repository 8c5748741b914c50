//! Compilation apart: what the engine asks of another process, and how that one answers.
//!
//! The compiler is large, and a module is what anybody pushes: so a process of its own
//! compiles it, with its own memory and time, and also calls its `describe` at a push.

use std::fmt;

use lovage_queue::grant::Grants;
use lovage_queue::registry::Digest;
use lovage_queue::task::TaskInfo;
use serde::{Deserialize, Serialize};

use super::load::LoadError;
use super::module::{Refusal, check_header};
use super::{Engine, EngineError, Module, describe};

/// Compiles modules in another process. It blocks.
pub trait Compiler: fmt::Debug + Send + Sync {
    /// What becomes of a module: the artifact, with what the module says of itself where
    /// that is asked; or the verdict on it, which is also the answer where it used up its
    /// time or its memory.
    ///
    /// # Errors
    /// There is no such process.
    fn compile(&self, work: Work<'_>) -> Result<Result<Compiled, Refusal>, EngineError>;
}

/// What is asked of a compiler.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    /// The module.
    pub source: Source<'a>,
    /// Whether it is asked for what it says of itself too.
    pub describe: bool,
    /// Whether all cores may be used.
    pub parallel: bool,
}

/// A module as it is handed over.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// As it was pushed.
    Module(&'a [u8]),
    /// As this host compiled it before.
    Artifact {
        /// The module's digest.
        digest: Digest,
        /// Its artifact, which carries the proof that this host wrote it.
        artifact: &'a [u8],
    },
}

/// What a compiler makes of a module.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// Its artifact; empty where the source was one.
    pub artifact: Vec<u8>,
    /// What it says of itself, where that was asked for.
    pub said: Said,
}

/// What a module says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Its tasks.
    pub tasks: Vec<TaskInfo>,
    /// What it wants to reach.
    pub wants: Grants,
}

impl Engine {
    /// What a module says of itself, and nothing else of it: where there is a compiler apart, no code
    /// of the module comes into this process.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub async fn inspect(&self, module: Vec<u8>) -> Result<Said, LoadError<EngineError>> {
        if self.0.settings.compiler.is_some() {
            let engine = self.clone();
            let said = self.aside(move || engine.inspect_apart(&module)).await;
            return said
                .and_then(|it| it)
                .map_err(LoadError::Engine)?
                .map_err(LoadError::Refused);
        }
        let module = self.compile_aside(module).await?;
        self.ask(&module).await.map_err(LoadError::Refused)
    }

    /// Asks a module for all that it says of itself.
    pub(crate) async fn ask(&self, module: &Module) -> Result<Said, Refusal> {
        Ok(Said {
            tasks: self.describe(module).await?,
            wants: self.wants(module).await?,
        })
    }

    fn inspect_apart(&self, module: &[u8]) -> Result<Result<Said, Refusal>, EngineError> {
        let Some(compiler) = &self.0.settings.compiler else {
            return Err(EngineError::Compiler("there is none".into()));
        };
        if let Err(refusal) = check_header(module) {
            return Ok(Err(refusal));
        }
        let digest = Digest::of(module);
        if let Some(Err(refusal)) = self.0.shelf.get(digest) {
            return Ok(Err(refusal));
        }
        let kept = self.0.cache.as_ref().and_then(|it| it.get(digest));
        let source = match &kept {
            Some((_, artifact)) => Source::Artifact { digest, artifact },
            None => Source::Module(module),
        };
        let work = Work {
            source,
            describe: true,
            parallel: self.0.settings.parallel_compile,
        };
        let compiled = match compiler.compile(work)? {
            Ok(compiled) => compiled,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let (None, Some(cache)) = (&kept, &self.0.cache) {
            cache.put(digest, module.len() as u64, &compiled.artifact);
        }
        // Whoever called `describe` may have been taken over by it.
        Ok(describe::check(&compiled.said).map(|()| compiled.said))
    }

    /// Compiles a module in this process: the artifact, and the module that it makes.
    pub(crate) fn translate(&self, module: &[u8]) -> Result<(Vec<u8>, Module), Refusal> {
        check_header(module)?;
        let artifact = self.precompile(module)?;
        let linked = self.assemble(Digest::of(module), module.len() as u64, &artifact)?;
        Ok((artifact, linked))
    }

    /// The module of an artifact that another process of this host hands over. Only in a
    /// process that has nothing to lose.
    pub(crate) fn adopt(&self, digest: Digest, artifact: &[u8]) -> Result<Module, Refusal> {
        self.assemble(digest, 0, artifact)
    }
}
