//! −( ‖a − b‖² + Σ (v + w) ), the closed-form sampled distance of PCME++ (method §6).

use super::{canonical::sum1, pair::Pair};

pub(super) fn score(pair: &Pair<'_>) -> f64 {
    -sum1(pair.query, pair.candidate, |a, v, b, w| {
        let t = a - b;
        t * t + (v + w)
    })
}
