//! Operations as texts, to try out what a folder does and refuses.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

/// What became of a step: `ok`, what it read, or the name of its error.
pub(crate) fn take(step: &str) -> String {
    let words: Vec<&str> = step.split(' ').collect();
    let done = match words[..] {
        ["write", path, text] => fs::write(path, text).map(|()| ok()),
        ["append", path, text] => append(path, text),
        ["read", path] => fs::read_to_string(path),
        ["list", path] => list(path),
        ["mkdir", path] => fs::create_dir(path).map(|()| ok()),
        ["rmdir", path] => fs::remove_dir(path).map(|()| ok()),
        ["rm", path] => fs::remove_file(path).map(|()| ok()),
        ["rename", old, new] => fs::rename(old, new).map(|()| ok()),
        ["link", old, new] => fs::hard_link(old, new).map(|()| ok()),
        ["target", path] => fs::read_link(path).map(|it| it.display().to_string()),
        ["size", path] => fs::metadata(path).map(|it| it.len().to_string()),
        ["resize", path, size] => resize(path, size.parse().unwrap_or(0)),
        ["seek", path] => seek(path),
        ["unlinked", path] => unlinked(path),
        ["fill", path] => fill(path),
        ["many", path] => many(path),
        ["times", path] => times(path),
        // By WASI itself: the standard library takes a path apart before it asks.
        ["folders"] => Ok(get_directories().len().to_string()),
        ["open", path] => return by_wasi(|root| open(root, path)),
        ["symlink", target, path] => {
            return by_wasi(|root| root.symlink_at(target, path).map(|()| ok()));
        }
        ["move", old, new] => return by_wasi(|root| root.rename_at(old, root, new).map(|()| ok())),
        ["up", path] => return by_wasi(|root| up(root, path)),
        ["remove", path] => {
            return by_wasi(|root| root.remove_directory_at(path).map(|()| ok()));
        }
        ["held"] => return by_wasi(held),
        _ => return format!("`{step}` is no step"),
    };
    done.unwrap_or_else(|e| format!("{:?}", e.kind()))
}

fn ok() -> String {
    "ok".to_owned()
}

fn append(path: &str, text: &str) -> io::Result<String> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(text.as_bytes()).map(|()| ok())
}

fn list(path: &str) -> io::Result<String> {
    let entries = fs::read_dir(path)?.map(|entry| {
        let entry = entry?;
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        Ok(format!("{}{slash}", entry.file_name().to_string_lossy()))
    });
    let mut names = entries.collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names.join(" "))
}

fn resize(path: &str, size: u64) -> io::Result<String> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.set_len(size).map(|()| ok())
}

/// Writes far behind the end and before it, and reads all of it back.
fn seek(path: &str) -> io::Result<String> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)?;
    file.seek(SeekFrom::Start(100_000))?;
    file.write_all(b"end")?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(b"begin")?;
    file.sync_all()?;
    file.seek(SeekFrom::End(-3))?;
    let mut end = String::new();
    file.read_to_string(&mut end)?;
    file.seek(SeekFrom::Start(0))?;
    let mut all = Vec::new();
    file.read_to_end(&mut all)?;
    let zeros = all.iter().filter(|it| **it == 0).count();
    Ok(format!("{} {zeros} {end}", all.len()))
}

/// A file that is removed while it is open.
fn unlinked(path: &str) -> io::Result<String> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)?;
    file.write_all(b"still there")?;
    fs::remove_file(path)?;
    file.seek(SeekFrom::Start(0))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let is_gone = fs::metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
    Ok(format!("{text} {is_gone}"))
}

/// Writes until it may not.
fn fill(path: &str) -> io::Result<String> {
    let (mut file, some) = (File::create(path)?, [7; 4096]);
    let mut written = 0;
    loop {
        match file.write(&some) {
            Ok(count) => written += count,
            Err(e) => return Ok(format!("{written} {:?}", e.kind())),
        }
    }
}

/// Makes files until it may not.
fn many(path: &str) -> io::Result<String> {
    let mut made = 0;
    loop {
        match File::create(format!("{path}/{made}")) {
            Ok(_) => made += 1,
            Err(e) => return Ok(format!("{made} {:?}", e.kind())),
        }
    }
}

/// Whether a file is as old as it was told to be.
fn times(path: &str) -> io::Result<String> {
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(86_400);
    let times = fs::FileTimes::new().set_modified(then);
    OpenOptions::new()
        .write(true)
        .open(path)?
        .set_times(times)?;
    let told = fs::metadata(path)?.modified()?;
    Ok((told == then).to_string())
}

fn by_wasi(work: impl FnOnce(&Descriptor) -> Result<String, ErrorCode>) -> String {
    match get_directories().first() {
        Some((root, _)) => work(root).unwrap_or_else(|e| e.name().to_owned()),
        None => "no folder".to_owned(),
    }
}

fn open(root: &Descriptor, path: &str) -> Result<String, ErrorCode> {
    let follow = PathFlags::SYMLINK_FOLLOW;
    let opened = root.open_at(follow, path, OpenFlags::empty(), DescriptorFlags::READ)?;
    let (bytes, _) = opened.read(100, 0)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Looks from a directory at the one that it lies in.
fn up(root: &Descriptor, path: &str) -> Result<String, ErrorCode> {
    let follow = PathFlags::SYMLINK_FOLLOW;
    let inner = root.open_at(follow, path, OpenFlags::DIRECTORY, DescriptorFlags::READ)?;
    inner.stat_at(follow, "..").map(|_| ok())
}

/// Opens the folder again and again, and keeps it open: how often it could.
fn held(root: &Descriptor) -> Result<String, ErrorCode> {
    let mut all = Vec::new();
    loop {
        let none = PathFlags::empty();
        match root.open_at(none, ".", OpenFlags::DIRECTORY, DescriptorFlags::READ) {
            Ok(opened) => all.push(opened),
            Err(e) => return Ok(format!("{} {}", all.len() > 500, e.name())),
        }
    }
}
