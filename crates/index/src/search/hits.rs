//! What a search returns: flat columns, one row per query.

use uec_gaussian::{Candidate, Error, ErrorCode, Result};

/// The position in an unused cell of [`Hits`].
pub const UNUSED: u32 = u32::MAX;

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

impl Hits {
    /// Room for `queries` × `k` hits.
    ///
    /// # Errors
    /// [`ErrorCode::OutOfMemory`].
    pub(super) fn new(queries: usize, k: usize) -> Result<Self> {
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

    /// Takes the hits of each query, best first and at most k.
    pub(super) fn fill(&mut self, best: impl Iterator<Item = Vec<Candidate>>) {
        for (query, best) in best.enumerate() {
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
