//! Bounds of the scores with logarithms or quotients of variances, from the sums of [`crate::kernels::divergence`].
//!
//! With S ≥ 0 the sum of the terms and L that of the logarithms, over D coordinates (method §6):
//!
//!   jeffreys             −S/2
//!   kl                   (Σ log v + D)/2 − S/2 − L/2
//!   bhattacharyya        −S/8 + L/4
//!   expected-likelihood  −(D/2) log 2π − S/2 − L/2
//!
//! Let u = 2⁻²⁴. S is computed with m roundings on the longest chain, whatever D, so that
//! S ≥ (computed − η)(1 − γ), γ = m u/(1 − m u), where η is what underflow may add: variances and factors lie within
//! 2^±50, hence v w is at least 2⁻¹⁰⁰, what two underflows of 2⁻¹⁵⁰ over it make is at most 2⁻⁴⁹, and the other terms
//! have less. The product under L has r + 1 roundings a coordinate (r: those of a factor), hence is off by
//! (1 + u)^(D(r + 1)) at most and L by D (r + 1) u.
//!
//! In float64, the canonical routine sums terms of magnitude S in all and, a coordinate, logarithms below 70 and
//! constants below 10; the bound is put together from no more. Each is off by at most (D + 16) 2⁻⁵² of that: twice that
//! is added.
//!
//! Nothing is known, and the bound is +∞, where a variance or factor is not within 2^±50 or a sum overflows.

use std::f64::consts::PI;

use super::margin::{Margin, round_up};
use crate::kernels::divergence::{
    Bhattacharyya, ExpectedLikelihood, Form, Jeffreys, Kl, Query, Sums, divergences, roundings,
};
use crate::simd::Level;
use crate::{Row, Rows, Score};

/// A prepared query: the bound is `constant` − `per_sum` S + `per_log` L.
#[derive(Clone, Debug)]
pub(super) struct Divergence {
    run: fn(&Self, Rows<'_>, &mut [f32]),
    level: Level,
    query: Query,
    constant: f64,
    per_sum: f64,
    per_log: f64,
    margin: Margin,
    /// What L may be off by, times |`per_log`|, and what float64 adds besides S.
    slack: f64,
    /// What float64 adds, per S.
    relative: f64,
}

impl Divergence {
    /// None for the other scores and for a query of which nothing is known.
    pub(super) fn new(score: Score, query: Row<'_>, level: Level) -> Option<Self> {
        let d = query.mean.len() as f64;
        match score {
            Score::Jeffreys => Self::with_form::<Jeffreys>(query, level, 0.0, 0.5, 0.0),
            Score::Kl => {
                let log: f64 = query.variance.iter().map(|v| f64::from(*v).ln()).sum();
                Self::with_form::<Kl>(query, level, 0.5 * (log + d), 0.5, -0.5)
            }
            Score::Bhattacharyya => Self::with_form::<Bhattacharyya>(query, level, 0.0, 0.125, 0.25),
            Score::ExpectedLikelihood => {
                let constant = -0.5 * d * (2.0 * PI).ln();
                Self::with_form::<ExpectedLikelihood>(query, level, constant, 0.5, -0.5)
            }
            _ => None,
        }
    }

    fn with_form<F: Form>(query: Row<'_>, level: Level, constant: f64, per_sum: f64, per_log: f64) -> Option<Self> {
        let dimension = query.mean.len();
        let (d, u) = (dimension as f64, (-24.0_f64).exp2());
        let relative = (d + 16.0) * (-51.0_f64).exp2();
        // As all margins, 4 more than there are.
        let roundings = (roundings(dimension, level) + 4) as f64 * u;
        let log = d * (F::ROUNDINGS + 1) as f64 * u;
        Some(Self {
            run: Self::run::<F>,
            level,
            query: Query::new::<F>(query.mean, query.variance)?,
            constant,
            per_sum,
            per_log,
            margin: Margin { gamma: roundings / (1.0 - roundings), tiny: d * (-48.0_f64).exp2() },
            // The logarithm of 1 + x is at most x, that of 1 − x at least −x/(1 − x).
            slack: per_log.abs() * log / (1.0 - log) + relative * 80.0 * d,
            relative,
        })
    }

    /// Writes a bound of each row.
    pub(super) fn bounds(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        (self.run)(self, rows, bounds);
    }

    fn run<F: Form>(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        divergences::<F>(self.level, &self.query, rows, |row, sums| {
            bounds[row] = sums.map_or(f32::INFINITY, |sums| self.bound(sums));
        });
    }

    #[inline(always)]
    fn bound(&self, Sums { sum, log }: Sums) -> f32 {
        if !sum.is_finite() {
            return f32::INFINITY;
        }
        let slack = self.slack + self.relative * sum;
        round_up(self.constant - self.per_sum * self.margin.below(sum) + self.per_log * log + slack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score_pair;

    const SCORES: [Score; 4] = [Score::Jeffreys, Score::Kl, Score::Bhattacharyya, Score::ExpectedLikelihood];
    const ROWS: usize = 12;

    fn noise(d: usize) -> f32 {
        (d as f32 * 12.9898).sin()
    }

    /// The bounds of rows scaled by `mean` and with variances around `variance`, at each level, against the scores.
    fn check(dimension: usize, mean: f32, variance: f32, mut good: impl FnMut(f64, f64) -> bool) {
        let means: Vec<f32> = (1..=(ROWS + 1) * dimension).map(|d| noise(d) * mean).collect();
        let spread = |d: usize| variance * (2.0 * noise(3 * d)).exp2();
        let mut variances: Vec<f32> = (1..=(ROWS + 1) * dimension).map(spread).collect();
        // The second row is the query.
        let (a, v) = (means[..dimension].to_vec(), variances[..dimension].to_vec());
        let means = &means[1..=ROWS * dimension];
        let mut means = means.to_vec();
        means[dimension..2 * dimension].copy_from_slice(&a);
        variances[dimension..2 * dimension].copy_from_slice(&v);
        let rows = Rows::new(&means, &variances[..ROWS * dimension], dimension).unwrap();
        let query = Row { mean: &a, variance: &v };
        for score in SCORES {
            for level in Level::available() {
                let mut bounds = [f32::NAN; ROWS];
                match Divergence::new(score, query, *level) {
                    Some(divergence) => divergence.bounds(rows, &mut bounds),
                    None => bounds.fill(f32::INFINITY),
                }
                for (row, bound) in rows.iter().zip(bounds) {
                    let exact = score_pair(score, 1.0, query, row).score;
                    assert!(
                        f64::from(bound) >= exact && good(f64::from(bound), exact),
                        "{score:?} {level:?} D={dimension} mean {mean} variance {variance}: {bound} for {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn no_bound_lies_below_its_score() {
        for dimension in (1..=70).chain([127, 128, 129, 130, 384]) {
            for mean in [0.0, 1e-30, 1e-10, 0.05, 1e5, 1e18, 1e38] {
                for variance in [1e-45, 1e-30, 4e-15, 1e-8, 1e-3, 1.0, 1e8, 2e14, 1e30] {
                    check(dimension, mean, variance, |_, _| true);
                }
            }
        }
    }

    #[test]
    fn bounds_are_tight_on_ordinary_rows() {
        for dimension in [1, 7, 32, 100, 384, 768, 1024, 1536, 4096] {
            for variance in [1e-6, 1e-4, 1e-2] {
                // Where terms and logarithms cancel, the error is still that of the terms.
                let terms = dimension as f64 * f64::from(1.0 + 0.05 * 0.05 / variance);
                check(dimension, 0.05, variance, |bound, exact| bound - exact <= 1e-5 * (exact.abs() + terms));
            }
        }
    }
}
