//! Reading a base: all of it into memory, or its ids alone and the rows through a map.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use uec_gaussian::{Cancel, Error, ErrorCode, Gaussians};

use crate::buffer::{Buffer, Mapped, Owned, reserved};
use crate::chunk::{Chunk, Labels, Positions};
use crate::ids::Ids;
use crate::state::{Settings, State};
use crate::storage::{Column, Layout, Storage};

use super::blocks::{BlockReader, decode_table};
use super::damage::{Damage, Result};
use super::disk::{Disk, DiskFile};
use super::header::{HEADER, Header, u32s};
use super::mapped::MappedBase;
use super::numbers::sound;

/// SHA-256 of header and block table: speaks of the whole file.
pub(super) type Identity = [u8; 32];

type Columns = [Buffer; Column::ALL.len()];

/// A base that is open, its header and table checked.
pub(super) struct Base {
    file: Box<dyn DiskFile>,
    header: Header,
    checksums: Vec<u32>,
    pub(super) identity: Identity,
}

impl Base {
    /// # Errors
    /// [`Damage`].
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> Result<Self> {
        let file = disk.open(path).map_err(Damage::Read)?;
        let length = file.length().map_err(Damage::Read)?;
        let mut bytes = zeros(length.min(HEADER as u64))?;
        file.read_at(&mut bytes, 0).map_err(Damage::Read)?;
        let header = Header::decode(&bytes, length)?;
        let mut table = zeros(header.data_start() - HEADER as u64)?;
        file.read_at(&mut table, HEADER as u64).map_err(Damage::Read)?;
        let checksums = decode_table(&header, &table)?;
        let identity = identity(&bytes, &table);
        Ok(Self { file, header, checksums, identity })
    }

    /// The rows, in memory or mapped.
    ///
    /// # Errors
    /// [`Damage`].
    pub(super) fn read(self, path: &Path, mmap: bool, cancel: &Cancel) -> Result<State> {
        let mut source = if mmap {
            let map = self.file.map().map_err(Damage::Read)?;
            Source::Map(Arc::new(MappedBase::new(map, path.to_owned(), self.header.clone(), self.checksums)?))
        } else {
            Source::File(BlockReader::new(&*self.file, &self.header, &self.checksums, cancel))
        };
        let sizes = self.header.sizes;
        let fingerprint = match sizes.fingerprint {
            Some(_) => Some(text(source.take(self.header.fingerprint())?)?),
            None => None,
        };
        let (spans, ids) = read_ids(&self.header, &mut source)?;
        let columns = match source {
            Source::Map(base) => spans.iter().map(|rows| mapped_columns(&self.header, &base, rows)).collect(),
            Source::File(mut blocks) => read_columns(&self.header, &mut blocks, &spans)?,
        };
        let chunks = spans.into_iter().zip(ids).zip(columns).map(|((rows, ids), columns)| {
            Chunk::new(sizes.layout, columns, Labels { ids, positions: Positions::Dense(rows.start as u32) })
        });
        let chunks: Vec<Chunk> = chunks.collect();
        if !mmap {
            check_rows(sizes.layout, &chunks, cancel)?;
        }
        let settings = Settings { layout: sizes.layout, fingerprint };
        State::from_chunks(settings, chunks)?.ok_or(Damage::Corrupt("an id occurs twice"))
    }
}

/// See [`Identity`].
pub(super) fn identity(header: &[u8], table: &[u8]) -> Identity {
    Sha256::new().chain_update(header).chain_update(table).finalize().into()
}

/// Where the sections come from, in their order.
enum Source<'a> {
    Map(Arc<MappedBase>),
    File(BlockReader<'a>),
}

impl Source<'_> {
    /// A copy of a section or the next part of it.
    fn take(&mut self, part: Range<u64>) -> Result<Vec<u8>> {
        let mut bytes = zeros(part.end - part.start)?;
        match self {
            Self::Map(base) => bytes.copy_from_slice(base.bytes(part.start as usize..part.end as usize)?),
            Self::File(blocks) => {
                blocks.skip_to(&part)?;
                blocks.read(&mut bytes)?;
            }
        }
        Ok(bytes)
    }
}

/// The ids in chunks, and the rows of each.
fn read_ids(header: &Header, source: &mut Source<'_>) -> Result<(Vec<Range<usize>>, Vec<Ids>)> {
    let damaged = || Damage::Corrupt("its ids are damaged");
    let lengths = source.take(header.id_lengths())?;
    let lengths: Vec<usize> = u32s(&lengths).map(|length| length as usize).collect();
    // At most 2³² lengths below 2³²: no overflow.
    if lengths.iter().map(|length| *length as u64).sum::<u64>() != header.sizes.ids {
        return Err(damaged());
    }
    let (mut spans, mut chunks) = (Vec::new(), Vec::new());
    let (mut start, mut offset) = (0, header.ids().start);
    while start < lengths.len() {
        let mut bytes = 0;
        let fits = |length: &&usize| {
            bytes += **length;
            bytes <= Ids::MAX_BYTES
        };
        let rows = lengths[start..].iter().take(header.sizes.layout.rows_per_chunk()).take_while(fits).count();
        let part = &lengths[start..start + rows];
        let bytes: usize = part.iter().sum();
        let text = String::from_utf8(source.take(offset..offset + bytes as u64)?).map_err(|_| damaged())?;
        let (mut ends, mut end) = (reserved(rows)?, 0);
        ends.extend(part.iter().map(|length| {
            end += *length as u32;
            end
        }));
        spans.push(start..start + rows);
        chunks.push(Ids::from_parts(text, ends).ok_or_else(damaged)?);
        start += rows;
        offset += bytes as u64;
    }
    Ok((spans, chunks))
}

fn mapped_columns(header: &Header, base: &Arc<MappedBase>, rows: &Range<usize>) -> Columns {
    Column::ALL.map(|column| {
        let width = header.sizes.layout.width(column);
        let start = header.column(column).start as usize;
        Buffer::Mapped(base.clone(), start + rows.start * width..start + rows.end * width)
    })
}

/// Column after column, as they lie in the file, each into the memory where it stays.
fn read_columns(header: &Header, blocks: &mut BlockReader<'_>, spans: &[Range<usize>]) -> Result<Vec<Columns>> {
    let layout = header.sizes.layout;
    let mut chunks: Vec<Columns> = spans.iter().map(|_| Columns::default()).collect();
    for column in Column::ALL {
        let section = header.column(column);
        if section.is_empty() {
            continue;
        }
        blocks.skip_to(&section)?;
        for (rows, chunk) in spans.iter().zip(&mut chunks) {
            let mut owned = Owned::zeroed(rows.len() * layout.width(column))?;
            blocks.read(owned.bytes_mut())?;
            if !sound(column, layout.storage, owned.bytes()) {
                return Err(Damage::Corrupt("it has invalid numbers"));
            }
            chunk[column as usize] = Buffer::Owned(owned);
        }
    }
    Ok(chunks)
}

/// What a column alone does not show: rows that decode to what no row may be.
fn check_rows(layout: Layout, chunks: &[Chunk], cancel: &Cancel) -> Result<()> {
    let mut scratch = Gaussians::zeros(0, layout.dimension);
    for chunk in chunks {
        cancel.check()?;
        let rows = chunk.rows(0..chunk.len(), &mut scratch)?;
        // Float32 numbers were checked while they were in the cache.
        let decoded = layout.storage != Storage::Float32;
        if decoded && rows.validate().is_err() || rows.iter().any(|row| row.has_zero_mean()) {
            return Err(Damage::Corrupt("it has invalid rows"));
        }
    }
    Ok(())
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Damage::Corrupt("its fingerprint is no text"))
}

/// `length` zeros; `length` is not more than the file has.
pub(super) fn zeros(length: u64) -> Result<Vec<u8>> {
    let no_memory = |_| Error::new(ErrorCode::OutOfMemory, format!("no memory for {length} bytes of a file"));
    let mut bytes = Vec::new();
    let length_here = usize::try_from(length).unwrap_or(usize::MAX);
    bytes.try_reserve_exact(length_here).map_err(no_memory)?;
    bytes.resize(length_here, 0);
    Ok(bytes)
}
