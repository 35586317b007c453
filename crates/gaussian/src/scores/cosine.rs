//! μ_s = ⟨a, b⟩: the cosine where the means have length 1 (method §6).

use super::pair::Pair;

pub(super) fn score(pair: &Pair<'_>) -> f64 {
    pair.similarity
}
