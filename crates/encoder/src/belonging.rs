//! Whether a posterior belongs to an encoder, and the part of it that an encoder of fewer dimensions needs.

use std::borrow::Cow;

use uec_gaussian::{Error, ErrorCode, Result};
use uec_laplace::Posterior;
use uec_onnx::Tail;

use crate::description::norm_name;
use crate::head::activation;
use crate::options::FittedOn;

/// How far γ of a copy may be off, relative to its largest entry: int8 steps are 1/127 of that.
const GAMMA_TOLERANCE: f32 = 1e-2;

/// How far ‖W‖² of a copy may be off: rounding to 4 bits moves it by about 1 %.
const WEIGHT_TOLERANCE: f64 = 0.05;

/// What an encoder asks of a posterior.
pub(crate) struct Owner<'a> {
    pub(crate) tail: &'a Tail,
    /// How many outputs of the last layer are kept.
    pub(crate) dimension: usize,
    pub(crate) fingerprint: &'a str,
    pub(crate) normalize: bool,
    pub(crate) fitted_on: FittedOn,
}

impl Owner<'_> {
    /// `posterior` if it belongs to this encoder, cut to the rows that are kept.
    ///
    /// # Errors
    /// [`ErrorCode::PosteriorMismatch`] if it does not, or has fewer rows.
    pub(crate) fn take<'a>(&self, posterior: &'a Posterior) -> Result<Cow<'a, Posterior>> {
        match self.fitted_on {
            FittedOn::Original => self.check_likeness(posterior)?,
            FittedOn::This => {
                if posterior.fingerprint() != self.fingerprint || posterior.features() != self.tail.features {
                    return Err(mismatch(
                        "the posterior was fitted on another encoder (model, tokenizer, pooling or normalisation differ); \
                         fit this one, or say fittedOn 'original' if this is a quantised copy of that one",
                    ));
                }
            }
        }
        let (kept, wanted) = (posterior.dimension(), self.dimension);
        if kept < wanted || kept > self.tail.dimension {
            return Err(mismatch(&format!(
                "the posterior is of {kept} dimensions, the encoder of {wanted}; load it with dimensions: {kept}, or fit it"
            )));
        }
        if kept == wanted { Ok(Cow::Borrowed(posterior)) } else { posterior.truncate(wanted).map(Cow::Owned) }
    }

    /// # Errors
    /// [`ErrorCode::PosteriorMismatch`], naming the first difference, unless this layer may be a rounded copy of the one
    /// that was fitted.
    fn check_likeness(&self, posterior: &Posterior) -> Result<()> {
        let differs = |what: String| {
            Err(mismatch(&format!("the posterior was fitted on an encoder of which this is no quantised copy: {what}")))
        };
        let tail = self.tail;
        let (rows, columns) = (posterior.dimension(), posterior.features());
        if rows > tail.dimension || columns != tail.features {
            return differs(format!("its layer is {rows}×{columns}, this one {}×{}", tail.dimension, tail.features));
        }
        let (norm, after) = (posterior.norm(), posterior.activation());
        if norm != norm_name(tail.norm) || after != activation(tail) {
            return differs(format!("its norm is '{norm}' and its activation '{}'", after.as_str()));
        }
        if posterior.options().normalize != self.normalize {
            return differs(format!("its option `normalize` is {}", !self.normalize));
        }
        let largest = posterior.gamma().iter().fold(0.0, |most: f32, gamma| most.max(gamma.abs()));
        let apart = |(theirs, ours): (&f32, &f32)| (theirs - ours).abs() > GAMMA_TOLERANCE * largest;
        if posterior.gamma().iter().zip(&tail.gamma).any(apart) {
            return differs("the scales of its norm are others".to_owned());
        }
        let ours: f64 = tail.weight_norms2().iter().take(rows).sum();
        let theirs = posterior.weight_norm2();
        if (theirs - ours).abs() > WEIGHT_TOLERANCE * theirs {
            return differs(format!("the squared norm of its weights is {theirs:.4}, here {ours:.4}"));
        }
        Ok(())
    }
}

fn mismatch(what: &str) -> Error {
    Error::new(ErrorCode::PosteriorMismatch, what)
}
