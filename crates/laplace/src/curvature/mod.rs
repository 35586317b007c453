//! Diagonal curvature H of the contrastive loss over W, a sum over samples  (method §2).
//!
//! ```text
//! ef:  H = Σ_i (∂ℓ_i/∂W)²
//! ggn: H = Σ_i [ Σ_j p_ij G_ij² − (Σ_j p_ij G_ij)² ],  G_ij = ∂s_ij/∂W
//! ```
//! Both squares are taken after the sum over tokens. [`Curvature::add_batch`] is the fast path (float32 matrix
//! products, float64 sums); [`Curvature::add_batch_reference`] is the same in plain float64 loops.

mod batch;
mod fisher;
mod gauss_newton;
mod options;
mod state;
mod tokens;

use uec_gaussian::{Cancel, Error, ErrorCode, Result};

pub(crate) use batch::{Batch, Member};
pub use options::{CurvatureOptions, Estimator, Sides};

use crate::head::{Head, Text};

/// What one batch gave.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchReport {
    /// ℓ_i of each query.
    pub losses: Vec<f64>,
    /// Queries whose positive beat every other candidate.
    pub correct: usize,
}

/// The running sum over batches. Memory: D×I doubles, independent of the number of pairs.
#[derive(Clone, Debug)]
pub struct Curvature {
    options: CurvatureOptions,
    dimension: usize,
    features: usize,
    h: Vec<f64>,
    loss: f64,
    pairs: usize,
    correct: usize,
    whole: bool,
}

impl Curvature {
    /// An empty sum.
    ///
    /// # Errors
    /// `InvalidArgument` for a temperature that is not finite and > 0, or an inconsistent head.
    pub fn new(head: &Head, options: CurvatureOptions) -> Result<Self> {
        head.validate()?;
        if !(options.temperature.is_finite() && options.temperature > 0.0) {
            return Err(Error::invalid(format!(
                "temperature must be a finite number > 0, got {}",
                options.temperature
            )));
        }
        let entries = head
            .dimension
            .checked_mul(head.features)
            .ok_or_else(|| Error::new(ErrorCode::OutOfMemory, "the last linear layer is too large for this machine"))?;
        Ok(Self {
            options,
            dimension: head.dimension,
            features: head.features,
            h: vec![0.0; entries],
            loss: 0.0,
            pairs: 0,
            correct: 0,
            whole: true,
        })
    }

    /// Adds one contrastive batch: the candidates of query i are all positives and its own `negatives[i]`
    /// (`negatives` is empty or has one list per query). A batch of one pair without negatives has loss 0 and adds
    /// nothing to H. Runs in the current rayon pool; the result does not depend on its size.
    ///
    /// # Errors
    /// `InvalidArgument` or `DimensionMismatch` for texts of wrong shape, without tokens, of length ‖z‖ = 0 (cosine)
    /// or with values that are not finite: nothing was added. `Aborted`, and `InvalidArgument` for an overflow: the
    /// sum is incomplete and every later call says so; fit again, or go on from a copy.
    pub fn add_batch(
        &mut self,
        head: &Head,
        queries: &[Text],
        positives: &[Text],
        negatives: &[Vec<Text>],
        cancel: &Cancel,
    ) -> Result<BatchReport> {
        self.add(head, queries, positives, negatives, cancel, |head, options, batch, h| match options.estimator {
            Estimator::Ef => fisher::accumulate(head, options, batch, h, cancel),
            Estimator::Ggn => gauss_newton::accumulate(head, options, batch, h, cancel),
        })
    }

    pub(crate) fn add(
        &mut self,
        head: &Head,
        queries: &[Text],
        positives: &[Text],
        negatives: &[Vec<Text>],
        cancel: &Cancel,
        accumulate: impl FnOnce(&Head, &CurvatureOptions, &Batch, &mut [f64]) -> Result<()>,
    ) -> Result<BatchReport> {
        self.check()?;
        if (head.dimension, head.features) != (self.dimension, self.features) {
            return Err(Error::new(ErrorCode::DimensionMismatch, "the curvature was begun with another head"));
        }
        head.validate()?;
        let batch = Batch::new(head, &self.options, queries, positives, negatives)?;
        cancel.check()?;
        self.whole = false;
        accumulate(head, &self.options, &batch, &mut self.h)?;
        cancel.check()?;
        if self.h.iter().any(|h| !h.is_finite()) {
            return Err(Error::invalid("the gradients of this batch overflow; are the model's outputs in range?"));
        }
        self.whole = true;
        let losses: Vec<f64> = batch.contrasts.iter().map(|c| c.loss).collect();
        let correct = batch.contrasts.iter().filter(|c| c.correct).count();
        self.loss += losses.iter().sum::<f64>();
        self.pairs += losses.len();
        self.correct += correct;
        Ok(BatchReport { losses, correct })
    }

    /// Fails where an aborted or failed batch left the sum incomplete.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub fn check(&self) -> Result<()> {
        if self.whole {
            return Ok(());
        }
        Err(Error::invalid("this curvature lacks a part of a batch that failed or was aborted; fit again"))
    }

    /// The settings of the sum.
    pub fn options(&self) -> &CurvatureOptions {
        &self.options
    }

    /// D.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// I.
    pub fn features(&self) -> usize {
        self.features
    }

    /// H, D×I row-major, ≥ 0.
    pub fn h(&self) -> &[f64] {
        &self.h
    }

    /// Σ_i ℓ_i.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// N.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// Queries whose positive beat every other candidate.
    pub fn correct(&self) -> usize {
        self.correct
    }
}
