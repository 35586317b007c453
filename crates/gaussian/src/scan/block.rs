//! Several queries against consecutive rows: bounds like those of [`crate::Scan`], with the products of all pairs in
//! blocks.

use super::is_divergence;
use super::lines::Lines;
use crate::kernels::packed::{Products, Queries, ROWS, Rule};
use crate::simd::Level;
use crate::{Rows, Score};

/// Several prepared queries, packed, for a score with bounds from products.
pub struct ScanBlock {
    level: Level,
    queries: Queries,
    lines: Lines,
}

impl ScanBlock {
    /// Queries at a time.
    pub const MAX: usize = 64;

    /// Prepares valid queries ([`Rows::validate`]) for a score; `beta` as in [`crate::validate_beta`]. None for the
    /// scores that have no such bounds, which are those without [`crate::Scan::bounds_from_means`].
    ///
    /// # Panics
    /// If there are more than [`ScanBlock::MAX`] queries.
    pub fn new(queries: Rows<'_>, score: Score, beta: f64) -> Option<Self> {
        Self::with_level(Level::detect(), queries, score, beta)
    }

    pub(super) fn with_level(level: Level, queries: Rows<'_>, score: Score, beta: f64) -> Option<Self> {
        assert!(queries.len() <= Self::MAX, "{} queries are more than {}", queries.len(), Self::MAX);
        if is_divergence(score) {
            return None;
        }
        let lines = Lines::new(queries, score, beta);
        let with_variances = lines.of_both() == Some(Rule::Fused);
        Some(Self { level, queries: Queries::new(queries, with_variances), lines })
    }

    /// Writes an upper bound of the canonical score of each query with each of n rows, whatever their variances:
    /// queries×n, row-major; never NaN, +∞ where nothing is known.
    ///
    /// # Panics
    /// If `means`, n×D, and `bounds` do not have such lengths.
    pub fn bounds_from_means(&self, means: &[f32], bounds: &mut [f32]) {
        self.products(means, None, self.lines.of_means(), bounds);
    }

    /// Writes an upper bound of the canonical score of each query with each of n rows from their means and variances:
    /// queries×n, row-major; never NaN, +∞ where nothing is known. False, and nothing written, for the distances, which
    /// only [`crate::Scan::bounds`] bounds so.
    ///
    /// # Panics
    /// If `rows` and `bounds` do not have such lengths.
    pub fn bounds(&self, rows: Rows<'_>, bounds: &mut [f32]) -> bool {
        let Some(rule) = self.lines.of_both() else {
            return false;
        };
        self.products(rows.mean, (rule == Rule::Fused).then_some(rows.variance), rule, bounds);
        true
    }

    fn products(&self, means: &[f32], variances: Option<&[f32]>, rule: Rule, bounds: &mut [f32]) {
        let dimension = self.queries.dimension();
        let count = means.len() / dimension;
        assert_eq!((means.len(), bounds.len()), (count * dimension, self.queries.len() * count));
        Products::with(|products| {
            for start in (0..count).step_by(ROWS) {
                let range = start * dimension..count.min(start + ROWS) * dimension;
                let variances = variances.map(|variances| &variances[range.clone()]);
                products.compute(self.level, &self.queries, &means[range], variances);
                self.lines.write(self.level, rule, products, start, count, bounds);
            }
        });
    }
}

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;
