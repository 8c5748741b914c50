//! The functions of `wasi:filesystem`. What is checked here is what a descriptor may do;
//! all else is the folder's affair.

use std::time::{Duration, SystemTime};

use wasmtime::component::{Resource, ResourceTableError};
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

use super::bindings::wasi::filesystem::preopens;
use super::nodes::{Fault, Inode, Kind};
use super::streams::{Reader, Writer};
use super::tree::{Opening, Times};
use super::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Filesize,
    HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags,
    PathFlags,
};
use super::{CHUNK, Descriptor, Error, Held, Listing, State, types};

type Answer<T> = Result<T, Error>;
type Open = Resource<Descriptor>;

impl State {
    fn opened(&mut self, open: &Open) -> Answer<&Descriptor> {
        self.table().get(open).map_err(Error::trap)
    }

    fn file(&mut self, open: &Open) -> Answer<&Descriptor> {
        let it = self.opened(open)?;
        match it.is_directory {
            true => Err(ErrorCode::BadDescriptor.into()),
            false => Ok(it),
        }
    }

    fn readable(&mut self, open: &Open) -> Answer<&Held> {
        let it = self.opened(open)?;
        match it {
            _ if it.is_directory => Err(ErrorCode::IsDirectory.into()),
            _ if !it.read => Err(ErrorCode::BadDescriptor.into()),
            _ => Ok(&it.held),
        }
    }

    fn writable(&mut self, open: &Open) -> Answer<&Held> {
        let it = self.file(open)?;
        match it.write {
            true => Ok(&it.held),
            false => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    fn directory(&mut self, open: &Open) -> Answer<&Held> {
        let it = self.opened(open)?;
        match it.is_directory {
            true => Ok(&it.held),
            false => Err(ErrorCode::NotDirectory.into()),
        }
    }

    fn put<T: Send + 'static>(&mut self, entry: T) -> Answer<Resource<T>> {
        // So many files may be open, and streams and all else of WASI's with them.
        self.table().push(entry).map_err(|e| match e {
            ResourceTableError::Full => ErrorCode::Quota.into(),
            e => Error::trap(e),
        })
    }

    fn writer(&mut self, open: &Open, offset: Option<u64>) -> Answer<Resource<DynOutputStream>> {
        let file = self.writable(open)?.clone();
        let stream: DynOutputStream = Box::new(Writer::new(file, offset));
        self.put(stream)
    }
}

impl preopens::Host for State {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Open, String)>> {
        let Some(folder) = self.folder() else {
            return Ok(Vec::new());
        };
        let root = Descriptor {
            held: Held::root(folder),
            is_directory: true,
            read: true,
            write: true,
        };
        Ok(vec![(self.table().push(root)?, "/".to_owned())])
    }
}

impl types::Host for State {
    fn convert_error_code(&mut self, error: Error) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        let error = self.table().get(&error)?;
        Ok(error.downcast_ref().copied())
    }
}

impl HostDescriptor for State {
    fn read_via_stream(
        &mut self,
        open: Open,
        offset: Filesize,
    ) -> Answer<Resource<DynInputStream>> {
        let file = self.readable(&open)?.clone();
        let stream: DynInputStream = Box::new(Reader::new(file, offset));
        self.put(stream)
    }

    fn write_via_stream(
        &mut self,
        open: Open,
        offset: Filesize,
    ) -> Answer<Resource<DynOutputStream>> {
        self.writer(&open, Some(offset))
    }

    fn append_via_stream(&mut self, open: Open) -> Answer<Resource<DynOutputStream>> {
        self.writer(&open, None)
    }

    fn advise(&mut self, open: Open, _: Filesize, _: Filesize, _: Advice) -> Answer<()> {
        self.file(&open)?;
        Ok(())
    }

    fn sync_data(&mut self, open: Open) -> Answer<()> {
        self.sync(open)
    }

    fn get_flags(&mut self, open: Open) -> Answer<DescriptorFlags> {
        let it = self.opened(&open)?;
        let mut flags = DescriptorFlags::empty();
        if it.read {
            flags |= DescriptorFlags::READ;
        }
        if it.write {
            flags |= match it.is_directory {
                true => DescriptorFlags::MUTATE_DIRECTORY,
                false => DescriptorFlags::WRITE,
            };
        }
        Ok(flags)
    }

    fn get_type(&mut self, open: Open) -> Answer<DescriptorType> {
        Ok(match self.opened(&open)?.is_directory {
            true => DescriptorType::Directory,
            false => DescriptorType::RegularFile,
        })
    }

    fn set_size(&mut self, open: Open, size: Filesize) -> Answer<()> {
        let it = self.file(&open)?;
        if !it.write {
            return Err(ErrorCode::Invalid.into());
        }
        Ok(it.held.with(|tree, node| tree.resize(node, size))?)
    }

    fn set_times(
        &mut self,
        open: Open,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> Answer<()> {
        let times = times(accessed, modified)?;
        let set = self.opened(&open)?.held.with(|tree, node| {
            tree.set_times(node, times);
            Ok(())
        });
        Ok(set?)
    }

    fn read(&mut self, open: Open, length: Filesize, offset: Filesize) -> Answer<(Vec<u8>, bool)> {
        let length = usize::try_from(length).map_or(CHUNK, |it| it.min(CHUNK));
        let file = self.readable(&open)?;
        let read = file.with(|tree, node| tree.read(node, offset, length))?;
        let is_end = read.is_empty();
        Ok((read, is_end))
    }

    fn write(&mut self, open: Open, bytes: Vec<u8>, offset: Filesize) -> Answer<Filesize> {
        let some = &bytes[..bytes.len().min(CHUNK)];
        let file = self.writable(&open)?;
        file.with(|tree, node| tree.write(node, Some(offset), some))?;
        Ok(some.len() as u64)
    }

    fn read_directory(&mut self, open: Open) -> Answer<Resource<Listing>> {
        let held = self.directory(&open)?.clone();
        self.put(Listing { held, last: None })
    }

    fn sync(&mut self, open: Open) -> Answer<()> {
        self.opened(&open)?;
        Ok(())
    }

    fn create_directory_at(&mut self, open: Open, path: String) -> Answer<()> {
        let from = self.directory(&open)?;
        Ok(from.with(|tree, node| tree.make_directory(node, &path))?)
    }

    fn stat(&mut self, open: Open) -> Answer<DescriptorStat> {
        let it = &self.opened(&open)?.held;
        Ok(it.with(|tree, node| Ok(stat(tree.get(node))))?)
    }

    fn stat_at(&mut self, open: Open, flags: PathFlags, path: String) -> Answer<DescriptorStat> {
        let from = self.directory(&open)?;
        Ok(from.with(|tree, node| {
            let node = tree.at(node, &path, follows(flags))?;
            Ok(stat(tree.get(node)))
        })?)
    }

    fn set_times_at(
        &mut self,
        open: Open,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> Answer<()> {
        let times = times(accessed, modified)?;
        let from = self.directory(&open)?;
        Ok(from.with(|tree, node| {
            let node = tree.at(node, &path, follows(flags))?;
            tree.set_times(node, times);
            Ok(())
        })?)
    }

    fn link_at(
        &mut self,
        open: Open,
        flags: PathFlags,
        old: String,
        to: Open,
        new: String,
    ) -> Answer<()> {
        if follows(flags) {
            return Err(ErrorCode::Invalid.into());
        }
        let to = self.directory(&to)?.node;
        let from = self.directory(&open)?;
        Ok(from.with(|tree, node| tree.link((node, &old), (to, &new)))?)
    }

    fn open_at(
        &mut self,
        open: Open,
        flags: PathFlags,
        path: String,
        opening: OpenFlags,
        wanted: DescriptorFlags,
    ) -> Answer<Open> {
        let writes = wanted.contains(DescriptorFlags::WRITE);
        let how = Opening {
            follow: follows(flags),
            create: opening.contains(OpenFlags::CREATE),
            exclusive: opening.contains(OpenFlags::EXCLUSIVE),
            truncate: opening.contains(OpenFlags::TRUNCATE),
            directory: opening.contains(OpenFlags::DIRECTORY),
            write: writes,
        };
        let from = self.directory(&open)?;
        let start = from.node;
        let held = Held::of(&from.folder, |tree| tree.open(start, &path, how))?;
        let is_directory = held.with(|tree, node| Ok(tree.nodes().is_directory(node)))?;
        self.put(Descriptor {
            held,
            is_directory,
            read: wanted.contains(DescriptorFlags::READ) || !writes,
            // A folder has no part that only some may change.
            write: is_directory || writes || how.create || how.truncate,
        })
    }

    fn readlink_at(&mut self, open: Open, path: String) -> Answer<String> {
        let from = self.directory(&open)?;
        Ok(from.with(|tree, node| tree.read_link(node, &path))?)
    }

    fn remove_directory_at(&mut self, open: Open, path: String) -> Answer<()> {
        let from = self.directory(&open)?;
        Ok(from.with(|tree, node| tree.remove_directory(node, &path))?)
    }

    fn rename_at(&mut self, open: Open, old: String, to: Open, new: String) -> Answer<()> {
        let to = self.directory(&to)?.node;
        let from = self.directory(&open)?;
        Ok(from.with(|tree, node| tree.rename((node, &old), (to, &new)))?)
    }

    fn symlink_at(&mut self, open: Open, target: String, path: String) -> Answer<()> {
        let from = self.directory(&open)?;
        Ok(from.with(|tree, node| tree.make_link(node, &target, &path))?)
    }

    fn unlink_file_at(&mut self, open: Open, path: String) -> Answer<()> {
        let from = self.directory(&open)?;
        Ok(from.with(|tree, node| tree.unlink(node, &path))?)
    }

    fn is_same_object(&mut self, open: Open, other: Open) -> wasmtime::Result<bool> {
        let node = self.table().get(&open)?.held.node;
        // An attempt has one folder.
        Ok(self.table().get(&other)?.held.node == node)
    }

    fn metadata_hash(&mut self, open: Open) -> Answer<MetadataHashValue> {
        let it = &self.opened(&open)?.held;
        Ok(it.with(|tree, node| Ok(identity(tree.get(node))))?)
    }

    fn metadata_hash_at(
        &mut self,
        open: Open,
        flags: PathFlags,
        path: String,
    ) -> Answer<MetadataHashValue> {
        let from = self.directory(&open)?;
        Ok(from.with(|tree, node| {
            let node = tree.at(node, &path, follows(flags))?;
            Ok(identity(tree.get(node)))
        })?)
    }

    fn drop(&mut self, open: Open) -> wasmtime::Result<()> {
        self.table().delete(open)?;
        Ok(())
    }
}

impl HostDirectoryEntryStream for State {
    fn read_directory_entry(
        &mut self,
        stream: Resource<Listing>,
    ) -> Answer<Option<DirectoryEntry>> {
        let listing = self.table().get_mut(&stream).map_err(Error::trap)?;
        let last = listing.last.as_deref();
        let next = listing.held.with(|tree, node| {
            let next = tree.nodes().next(node, last)?;
            Ok(next.map(|(name, node)| DirectoryEntry {
                type_: kind(tree.get(node)),
                name: name.to_owned(),
            }))
        })?;
        if let Some(entry) = &next {
            listing.last = Some(entry.name.clone());
        }
        Ok(next)
    }

    fn drop(&mut self, stream: Resource<Listing>) -> wasmtime::Result<()> {
        self.table().delete(stream)?;
        Ok(())
    }
}

fn follows(flags: PathFlags) -> bool {
    flags.contains(PathFlags::SYMLINK_FOLLOW)
}

fn kind(inode: &Inode) -> DescriptorType {
    match inode.kind {
        Kind::File(_) => DescriptorType::RegularFile,
        Kind::Directory(_) => DescriptorType::Directory,
        Kind::Link(_) => DescriptorType::SymbolicLink,
    }
}

fn stat(inode: &Inode) -> DescriptorStat {
    DescriptorStat {
        type_: kind(inode),
        link_count: inode.links,
        size: inode.size(),
        data_access_timestamp: Some(told(inode.accessed)),
        data_modification_timestamp: Some(told(inode.modified)),
        status_change_timestamp: Some(told(inode.changed)),
    }
}

/// As long as it is the same thing, it is the same number; no other ever has it.
fn identity(inode: &Inode) -> MetadataHashValue {
    MetadataHashValue {
        lower: inode.serial,
        upper: 0,
    }
}

fn told(time: SystemTime) -> Datetime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    Datetime {
        seconds: since.as_secs(),
        nanoseconds: since.subsec_nanos(),
    }
}

fn times(accessed: NewTimestamp, modified: NewTimestamp) -> Result<Times, ErrorCode> {
    let time = |it| match it {
        NewTimestamp::NoChange => Ok(None),
        NewTimestamp::Now => Ok(Some(SystemTime::now())),
        NewTimestamp::Timestamp(at) => {
            let nanoseconds = Duration::from_nanos(at.nanoseconds.into());
            let since = Duration::from_secs(at.seconds).checked_add(nanoseconds);
            let time = since.and_then(|it| SystemTime::UNIX_EPOCH.checked_add(it));
            time.map(Some).ok_or(ErrorCode::Overflow)
        }
    };
    Ok((time(accessed)?, time(modified)?))
}

impl From<Fault> for ErrorCode {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Busy => ErrorCode::Busy,
            Fault::Exist => ErrorCode::Exist,
            Fault::FileTooLarge => ErrorCode::FileTooLarge,
            Fault::InsufficientMemory => ErrorCode::InsufficientMemory,
            Fault::InsufficientSpace => ErrorCode::InsufficientSpace,
            Fault::Invalid => ErrorCode::Invalid,
            Fault::IsDirectory => ErrorCode::IsDirectory,
            Fault::Loop => ErrorCode::Loop,
            Fault::NameTooLong => ErrorCode::NameTooLong,
            Fault::NoEntry => ErrorCode::NoEntry,
            Fault::NotDirectory => ErrorCode::NotDirectory,
            Fault::NotEmpty => ErrorCode::NotEmpty,
            Fault::NotPermitted => ErrorCode::NotPermitted,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        ErrorCode::from(fault).into()
    }
}
