//! `E[cos]` = μ_s/√n folded by the probit with variance σ_s²/n, n = Σ(a² + v) · Σ(b² + w) (method §6, BayesVLM).
//! n = 0: −∞.

use super::{pair::Pair, uec::fold};
use crate::kernels::canonical::Terms;
use crate::simd::{Level, Wide};

struct SecondMoments;

impl Terms<4, 2> for SecondMoments {
    #[inline(always)]
    fn terms<W: Wide>([a, v, b, w]: [W; 4]) -> [W; 2] {
        [a * a + v, b * b + w]
    }
}

pub(super) fn score(pair: &Pair<'_>, level: Level) -> f64 {
    let [query, candidate] = pair.sum(level, SecondMoments);
    let n = query * candidate;
    if n == 0.0 {
        return f64::NEG_INFINITY;
    }
    fold(pair.similarity / n.sqrt(), pair.variance / n, pair.beta)
}
