//! All rows at one moment: chunks in order of position, and the table of ids.

use std::sync::Arc;

use uec_gaussian::{Gaussians, Result};

use crate::chunk::Chunk;
use crate::ids::IdTable;
use crate::storage::Layout;

/// What an index keeps for life.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) layout: Layout,
    /// Of what made the rows.
    pub(crate) fingerprint: Option<String>,
}

/// Rows at one moment. Never changes once published, but for entries of the table that it does not see.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) settings: Arc<Settings>,
    /// Rows of a full chunk: [`Layout::rows_per_chunk`].
    pub(crate) chunk_rows: usize,
    /// By position; each has a living row.
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) table: Arc<IdTable>,
    /// Living rows.
    pub(crate) len: usize,
    /// Above every position ever given.
    pub(crate) end: u32,
}

impl State {
    /// No rows.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::OutOfMemory`].
    pub(crate) fn empty(settings: Settings) -> Result<Self> {
        let table = Arc::new(IdTable::with_capacity(0)?);
        let chunk_rows = settings.layout.rows_per_chunk();
        Ok(Self { settings: Arc::new(settings), chunk_rows, chunks: Vec::new(), table, len: 0, end: 0 })
    }

    /// The rows of a file, split into chunks of [`Layout::rows_per_chunk`], whose positions count from 0; `None` if an
    /// id occurs twice.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::OutOfMemory`].
    pub(crate) fn from_chunks(settings: Settings, chunks: Vec<Chunk>) -> Result<Option<Self>> {
        let len = chunks.iter().map(Chunk::live).sum();
        let table = Arc::new(IdTable::with_capacity(len)?);
        let chunk_rows = settings.layout.rows_per_chunk();
        let state = Self { settings: Arc::new(settings), chunk_rows, chunks, table, len, end: len as u32 };
        let unique = state.table.fill(state.entries(0), |position| state.id(position));
        Ok(unique.then_some(state))
    }

    /// The chunk and row at `position`.
    pub(crate) fn locate(&self, position: u32) -> Option<(usize, usize)> {
        let chunk = self.chunks.partition_point(|chunk| chunk.position(0) <= position).checked_sub(1)?;
        let row = self.chunks[chunk].row_at(position).filter(|row| self.chunks[chunk].is_live(*row))?;
        Some((chunk, row))
    }

    /// The position of `id`.
    pub(crate) fn position(&self, id: &str) -> Option<u32> {
        self.table.find(id, |position| self.id(position) == Some(id))
    }

    /// The id at `position`.
    pub(crate) fn id(&self, position: u32) -> Option<&str> {
        self.locate(position).map(|(chunk, row)| self.chunks[chunk].id(row))
    }

    /// All ids with their positions from `start` on.
    pub(crate) fn entries(&self, start: u32) -> impl Iterator<Item = (&str, u32)> {
        let first = self.chunks.partition_point(|chunk| chunk.position(chunk.len() - 1) < start);
        let rows = self.chunks[first..]
            .iter()
            .flat_map(|chunk| chunk.live_ranges().flatten().map(|row| (chunk.id(row), chunk.position(row))));
        rows.skip_while(move |(_, position)| *position < start)
    }

    /// Bytes of memory that rows, ids and table hold: what lies in a mapped file is not counted.
    pub(crate) fn allocated(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(Chunk::allocated).sum();
        chunks + self.table.allocated()
    }
}

/// An index as it was at one moment: what is written later does not show. Cheap to take and to clone; it keeps the rows
/// of that moment in memory.
#[derive(Clone, Debug)]
pub struct Snapshot(pub(crate) Arc<State>);

impl Snapshot {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// D.
    pub fn dimension(&self) -> usize {
        self.0.settings.layout.dimension
    }

    /// Whether `id` is there.
    pub fn has(&self, id: &str) -> bool {
        self.position(id).is_some()
    }

    /// The position of `id`: rising with each first add, but not without gaps.
    pub fn position(&self, id: &str) -> Option<u32> {
        self.0.position(id)
    }

    /// The id at `position`.
    pub fn id(&self, position: u32) -> Option<&str> {
        self.0.id(position)
    }

    /// The ids by position.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.entries(0).map(|(id, _)| id)
    }

    /// The ids at the positions from `start` on, with those.
    pub fn entries(&self, start: u32) -> impl Iterator<Item = (&str, u32)> {
        self.0.entries(start)
    }

    /// The row of `id`, decoded.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::FileCorrupt`] if the file it lies in is damaged there.
    pub fn get(&self, id: &str) -> Result<Option<Gaussians>> {
        let Some((chunk, row)) = self.position(id).and_then(|position| self.0.locate(position)) else {
            return Ok(None);
        };
        let mut scratch = Gaussians::zeros(0, self.dimension());
        let rows = self.0.chunks[chunk].rows(row..row + 1, &mut scratch)?;
        Ok(Some(Gaussians { mean: rows.mean.to_vec(), variance: rows.variance.to_vec(), dimension: rows.dimension }))
    }
}
