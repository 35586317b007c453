//! −½ Σ [ log(w/v) + (v + Δ²)/w − 1 ], Δ = a − b: KL(query‖candidate) (method §6). A zero variance: −∞.

use super::pair::Pair;
use crate::kernels::canonical::Terms;
use crate::simd::{Level, Wide};

struct Divergence;

impl Terms<4, 1> for Divergence {
    #[inline(always)]
    fn terms<W: Wide>([a, v, b, w]: [W; 4]) -> [W; 1] {
        let t = a - b;
        [((w / v).ln() + (v + t * t) / w) - 1.0]
    }
}

pub(super) fn score(pair: &Pair<'_>, level: Level) -> f64 {
    if pair.has_zero() {
        return f64::NEG_INFINITY;
    }
    let [divergence] = pair.sum(level, Divergence);
    -0.5 * divergence
}
