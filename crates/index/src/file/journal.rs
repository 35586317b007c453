//! The journal beside a base: the changes since the base was written, each on the disk before it is acknowledged. Its lock
//! is the index's lock.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uec_gaussian::{Error, ErrorCode, Rows};

use super::damage::{Damage, Result};
use super::disk::{Disk, DiskFile};
use super::head::{HEAD, Head, encode_committed};
use super::read::Identity;
use super::record::Draft;

/// Where the journal of the base at `path` is.
pub(super) fn journal_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".journal");
    name.into()
}

/// A journal that is locked for writing.
#[derive(Debug)]
pub(crate) struct Journal {
    disk: Arc<dyn Disk>,
    /// Of the base.
    path: PathBuf,
    file: Box<dyn DiskFile>,
    /// Of the base that the records change.
    identity: Identity,
    /// Up to here stand the records that count.
    length: u64,
    owed: Owed,
}

/// What must be done before the next record. It is set before the work that may fail, so that a panic leaves it set.
#[derive(Debug, PartialEq)]
enum Owed {
    Nothing,
    /// Something may stand behind the records that count.
    Cut,
    /// This base is in place and holds all records.
    Reset(Identity),
    /// What is on the disk and what is in memory may differ: opening finds out.
    Reopen,
}

impl Journal {
    /// A journal whose records up to `length` count for the base `identity`.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        path: PathBuf,
        file: Box<dyn DiskFile>,
        identity: Identity,
        length: u64,
    ) -> Self {
        Self { disk, path, file, identity, length, owed: Owed::Nothing }
    }

    /// Path of the base, its links resolved.
    pub(super) fn base(&self) -> &Path {
        &self.path
    }

    /// Writes rows, as they were given. On the disk when it returns; after an error, the journal is as it was.
    ///
    /// # Errors
    /// [`ErrorCode::FileWrite`], [`ErrorCode::OutOfMemory`].
    pub(crate) fn append_add<S: AsRef<str>>(&mut self, ids: &[S], rows: Rows<'_>) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let added = Draft::add(ids, rows).and_then(|draft| self.append(&draft));
        added.map_err(|damage| self.error(damage))
    }

    /// Writes that these ids were removed. As [`Journal::append_add`].
    ///
    /// # Errors
    /// [`ErrorCode::FileWrite`], [`ErrorCode::OutOfMemory`].
    pub(crate) fn append_remove<S: AsRef<str>>(&mut self, ids: &[S]) -> Result<(), Error> {
        if ids.is_empty() {
            return Ok(());
        }
        let removed = Draft::remove(ids).and_then(|draft| self.append(&draft));
        removed.map_err(|damage| self.error(damage))
    }

    /// Puts a new base in the place of the old one: announces it, calls `rename`, and starts anew. Whatever fails, the
    /// base that is there and the journal belong together.
    ///
    /// # Errors
    /// [`Damage::Write`].
    pub(super) fn replace_base(&mut self, new: Identity, rename: impl FnOnce() -> std::io::Result<()>) -> Result<()> {
        let length = self.length;
        self.write(&Draft::compacted(new))?;
        if let Err(error) = rename() {
            self.length = length;
            self.owed = Owed::Cut;
            // If this fails, it is done before the next record.
            let _ = self.settle();
            return Err(Damage::Write(error));
        }
        self.owed = Owed::Reset(new);
        self.settle()
    }

    fn append(&mut self, draft: &Draft<'_>) -> Result<()> {
        self.write(draft)?;
        // The record is on the disk: that this number says so, too, helps to tell damage from a torn write.
        let _ = encode_committed(self.length).write(&*self.file);
        self.owed = Owed::Nothing;
        Ok(())
    }

    /// Writes a record and syncs it. What follows from it is yet to be done: until then, [`Owed::Reopen`].
    fn write(&mut self, draft: &Draft<'_>) -> Result<()> {
        self.settle()?;
        self.owed = Owed::Cut;
        let written = draft.write(&*self.file, &self.identity, self.length);
        match written.and_then(|end| self.file.sync().map(|()| end).map_err(Damage::Write)) {
            Ok(end) => {
                self.length = end;
                self.owed = Owed::Reopen;
                Ok(())
            }
            Err(error) => {
                let _ = self.settle();
                Err(error)
            }
        }
    }

    fn settle(&mut self) -> Result<()> {
        match self.owed {
            Owed::Nothing => {}
            Owed::Cut => cut(&*self.file, self.length)?,
            Owed::Reset(identity) => {
                // Only a base that stays in place may cost the records.
                self.disk.sync_folder(&self.path).map_err(Damage::Write)?;
                reset(&*self.file, &identity)?;
                self.identity = identity;
                self.length = HEAD;
            }
            Owed::Reopen => {
                let message = "a change was broken off by a panic: dispose of the index and open it again";
                return Err(Damage::Write(std::io::Error::other(message)));
            }
        }
        self.owed = Owed::Nothing;
        Ok(())
    }

    fn error(&self, damage: Damage) -> Error {
        damage.at(&journal_path(&self.path), "journal")
    }
}

/// Cuts a journal, on the disk, too.
pub(super) fn cut(file: &dyn DiskFile, length: u64) -> Result<()> {
    file.cut(length).and_then(|()| file.sync()).map_err(Damage::Write)
}

/// Makes an empty journal of the base `identity`. All records are void, on the disk, before they are gone.
pub(super) fn reset(file: &dyn DiskFile, identity: &Identity) -> Result<()> {
    file.write_at(&Head::encode(identity), 0).and_then(|()| file.sync()).map_err(Damage::Write)?;
    cut(file, HEAD)
}

/// The error of an index that another has open for writing.
pub(super) fn locked(path: &Path) -> Error {
    let message = format!(
        "{} is open for writing, here or in another process, which holds the lock of {}: dispose of that index first, or open this one readonly",
        path.display(),
        journal_path(path).display()
    );
    Error::new(ErrorCode::FileLocked, message)
}
