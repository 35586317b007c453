//! What every score is a function of.

use crate::Row;
use crate::kernels::canonical::{Terms, sum};
use crate::simd::Level;

/// One pair under comparison, with the moments every score reports.
pub(crate) struct Pair<'a> {
    pub(crate) query: Row<'a>,
    pub(crate) candidate: Row<'a>,
    pub(crate) beta: f64,
    /// μ_s = ⟨a, b⟩
    pub(crate) similarity: f64,
    /// σ_s² = Σ a² w + v b² + v w
    pub(crate) variance: f64,
}

impl Pair<'_> {
    /// Sums of terms in (a, v, b, w).
    pub(super) fn sum<T: Terms<4, N>, const N: usize>(&self, level: Level, terms: T) -> [f64; N] {
        let (query, candidate) = (self.query, self.candidate);
        sum(level, terms, [query.mean, query.variance, candidate.mean, candidate.variance])
    }

    /// Whether query or candidate is certain in some coordinate.
    pub(super) fn has_zero(&self) -> bool {
        // To the end of the row: a loop that may stop early is not vectorised.
        let zero = |row: &[f32]| row.iter().fold(false, |zero, v| zero | (*v == 0.0));
        zero(self.query.variance) || zero(self.candidate.variance)
    }
}
