//! The header of a base file and the layout that follows from its sizes (docs/index-format.md).

use std::ops::Range;

use crate::storage::{Column, Layout, Storage};

use super::damage::{Damage, Result};

const MAGIC: &[u8; 8] = b"UECINDEX";
const VERSION: u32 = 2;
const ALIGNMENT: u64 = 64;
/// Bytes of the header, before the block table.
pub(super) const HEADER: usize = 256;
/// Bytes that one checksum of the table covers.
pub(super) const BLOCK: u64 = 1 << 20;
/// Where the header's own checksum stands.
const CHECKSUM: usize = 252;
const SECTIONS: usize = 3 + Column::ALL.len();
const HAS_FINGERPRINT: u32 = 1;
const HAS_PREFILTER: u32 = 2;

/// What decides the layout of a base.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sizes {
    pub(super) layout: Layout,
    /// Number of rows.
    pub(super) count: u64,
    /// Bytes of the fingerprint, if there is one.
    pub(super) fingerprint: Option<u64>,
    /// Bytes of all ids.
    pub(super) ids: u64,
}

/// The header of a base file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub(super) sizes: Sizes,
    pub(super) length: u64,
    pub(super) blocks: u32,
    /// CRC-32 of the block table and the zeros behind it.
    pub(super) table: u32,
    /// Offset and length: fingerprint, id lengths, id bytes, then [`Column::ALL`].
    sections: [(u64, u64); SECTIONS],
}

impl Header {
    /// The one header of these sizes, without the table's checksum. `None` if they are no index's, or exceed 2⁶⁴ bytes.
    pub(super) fn new(sizes: Sizes) -> Option<Self> {
        let Sizes { layout, count, fingerprint, ids } = sizes;
        if layout.dimension == 0 || u32::try_from(layout.dimension).is_err() || count >= u64::from(u32::MAX) {
            return None;
        }
        if layout.prefilter && layout.storage != Storage::Float32 {
            return None;
        }
        let mut sections = [(0, 0); SECTIONS];
        sections[0].1 = fingerprint.unwrap_or(0);
        sections[1].1 = count * 4;
        sections[2].1 = ids;
        for (section, column) in sections[3..].iter_mut().zip(Column::ALL) {
            section.1 = count.checked_mul(layout.width(column) as u64)?;
        }
        // Relative to the end of the table first: its size depends on theirs.
        let mut end = 0_u64;
        for (offset, length) in sections.iter_mut().filter(|section| section.1 > 0) {
            *offset = end.checked_next_multiple_of(ALIGNMENT)?;
            end = offset.checked_add(*length)?;
        }
        let blocks = u32::try_from(end.div_ceil(BLOCK)).ok()?;
        let start = data_start(blocks);
        let length = end.checked_add(start)?;
        for (offset, _) in sections.iter_mut().filter(|section| section.1 > 0) {
            *offset += start;
        }
        Some(Self { sizes, length, blocks, table: 0, sections })
    }

    /// Where the block table ends and the sections start.
    pub(super) fn data_start(&self) -> u64 {
        data_start(self.blocks)
    }

    /// The bytes of block `number`.
    pub(super) fn block(&self, number: usize) -> Range<u64> {
        let start = self.data_start() + number as u64 * BLOCK;
        start..(start + BLOCK).min(self.length)
    }

    pub(super) fn fingerprint(&self) -> Range<u64> {
        self.section(0)
    }

    pub(super) fn id_lengths(&self) -> Range<u64> {
        self.section(1)
    }

    pub(super) fn ids(&self) -> Range<u64> {
        self.section(2)
    }

    pub(super) fn column(&self, column: Column) -> Range<u64> {
        self.section(3 + column as usize)
    }

    /// All sections that are not empty, in the order of the file.
    pub(super) fn sections(&self) -> impl Iterator<Item = Range<u64>> {
        (0..SECTIONS).map(|number| self.section(number)).filter(|section| !section.is_empty())
    }

    fn section(&self, number: usize) -> Range<u64> {
        let (offset, length) = self.sections[number];
        offset..offset + length
    }

    pub(super) fn encode(&self) -> [u8; HEADER] {
        let Sizes { layout, count, fingerprint, .. } = self.sizes;
        let flags = if fingerprint.is_some() { HAS_FINGERPRINT } else { 0 };
        let flags = flags | if layout.prefilter { HAS_PREFILTER } else { 0 };
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(MAGIC);
        for field in [VERSION, layout.storage as u32, layout.dimension as u32, flags] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&self.length.to_le_bytes());
        bytes.extend_from_slice(&self.blocks.to_le_bytes());
        bytes.extend_from_slice(&self.table.to_le_bytes());
        for (offset, length) in self.sections {
            bytes.extend_from_slice(&offset.to_le_bytes());
            bytes.extend_from_slice(&length.to_le_bytes());
        }
        let mut header = [0; HEADER];
        header[..bytes.len()].copy_from_slice(&bytes);
        let checksum = crc32fast::hash(&header[..CHECKSUM]);
        header[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
        header
    }

    /// Reads the header of a file of `actual` bytes from its first [`HEADER`] bytes, or as many as it has.
    ///
    /// # Errors
    /// [`Damage`]; no size of the header is larger than the file afterwards.
    pub(super) fn decode(bytes: &[u8], actual: u64) -> Result<Self> {
        let u32_at = |at: usize| u32_at(bytes, at);
        let u64_at = |at: usize| u64_at(bytes, at);
        if bytes.len() < 12 || bytes[..8] != *MAGIC {
            return Err(Damage::Corrupt("it is not an index"));
        }
        if u32_at(8) != VERSION {
            return Err(Damage::Version { found: u32_at(8), known: VERSION });
        }
        if bytes.len() < HEADER {
            return Err(Damage::Corrupt("it is cut off"));
        }
        if crc32fast::hash(&bytes[..CHECKSUM]) != u32_at(CHECKSUM) {
            return Err(Damage::Corrupt("its header is damaged"));
        }
        let contradiction = Damage::Corrupt("its header contradicts itself");
        let Some(&storage) = Storage::ALL.get(u32_at(12) as usize) else { return Err(contradiction) };
        let flags = u32_at(20);
        let sizes = Sizes {
            layout: Layout { dimension: u32_at(16) as usize, storage, prefilter: flags & HAS_PREFILTER != 0 },
            count: u64_at(24),
            fingerprint: (flags & HAS_FINGERPRINT != 0).then(|| u64_at(56)),
            ids: u64_at(88),
        };
        let header = Self::new(sizes).map(|header| Self { table: u32_at(44), ..header });
        // All other fields follow from these sizes: zeros, flags, offsets.
        let Some(header) = header.filter(|header| header.encode() == bytes[..HEADER]) else {
            return Err(contradiction);
        };
        if header.length != actual {
            return Err(Damage::Corrupt("it is cut off or has bytes to spare"));
        }
        Ok(header)
    }
}

fn data_start(blocks: u32) -> u64 {
    (HEADER as u64 + 4 * u64::from(blocks)).next_multiple_of(ALIGNMENT)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// `bytes` as numbers.
pub(super) fn u32s(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes))
}
