//! A chunk: up to 2 MiB of means of consecutive rows, their variances and ids.
//!
//! Nothing in it changes. A chunk with rows removed shares the columns and has a map of the dead; one with rows replaced
//! has columns of its own.

use std::ops::Range;
use std::sync::Arc;

use uec_gaussian::{Encoded, Gaussians, Result, Rows};

use crate::buffer::{Buffer, Mapped};
use crate::encoding::{decode_float16, decode_int8, decode_rows, decode_uint8};
use crate::ids::Ids;
use crate::storage::{Column, Layout, Storage};

/// The positions of a chunk's rows.
#[derive(Debug)]
pub(crate) enum Positions {
    /// Counted from the first.
    Dense(u32),
    /// Rising.
    Listed(Vec<u32>),
}

/// What the rows are called.
#[derive(Debug)]
pub(crate) struct Labels {
    pub(crate) ids: Ids,
    pub(crate) positions: Positions,
}

/// Removed rows.
#[derive(Debug)]
struct Dead {
    map: Vec<u64>,
    count: usize,
}

/// Consecutive rows; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    layout: Layout,
    columns: Arc<[Buffer; Column::ALL.len()]>,
    labels: Arc<Labels>,
    dead: Option<Arc<Dead>>,
}

impl Chunk {
    /// Rows of `layout`, all alive: one buffer per [`Column`] of rows × [`Layout::width`] bytes, one id and one position
    /// per row, at least one row.
    pub(crate) fn new(layout: Layout, columns: [Buffer; Column::ALL.len()], labels: Labels) -> Self {
        Self { layout, columns: Arc::new(columns), labels: Arc::new(labels), dead: None }
    }

    /// The same rows, dead ones included, with other numbers.
    pub(crate) fn with_columns(&self, columns: [Buffer; Column::ALL.len()]) -> Self {
        Self { columns: Arc::new(columns), ..self.clone() }
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// Rows, the dead ones included.
    pub(crate) fn len(&self) -> usize {
        self.labels.ids.len()
    }

    /// Removed rows.
    pub(crate) fn dead(&self) -> usize {
        self.dead.as_ref().map_or(0, |dead| dead.count)
    }

    /// Rows that are not removed.
    pub(crate) fn live(&self) -> usize {
        self.len() - self.dead()
    }

    pub(crate) fn is_live(&self, row: usize) -> bool {
        self.dead.as_ref().is_none_or(|dead| dead.map[row / 64] >> (row % 64) & 1 == 0)
    }

    /// The rows that are not removed, as ranges from the first to the last.
    pub(crate) fn live_ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let mut end = 0;
        std::iter::from_fn(move || {
            let start = (end..self.len()).find(|row| self.is_live(*row))?;
            end = match self.dead {
                None => self.len(),
                Some(_) => (start..self.len()).find(|row| !self.is_live(*row)).unwrap_or(self.len()),
            };
            Some(start..end)
        })
    }

    pub(crate) fn position(&self, row: usize) -> u32 {
        match &self.labels.positions {
            Positions::Dense(first) => first + row as u32,
            Positions::Listed(positions) => positions[row],
        }
    }

    /// The row at `position`, dead or alive, if it is one of these.
    pub(crate) fn row_at(&self, position: u32) -> Option<usize> {
        match &self.labels.positions {
            Positions::Dense(first) => {
                position.checked_sub(*first).map(|row| row as usize).filter(|row| *row < self.len())
            }
            Positions::Listed(positions) => positions.binary_search(&position).ok(),
        }
    }

    pub(crate) fn id(&self, row: usize) -> &str {
        self.labels.ids.get(row)
    }

    /// The bytes of rows in one column.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::FileCorrupt`] if the file they lie in is damaged there; so for all that read rows.
    pub(crate) fn bytes(&self, column: Column, rows: Range<usize>) -> Result<&[u8]> {
        let width = self.layout.width(column);
        self.columns[column as usize].bytes(rows.start * width..rows.end * width)
    }

    /// Means as stored.
    ///
    /// # Errors
    /// As [`Chunk::bytes`].
    pub(crate) fn means(&self, rows: Range<usize>) -> Result<Encoded<'_>> {
        let means = &self.columns[Column::Means as usize];
        let scales = &self.columns[Column::MeanScales as usize];
        let numbers = self.numbers(&rows);
        Ok(match self.layout.storage {
            Storage::Float32 => Encoded::Float32(means.view(numbers)?),
            Storage::Float16 => Encoded::Float16 { codes: means.view(numbers)?, scales: scales.view(rows)? },
            Storage::Int8 => Encoded::Int8 { codes: means.view(numbers)?, scales: scales.view(rows)?, errors: None },
        })
    }

    /// The int8 copy of float32 means, if there is one.
    ///
    /// # Errors
    /// As [`Chunk::bytes`].
    pub(crate) fn prefilter(&self, rows: Range<usize>) -> Result<Option<Encoded<'_>>> {
        if !self.layout.prefilter {
            return Ok(None);
        }
        Ok(Some(Encoded::Int8 {
            codes: self.columns[Column::PrefilterCodes as usize].view(self.numbers(&rows))?,
            scales: self.columns[Column::PrefilterScales as usize].view(rows.clone())?,
            errors: Some(self.columns[Column::PrefilterErrors as usize].view(rows)?),
        }))
    }

    /// The means that scores are exact over: the stored ones, or decoded into `decoded`.
    ///
    /// # Errors
    /// As [`Chunk::bytes`].
    pub(crate) fn decoded_means<'a>(&'a self, rows: Range<usize>, decoded: &'a mut Vec<f32>) -> Result<&'a [f32]> {
        let dimension = self.layout.dimension;
        Ok(match self.means(rows)? {
            Encoded::Float32(means) => means,
            Encoded::Float16 { codes, scales } => decode_rows((codes, scales), dimension, decode_float16, decoded),
            Encoded::Int8 { codes, scales, .. } => decode_rows((codes, scales), dimension, decode_int8, decoded),
        })
    }

    /// The variances, as [`Chunk::decoded_means`].
    fn decoded_variances<'a>(&'a self, rows: Range<usize>, decoded: &'a mut Vec<f32>) -> Result<&'a [f32]> {
        let dimension = self.layout.dimension;
        let variances = &self.columns[Column::Variances as usize];
        let scales = &self.columns[Column::VarianceScales as usize];
        let numbers = self.numbers(&rows);
        Ok(match self.layout.storage {
            Storage::Float32 => variances.view(numbers)?,
            Storage::Float16 => {
                decode_rows((variances.view(numbers)?, scales.view(rows)?), dimension, decode_float16, decoded)
            }
            Storage::Int8 => {
                decode_rows((variances.view(numbers)?, scales.view(rows)?), dimension, decode_uint8, decoded)
            }
        })
    }

    /// The rows that scores are exact over: the stored ones, or decoded into `scratch`, which keeps its memory.
    ///
    /// # Errors
    /// As [`Chunk::bytes`].
    pub(crate) fn rows<'a>(&'a self, rows: Range<usize>, scratch: &'a mut Gaussians) -> Result<Rows<'a>> {
        Ok(Rows {
            mean: self.decoded_means(rows.clone(), &mut scratch.mean)?,
            variance: self.decoded_variances(rows, &mut scratch.variance)?,
            dimension: self.layout.dimension,
        })
    }

    /// The chunk without the rows `gone`, which are alive.
    pub(crate) fn without(&self, gone: &[usize]) -> Self {
        let mut map = match &self.dead {
            Some(dead) => dead.map.clone(),
            None => vec![0; self.len().div_ceil(64)],
        };
        for row in gone {
            map[row / 64] |= 1 << (row % 64);
        }
        Self { dead: Some(Arc::new(Dead { map, count: self.dead() + gone.len() })), ..self.clone() }
    }

    /// Whether the numbers are the same memory.
    #[cfg(test)]
    pub(crate) fn has_columns_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.columns, &other.columns)
    }

    /// Bytes of text of all ids.
    pub(crate) fn text_bytes(&self) -> usize {
        self.labels.ids.text_bytes()
    }

    /// The mapped file in which the numbers lie, if they do.
    pub(crate) fn file(&self) -> Option<&dyn Mapped> {
        self.columns.iter().find_map(Buffer::file)
    }

    pub(crate) fn is_mapped(&self) -> bool {
        self.file().is_some()
    }

    /// Bytes of memory that it holds.
    pub(crate) fn allocated(&self) -> usize {
        let columns: usize = self.columns.iter().map(Buffer::allocated).sum();
        let positions = match &self.labels.positions {
            Positions::Dense(_) => 0,
            Positions::Listed(positions) => positions.capacity() * size_of::<u32>(),
        };
        let dead = self.dead.as_ref().map_or(0, |dead| dead.map.capacity() * size_of::<u64>());
        size_of::<Self>() + columns + self.labels.ids.allocated() + positions + dead
    }

    fn numbers(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start * self.layout.dimension..rows.end * self.layout.dimension
    }
}
