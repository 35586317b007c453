//! A base as memory: each block is verified when it is first touched.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use uec_gaussian::{Cancel, Error, ErrorCode, Result};

use crate::buffer::Mapped;
use crate::storage::Column;

use super::blocks::gaps;
use super::damage::Damage;
use super::disk::Map;
use super::header::{BLOCK, Header};
use super::numbers::sound;

/// A mapped base whose header and table were checked.
pub(super) struct MappedBase {
    map: Map,
    path: PathBuf,
    header: Header,
    checksums: Vec<u32>,
    verified: Vec<AtomicBool>,
}

impl MappedBase {
    /// # Errors
    /// [`ErrorCode::FileCorrupt`] if the map is shorter than the file was.
    pub(super) fn new(map: Map, path: PathBuf, header: Header, checksums: Vec<u32>) -> Result<Self> {
        if map.as_ref().as_ref().len() as u64 != header.length {
            return Err(Damage::Corrupt("it was cut off while it was opened").at(&path, "index"));
        }
        let verified = checksums.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Self { map, path, header, checksums, verified })
    }

    fn part(&self, range: Range<u64>) -> &[u8] {
        &self.map.as_ref().as_ref()[range.start as usize..range.end as usize]
    }

    /// Reads block `number` and notes what came of it.
    fn verify_block(&self, number: usize) -> Result<()> {
        let sound = self.is_sound(number);
        self.verified[number].store(sound, Ordering::Release);
        if sound {
            return Ok(());
        }
        let (path, block) = (self.path.display(), self.header.block(number));
        let (start, end) = (block.start, block.end);
        let message = format!("{path} is damaged between its bytes {start} and {end}. Restore or rebuild it");
        Err(Error::new(ErrorCode::FileCorrupt, message))
    }

    /// Whether block `number` is what was written.
    fn is_sound(&self, number: usize) -> bool {
        let block = self.header.block(number);
        crc32fast::hash(self.part(block.clone())) == self.checksums[number]
            && gaps(&self.header, block.clone()).all(|gap| self.part(gap).iter().all(|byte| *byte == 0))
            && Column::ALL.into_iter().all(|column| {
                let section = self.header.column(column);
                let part = section.start.max(block.start)..section.end.min(block.end);
                part.is_empty() || sound(column, self.header.sizes.layout.storage, self.part(part))
            })
    }
}

impl Mapped for MappedBase {
    fn bytes(&self, range: Range<usize>) -> Result<&[u8]> {
        if range.is_empty() {
            // Of the map, so that it is aligned.
            return Ok(self.part(0..0));
        }
        let start = self.header.data_start() as usize;
        let number = |at: usize| (at - start) / BLOCK as usize;
        for number in number(range.start)..=number(range.end - 1) {
            // Two threads may verify the same block; the answer is the same.
            if !self.verified[number].load(Ordering::Acquire) {
                self.verify_block(number)?;
            }
        }
        Ok(&self.map.as_ref().as_ref()[range])
    }

    fn verify(&self, cancel: &Cancel) -> Result<()> {
        (0..self.checksums.len()).try_for_each(|number| cancel.check().and_then(|()| self.verify_block(number)))
    }
}

impl fmt::Debug for MappedBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedBase").field("path", &self.path).field("header", &self.header).finish_non_exhaustive()
    }
}
