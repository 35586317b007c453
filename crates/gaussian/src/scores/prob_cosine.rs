//! `E[cos]` = μ_s/√n folded by the probit with variance σ_s²/n, n = Σ(a² + v) · Σ(b² + w) (method §6, BayesVLM).
//! n = 0: −∞.

use super::{canonical::sum, pair::Pair, uec::fold};

pub(super) fn score(pair: &Pair<'_>) -> f64 {
    let [query, candidate] = sum(pair.query, pair.candidate, |a, v, b, w| [a * a + v, b * b + w]);
    let n = query * candidate;
    if n == 0.0 {
        return f64::NEG_INFINITY;
    }
    fold(pair.similarity / n.sqrt(), pair.variance / n, pair.beta)
}
