//! −½ Σ [ log(w/v) + (v + Δ²)/w − 1 ], Δ = a − b: KL(query‖candidate) (method §6). A zero variance: −∞.

use super::{canonical::sum1, jeffreys::has_zero, pair::Pair};

pub(super) fn score(pair: &Pair<'_>) -> f64 {
    if has_zero(pair) {
        return f64::NEG_INFINITY;
    }
    -0.5 * sum1(pair.query, pair.candidate, |a, v, b, w| {
        let t = a - b;
        ((w / v).ln() + (v + t * t) / w) - 1.0
    })
}
