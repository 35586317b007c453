//! log ∫ q(x) c(x) dx = −½ Σ [ Δ²/(v + w) + log(v + w) ] − (D/2) log 2π, Δ = a − b (method §6).
//! Both variances zero in some coordinate: −∞.

use std::f64::consts::PI;

use super::pair::Pair;
use crate::kernels::canonical::Terms;
use crate::simd::{Level, Wide};

struct Distance;

impl Terms<4, 1> for Distance {
    #[inline(always)]
    fn terms<W: Wide>([a, v, b, w]: [W; 4]) -> [W; 1] {
        let t = a - b;
        [t * t / (v + w) + (v + w).ln()]
    }
}

pub(super) fn score(pair: &Pair<'_>, level: Level) -> f64 {
    let (v, w) = (pair.query.variance, pair.candidate.variance);
    if v.iter().zip(w).fold(false, |zero, (v, w)| zero | ((*v == 0.0) & (*w == 0.0))) {
        return f64::NEG_INFINITY;
    }
    let [distance] = pair.sum(level, Distance);
    -0.5 * distance - (v.len() as f64 / 2.0) * (2.0 * PI).ln()
}
