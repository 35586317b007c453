//! A disk in memory that loses what was not synced: at a crash, each unsynced change survives or not, whole or torn at
//! multiples of 512 bytes, and so does each unsynced name.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uec_index::{Disk, DiskFile, Map, Temporary};

const SECTOR: u64 = 512;

#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Cut(u64),
}

#[derive(Clone, Debug, Default)]
struct Inode {
    /// As of the last sync.
    durable: Vec<u8>,
    current: Vec<u8>,
    /// Since the last sync.
    pending: Vec<Change>,
    locked: bool,
}

#[derive(Debug, Default)]
struct Inner {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    pending_names: Vec<(PathBuf, usize)>,
    operations: usize,
    power_off: Option<usize>,
    failing: Option<usize>,
    panicking: Option<usize>,
}

/// Cloning gives another handle of the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct LossyDisk(Arc<Mutex<Inner>>);

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes: written } => {
            let (start, end) = (*offset as usize, *offset as usize + written.len());
            bytes.resize(bytes.len().max(end), 0);
            bytes[start..end].copy_from_slice(written);
        }
        Change::Cut(length) => bytes.truncate(*length as usize),
    }
}

impl LossyDisk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a file there, synced.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        let mut inner = self.inner();
        let inode = inner.inodes.len();
        inner.inodes.push(Inode { durable: bytes.to_vec(), current: bytes.to_vec(), ..Inode::default() });
        inner.names.insert(path.to_owned(), inode);
        inner.durable_names.insert(path.to_owned(), inode);
    }

    pub(crate) fn delete(&self, path: &Path) {
        let mut inner = self.inner();
        inner.names.remove(path);
        inner.durable_names.remove(path);
    }

    pub(crate) fn bytes(&self, path: &Path) -> Vec<u8> {
        let inner = self.inner();
        inner.inodes[inner.names[path]].current.clone()
    }

    /// After so many more changes and syncs, nothing works any more.
    pub(crate) fn power_off_after(&self, operations: usize) {
        let mut inner = self.inner();
        inner.power_off = Some(inner.operations + operations);
    }

    /// The `operation`-th change or sync from now fails, half done.
    pub(crate) fn fail(&self, operation: usize) {
        let mut inner = self.inner();
        inner.failing = Some(inner.operations + operation);
    }

    /// The `operation`-th change or sync from now panics.
    pub(crate) fn panic_at(&self, operation: usize) {
        let mut inner = self.inner();
        inner.panicking = Some(inner.operations + operation);
    }

    /// Whether that failure has come.
    pub(crate) fn has_failed(&self) -> bool {
        let inner = self.inner();
        inner.failing.is_some_and(|failing| failing < inner.operations)
    }

    /// What a machine finds after a power failure; `survives` is asked for everything that was not synced.
    pub(crate) fn crash(&self, mut survives: impl FnMut() -> bool) -> Self {
        let inner = self.inner();
        let mut after = Inner { names: inner.durable_names.clone(), ..Inner::default() };
        for inode in &inner.inodes {
            let mut bytes = inode.durable.clone();
            for change in &inode.pending {
                match change {
                    Change::Cut(_) if survives() => apply(&mut bytes, change),
                    Change::Cut(_) => {}
                    Change::Write { offset, bytes: written } => {
                        let (mut start, end) = (*offset, offset + written.len() as u64);
                        while start < end {
                            let stop = ((start / SECTOR + 1) * SECTOR).min(end);
                            if survives() {
                                let sector = written[(start - offset) as usize..(stop - offset) as usize].to_vec();
                                apply(&mut bytes, &Change::Write { offset: start, bytes: sector });
                            }
                            start = stop;
                        }
                    }
                }
            }
            after.inodes.push(Inode { durable: bytes.clone(), current: bytes, ..Inode::default() });
        }
        for (path, inode) in &inner.pending_names {
            if survives() {
                after.names.insert(path.clone(), *inode);
            }
        }
        after.durable_names = after.names.clone();
        Self(Arc::new(Mutex::new(after)))
    }
}

impl Inner {
    /// One change or sync.
    fn spend(&mut self) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        assert!(self.panicking != Some(number), "a panic, as it was ordered");
        if self.power_off.is_some_and(|limit| number >= limit) || self.failing == Some(number) {
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn name(&mut self, path: &Path, inode: usize) {
        self.names.insert(path.to_owned(), inode);
        self.pending_names.push((path.to_owned(), inode));
    }
}

impl Disk for LossyDisk {
    fn resolve(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let inode = *self.inner().names.get(path).ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(LossyFile { disk: self.clone(), inode, holds_lock: false }))
    }

    fn lock(&self, path: &Path, _base: &Path) -> io::Result<Option<Box<dyn DiskFile>>> {
        let mut inner = self.inner();
        let inode = match inner.names.get(path) {
            Some(inode) => *inode,
            None => {
                inner.spend()?;
                inner.inodes.push(Inode::default());
                let inode = inner.inodes.len() - 1;
                inner.name(path, inode);
                inode
            }
        };
        if std::mem::replace(&mut inner.inodes[inode].locked, true) {
            return Ok(None);
        }
        Ok(Some(Box::new(LossyFile { disk: self.clone(), inode, holds_lock: true })))
    }

    fn exists(&self, path: &Path) -> bool {
        self.inner().names.contains_key(path)
    }

    fn temporary(&self, target: &Path) -> io::Result<Box<dyn Temporary>> {
        let mut inner = self.inner();
        inner.spend()?;
        inner.inodes.push(Inode::default());
        let file = LossyFile { disk: self.clone(), inode: inner.inodes.len() - 1, holds_lock: false };
        Ok(Box::new(LossyTemporary { file, target: target.to_owned() }))
    }

    fn sync_folder(&self, _path: &Path) -> io::Result<()> {
        let mut inner = self.inner();
        inner.spend()?;
        inner.durable_names = inner.names.clone();
        inner.pending_names.clear();
        Ok(())
    }
}

#[derive(Debug)]
struct LossyFile {
    disk: LossyDisk,
    inode: usize,
    holds_lock: bool,
}

impl Drop for LossyFile {
    fn drop(&mut self) {
        if self.holds_lock {
            self.disk.inner().inodes[self.inode].locked = false;
        }
    }
}

impl LossyFile {
    fn change(&self, change: Change) {
        let mut inner = self.disk.inner();
        let inode = &mut inner.inodes[self.inode];
        apply(&mut inode.current, &change);
        inode.pending.push(change);
    }
}

impl DiskFile for LossyFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.inner().inodes[self.inode].current.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let inner = self.disk.inner();
        let from = inner.inodes[self.inode].current.get(offset as usize..).unwrap_or_default();
        bytes.copy_from_slice(from.get(..bytes.len()).ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let spent = self.disk.inner().spend();
        // A write that fails may have been done in part, but never half a sector.
        let half = ((offset + bytes.len() as u64 / 2) / SECTOR * SECTOR).saturating_sub(offset) as usize;
        let done = if spent.is_ok() { bytes } else { &bytes[..half.min(bytes.len())] };
        if !done.is_empty() {
            self.change(Change::Write { offset, bytes: done.to_vec() });
        }
        spent
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.disk.inner().spend()?;
        self.change(Change::Cut(length));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = self.disk.inner();
        inner.spend()?;
        let inode = &mut inner.inodes[self.inode];
        inode.durable.clone_from(&inode.current);
        inode.pending.clear();
        Ok(())
    }

    fn map(&self) -> io::Result<Map> {
        Ok(Box::new(Aligned::new(&self.disk.inner().inodes[self.inode].current)))
    }
}

/// Bytes that start at a multiple of 8.
struct Aligned(Vec<u64>, usize);

impl Aligned {
    fn new(bytes: &[u8]) -> Self {
        let mut words = vec![0; bytes.len().div_ceil(8)];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        Self(words, bytes.len())
    }
}

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.0)[..self.1]
    }
}

#[derive(Debug)]
struct LossyTemporary {
    file: LossyFile,
    target: PathBuf,
}

impl Temporary for LossyTemporary {
    fn file(&self) -> &dyn DiskFile {
        &self.file
    }

    fn put_in_place(self: Box<Self>) -> io::Result<()> {
        let mut inner = self.file.disk.inner();
        inner.spend()?;
        inner.name(&self.target, self.file.inode);
        Ok(())
    }
}
