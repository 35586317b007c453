//! −( ‖a − b‖² + Σ (√v − √w)² ), the squared 2-Wasserstein distance (method §6, Theorem 1 of the paper).

use super::{canonical::sum1, pair::Pair};

pub(super) fn score(pair: &Pair<'_>) -> f64 {
    -sum1(pair.query, pair.candidate, |a, v, b, w| {
        let t = a - b;
        let s = v.sqrt() - w.sqrt();
        t * t + s * s
    })
}
