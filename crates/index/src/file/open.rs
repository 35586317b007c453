//! Opening an index: base and journal together.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use uec_gaussian::{Cancel, Error, ErrorCode, Result};

use crate::gaussian_index::{GaussianIndex, OpenOptions, Writer};

use super::damage::Damage;
use super::disk::{Disk, DiskFile};
use super::head::{HEAD, Head};
use super::journal::{Journal, cut, journal_path, locked, reset};
use super::os::OsDisk;
use super::read::Base;
use super::replay::replay;

/// How often a reader starts again because a writer replaced the base meanwhile.
const ATTEMPTS: u32 = 100;

impl GaussianIndex {
    /// Opens a file. For writing, it is locked until the index is dropped, and what is added or removed is in the journal
    /// beside it, on the disk, when the call returns.
    ///
    /// By map, header, checksums and ids are checked, and the rest when it is first used; otherwise everything is checked.
    ///
    /// # Errors
    /// [`ErrorCode::FileNotFound`]; [`ErrorCode::FileCorrupt`]; [`ErrorCode::FileVersion`]; [`ErrorCode::FileLocked`] if
    /// it is open for writing already, or replaced over and over; [`ErrorCode::FileWrite`] if the journal cannot be written;
    /// [`ErrorCode::OutOfMemory`].
    pub fn open(path: &Path, options: OpenOptions) -> Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        Self::open_on(&disk, path, options)
    }

    /// Opens a file of some disk.
    ///
    /// # Errors
    /// As [`GaussianIndex::open`].
    pub fn open_on(disk: &Arc<dyn Disk>, path: &Path, options: OpenOptions) -> Result<Self> {
        open_either(disk, path, options, &Cancel::default())
    }

    /// As [`GaussianIndex::open`], until it is cancelled: the file is let go before the call returns.
    ///
    /// # Errors
    /// As [`GaussianIndex::open`], and [`ErrorCode::Aborted`].
    pub fn open_unless(path: &Path, options: OpenOptions, cancel: &Cancel) -> Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        let opened = open_either(&disk, path, options, cancel)?;
        cancel.check()?;
        Ok(opened)
    }
}

fn open_either(
    disk: &Arc<dyn Disk>,
    path: &Path,
    OpenOptions { mmap, readonly }: OpenOptions,
    cancel: &Cancel,
) -> Result<GaussianIndex> {
    let path = disk.resolve(path);
    if readonly { open_readonly(&**disk, &path, mmap, cancel) } else { open(disk, &path, mmap, cancel) }
}

fn open(disk: &Arc<dyn Disk>, path: &Path, mmap: bool, cancel: &Cancel) -> Result<GaussianIndex> {
    // No journal is made beside what is no index.
    Base::open(&**disk, path).map_err(|damage| damage.at(path, "index"))?;
    let file = lock(&**disk, path)?;
    let at_journal = |damage: Damage| damage.at(&journal_path(path), "journal");
    // The names of base and journal may be a killed process's, which could not sync them: what follows relies on them.
    disk.sync_folder(path).map_err(|error| at_journal(Damage::Write(error)))?;
    let base = Base::open(&**disk, path).map_err(|damage| damage.at(path, "index"))?;
    let identity = base.identity;
    let state = base.read(path, mmap, cancel).map_err(|damage| damage.at(path, "index"))?;
    let index = GaussianIndex::from_state(state, Writer::default(), false);
    let length = match Head::read(&*file).map_err(at_journal)? {
        None => {
            reset(&*file, &identity).map_err(at_journal)?;
            HEAD
        }
        Some(head) if head.identity == identity => {
            let end = replay(&*file, &head, Some(&index), cancel).map_err(at_journal)?.end;
            cut_behind(&*file, end).map_err(at_journal)?;
            end
        }
        Some(head) => {
            if !replay(&*file, &head, None, cancel).map_err(at_journal)?.is_spent(&identity) {
                return Err(replaced(path));
            }
            reset(&*file, &identity).map_err(at_journal)?;
            HEAD
        }
    };
    let journal = Journal::new(disk.clone(), path.to_owned(), file, identity, length);
    Ok(GaussianIndex::from_state((*index.state()).clone(), Writer { journal: Some(journal) }, false))
}

/// The journal of the base at `path`, locked; made if need be.
fn lock(disk: &dyn Disk, path: &Path) -> Result<Box<dyn DiskFile>> {
    let journal = journal_path(path);
    disk.lock(&journal, path).map_err(|error| unlockable(&journal, &error))?.ok_or_else(|| locked(path))
}

fn cut_behind(file: &dyn DiskFile, end: u64) -> Result<(), Damage> {
    if file.length().map_err(Damage::Read)? > end { cut(file, end) } else { Ok(()) }
}

/// The journal of another's base, locked, to put a new base in its place.
///
/// # Errors
/// [`ErrorCode::FileLocked`], [`ErrorCode::FileCorrupt`], [`ErrorCode::FileWrite`].
pub(super) fn take_journal(disk: &Arc<dyn Disk>, path: &Path) -> Result<Journal> {
    let at_journal = |damage: Damage| damage.at(&journal_path(path), "journal");
    let file = lock(&**disk, path)?;
    disk.sync_folder(path).map_err(|error| at_journal(Damage::Write(error)))?;
    let base = Base::open(&**disk, path).ok().map(|base| base.identity);
    let fresh = |identity| reset(&*file, &identity).map(|()| (identity, HEAD)).map_err(at_journal);
    let (identity, length) = match Head::read(&*file).map_err(at_journal)? {
        None => fresh(base.unwrap_or_default())?,
        Some(head) => {
            let scan = replay(&*file, &head, None, &Cancel::default()).map_err(at_journal)?;
            if base == Some(head.identity) {
                cut_behind(&*file, scan.end).map_err(at_journal)?;
                (head.identity, scan.end)
            } else if scan.is_spent(&base.unwrap_or_default()) {
                fresh(base.unwrap_or_default())?
            } else {
                return Err(replaced(path));
            }
        }
    };
    Ok(Journal::new(disk.clone(), path.to_owned(), file, identity, length))
}

fn open_readonly(disk: &dyn Disk, path: &Path, mmap: bool, cancel: &Cancel) -> Result<GaussianIndex> {
    let mut attempt = 1;
    loop {
        let before = head_bytes(disk, path);
        let opened = try_open_readonly(disk, path, mmap, cancel);
        let after = head_bytes(disk, path);
        let unchanged = match &opened {
            // More may have been added to the same base.
            Ok(_) => before.get(..48) == after.get(..48),
            Err(_) => before == after,
        };
        if unchanged || cancel.is_cancelled() {
            return opened;
        }
        if attempt == ATTEMPTS {
            let message = format!("{} was replaced each time it was read: try again later", path.display());
            return Err(Error::new(ErrorCode::FileLocked, message));
        }
        thread::sleep(Duration::from_millis(attempt.into()));
        attempt += 1;
    }
}

fn try_open_readonly(disk: &dyn Disk, path: &Path, mmap: bool, cancel: &Cancel) -> Result<GaussianIndex> {
    let at_journal = |damage: Damage| damage.at(&journal_path(path), "journal");
    let journal = match disk.open(&journal_path(path)) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(at_journal(Damage::Read(error))),
    };
    let head = match &journal {
        Some(file) => Head::read(&**file).map_err(at_journal)?,
        None => None,
    };
    let base = Base::open(disk, path).map_err(|damage| damage.at(path, "index"))?;
    let identity = base.identity;
    let state = base.read(path, mmap, cancel).map_err(|damage| damage.at(path, "index"))?;
    let index = GaussianIndex::from_state(state, Writer::default(), false);
    if let (Some(file), Some(head)) = (&journal, head) {
        let same = head.identity == identity;
        let scan = replay(&**file, &head, same.then_some(&index), cancel).map_err(at_journal)?;
        if !same && !scan.is_spent(&identity) {
            return Err(replaced(path));
        }
    }
    Ok(GaussianIndex::from_state((*index.state()).clone(), Writer::default(), true))
}

/// What shows whether a writer was at work; nothing if there is no journal.
fn head_bytes(disk: &dyn Disk, path: &Path) -> Vec<u8> {
    let read = || {
        let file = disk.open(&journal_path(path))?;
        let mut bytes = vec![0; file.length()?.min(HEAD) as usize];
        file.read_at(&mut bytes, 0)?;
        Ok::<_, std::io::Error>(bytes)
    };
    read().unwrap_or_default()
}

fn unlockable(journal: &Path, error: &std::io::Error) -> Error {
    let message = format!(
        "{} cannot be written and locked: {error}; check that its folder may be written to and is on a file system with locks, or open the index readonly",
        journal.display()
    );
    Error::new(ErrorCode::FileWrite, message)
}

fn replaced(path: &Path) -> Error {
    let message = format!(
        "{} is not the index that the changes in {} belong to: it was replaced while it had changes that were not in it yet. Restore it, or delete that journal and lose the changes",
        path.display(),
        journal_path(path).display()
    );
    Error::new(ErrorCode::FileCorrupt, message)
}
