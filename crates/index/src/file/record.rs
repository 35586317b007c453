//! The records of a journal: what they look like, and how one is written and read without being held twice.

use std::collections::HashSet;

use crc32fast::Hasher;
use uec_gaussian::{Gaussians, Rows};

use super::damage::{Damage, Result};
use super::disk::DiskFile;
use super::header::{u32_at, u32s, u64_at};
use super::read::{Identity, zeros};

/// Bytes before the payload.
const HEADER: usize = 24;
const ADD: u32 = 1;
const REMOVE: u32 = 2;
const COMPACTED: u32 = 3;

/// What a record says.
#[derive(Debug)]
pub(super) enum Record {
    Add { ids: Vec<String>, rows: Gaussians },
    Remove { ids: Vec<String> },
    Compacted(Identity),
}

/// A record to be written.
pub(super) struct Draft<'a> {
    kind: u32,
    start: Vec<u8>,
    numbers: [&'a [f32]; 2],
}

impl<'a> Draft<'a> {
    pub(super) fn add<S: AsRef<str>>(ids: &[S], rows: Rows<'a>) -> Result<Self> {
        Ok(Self { kind: ADD, start: encode_ids(ids)?, numbers: [rows.mean, rows.variance] })
    }

    pub(super) fn remove<S: AsRef<str>>(ids: &[S]) -> Result<Self> {
        Ok(Self { kind: REMOVE, start: encode_ids(ids)?, numbers: [&[]; 2] })
    }

    pub(super) fn compacted(identity: Identity) -> Self {
        Self { kind: COMPACTED, start: identity.to_vec(), numbers: [&[]; 2] }
    }

    /// Writes the record at `offset` of the journal of `base` and returns its end.
    ///
    /// # Errors
    /// [`Damage::Write`].
    pub(super) fn write(&self, file: &dyn DiskFile, base: &Identity, offset: u64) -> Result<u64> {
        let [mean, variance] = self.numbers.map(bytemuck::cast_slice::<f32, u8>);
        let parts = [&self.start[..], mean, variance];
        let (mut hasher, mut length) = (Hasher::new(), 0);
        for part in parts {
            hasher.update(part);
            length += part.len() as u64;
        }
        let mut bytes = [self.kind.to_le_bytes(), [0; 4]].concat();
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&hasher.finalize().to_le_bytes());
        bytes.extend_from_slice(&header_checksum(base, &bytes).to_le_bytes());
        bytes.extend_from_slice(&self.start);
        let mut position = offset;
        for part in [&bytes[..], mean, variance] {
            file.write_at(part, position).map_err(Damage::Write)?;
            position += part.len() as u64;
        }
        Ok(position)
    }
}

/// A record at some place of a journal.
pub(super) enum Read {
    /// Whole, with its end. The content of a record that was only to be looked at is not read.
    Sound { record: Option<Record>, end: u64 },
    /// Not what was written, or not all of it.
    Bad,
}

/// Reads the record at `offset` of a journal of `length` bytes. With a dimension, its content; without, only whether it
/// is sound, and what a compacted record says.
///
/// # Errors
/// [`Damage::Corrupt`] if a sound record contradicts itself; [`Damage`].
pub(super) fn read_record(
    file: &dyn DiskFile,
    base: &Identity,
    offset: u64,
    length: u64,
    dimension: Option<usize>,
) -> Result<Read> {
    if length - offset < HEADER as u64 {
        return Ok(Read::Bad);
    }
    let mut header = [0; HEADER];
    file.read_at(&mut header, offset).map_err(Damage::Read)?;
    let (kind, size) = (u32_at(&header, 0), u64_at(&header, 8));
    let start = offset + HEADER as u64;
    let sound = header_checksum(base, &header[..20]) == u32_at(&header, 20)
        && (ADD..=COMPACTED).contains(&kind)
        && u32_at(&header, 4) == 0
        && size.is_multiple_of(8)
        && size <= length - start;
    if !sound {
        return Ok(Read::Bad);
    }
    let mut payload = Payload { file, position: start, end: start + size, hasher: Hasher::new() };
    let record = match (kind, dimension) {
        (COMPACTED, _) => payload.compacted(),
        (_, None) => Ok(None),
        (ADD, Some(dimension)) => payload.add(dimension),
        (_, Some(_)) => payload.remove(),
    };
    let record = match record {
        Err(damage) if !matches!(damage, Damage::Corrupt(_)) => return Err(damage),
        record => record,
    };
    // A record that contradicts itself may be a torn one: its checksum tells.
    payload.skip()?;
    if payload.hasher.finalize() != u32_at(&header, 16) {
        return Ok(Read::Bad);
    }
    Ok(Read::Sound { record: record?, end: start + size })
}

/// CRC-32 of the base's identity and the header up to this checksum: a record is bound to its base.
fn header_checksum(base: &Identity, header: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(base);
    hasher.update(header);
    hasher.finalize()
}

fn encode_ids<S: AsRef<str>>(ids: &[S]) -> Result<Vec<u8>> {
    let too_large = |_| Damage::Write(std::io::ErrorKind::FileTooLarge.into());
    let text: usize = ids.iter().map(|id| id.as_ref().len()).sum();
    let mut bytes = zeros((8 + 4 * ids.len() + text).next_multiple_of(8) as u64)?;
    bytes[..4].copy_from_slice(&u32::try_from(ids.len()).map_err(too_large)?.to_le_bytes());
    let (lengths, mut rest) = bytes[8..].split_at_mut(4 * ids.len());
    for (length, id) in lengths.chunks_exact_mut(4).zip(ids) {
        let id = id.as_ref().as_bytes();
        length.copy_from_slice(&u32::try_from(id.len()).map_err(too_large)?.to_le_bytes());
        let (here, behind) = rest.split_at_mut(id.len());
        here.copy_from_slice(id);
        rest = behind;
    }
    Ok(bytes)
}

/// A payload as it is read: whether it is what was written shows at its end only.
struct Payload<'a> {
    file: &'a dyn DiskFile,
    position: u64,
    end: u64,
    hasher: Hasher,
}

impl Payload<'_> {
    fn left(&self) -> u64 {
        self.end - self.position
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<()> {
        if bytes.len() as u64 > self.left() {
            return Err(contradiction());
        }
        self.file.read_at(bytes, self.position).map_err(Damage::Read)?;
        self.hasher.update(bytes);
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Memory for `count` bytes that the payload says it has; filled.
    fn take(&mut self, count: u64) -> Result<Vec<u8>> {
        if count > self.left() {
            return Err(contradiction());
        }
        let mut bytes = zeros(count)?;
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    fn skip(&mut self) -> Result<()> {
        let mut bytes = zeros(self.left().min(1 << 20))?;
        while self.left() > 0 {
            let part = self.left().min(bytes.len() as u64) as usize;
            self.read(&mut bytes[..part])?;
        }
        Ok(())
    }

    fn ids(&mut self) -> Result<Vec<String>> {
        let start = self.take(8)?;
        let count = u32_at(&start, 0);
        if count == 0 || u32_at(&start, 4) != 0 {
            return Err(contradiction());
        }
        let lengths = self.take(4 * u64::from(count))?;
        let bytes: u64 = u32s(&lengths).map(u64::from).sum();
        let gap = (4 * u64::from(count) + bytes).next_multiple_of(8) - 4 * u64::from(count) - bytes;
        let text = self.take(bytes)?;
        if self.take(gap)?.iter().any(|byte| *byte != 0) {
            return Err(contradiction());
        }
        let (mut ids, mut text) = (Vec::with_capacity(count as usize), &text[..]);
        for length in u32s(&lengths) {
            let (id, rest) = text.split_at(length as usize);
            ids.push(std::str::from_utf8(id).map_err(|_| contradiction())?.to_owned());
            text = rest;
        }
        Ok(ids)
    }

    fn add(&mut self, dimension: usize) -> Result<Option<Record>> {
        let ids = self.ids()?;
        let expected = (ids.len() as u64).checked_mul(8).and_then(|bytes| bytes.checked_mul(dimension as u64));
        if expected != Some(self.left()) || ids.iter().collect::<HashSet<_>>().len() != ids.len() {
            return Err(contradiction());
        }
        let mut rows = Gaussians { mean: Vec::new(), variance: Vec::new(), dimension };
        for numbers in [&mut rows.mean, &mut rows.variance] {
            let count = ids.len() * dimension;
            numbers.try_reserve_exact(count).map_err(|_| crate::buffer::no_memory(4 * count))?;
            numbers.resize(count, 0.0);
            self.read(bytemuck::cast_slice_mut(numbers))?;
        }
        Ok(Some(Record::Add { ids, rows }))
    }

    fn remove(&mut self) -> Result<Option<Record>> {
        let ids = self.ids()?;
        if self.left() > 0 { Err(contradiction()) } else { Ok(Some(Record::Remove { ids })) }
    }

    fn compacted(&mut self) -> Result<Option<Record>> {
        let mut identity = Identity::default();
        self.read(&mut identity)?;
        if self.left() > 0 { Err(contradiction()) } else { Ok(Some(Record::Compacted(identity))) }
    }
}

fn contradiction() -> Damage {
    Damage::Corrupt("one of its records contradicts itself")
}
