//! Making a posterior of what the data gave: λ and c are chosen here  (method §2, §3).

use uec_gaussian::{Error, ErrorCode, Result};

use super::options::{Changes, PosteriorOptions, Scale};
use super::{Evidence, Posterior};
use crate::curvature::Curvature;
use crate::head::Head;
use crate::sample::TraceSample;

impl Posterior {
    /// Ends a fit. `weight_norm2` is ‖Ŵ_d‖² of each output of the layer (all `width` of them), `fingerprint` names the
    /// encoder.
    ///
    /// # Errors
    /// `InvalidArgument` without a single pair, for an incomplete curvature, for a sample kept for another tail,
    /// for options out of range, where 'marglik' has no answer, and where scale 'trace' has no trace to divide by.
    /// `DimensionMismatch` where head, curvature and sample disagree.
    pub fn fit(
        curvature: Curvature,
        head: &Head,
        weight_norm2: &[f64],
        sample: TraceSample,
        options: PosteriorOptions,
        fingerprint: String,
    ) -> Result<Self> {
        head.validate()?;
        curvature.check()?;
        let shape = (head.dimension, head.features);
        if shape != (curvature.dimension(), curvature.features()) || shape != (sample.dimension, sample.features) {
            return Err(Error::new(
                ErrorCode::DimensionMismatch,
                "curvature, head and trace sample belong to different encoders",
            ));
        }
        if weight_norm2.len() != head.width {
            return Err(Error::new(
                ErrorCode::DimensionMismatch,
                format!("{} squared norms of rows were given for {} outputs", weight_norm2.len(), head.width),
            ));
        }
        if curvature.pairs() == 0 {
            return Err(Error::invalid("fitting needs at least one pair"));
        }
        let gamma = head.norm.gamma().map_or_else(|| vec![1.0; head.dimension], |g| g[..head.dimension].to_vec());
        let evidence = Evidence {
            dimension: head.dimension,
            features: head.features,
            compared: head.dimension,
            norm: head.norm.name().to_owned(),
            gamma,
            activation: head.activation,
            fingerprint,
            weight_norm2: weight_norm2[..head.dimension].to_vec(),
            curvature: *curvature.options(),
            loss: curvature.loss(),
            pairs: curvature.pairs(),
            correct: curvature.correct(),
            sample,
            // The float64 sum goes here, before λ and c need room.
            h: curvature.into_h().into_iter().map(|h| h as f32).collect(),
        };
        Self::resolve(evidence, options)
    }

    /// The same evidence under another λ, Laplace temperature or scale; no encoder needed. A scale of 'trace' is
    /// computed anew from the stored sample.
    ///
    /// # Errors
    /// As [`Posterior::fit`].
    pub fn with(&self, changes: &Changes) -> Result<Self> {
        let mut options = self.options.clone();
        options.prior = changes.prior.unwrap_or(options.prior);
        options.laplace_temperature = changes.laplace_temperature.unwrap_or(options.laplace_temperature);
        options.scale = changes.scale.unwrap_or(options.scale);
        Self::resolve(self.evidence.clone(), options)
    }

    /// Chooses λ and c.
    pub(super) fn resolve(evidence: Evidence, options: PosteriorOptions) -> Result<Self> {
        options.validate()?;
        let prior_precision =
            options.prior.precision(&evidence.h, options.laplace_temperature, evidence.weight_norm2())?;
        let mut posterior = Self::assemble(evidence, options, prior_precision, 1.0)?;
        posterior.scale = match posterior.options.scale {
            Scale::None => 1.0,
            Scale::Value(value) => value,
            Scale::Trace => posterior.trace_scale()?,
        };
        posterior.check_range()?;
        Ok(posterior)
    }
}
