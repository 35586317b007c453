//! μ_s = ⟨a, b⟩: the cosine where the means have length 1 (method §6).

use super::pair::Pair;
use crate::simd::Level;

pub(super) fn score(pair: &Pair<'_>, _level: Level) -> f64 {
    pair.similarity
}
