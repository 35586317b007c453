//! Saving: a new base is written aside and renamed into place, announced in the journal if there is one.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use uec_gaussian::Result;

use crate::gaussian_index::GaussianIndex;
use crate::state::State;

use super::damage::Damage;
use super::disk::Disk;
use super::journal::{Journal, journal_path};
use super::open::take_journal;
use super::os::OsDisk;
use super::write::write_base;

impl GaussianIndex {
    /// Writes the index to one file, atomically: a crash or a failure leaves the old file or the new one, and no change of
    /// an opened index is lost. Saving to the file it was opened from empties the journal.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::FileWrite`]; [`uec_gaussian::ErrorCode::FileLocked`] if another index has that file
    /// open for writing; [`uec_gaussian::ErrorCode::FileCorrupt`] if a journal beside it is damaged.
    pub fn save(&self, path: &Path) -> Result<()> {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        self.save_on(&disk, path)
    }

    /// Writes the index to a file of some disk.
    ///
    /// # Errors
    /// As [`GaussianIndex::save`].
    pub fn save_on(&self, disk: &Arc<dyn Disk>, path: &Path) -> Result<()> {
        let path = disk.resolve(path);
        {
            // Held until the journal is empty: a change meanwhile would be in neither.
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(journal) = writer.journal.as_mut().filter(|journal| journal.base() == path) {
                return replace(&self.state(), disk, &path, Some(journal));
            }
        }
        // Asked for before the work, too.
        let mut journal = take_if_there(disk, &path)?;
        replace(&self.state(), disk, &path, journal.as_mut())
    }
}

fn take_if_there(disk: &Arc<dyn Disk>, path: &Path) -> Result<Option<Journal>> {
    if disk.exists(&journal_path(path)) { take_journal(disk, path).map(Some) } else { Ok(None) }
}

fn replace(state: &State, disk: &Arc<dyn Disk>, path: &Path, journal: Option<&mut Journal>) -> Result<()> {
    let replaced = || {
        let temporary = disk.temporary(path).map_err(Damage::Write)?;
        let identity = write_base(state, temporary.file())?;
        // Whoever opened the old base for writing meanwhile would lose its changes.
        let mut late = if journal.is_none() { take_if_there(disk, path)? } else { None };
        let Some(journal) = journal.or(late.as_mut()) else {
            temporary.put_in_place().map_err(Damage::Write)?;
            // The file is in place, and whole.
            let _ = disk.sync_folder(path);
            return Ok(());
        };
        journal.replace_base(identity, || temporary.put_in_place())
    };
    replaced().map_err(|damage: Damage| damage.at(path, "index"))
}
