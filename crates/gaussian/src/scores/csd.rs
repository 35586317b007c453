//! −( ‖a − b‖² + Σ (v + w) ), the closed-form sampled distance of PCME++ (method §6).

use super::pair::Pair;
use crate::kernels::canonical::Terms;
use crate::simd::{Level, Wide};

struct Distance;

impl Terms<4, 1> for Distance {
    #[inline(always)]
    fn terms<W: Wide>([a, v, b, w]: [W; 4]) -> [W; 1] {
        let t = a - b;
        [t * t + (v + w)]
    }
}

pub(super) fn score(pair: &Pair<'_>, level: Level) -> f64 {
    let [distance] = pair.sum(level, Distance);
    -distance
}
