//! Every query against every candidate, in float32 (method §6).
//!
//! Bound: |error| of μ_s and σ_s² is at most 1e-5 of Σ|terms|, whatever D: both are summed by [`crate::kernels::packed`],
//! whose roundings are at most 163 of 2⁻²⁴. The scores are then computed from these two: uec, cosine and prob-cosine in
//! float32, the others in float64 from the rows. Rows outside the range in which float32 products can neither overflow
//! nor underflow take the canonical routine. Within the bound, results may differ between instruction sets.

mod scores;

use rayon::prelude::*;

use crate::kernels::packed::{Columns, PANEL, Products, Queries, ROWS};
use crate::simd::Level;
use crate::{Cancel, Error, ErrorCode, Result, Rows, Score, Scores, validate_beta};
use scores::Formula;

/// Candidates of a tile of the output.
const CANDIDATES: usize = 4 * ROWS;
/// Its queries: the more, the less often candidates are packed.
const QUERIES: usize = 8 * PANEL;

/// All pairs: `scores`, `similarities` and `deviations` are queries×candidates, row-major. The rows must be valid
/// ([`Rows::validate`]). The result depends neither on the number of threads nor on the other rows.
///
/// # Errors
/// [`ErrorCode::DimensionMismatch`], [`ErrorCode::InvalidArgument`] for a bad `beta`, [`ErrorCode::OutOfMemory`],
/// [`ErrorCode::Aborted`].
pub fn all_pairs(queries: Rows<'_>, candidates: Rows<'_>, score: Score, beta: f64, cancel: &Cancel) -> Result<Scores> {
    validate_beta(beta)?;
    cancel.check()?;
    queries.same_dimension(&candidates)?;
    at(Level::detect(), queries, candidates, score, beta, cancel)
}

fn at(
    level: Level,
    queries: Rows<'_>,
    candidates: Rows<'_>,
    score: Score,
    beta: f64,
    cancel: &Cancel,
) -> Result<Scores> {
    let (rows, columns) = (queries.len(), candidates.len());
    let mut out = Scores {
        scores: matrix(rows, columns)?,
        similarities: matrix(rows, columns)?,
        deviations: matrix(rows, columns)?,
    };
    if out.scores.is_empty() {
        return Ok(out);
    }
    let formula = Formula::new(score, beta);
    let packed: Vec<Queries> = (0..rows.div_ceil(QUERIES))
        .into_par_iter()
        .map(|part| Queries::new(slice(queries, part * QUERIES, QUERIES), true))
        .collect();
    let (queries, all) = (formula.of(queries), formula.of(candidates));
    tiles(&mut out, columns).into_par_iter().try_for_each(|mut tile| {
        let packed = &packed[tile.query / QUERIES];
        let (mut means, mut variances) = (Columns::default(), Columns::default());
        Products::with(|products| {
            for start in (tile.candidate..columns.min(tile.candidate + CANDIDATES)).step_by(ROWS) {
                cancel.check()?;
                let block = slice(candidates, start, ROWS);
                products.compute(level, packed, block.mean, Some(block.variance));
                for (panel, lines) in tile.lines.chunks_mut(PANEL).enumerate() {
                    means.turn(products.means(panel), block.len());
                    variances.turn(products.variances(panel), block.len());
                    for (lane, line) in lines.iter_mut().enumerate() {
                        let query = tile.query + panel * PANEL + lane;
                        let line = line.part(start - tile.candidate, block.len());
                        let sums = [&means.of(lane)[..], variances.of(lane)];
                        formula.score(level, sums, (&queries, query), (&all, start), line);
                    }
                }
            }
            Ok(())
        })
    })?;
    Ok(out)
}

/// At most `count` rows from `start` on.
fn slice(rows: Rows<'_>, start: usize, count: usize) -> Rows<'_> {
    let range = start * rows.dimension..rows.len().min(start + count) * rows.dimension;
    Rows { mean: &rows.mean[range.clone()], variance: &rows.variance[range], dimension: rows.dimension }
}

fn matrix(rows: usize, columns: usize) -> Result<Vec<f32>> {
    let memory =
        || Error::new(ErrorCode::OutOfMemory, format!("no memory for {rows}×{columns} scores: use smaller blocks"));
    let size = rows.checked_mul(columns).ok_or_else(memory)?;
    let mut matrix = Vec::new();
    matrix.try_reserve_exact(size).map_err(|_| memory())?;
    matrix.resize(size, 0.0);
    Ok(matrix)
}

/// A block of the output matrices: some queries against some candidates.
struct Tile<'a> {
    query: usize,
    candidate: usize,
    lines: Vec<Line<'a>>,
}

/// One query's part of the three matrices.
struct Line<'a> {
    scores: &'a mut [f32],
    similarities: &'a mut [f32],
    deviations: &'a mut [f32],
}

impl Line<'_> {
    fn part(&mut self, start: usize, len: usize) -> Line<'_> {
        let range = start..start + len;
        Line {
            scores: &mut self.scores[range.clone()],
            similarities: &mut self.similarities[range.clone()],
            deviations: &mut self.deviations[range],
        }
    }
}

fn tiles(out: &mut Scores, columns: usize) -> Vec<Tile<'_>> {
    let mut tiles: Vec<Tile<'_>> = Vec::new();
    let rows = out
        .scores
        .chunks_mut(columns)
        .zip(out.similarities.chunks_mut(columns))
        .zip(out.deviations.chunks_mut(columns));
    for (query, ((scores, similarities), deviations)) in rows.enumerate() {
        if query.is_multiple_of(QUERIES) {
            let starts = (0..columns).step_by(CANDIDATES);
            tiles.extend(starts.map(|candidate| Tile { query, candidate, lines: Vec::with_capacity(QUERIES) }));
        }
        let across = columns.div_ceil(CANDIDATES);
        let first = tiles.len() - across;
        let parts = scores
            .chunks_mut(CANDIDATES)
            .zip(similarities.chunks_mut(CANDIDATES))
            .zip(deviations.chunks_mut(CANDIDATES));
        for (tile, ((scores, similarities), deviations)) in tiles[first..].iter_mut().zip(parts) {
            tile.lines.push(Line { scores, similarities, deviations });
        }
    }
    tiles
}

#[cfg(test)]
mod tests;
