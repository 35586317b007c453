//! −( ‖a − b‖² + Σ (√v − √w)² ), the squared 2-Wasserstein distance (method §6, Theorem 1 of the paper).

use super::pair::Pair;
use crate::kernels::canonical::Terms;
use crate::simd::{Level, Wide};

struct Distance;

impl Terms<4, 1> for Distance {
    #[inline(always)]
    fn terms<W: Wide>([a, v, b, w]: [W; 4]) -> [W; 1] {
        let t = a - b;
        let s = v.sqrt() - w.sqrt();
        [t * t + s * s]
    }
}

pub(super) fn score(pair: &Pair<'_>, level: Level) -> f64 {
    let [distance] = pair.sum(level, Distance);
    -distance
}
