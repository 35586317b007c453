//! The blocks of a base, 1 MiB each, and their checksums: writing and reading them from the first to the last.

use std::io;
use std::ops::Range;

use crc32fast::Hasher;
use uec_gaussian::Cancel;

use super::damage::{Damage, Result};
use super::disk::DiskFile;
use super::header::{BLOCK, HEADER, Header, u32s};

/// The block table of a base, behind its header; checked.
///
/// # Errors
/// [`Damage::Corrupt`].
pub(super) fn decode_table(header: &Header, bytes: &[u8]) -> Result<Vec<u32>> {
    let (table, zeros) = bytes.split_at(4 * header.blocks as usize);
    if crc32fast::hash(bytes) != header.table || zeros.iter().any(|byte| *byte != 0) {
        return Err(Damage::Corrupt("its table of checksums is damaged"));
    }
    Ok(u32s(table).collect())
}

/// The bytes of a block table.
pub(super) fn encode_table(header: &Header, checksums: &[u32]) -> Vec<u8> {
    let mut bytes: Vec<u8> = checksums.iter().flat_map(|checksum| checksum.to_le_bytes()).collect();
    bytes.resize(header.data_start() as usize - HEADER, 0);
    bytes
}

/// The gaps between the sections of a base that lie within `range`: zeros.
pub(super) fn gaps(header: &Header, range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let mut end = header.data_start();
    header.sections().map(move |section| std::mem::replace(&mut end, section.end)..section.start).filter_map(
        move |gap| {
            let gap = gap.start.max(range.start)..gap.end.min(range.end);
            (gap.start < gap.end).then_some(gap)
        },
    )
}

/// Writes the blocks one after the other.
pub(super) struct BlockWriter<'a> {
    file: &'a dyn DiskFile,
    /// Where the block starts.
    start: u64,
    block: Vec<u8>,
    checksums: Vec<u32>,
}

impl<'a> BlockWriter<'a> {
    /// Writes from `start` on.
    pub(super) fn new(file: &'a dyn DiskFile, start: u64) -> Self {
        Self { file, start, block: Vec::with_capacity(BLOCK as usize), checksums: Vec::new() }
    }

    /// Where the next byte goes.
    pub(super) fn position(&self) -> u64 {
        self.start + self.block.len() as u64
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK as usize - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK as usize {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Zeros up to `position`.
    pub(super) fn pad(&mut self, position: u64) -> io::Result<()> {
        while self.position() < position {
            self.write(&[0; 64][..(position - self.position()).min(64) as usize])?;
        }
        Ok(())
    }

    /// The checksums of all blocks.
    pub(super) fn finish(mut self) -> io::Result<Vec<u32>> {
        if !self.block.is_empty() {
            self.flush()?;
        }
        Ok(self.checksums)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.block, self.start)?;
        self.checksums.push(crc32fast::hash(&self.block));
        self.start += self.block.len() as u64;
        self.block.clear();
        Ok(())
    }
}

/// Reads the blocks one after the other into the memory of others. What was read is checked only when its block's end is.
pub(super) struct BlockReader<'a> {
    file: &'a dyn DiskFile,
    header: &'a Header,
    checksums: &'a [u32],
    cancel: &'a Cancel,
    position: u64,
    number: usize,
    hasher: Hasher,
}

impl<'a> BlockReader<'a> {
    pub(super) fn new(file: &'a dyn DiskFile, header: &'a Header, checksums: &'a [u32], cancel: &'a Cancel) -> Self {
        Self { file, header, checksums, cancel, position: header.data_start(), number: 0, hasher: Hasher::new() }
    }

    /// Fills `bytes`, unless it is cancelled.
    ///
    /// # Errors
    /// [`Damage`].
    pub(super) fn read(&mut self, mut bytes: &mut [u8]) -> Result<()> {
        while !bytes.is_empty() {
            self.cancel.check()?;
            let end = self.header.block(self.number).end;
            let (now, later) = bytes.split_at_mut(bytes.len().min((end - self.position) as usize));
            self.file.read_at(now, self.position).map_err(Damage::Read)?;
            self.hasher.update(now);
            self.position += now.len() as u64;
            bytes = later;
            if self.position == end {
                if std::mem::take(&mut self.hasher).finalize() != self.checksums[self.number] {
                    return Err(Damage::Corrupt("one of its blocks is damaged"));
                }
                self.number += 1;
            }
        }
        Ok(())
    }

    /// Reads the gap before a section.
    ///
    /// # Errors
    /// [`Damage`], if it is not all zeros, too.
    pub(super) fn skip_to(&mut self, section: &Range<u64>) -> Result<()> {
        let mut gap = [0; 64];
        let gap = &mut gap[..section.start.saturating_sub(self.position) as usize];
        self.read(gap)?;
        if gap.iter().any(|byte| *byte != 0) {
            return Err(Damage::Corrupt("a gap between its sections is not empty"));
        }
        Ok(())
    }
}
