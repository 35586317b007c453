//! Exact top-k search (method §6).
//!
//! Every stored row is scored by the canonical routine. Chunks are spread over the rayon pool, each keeps its own heap per
//! query, and heaps merge by (score falling, position rising): a total order, so the outcome is the same for any split.

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;
use uec_gaussian::{
    Cancel, Candidate, Error, ErrorCode, Gaussians, Result, Rows, Score, TopK, score_pair, validate_beta,
};

use crate::Snapshot;
use crate::chunk::Chunk;

/// The position in an unused cell of [`Hits`].
pub const UNUSED: u32 = u32::MAX;

/// What to search for.
#[derive(Clone, Copy, Debug)]
pub struct SearchOptions<'a> {
    /// The score that ranks.
    pub score: Score,
    /// β, finite and at least 0.
    pub beta: f64,
    /// Hits per query, at least 1.
    pub k: usize,
    /// Only hits with score ≥ this.
    pub min_score: Option<f64>,
    /// Only rows of these ids; unknown ids are ignored.
    pub filter: Option<&'a HashSet<Arc<str>>>,
}

impl Default for SearchOptions<'_> {
    fn default() -> Self {
        Self { score: Score::Uec, beta: 1.0, k: 10, min_score: None, filter: None }
    }
}

/// Hits of q queries, q×k row-major, best first. Cells of a row beyond its count hold [`UNUSED`] and −∞.
#[derive(Clone, Debug, PartialEq)]
pub struct Hits {
    /// Cells per query: the wanted k, or the size of the index if that is smaller.
    pub k: usize,
    /// Hits of each query, length q.
    pub counts: Vec<u32>,
    /// Positions in the index.
    pub positions: Vec<u32>,
    /// Scores.
    pub scores: Vec<f64>,
    /// μ_s.
    pub similarities: Vec<f64>,
    /// σ_s.
    pub deviations: Vec<f64>,
}

impl Snapshot {
    /// The exact top k of each query by the chosen score; equal scores by lower position. An undefined score is −∞ and
    /// ranks last.
    ///
    /// # Errors
    /// [`ErrorCode::DimensionMismatch`]; [`ErrorCode::InvalidArgument`] for queries that are
    /// not finite or have negative variances, k = 0, a bad β or a minimum score that is NaN;
    /// [`ErrorCode::OutOfMemory`] for more hits than fit; [`ErrorCode::FileCorrupt`]; [`ErrorCode::Aborted`].
    pub fn search(&self, queries: Rows<'_>, options: &SearchOptions<'_>, cancel: &Cancel) -> Result<Hits> {
        self.0.settings.layout.check_dimension(&queries)?;
        queries.validate()?;
        validate_beta(options.beta)?;
        if options.k == 0 {
            return Err(Error::invalid("k is 0: must be an integer of at least 1"));
        }
        if options.min_score.is_some_and(f64::is_nan) {
            return Err(Error::invalid("the minimum score is not a number"));
        }
        cancel.check()?;
        let filter = options.filter.map(|ids| ids.iter().filter_map(|id| self.position(id)).collect());
        let k = options.k.min(self.len());
        // Before the work: a search for everything may ask for more than there is.
        let mut hits = Hits::new(queries.len(), k)?;
        let none = || vec![TopK::new(k); queries.len()];
        let best = self
            .0
            .chunks
            .par_iter()
            .map(|chunk| search_chunk(chunk, queries, k, options, filter.as_ref(), cancel))
            .try_reduce(none, |left, right| {
                Ok(left.into_iter().zip(right).map(|(left, right)| left.merge(right)).collect())
            })?;
        hits.fill(best.into_iter());
        Ok(hits)
    }
}

fn search_chunk(
    chunk: &Chunk,
    queries: Rows<'_>,
    k: usize,
    options: &SearchOptions<'_>,
    filter: Option<&HashSet<u32>>,
    cancel: &Cancel,
) -> Result<Vec<TopK>> {
    let mut best = vec![TopK::new(k); queries.len()];
    let mut scratch = Gaussians::zeros(0, queries.dimension);
    for row in chunk.live_ranges().flatten() {
        cancel.check()?;
        let position = chunk.position(row);
        if filter.is_some_and(|filter| !filter.contains(&position)) {
            continue;
        }
        let document = chunk.rows(row..row + 1, &mut scratch)?.row(0);
        for (query, best) in queries.iter().zip(&mut best) {
            let scored = score_pair(options.score, options.beta, query, document);
            if options.min_score.is_none_or(|min| scored.score >= min) {
                best.push(Candidate { position, scored });
            }
        }
    }
    Ok(best)
}

impl Hits {
    fn new(queries: usize, k: usize) -> Result<Self> {
        let memory = || {
            Error::new(ErrorCode::OutOfMemory, format!("no memory for {queries} × {k} hits: search with a smaller k"))
        };
        let cells = queries.checked_mul(k).ok_or_else(memory)?;
        let unused = || column(cells, f64::NEG_INFINITY).ok_or_else(memory);
        Ok(Self {
            k,
            counts: Vec::new(),
            positions: column(cells, UNUSED).ok_or_else(memory)?,
            scores: unused()?,
            similarities: unused()?,
            deviations: unused()?,
        })
    }

    fn fill(&mut self, best: impl Iterator<Item = TopK>) {
        for (query, best) in best.enumerate() {
            let best = best.into_sorted();
            self.counts.push(best.len() as u32);
            for (cell, hit) in (query * self.k..).zip(best) {
                self.positions[cell] = hit.position;
                self.scores[cell] = hit.scored.score;
                self.similarities[cell] = hit.scored.similarity;
                self.deviations[cell] = hit.scored.deviation;
            }
        }
    }
}

/// `cells` times `value`; none if memory lacks.
fn column<T: Copy>(cells: usize, value: T) -> Option<Vec<T>> {
    let mut column = Vec::new();
    column.try_reserve_exact(cells).ok()?;
    column.resize(cells, value);
    Some(column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_hits_than_fit_into_memory_are_an_error() {
        for (queries, k) in [(1 << 40, 1 << 20), (usize::MAX, 2)] {
            assert_eq!(Hits::new(queries, k).unwrap_err().code, ErrorCode::OutOfMemory);
        }
    }
}
