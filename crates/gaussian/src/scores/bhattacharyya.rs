//! −Σ [ Δ²/(4(v + w)) + ½ log((v + w)/(2√(v w))) ], Δ = a − b (method §6). A zero variance: −∞.

use super::{canonical::sum1, jeffreys::has_zero, pair::Pair};

pub(super) fn score(pair: &Pair<'_>) -> f64 {
    if has_zero(pair) {
        return f64::NEG_INFINITY;
    }
    -sum1(pair.query, pair.candidate, |a, v, b, w| {
        let t = a - b;
        t * t / (4.0 * (v + w)) + 0.5 * ((v + w) / (2.0 * (v.sqrt() * w.sqrt()))).ln()
    })
}
