//! Several queries against consecutive rows: the same bounds as [`Scan`]'s, with the products of all pairs in blocks.

use super::{Encoded, Scan};
use crate::{Rows, Score};

/// Several prepared queries, packed.
pub struct ScanBlock {
    scans: Vec<Scan>,
}

impl ScanBlock {
    /// Queries at a time.
    pub const MAX: usize = 64;

    /// Prepares valid queries ([`Rows::validate`]) for a score; `beta` as in [`crate::validate_beta`].
    ///
    /// # Panics
    /// If there are more than [`ScanBlock::MAX`] queries.
    pub fn new(queries: Rows<'_>, score: Score, beta: f64) -> Self {
        assert!(queries.len() <= Self::MAX);
        Self { scans: queries.iter().map(|query| Scan::new(query, score, beta)).collect() }
    }

    /// Writes an upper bound of the canonical score of each query with each of n rows, whatever their variances:
    /// queries×n, row-major; never NaN, +∞ where nothing is known. False, and nothing written, for the scores that have
    /// no such bound, see [`Scan::bounds_from_means`].
    ///
    /// # Panics
    /// If `means`, n×D, and `bounds` do not have such lengths.
    pub fn bounds_from_means(&self, means: &[f32], bounds: &mut [f32]) -> bool {
        let count = bounds.len() / self.scans.len().max(1);
        let mut lines = bounds.chunks_exact_mut(count.max(1));
        self.scans.iter().zip(&mut lines).all(|(scan, line)| scan.bounds_from_means(Encoded::Float32(means), line))
    }

    /// Writes an upper bound of the canonical score of each query with each of n rows from their means and variances:
    /// queries×n, row-major; never NaN, +∞ where nothing is known.
    ///
    /// # Panics
    /// If `rows` and `bounds` do not have such lengths.
    pub fn bounds(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        for (scan, line) in self.scans.iter().zip(bounds.chunks_exact_mut(rows.len().max(1))) {
            scan.bounds(rows, line);
        }
    }
}
