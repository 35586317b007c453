//! Every query against every candidate, in float32 (method §6).
//!
//! Bound: |error| of μ_s and σ_s² is at most 1e-5 of Σ|terms|. μ_s and σ_s² = Σ (a² + v) w + v b² are summed in sixteen
//! float32 lanes, which are emptied into float64 every 512 coordinates: at most 40 roundings of 2⁻²⁴ each, 2.4e-6,
//! whatever D. The scores are then computed in float64 from these two (uec, cosine, prob-cosine) or from the rows.
//! Rows outside the range in which float32 products can neither overflow nor underflow take the canonical routine.

use rayon::prelude::*;

use crate::scores::Pair;
use crate::{Cancel, Error, ErrorCode, Result, Row, Rows, Score, Scored, Scores, score_pair, validate_beta};

const LANES: usize = 16;
/// Coordinates per float32 run.
const RUN: usize = 512;
/// A tile of candidates stays in the cache while the tile's queries pass over it.
const CANDIDATES: usize = 128;
const QUERIES: usize = 8;
/// Products of three numbers of this range, and sums of 10⁸ of them, are normal float32 numbers.
const SAFE: std::ops::RangeInclusive<f32> = 1e-12..=1e10;

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
    let (rows, columns) = (queries.len(), candidates.len());
    let mut out = Scores {
        scores: matrix(rows, columns)?,
        similarities: matrix(rows, columns)?,
        deviations: matrix(rows, columns)?,
    };
    if out.scores.is_empty() {
        return Ok(out);
    }
    let prepared: Vec<Query<'_>> = queries.iter().map(Query::new).collect();
    let safe: Vec<bool> = candidates.iter().map(is_safe).collect();
    tiles(&mut out, columns).into_par_iter().try_for_each(|tile| {
        cancel.check()?;
        for (query, line) in prepared[tile.query..].iter().zip(tile.lines) {
            for (offset, cell) in line.into_iter().enumerate() {
                let index = tile.candidate + offset;
                cell.write(query.score(score, beta, candidates.row(index), safe[index]));
            }
        }
        Ok(())
    })?;
    Ok(out)
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

struct Line<'a> {
    scores: &'a mut [f32],
    similarities: &'a mut [f32],
    deviations: &'a mut [f32],
}

struct Cell<'a>(&'a mut f32, &'a mut f32, &'a mut f32);

impl Cell<'_> {
    fn write(self, scored: Scored) {
        *self.0 = scored.score as f32;
        *self.1 = scored.similarity as f32;
        *self.2 = scored.deviation as f32;
    }
}

impl<'a> Line<'a> {
    fn into_iter(self) -> impl Iterator<Item = Cell<'a>> {
        let cells = self.scores.iter_mut().zip(self.similarities).zip(self.deviations);
        cells.map(|((score, similarity), deviation)| Cell(score, similarity, deviation))
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

/// A query with a² + v.
struct Query<'a> {
    row: Row<'a>,
    second: Vec<f32>,
    safe: bool,
}

impl<'a> Query<'a> {
    fn new(row: Row<'a>) -> Self {
        let second = row.mean.iter().zip(row.variance).map(|(a, v)| a * a + v).collect();
        Self { row, second, safe: is_safe(row) }
    }

    fn score(&self, score: Score, beta: f64, candidate: Row<'_>, candidate_safe: bool) -> Scored {
        if !(self.safe && candidate_safe) {
            return score_pair(score, beta, self.row, candidate);
        }
        let (similarity, variance) = self.moments(candidate);
        let score = score.of(&Pair { query: self.row, candidate, beta, similarity, variance });
        Scored { score, similarity, deviation: variance.sqrt() }
    }

    fn moments(&self, candidate: Row<'_>) -> (f64, f64) {
        let (mut similarity, mut variance) = (0.0, 0.0);
        for start in (0..self.second.len()).step_by(RUN) {
            let range = start..self.second.len().min(start + RUN);
            let (a, p, v) =
                (&self.row.mean[range.clone()], &self.second[range.clone()], &self.row.variance[range.clone()]);
            let (b, w) = (&candidate.mean[range.clone()], &candidate.variance[range]);
            let (run_similarity, run_variance) = run(a, p, v, b, w);
            similarity += run_similarity;
            variance += run_variance;
        }
        (similarity, variance)
    }
}

/// Σ a b and Σ p w + v b² of at most [`RUN`] coordinates.
fn run(a: &[f32], p: &[f32], v: &[f32], b: &[f32], w: &[f32]) -> (f64, f64) {
    let (mut similarity, mut variance) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let ((a, a_rest), (p, p_rest), (v, v_rest)) =
        (a.as_chunks::<LANES>(), p.as_chunks::<LANES>(), v.as_chunks::<LANES>());
    let ((b, b_rest), (w, w_rest)) = (b.as_chunks::<LANES>(), w.as_chunks::<LANES>());
    for ((((a, p), v), b), w) in a.iter().zip(p).zip(v).zip(b).zip(w) {
        for j in 0..LANES {
            similarity[j] += a[j] * b[j];
            variance[j] += p[j] * w[j] + v[j] * (b[j] * b[j]);
        }
    }
    for (j, ((((a, p), v), b), w)) in a_rest.iter().zip(p_rest).zip(v_rest).zip(b_rest).zip(w_rest).enumerate() {
        similarity[j] += a * b;
        variance[j] += p * w + v * (b * b);
    }
    (similarity.iter().copied().map(f64::from).sum(), variance.iter().copied().map(f64::from).sum())
}

fn is_safe(row: Row<'_>) -> bool {
    row.mean.iter().chain(row.variance).all(|x| *x == 0.0 || SAFE.contains(&x.abs()))
}
