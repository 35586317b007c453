//! The scores of two diagonal Gaussians (method §6). Every score is a file beside this one and a line in the table.
//!
//! `a, v` are mean and variance of the query, `b, w` those of the candidate. Higher is better for all scores.

mod bhattacharyya;
mod cosine;
mod csd;
mod expected_likelihood;
mod jeffreys;
mod kl;
mod pair;
mod prob_cosine;
mod uec;
mod wasserstein2;

#[cfg(test)]
mod tests;

use std::str::FromStr;

use crate::kernels::canonical::{Terms, sum};
use crate::simd::{Level, Wide};
use crate::{Error, Result, Row};
pub(crate) use pair::Pair;

macro_rules! scores {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $module:ident;)+) => {
        /// A score over two Gaussians, under the name of the public contract.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum Score { $($(#[$doc])* $variant),+ }

        impl Score {
            /// Every score.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in the public contract, such as `expected-likelihood`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            fn at(self, level: Level, pair: &Pair<'_>) -> f64 {
                match self { $(Self::$variant => $module::score(pair, level)),+ }
            }
        }
    };
}

scores! {
    /// μ_s / sqrt(1 + (π/8) β σ_s²)
    #[default] Uec, "uec", uec;
    /// μ_s
    Cosine, "cosine", cosine;
    /// Negated squared 2-Wasserstein distance
    Wasserstein2, "wasserstein2", wasserstein2;
    /// Negated KL(q‖c) + KL(c‖q)
    Jeffreys, "jeffreys", jeffreys;
    /// Negated KL(q‖c)
    Kl, "kl", kl;
    /// Negated Bhattacharyya distance
    Bhattacharyya, "bhattacharyya", bhattacharyya;
    /// log ∫ q c
    ExpectedLikelihood, "expected-likelihood", expected_likelihood;
    /// Negated closed-form sampled distance of PCME++
    Csd, "csd", csd;
    /// Expected cosine of BayesVLM, folded by the probit
    ProbCosine, "prob-cosine", prob_cosine;
}

impl Score {
    pub(crate) fn of(self, pair: &Pair<'_>) -> f64 {
        self.at(Level::detect(), pair)
    }
}

impl FromStr for Score {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|score| score.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|score| score.name()).collect();
            Error::invalid(format!("unknown score \"{name}\": use one of {}", names.join(", ")))
        })
    }
}

/// The score of one pair, with μ_s and σ_s. Float64, never NaN for validated rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The chosen score; -∞ where it is undefined (a zero variance under a logarithm).
    pub score: f64,
    /// μ_s = ⟨μ_q, μ_c⟩.
    pub similarity: f64,
    /// σ_s, the standard deviation of the similarity under the model.
    pub deviation: f64,
}

/// The canonical routine: float64 in a fixed order of eight lanes, so that a pair's score does not depend on batching,
/// threads, row position or CPU (method §6).
///
/// The rows must have the same dimension and be valid ([`crate::Rows::validate`]); `beta` as in [`validate_beta`].
pub fn score_pair(score: Score, beta: f64, query: Row<'_>, candidate: Row<'_>) -> Scored {
    score_at(Level::detect(), score, beta, query, candidate)
}

/// [`score_pair`] with the instructions of `level`, to the same bits.
fn score_at(level: Level, score: Score, beta: f64, query: Row<'_>, candidate: Row<'_>) -> Scored {
    let [similarity, variance] = sum(level, Moments, [query.mean, query.variance, candidate.mean, candidate.variance]);
    let score = score.at(level, &Pair { query, candidate, beta, similarity, variance });
    Scored { score, similarity, deviation: variance.sqrt() }
}

/// The terms of μ_s and σ_s².
struct Moments;

impl Terms<4, 2> for Moments {
    #[inline(always)]
    fn terms<W: Wide>([a, v, b, w]: [W; 4]) -> [W; 2] {
        [a * b, (a * a * w + v * (b * b)) + v * w]
    }
}

/// # Errors
/// [`crate::ErrorCode::InvalidArgument`] unless `beta` is finite and at least 0.
pub fn validate_beta(beta: f64) -> Result<()> {
    if beta.is_finite() && beta >= 0.0 {
        return Ok(());
    }
    Err(Error::invalid(format!("beta is {beta}: must be a finite number of at least 0")))
}
