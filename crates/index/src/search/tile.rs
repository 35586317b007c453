//! Rows that are searched together.

use std::ops::Range;

use uec_gaussian::{Gaussians, Result, Row};

use crate::chunk::Chunk;

/// Numbers of a tile's means and rows, at most: several queries find them in the second-level cache.
const SHORT: (usize, usize) = (96 << 10, 1 << 10);
/// The same for one query: memory is read faster the longer it goes on.
const LONG: (usize, usize) = (512 << 10, 4 << 10);
/// Tiles that each thread should find, and the least rows of one.
const SHARE: usize = 4;
const LEAST: usize = 64;
/// Among more than so many rows for each that is picked, the picked ones are visited one by one.
const SPARSE: usize = 8;

/// Consecutive rows of a chunk, at least one of which is to be searched.
#[derive(Clone, Debug)]
pub(super) struct Tile<'a> {
    pub(super) chunk: &'a Chunk,
    pub(super) rows: Range<usize>,
    /// The positions to search, rising; none: all that are alive.
    picked: Option<&'a [u32]>,
}

/// Rows of a tile of an index of `rows`, about.
pub(super) fn height(queries: usize, rows: usize, dimension: usize) -> usize {
    let (numbers, most) = if queries == 1 { LONG } else { SHORT };
    let share = rows.div_ceil(SHARE * rayon::current_num_threads()).max(LEAST);
    (numbers / dimension).clamp(1, most).min(share)
}

/// The rows of `chunks`, or those at the positions `picked`.
pub(super) fn tiles<'a>(chunks: &'a [Chunk], height: usize, picked: Option<&'a [u32]>) -> Vec<Tile<'a>> {
    let mut tiles = Vec::new();
    for chunk in chunks {
        // Of about the same height, and a multiple of what kernels take at a time.
        let height = chunk.len().div_ceil(chunk.len().div_ceil(height)).next_multiple_of(8);
        for start in (0..chunk.len()).step_by(height) {
            let rows = start..chunk.len().min(start + height);
            let picked = picked.map(|picked| {
                let (first, last) = (chunk.position(rows.start), chunk.position(rows.end - 1));
                &picked[picked.partition_point(|p| *p < first)..picked.partition_point(|p| *p <= last)]
            });
            if picked.is_none_or(|picked| !picked.is_empty()) {
                tiles.push(Tile { chunk, rows, picked });
            }
        }
    }
    tiles
}

impl<'a> Tile<'a> {
    /// Rows of the chunk to search, rising.
    pub(super) fn wanted(&self) -> impl Iterator<Item = usize> {
        let alive = self.picked.is_none().then(|| self.rows.clone().filter(|row| self.chunk.is_live(*row)));
        let picked = self.picked.unwrap_or_default().iter().filter_map(|position| self.chunk.row_at(*position));
        alive.into_iter().flatten().chain(picked)
    }

    /// Whether so few rows are to be searched that reading all would be a waste.
    pub(super) fn is_sparse(&self) -> bool {
        self.picked.is_some_and(|picked| picked.len() * SPARSE < self.rows.len())
    }

    /// Which rows are to be searched; none: all.
    pub(super) fn mask<'m>(&self, mask: &'m mut Vec<bool>) -> Option<&'m [bool]> {
        if self.picked.is_none() && self.chunk.dead() == 0 {
            return None;
        }
        mask.clear();
        mask.resize(self.rows.len(), false);
        for row in self.wanted() {
            mask[row - self.rows.start] = true;
        }
        Some(mask)
    }
}

/// One row of a chunk, decoded.
pub(super) fn row<'a>(chunk: &'a Chunk, row: usize, decoded: &'a mut Gaussians) -> Result<Row<'a>> {
    Ok(chunk.rows(row..row + 1, decoded)?.row(0))
}
