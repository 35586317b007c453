//! Upper bounds of the scores from bounds of their sums (formulas: method §6).
//!
//! With μ ≥ μ_s, s ≤ σ_s² ≤ S and n ≤ ‖b‖² known of a row:
//!
//!   cosine        μ
//!   uec           μ/√(1 + (π/8) β s) for μ ≥ 0; below 0 the discount moves towards 0: μ/√(1 + (π/8) β S).
//!                 From the means alone max(μ, 0), since ŝ ≤ max(μ_s, 0)
//!   prob-cosine   E(cos)/√(1 + (π/8) β Var) = μ_s/√(N + (π/8) β σ_s²), N = Σ(a² + v) Σ(b² + w), in the same way.
//!                 From the means alone max(μ, 0)/√(Σ(a² + v) n)
//!   wasserstein2  −(‖a‖² + n − 2μ) from the means alone
//!   csd           the same − Σ v
//!
//! Negative n − 2μ + ‖a‖² count as 0.

use std::f64::consts::PI;

use crate::Score;

/// What is known of a row from its means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Means {
    /// At least μ_s.
    pub(super) similarity: f64,
    /// At most ‖b‖².
    pub(super) square: f64,
}

/// Lower and upper bound of a positive sum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) below: f64,
    pub(super) above: f64,
}

/// The score and what it needs of the query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) score: Score,
    /// (π/8) β
    discount: f64,
    /// At most ‖a‖².
    square: f64,
    /// At most Σ v.
    trace: f64,
    /// Σ (a² + v).
    second: f64,
}

/// The score that ranks the rows: without a discount ŝ is μ_s.
pub(super) fn effective(score: Score, beta: f64) -> Score {
    if score == Score::Uec && beta == 0.0 { Score::Cosine } else { score }
}

impl Bounds {
    /// `square` = ‖a‖² and `trace` = Σ v of the query, summed in float64.
    pub(super) fn new(score: Score, beta: f64, square: f64, trace: f64) -> Self {
        let score = effective(score, beta);
        let second = square + trace;
        let (square, trace) = (square * (1.0 - 1e-9), trace * (1.0 - 1e-9));
        Self { score, discount: PI / 8.0 * beta, square, trace, second }
    }

    /// cosine and uec from the means alone: μ, but at least this.
    pub(super) fn floor(&self) -> f64 {
        if self.score == Score::Cosine { f64::NEG_INFINITY } else { 0.0 }
    }

    /// prob-cosine from the means alone.
    #[inline(always)]
    pub(super) fn quotient(&self, row: Means) -> f64 {
        row.similarity.max(0.0) / (self.second * row.square).sqrt()
    }

    /// wasserstein2 and csd from the means alone.
    #[inline(always)]
    pub(super) fn distance(&self, row: Means) -> f64 {
        self.over_distance((self.square + row.square - 2.0 * row.similarity).max(0.0))
    }

    /// A distance: from the least squared distance of what was compared.
    #[inline(always)]
    pub(super) fn over_distance(&self, square: f64) -> f64 {
        if self.score == Score::Csd { -square - self.trace } else { -square }
    }

    /// uec from bounds of both moments.
    #[inline(always)]
    pub(super) fn uec(&self, similarity: f64, variance: Range) -> f64 {
        let variance = if similarity >= 0.0 { variance.below } else { variance.above };
        similarity / (1.0 + self.discount * variance).sqrt()
    }

    /// prob-cosine from bounds of both moments and of Σ (b² + w).
    #[inline(always)]
    pub(super) fn prob_cosine(&self, similarity: f64, variance: Range, second: Range) -> f64 {
        let (variance, second) =
            if similarity >= 0.0 { (variance.below, second.below) } else { (variance.above, second.above) };
        similarity / (self.second * second + self.discount * variance).sqrt()
    }
}
