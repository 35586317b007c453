//! Prior precision λ  (method §2).
//!
//! ```text
//! relative: λ = median(H)/30, at least 1e-12                        (H before T_l)
//! marglik:  argmax of log p(D|λ) = −Σℓ/T_l − ½ [ Σ log(H/T_l + λ) − P log λ + λ‖Ŵ‖² ]
//!           = the fixed point of λ ← sqrt(λ γ_eff/‖Ŵ‖²),  γ_eff = Σ (H/T_l)/(H/T_l + λ)
//! ```
//! Σ log(H/T_l + λ) − P log λ is summed as Σ log1p(H/(T_l λ)), which does not cancel.

use uec_gaussian::{Error, Result};

/// No prior precision is below this.
pub const MIN_PRIOR_PRECISION: f64 = 1e-12;

/// The default of 'relative': a small part of the typical curvature.
const RELATIVE_DIVISOR: f64 = 30.0;
/// The damped iteration shrinks its error in log λ at least by half per step, from at most 2 000 to 1e-14 in 60.
const MAX_STEPS: usize = 200;

/// How λ is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prior {
    /// This λ, finite and > 0.
    Value(f64),
    /// median(H)/30, the default.
    Relative,
    /// The maximiser of the log marginal likelihood.
    Marglik,
}

impl Prior {
    /// λ for this curvature. `weight_norm2` is ‖Ŵ‖².
    ///
    /// # Errors
    /// `InvalidArgument` for a value that is not finite and > 0, and where 'marglik' has no maximiser.
    pub fn precision(self, h: &[f32], laplace_temperature: f64, weight_norm2: f64) -> Result<f64> {
        match self {
            Self::Value(value) if value.is_finite() && value > 0.0 => Ok(value),
            Self::Value(value) => {
                Err(Error::invalid(format!("priorPrecision must be a finite number > 0, got {value}")))
            }
            Self::Relative => Ok(relative_precision(h)),
            Self::Marglik => marglik_precision(h, laplace_temperature, weight_norm2),
        }
    }
}

/// median(H)/30: of all entries, the mean of the two middle ones; at least [`MIN_PRIOR_PRECISION`].
pub fn relative_precision(h: &[f32]) -> f64 {
    if h.is_empty() {
        return MIN_PRIOR_PRECISION;
    }
    let mut sorted = h.to_vec();
    let (below, &mut upper, _) = sorted.select_nth_unstable_by(h.len() / 2, f32::total_cmp);
    let lower = if h.len() % 2 == 1 { upper } else { below.iter().copied().fold(0.0, f32::max) };
    let median = (f64::from(lower) + f64::from(upper)) / 2.0;
    (median / RELATIVE_DIVISOR).max(MIN_PRIOR_PRECISION)
}

/// The maximiser of the log marginal likelihood by MacKay's damped fixed point.
///
/// # Errors
/// `InvalidArgument` where H or Ŵ is zero: the likelihood then has no maximiser.
pub fn marglik_precision(h: &[f32], laplace_temperature: f64, weight_norm2: f64) -> Result<f64> {
    if h.iter().all(|&h| h == 0.0) {
        return Err(Error::invalid(
            "priorPrecision 'marglik' has no answer: the curvature is zero, the pairs gave no gradient; \
             give harder pairs, or a number",
        ));
    }
    if !(weight_norm2.is_finite() && weight_norm2 > 0.0) {
        return Err(Error::invalid(
            "priorPrecision 'marglik' has no answer: the layer's weights are zero; give a number",
        ));
    }
    let mut log_lambda = 0.0_f64;
    for _ in 0..MAX_STEPS {
        let effective = effective_parameters(h, laplace_temperature, log_lambda.exp());
        let next = 0.5 * (log_lambda + effective.ln() - weight_norm2.ln());
        let step = (next - log_lambda).abs();
        log_lambda = next;
        if step < 1e-14 * log_lambda.abs().max(1.0) {
            break;
        }
    }
    let lambda = log_lambda.exp();
    if !(lambda.is_finite() && lambda > 0.0) {
        return Err(Error::invalid("priorPrecision 'marglik' left the range of numbers; give a number"));
    }
    Ok(lambda)
}

/// γ_eff = Σ (H/T_l)/(H/T_l + λ), between 0 and P.
pub fn effective_parameters(h: &[f32], laplace_temperature: f64, lambda: f64) -> f64 {
    blocks(h, |h| {
        let h = f64::from(h) / laplace_temperature;
        h / (h + lambda)
    })
}

/// log p(D|λ) from Σ_i ℓ_i (before T_l) and ‖Ŵ‖².
pub fn log_marginal_likelihood(h: &[f32], laplace_temperature: f64, lambda: f64, loss: f64, weight_norm2: f64) -> f64 {
    let log_ratio = blocks(h, |h| (f64::from(h) / laplace_temperature / lambda).ln_1p());
    -loss / laplace_temperature - 0.5 * (log_ratio + lambda * weight_norm2)
}

/// A sum in blocks of fixed size: its rounding does not grow with P.
fn blocks(h: &[f32], term: impl Fn(f32) -> f64) -> f64 {
    h.chunks(512).map(|block| block.iter().map(|&h| term(h)).sum::<f64>()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(relative_precision(&[4.0, 1.0, 30.0, 2.0]), 3.0 / 30.0);
        assert_eq!(relative_precision(&[4.0, 1.0, 30.0]), 4.0 / 30.0);
        assert_eq!(relative_precision(&[0.0; 4]), MIN_PRIOR_PRECISION);
    }

    #[test]
    fn marglik_without_curvature_or_weights_is_an_error() {
        assert!(marglik_precision(&[0.0; 3], 1.0, 1.0).unwrap_err().message.contains("curvature is zero"));
        assert!(marglik_precision(&[1.0; 3], 1.0, 0.0).unwrap_err().message.contains("weights are zero"));
    }

    #[test]
    fn a_value_must_be_positive() {
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Prior::Value(value).precision(&[1.0], 1.0, 1.0).is_err());
        }
    }
}
