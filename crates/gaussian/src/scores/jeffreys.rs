//! −½ Σ [ (v + Δ²)/w + (w + Δ²)/v − 2 ], Δ = a − b: KL(q‖c) + KL(c‖q) (method §6, Theorem 2 of the paper).
//! A zero variance on either side: −∞.

use super::pair::Pair;
use crate::kernels::canonical::Terms;
use crate::simd::{Level, Wide};

struct Divergence;

impl Terms<4, 1> for Divergence {
    #[inline(always)]
    fn terms<W: Wide>([a, v, b, w]: [W; 4]) -> [W; 1] {
        let t = a - b;
        [((v + t * t) / w + (w + t * t) / v) - 2.0]
    }
}

pub(super) fn score(pair: &Pair<'_>, level: Level) -> f64 {
    if pair.has_zero() {
        return f64::NEG_INFINITY;
    }
    let [divergence] = pair.sum(level, Divergence);
    -0.5 * divergence
}
