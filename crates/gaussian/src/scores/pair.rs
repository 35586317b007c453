//! What every score is a function of.

use crate::Row;

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
