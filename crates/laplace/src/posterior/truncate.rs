//! The posterior of the first dimensions of an embedding (Matryoshka).
//!
//! The rows of W that are kept have the curvature that they had in the loss over all dimensions, with the other rows
//! held at Ŵ: the Laplace approximation over a subset of the weights. A fit with fewer dimensions compares truncated
//! embeddings instead, which gives these rows another H.

use uec_gaussian::{Error, Result};

use super::Posterior;

impl Posterior {
    /// Keeps the first `dimension` rows of H and the same entries of the sampled texts, whose length is then that of what
    /// is kept; λ and c are chosen anew by the options. No encoder needed.
    ///
    /// # Errors
    /// `InvalidArgument` for 0 or more than the present dimension, and as [`Posterior::fit`].
    pub fn truncate(&self, dimension: usize) -> Result<Self> {
        let mut evidence = self.evidence.clone();
        if dimension == 0 || dimension > evidence.dimension {
            return Err(Error::invalid(format!(
                "a posterior of {} dimensions cannot keep {dimension} of them",
                evidence.dimension
            )));
        }
        if dimension == evidence.dimension {
            return Ok(self.clone());
        }
        evidence.dimension = dimension;
        evidence.h.truncate(dimension * evidence.features);
        evidence.gamma.truncate(dimension);
        evidence.weight_norm2.truncate(dimension);
        evidence.sample.truncate(dimension);
        Self::resolve(evidence, self.options.clone())
    }
}
