//! Exact top-k search (method §6).
//!
//! Every stored row is scored by the canonical routine. Blocks of documents and of queries are spread over the rayon
//! pool, each block keeps its own heap per query, and heaps merge by (score falling, position rising): a total order,
//! so the outcome is the same for any split.

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;
use uec_gaussian::{Cancel, Candidate, Error, Result, Rows, Score, TopK, score_pair, validate_beta};

use crate::GaussianIndex;

/// Documents scored by one task.
const DOCUMENTS: usize = 512;
/// Queries that pass over a document while it is in the cache.
const QUERIES: usize = 16;

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

impl GaussianIndex {
    /// The exact top k of each query by the chosen score; equal scores by lower position. An undefined score is −∞ and
    /// ranks last.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::DimensionMismatch`]; [`uec_gaussian::ErrorCode::InvalidArgument`] for queries that are
    /// not finite or have negative variances, k = 0, a bad β or a minimum score that is NaN;
    /// [`uec_gaussian::ErrorCode::Aborted`].
    pub fn search(&self, queries: Rows<'_>, options: &SearchOptions<'_>, cancel: &Cancel) -> Result<Hits> {
        self.check_dimension(&queries)?;
        queries.validate()?;
        validate_beta(options.beta)?;
        if options.k == 0 {
            return Err(Error::invalid("k is 0: must be an integer of at least 1"));
        }
        if options.min_score.is_some_and(f64::is_nan) {
            return Err(Error::invalid("the minimum score is not a number"));
        }
        cancel.check()?;
        let documents = self.candidates(options.filter);
        let k = options.k.min(self.len());
        let starts: Vec<usize> = (0..queries.len()).step_by(QUERIES).collect();
        let best = starts
            .into_par_iter()
            .map(|start| self.search_block(queries, start, &documents, k, options, cancel))
            .collect::<Result<Vec<_>>>()?;
        Ok(Hits::new(k, best.into_iter().flatten().collect()))
    }

    /// The positions to look at, rising.
    fn candidates(&self, filter: Option<&HashSet<Arc<str>>>) -> Vec<u32> {
        let Some(filter) = filter else {
            return (0..self.len() as u32).collect();
        };
        let mut positions: Vec<u32> = filter.iter().filter_map(|id| self.position(id)).collect();
        positions.sort_unstable();
        positions
    }

    fn search_block(
        &self,
        queries: Rows<'_>,
        start: usize,
        documents: &[u32],
        k: usize,
        options: &SearchOptions<'_>,
        cancel: &Cancel,
    ) -> Result<Vec<TopK>> {
        let block: Vec<_> = (start..queries.len().min(start + QUERIES)).map(|query| queries.row(query)).collect();
        let none = || vec![TopK::new(k); block.len()];
        let rows = self.rows();
        documents
            .par_chunks(DOCUMENTS)
            .map(|documents| {
                cancel.check()?;
                let mut best = none();
                for position in documents {
                    let document = rows.row(*position as usize);
                    for (query, best) in block.iter().zip(&mut best) {
                        let scored = score_pair(options.score, options.beta, *query, document);
                        if options.min_score.is_none_or(|min| scored.score >= min) {
                            best.push(Candidate { position: *position, scored });
                        }
                    }
                }
                Ok(best)
            })
            .try_reduce(none, |left, right| {
                Ok(left.into_iter().zip(right).map(|(left, right)| left.merge(right)).collect())
            })
    }
}

impl Hits {
    fn new(k: usize, best: Vec<TopK>) -> Self {
        let cells = best.len() * k;
        let mut hits = Self {
            k,
            counts: Vec::with_capacity(best.len()),
            positions: vec![UNUSED; cells],
            scores: vec![f64::NEG_INFINITY; cells],
            similarities: vec![f64::NEG_INFINITY; cells],
            deviations: vec![f64::NEG_INFINITY; cells],
        };
        for (query, best) in best.into_iter().enumerate() {
            let best = best.into_sorted();
            hits.counts.push(best.len() as u32);
            for (cell, hit) in (query * k..).zip(best) {
                hits.positions[cell] = hit.position;
                hits.scores[cell] = hit.scored.score;
                hits.similarities[cell] = hit.scored.similarity;
                hits.deviations[cell] = hit.scored.deviation;
            }
        }
        hits
    }
}
