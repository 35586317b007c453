//! A chunk in the making: rows are encoded or copied into buffers that are allocated before.

use std::ops::Range;

use uec_gaussian::{Result, Row};

use crate::buffer::{Buffer, Owned, no_memory, reserved};
use crate::chunk::{Chunk, Labels, Positions};
use crate::encoding::{encode_float16, encode_int8, encode_uint8, error_norm, is_finite_float16};
use crate::ids::Ids;
use crate::storage::{Column, Layout, Storage};

/// Columns for a number of rows that was fixed before.
struct Columns {
    layout: Layout,
    owned: [Owned; Column::ALL.len()],
}

impl Columns {
    fn new(layout: Layout, rows: usize) -> Result<Self> {
        let mut owned: [Owned; Column::ALL.len()] = Default::default();
        for (owned, column) in owned.iter_mut().zip(Column::ALL) {
            let bytes = rows.checked_mul(layout.width(column)).ok_or_else(|| no_memory(usize::MAX))?;
            *owned = Owned::zeroed(bytes)?;
        }
        Ok(Self { layout, owned })
    }

    /// Encodes `row` as row `at`; false if its mean decodes to zeros or a number of it to infinity.
    fn encode(&mut self, at: usize, row: Row<'_>) -> bool {
        let numbers = at * self.layout.dimension..(at + 1) * self.layout.dimension;
        let [mean_scales, variance_scales, means, variances, codes, scales, errors] = &mut self.owned;
        let mut sound = true;
        match self.layout.storage {
            Storage::Float32 => {
                means.view_mut(numbers.clone()).copy_from_slice(row.mean);
                variances.view_mut(numbers.clone()).copy_from_slice(row.variance);
            }
            Storage::Float16 => {
                // The largest number of a row does not become zero.
                for (x, codes, scales) in [(row.mean, means, mean_scales), (row.variance, variances, variance_scales)] {
                    let codes = codes.view_mut(numbers.clone());
                    let scale = encode_float16(x, codes);
                    sound &= is_finite_float16(codes, scale);
                    scales.view_mut(at..at + 1)[0] = scale;
                }
            }
            Storage::Int8 => {
                let codes = means.view_mut(numbers.clone());
                let mean_scale = encode_int8(row.mean, codes);
                // Scales are positive: a mean is zero where its codes are. The largest number has the largest code.
                sound = codes.iter().any(|code| *code != 0) && (mean_scale * 127.0).is_finite();
                mean_scales.view_mut(at..at + 1)[0] = mean_scale;
                let variance_scale = encode_uint8(row.variance, variances.view_mut(numbers.clone()));
                sound &= (variance_scale * 255.0).is_finite();
                variance_scales.view_mut(at..at + 1)[0] = variance_scale;
            }
        }
        if self.layout.prefilter {
            let codes = codes.view_mut(numbers);
            let scale = encode_int8(row.mean, codes);
            scales.view_mut(at..at + 1)[0] = scale;
            errors.view_mut(at..at + 1)[0] = error_norm(row.mean, codes, scale);
        }
        sound
    }

    /// Copies `rows` of `chunk`, as they are stored, to row `at` and on.
    fn copy(&mut self, at: usize, chunk: &Chunk, rows: Range<usize>) -> Result<()> {
        for (owned, column) in self.owned.iter_mut().zip(Column::ALL) {
            let width = self.layout.width(column);
            let place = at * width..(at + rows.len()) * width;
            owned.bytes_mut()[place].copy_from_slice(chunk.bytes(column, rows.clone())?);
        }
        Ok(())
    }

    fn finish(self) -> [Buffer; Column::ALL.len()] {
        self.owned.map(Buffer::Owned)
    }
}

/// A chunk of new rows, or of the living rows of several.
pub(crate) struct Builder {
    columns: Columns,
    ids: Ids,
    positions: Vec<u32>,
}

impl Builder {
    /// Room for `rows` with `text_bytes` of ids.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::OutOfMemory`].
    pub(crate) fn new(layout: Layout, rows: usize, text_bytes: usize) -> Result<Self> {
        let (columns, ids) = (Columns::new(layout, rows)?, Ids::with_capacity(rows, text_bytes)?);
        Ok(Self { columns, ids, positions: reserved(rows)? })
    }

    /// Encodes a row, for which there is room, at a position after those before; false as [`Columns::encode`].
    pub(crate) fn push(&mut self, id: &str, position: u32, row: Row<'_>) -> bool {
        let sound = self.columns.encode(self.positions.len(), row);
        self.ids.push(id);
        self.positions.push(position);
        sound
    }

    /// Copies the living rows of `chunk`, for which there is room.
    ///
    /// # Errors
    /// As [`Chunk::bytes`].
    pub(crate) fn push_live(&mut self, chunk: &Chunk) -> Result<()> {
        for rows in chunk.live_ranges() {
            self.columns.copy(self.positions.len(), chunk, rows.clone())?;
            for row in rows {
                self.ids.push(chunk.id(row));
                self.positions.push(chunk.position(row));
            }
        }
        Ok(())
    }

    /// The chunk: at least one row was pushed, and as many as there was room for.
    pub(crate) fn finish(self) -> Chunk {
        let (first, last) = (self.positions[0], self.positions[self.positions.len() - 1]);
        let dense = (last - first) as usize == self.positions.len() - 1;
        let positions = if dense { Positions::Dense(first) } else { Positions::Listed(self.positions) };
        Chunk::new(self.columns.layout, self.columns.finish(), Labels { ids: self.ids, positions })
    }
}

impl Chunk {
    /// The chunk with other rows at some places. An error names, by its index in `changed`, a row for which
    /// [`Columns::encode`] is false.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::OutOfMemory`]; as [`Chunk::bytes`].
    pub(crate) fn with_replaced<'a>(
        &self,
        changed: impl Iterator<Item = (usize, Row<'a>)>,
    ) -> Result<std::result::Result<Self, usize>> {
        let mut columns = Columns::new(self.layout(), self.len())?;
        columns.copy(0, self, 0..self.len())?;
        for (index, (at, row)) in changed.enumerate() {
            if !columns.encode(at, row) {
                return Ok(Err(index));
            }
        }
        Ok(Ok(self.with_columns(columns.finish())))
    }
}
