//! ŝ = μ_s / sqrt(1 + (π/8) β σ_s²), the probit-folded similarity (method §6).

use std::f64::consts::PI;

use super::pair::Pair;
use crate::simd::Level;

pub(super) fn score(pair: &Pair<'_>, _level: Level) -> f64 {
    fold(pair.similarity, pair.variance, pair.beta)
}

/// mean / sqrt(1 + (π/8) β variance)
pub(super) fn fold(mean: f64, variance: f64, beta: f64) -> f64 {
    mean / (1.0 + (PI / 8.0) * beta * variance).sqrt()
}
