//! One query against consecutive rows: proven upper bounds of the canonical scores, at the speed of memory.
//!
//! A search keeps a row unless its bound is strictly below the score to beat, and lets [`crate::score_pair`] decide what
//! it kept.

mod block;
mod bounds;
mod divergence;
mod finish;
mod fused;
mod lines;
mod margin;
mod means;

use std::sync::OnceLock;

use crate::kernels::int8::Codes;
use crate::lanes::dot;
use crate::simd::Level;
use crate::{Row, Rows, Score};
pub use block::ScanBlock;
use bounds::Bounds;
use divergence::Divergence;
use margin::Margin;

/// The means of consecutive rows as they are stored, n×D row-major.
#[derive(Clone, Copy, Debug)]
pub enum Encoded<'a> {
    /// The means themselves.
    Float32(&'a [f32]),
    /// binary16 codes; a mean is scale × value, exactly.
    Float16 {
        /// n×D.
        codes: &'a [u16],
        /// Of each row: a power of two. Length n.
        scales: &'a [f32],
    },
    /// Integers; a mean is scale × code rounded to float32, or near it.
    Int8 {
        /// n×D.
        codes: &'a [i8],
        /// Of each row, positive. Length n.
        scales: &'a [f32],
        /// ‖x − scale × code‖ rounded up, length n, where the codes are a copy of float32 rows x. None: the decoded rows
        /// are the rows.
        errors: Option<&'a [f32]>,
    },
}

/// One prepared query (a, v): what its score needs of it, the rest is empty.
#[derive(Clone, Debug)]
pub struct Scan {
    score: Score,
    level: Level,
    mean: Vec<f32>,
    /// p = a² + v; 0 where that is no normal number.
    second: Vec<f32>,
    variance: Vec<f32>,
    /// √v.
    deviation: Vec<f32>,
    /// Whether a p was set to 0.
    flushed: bool,
    /// Made for the first int8 rows. None where integers could overflow.
    codes: OnceLock<Option<Codes>>,
    /// At least ‖a‖.
    norm: f64,
    /// At least ‖√v‖.
    spread: f64,
    bounds: Bounds,
    /// None for the scores without logarithms or quotients of variances, and where nothing is known.
    divergence: Option<Divergence>,
    margin: Margin,
}

impl Scan {
    /// Prepares a valid query ([`Rows::validate`]) for a score; `beta` as in [`crate::validate_beta`].
    pub fn new(query: Row<'_>, score: Score, beta: f64) -> Self {
        Self::with_level(query, score, beta, Level::detect())
    }

    fn with_level(query: Row<'_>, score: Score, beta: f64, level: Level) -> Self {
        // A rounded p must not lose more than its last place, or a large variance of a row would show it.
        let subnormal = |p: f64| p < f64::from(f32::MIN_POSITIVE);
        let second = || query.mean.iter().zip(query.variance).map(|(a, v)| f64::from(*a).powi(2) + f64::from(*v));
        let (square, trace) = (dot(query.mean, query.mean), query.trace());
        let bounds = Bounds::new(score, beta, square, trace);
        let moments = matches!(bounds.score, Score::Uec | Score::ProbCosine);
        let distances = matches!(score, Score::Wasserstein2 | Score::Csd);
        Self {
            score,
            level,
            mean: made(!is_divergence(score), query.mean.iter().copied()),
            second: made(moments, second().map(|p| if subnormal(p) { 0.0 } else { p as f32 })),
            variance: made(moments, query.variance.iter().copied()),
            deviation: made(distances, query.variance.iter().map(|v| v.sqrt())),
            flushed: moments && second().any(|p| p > 0.0 && subnormal(p)),
            codes: OnceLock::new(),
            norm: square.sqrt() * (1.0 + 1e-9),
            spread: trace.sqrt() * (1.0 + 1e-9),
            bounds,
            divergence: Divergence::new(score, query, level),
            margin: Margin::new(query.mean.len(), level.lanes()),
        }
    }

    /// Writes an upper bound of the canonical score of each row, whatever its variances; never NaN, +∞ where nothing is
    /// known. False, and nothing written, for the scores that have no such bound: those with a logarithm or a quotient
    /// of variances.
    ///
    /// # Panics
    /// If `means` are not `bounds.len()` rows of the query's dimension.
    pub fn bounds_from_means(&self, means: Encoded<'_>, bounds: &mut [f32]) -> bool {
        if is_divergence(self.score) {
            return false;
        }
        match means {
            Encoded::Float32(means) => self.float32(means, bounds),
            Encoded::Float16 { codes, scales } => self.float16(codes, scales, bounds),
            Encoded::Int8 { codes, scales, errors } => self.int8(codes, scales, errors, bounds),
        }
        true
    }

    /// Writes an upper bound of the canonical score of each row from its mean and variance; never NaN, +∞ where nothing
    /// is known.
    ///
    /// # Panics
    /// If `rows` are not `bounds.len()` rows of the query's dimension.
    pub fn bounds(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        assert_eq!(rows.len(), bounds.len(), "a bound for each row");
        match self.bounds.score {
            Score::Cosine => self.float32(rows.mean, bounds),
            Score::Uec => self.uec(rows, bounds),
            Score::ProbCosine => self.prob_cosine(rows, bounds),
            Score::Wasserstein2 => self.wasserstein2(rows, bounds),
            Score::Csd => self.csd(rows, bounds),
            Score::Jeffreys | Score::Kl | Score::Bhattacharyya | Score::ExpectedLikelihood => match &self.divergence {
                Some(divergence) => divergence.bounds(rows, bounds),
                None => bounds.fill(f32::INFINITY),
            },
        }
    }
}

fn made(needed: bool, numbers: impl Iterator<Item = f32>) -> Vec<f32> {
    if needed { numbers.collect() } else { Vec::new() }
}

/// Whether the score has logarithms or quotients of variances: then the means alone bound nothing.
fn is_divergence(score: Score) -> bool {
    matches!(score, Score::Jeffreys | Score::Kl | Score::Bhattacharyya | Score::ExpectedLikelihood)
}

#[cfg(test)]
mod tests;
