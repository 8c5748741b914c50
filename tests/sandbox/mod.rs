//! Child processes: how they are held, and what becomes of us when they turn against us.

mod compiler;
mod confinement;
mod pool;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lovage::sandbox::Program;

/// The program itself; these tests are another.
fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_lovage"))
}

/// A program that is none of ours: a shell that has the socket for its stdin.
fn enemy(folder: &Path, script: &str) -> Program {
    let path = folder.join("enemy");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    Program::at(path)
}
