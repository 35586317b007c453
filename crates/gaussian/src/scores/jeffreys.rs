//! −½ Σ [ (v + Δ²)/w + (w + Δ²)/v − 2 ], Δ = a − b: KL(q‖c) + KL(c‖q) (method §6, Theorem 2 of the paper).
//! A zero variance on either side: −∞.

use super::{canonical::sum1, pair::Pair};

pub(super) fn score(pair: &Pair<'_>) -> f64 {
    if has_zero(pair) {
        return f64::NEG_INFINITY;
    }
    -0.5 * sum1(pair.query, pair.candidate, |a, v, b, w| {
        let t = a - b;
        ((v + t * t) / w + (w + t * t) / v) - 2.0
    })
}

/// Whether query or candidate is certain in some coordinate.
pub(super) fn has_zero(pair: &Pair<'_>) -> bool {
    pair.query.variance.contains(&0.0) || pair.candidate.variance.contains(&0.0)
}
