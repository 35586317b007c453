//! What a fit is given: pairs of texts, and how to fit them  (method §2).

use std::path::PathBuf;
use std::time::Duration;

use uec_gaussian::{Error, Result};
use uec_laplace::{CurvatureOptions, PosteriorOptions, Prior, Scale, TailKind};

/// A query, a text that answers it, and texts that do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FitPair {
    /// The query.
    pub query: String,
    /// The text that belongs to it.
    pub positive: String,
    /// Hard negatives: candidates of this query only.
    pub negatives: Vec<String>,
}

/// How to fit.
#[derive(Clone, Debug, PartialEq)]
pub struct FitOptions {
    /// Estimator, sides, similarity and τ.
    pub curvature: CurvatureOptions,
    /// Pairs per contrastive batch, at least 2; default 32.
    pub batch_size: usize,
    /// λ.
    pub prior: Prior,
    /// T_l > 0.
    pub laplace_temperature: f64,
    /// How V reaches a text.
    pub tail: TailKind,
    /// The variance scale c.
    pub scale: Scale,
    /// The share of words that a copy of a plain text lacks, in [0, 1); default 0.3.
    pub word_dropout: f64,
    /// Seed of the word dropout.
    pub seed: u64,
    /// Where the fit is saved, and goes on from.
    pub checkpoint: Option<CheckpointOptions>,
}

impl Default for FitOptions {
    fn default() -> Self {
        let posterior = PosteriorOptions::default();
        Self {
            curvature: CurvatureOptions::default(),
            batch_size: 32,
            prior: posterior.prior,
            laplace_temperature: posterior.laplace_temperature,
            tail: posterior.tail,
            scale: posterior.scale,
            word_dropout: 0.3,
            seed: 0,
            checkpoint: None,
        }
    }
}

impl FitOptions {
    /// # Errors
    /// `InvalidArgument` for a batch of one pair, and a share of dropped words out of range.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.batch_size < 2 {
            return Err(Error::invalid("batchSize must be at least 2: a pair is told from the others of its batch"));
        }
        if !(0.0..1.0).contains(&self.word_dropout) {
            return Err(Error::invalid(format!(
                "wordDropout must be at least 0 and below 1, got {}",
                self.word_dropout
            )));
        }
        Ok(())
    }
}

/// Where and how often a fit is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointOptions {
    /// The file; the fit goes on from it where it exists.
    pub file: PathBuf,
    /// Work between two saves; zero saves after every batch.
    pub interval: Duration,
}

#[cfg(test)]
mod tests {
    use uec_gaussian::ErrorCode;

    use super::*;

    #[test]
    fn options_out_of_range_are_refused() {
        assert!(FitOptions::default().validate().is_ok());
        for options in [
            FitOptions { batch_size: 1, ..FitOptions::default() },
            FitOptions { word_dropout: 1.0, ..FitOptions::default() },
            FitOptions { word_dropout: f64::NAN, ..FitOptions::default() },
            FitOptions { word_dropout: -0.1, ..FitOptions::default() },
        ] {
            assert_eq!(options.validate().unwrap_err().code, ErrorCode::InvalidArgument);
        }
    }
}
