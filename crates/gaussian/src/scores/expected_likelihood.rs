//! log ∫ q(x) c(x) dx = −½ Σ [ Δ²/(v + w) + log(v + w) ] − (D/2) log 2π, Δ = a − b (method §6).
//! Both variances zero in some coordinate: −∞.

use std::f64::consts::PI;

use super::{canonical::sum1, pair::Pair};

pub(super) fn score(pair: &Pair<'_>) -> f64 {
    let (v, w) = (pair.query.variance, pair.candidate.variance);
    if v.iter().zip(w).any(|(v, w)| *v == 0.0 && *w == 0.0) {
        return f64::NEG_INFINITY;
    }
    let sum = sum1(pair.query, pair.candidate, |a, v, b, w| {
        let t = a - b;
        t * t / (v + w) + (v + w).ln()
    });
    -0.5 * sum - (v.len() as f64 / 2.0) * (2.0 * PI).ln()
}
