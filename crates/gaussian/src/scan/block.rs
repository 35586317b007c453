//! Several queries against consecutive rows: bounds like those of [`Scan`], with the products of all pairs in blocks.

use super::Scan;
use super::lines::Lines;
use crate::kernels::packed::{Form, Products, Queries, ROWS};
use crate::simd::Level;
use crate::{Rows, Score};

/// Several prepared queries, packed.
pub struct ScanBlock {
    level: Level,
    queries: Queries,
    lines: Lines,
    /// For the scores that have no bound by products: of means and variances, and of the means alone.
    scans: Vec<Scan>,
    from_means: bool,
}

impl ScanBlock {
    /// Queries at a time.
    pub const MAX: usize = 64;

    /// Prepares valid queries ([`Rows::validate`]) for a score; `beta` as in [`crate::validate_beta`].
    ///
    /// # Panics
    /// If there are more than [`ScanBlock::MAX`] queries.
    pub fn new(queries: Rows<'_>, score: Score, beta: f64) -> Self {
        Self::with_level(Level::detect(), queries, score, beta)
    }

    pub(super) fn with_level(level: Level, queries: Rows<'_>, score: Score, beta: f64) -> Self {
        assert!(queries.len() <= Self::MAX, "{} queries are more than {}", queries.len(), Self::MAX);
        let fused = matches!(score, Score::Uec | Score::Cosine | Score::ProbCosine);
        let scans =
            if fused { Vec::new() } else { queries.iter().map(|q| Scan::with_level(q, score, beta, level)).collect() };
        Self {
            level,
            queries: Queries::new(queries, fused && score != Score::Cosine),
            lines: Lines::new(queries, score, beta),
            scans,
            from_means: fused || matches!(score, Score::Wasserstein2 | Score::Csd),
        }
    }

    /// Writes an upper bound of the canonical score of each query with each of n rows, whatever their variances:
    /// queries×n, row-major; never NaN, +∞ where nothing is known. False, and nothing written, for the scores that have
    /// no such bound, see [`Scan::bounds_from_means`].
    ///
    /// # Panics
    /// If `means`, n×D, and `bounds` do not have such lengths.
    pub fn bounds_from_means(&self, means: &[f32], bounds: &mut [f32]) -> bool {
        if self.from_means {
            self.products(means, None, self.lines.of_means(), bounds);
        }
        self.from_means
    }

    /// Writes an upper bound of the canonical score of each query with each of n rows from their means and variances:
    /// queries×n, row-major; never NaN, +∞ where nothing is known.
    ///
    /// # Panics
    /// If `rows` and `bounds` do not have such lengths.
    pub fn bounds(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        if self.scans.is_empty() {
            let form = self.lines.of_both();
            return self.products(rows.mean, (form == Form::Fused).then_some(rows.variance), form, bounds);
        }
        assert_eq!(bounds.len(), self.scans.len() * rows.len());
        for (scan, bounds) in self.scans.iter().zip(bounds.chunks_exact_mut(rows.len().max(1))) {
            scan.bounds(rows, bounds);
        }
    }

    fn products(&self, means: &[f32], variances: Option<&[f32]>, form: Form, bounds: &mut [f32]) {
        let dimension = self.queries.dimension();
        let count = means.len() / dimension;
        assert_eq!((means.len(), bounds.len()), (count * dimension, self.queries.len() * count));
        Products::with(|products| {
            for start in (0..count).step_by(ROWS) {
                let range = start * dimension..count.min(start + ROWS) * dimension;
                let variances = variances.map(|variances| &variances[range.clone()]);
                products.compute(self.level, &self.queries, &means[range], variances);
                self.lines.write(self.level, form, products, start, count, bounds);
            }
        });
    }
}

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;
