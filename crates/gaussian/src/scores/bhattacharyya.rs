//! −Σ [ Δ²/(4(v + w)) + ½ log((v + w)/(2√(v w))) ], Δ = a − b (method §6). A zero variance: −∞.

use super::pair::Pair;
use crate::kernels::canonical::Terms;
use crate::simd::{Level, Wide};

struct Distance;

impl Terms<4, 1> for Distance {
    #[inline(always)]
    fn terms<W: Wide>([a, v, b, w]: [W; 4]) -> [W; 1] {
        let t = a - b;
        [t * t / ((v + w) * 4.0) + ((v + w) / (v.sqrt() * w.sqrt() * 2.0)).ln() * 0.5]
    }
}

pub(super) fn score(pair: &Pair<'_>, level: Level) -> f64 {
    if pair.has_zero() {
        return f64::NEG_INFINITY;
    }
    let [distance] = pair.sum(level, Distance);
    -distance
}
