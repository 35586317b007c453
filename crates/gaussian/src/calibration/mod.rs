//! Log-linear coefficients learned from pairs (method §4, our extension):
//!
//!   π_k(x) = softmax_k( a_k − Σ_j p_j log u_kj(x) ),  p ≥ 0
//!
//! a, p minimise the symmetric InfoNCE of the mixed, normalised means over all pairs (τ = 0.05) plus
//! ½ ρ (‖a‖² + ‖p‖²), ρ = 1e-3. a = 0, p = 0 is the uniform rule, p = 0 fixed weights, a = 0, p = 1 with the trace
//! inverse variance. u is clamped to [1e-6, 1e6].

mod choice;
mod contrast;
mod optimizer;
mod pairs;
mod source;

use rayon::prelude::*;

pub use choice::{MAX_SOURCES, choose_calibration};
pub use pairs::{CalibrationPairs, MIN_PAIRS};
pub use source::TRACE;

use crate::{Cancel, Error, Result};
use contrast::Contrast;
use optimizer::minimize;
use source::log_uncertainty;

/// Ridge ρ.
const RIDGE: f64 = 1e-3;
/// Largest component of the projected gradient at the optimum: within 1e-5 in a and p, by the ridge's curvature.
const TOLERANCE: f64 = 1e-8;
/// Powers to start from. The objective is not convex: which basin is reached depends on whether the uncertainties count
/// at the start.
const STARTS: [f64; 3] = [0.0, 1.0, 2.0];

/// Learned coefficients of K encoders from J sources.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Names of the sources, in the order of `power`. Empty: fixed weights.
    pub sources: Vec<String>,
    /// a, length K, sums to 0.
    pub bias: Vec<f64>,
    /// p ≥ 0, length J.
    pub power: Vec<f64>,
    /// Symmetric InfoNCE in nats: held out where the sources were chosen by [`choose_calibration`], else on the pairs
    /// themselves.
    pub loss: f64,
    /// Number of pairs.
    pub pairs: usize,
}

impl Calibration {
    /// # Errors
    /// [`crate::ErrorCode::InvalidArgument`] unless it is made for `members` encoders and its numbers are sound.
    pub fn validate(&self, members: usize) -> Result<()> {
        if self.bias.len() != members {
            return Err(Error::invalid(format!("a calibration of {} encoders used with {members}", self.bias.len())));
        }
        if self.power.len() != self.sources.len() {
            return Err(Error::invalid(format!(
                "a calibration has {} sources and {} powers",
                self.sources.len(),
                self.power.len()
            )));
        }
        if self.bias.iter().any(|a| !a.is_finite()) || self.power.iter().any(|p| !(p.is_finite() && *p >= 0.0)) {
            return Err(Error::invalid("a calibration needs finite biases, and finite powers of at least 0"));
        }
        Ok(())
    }

    /// a_k − Σ_j p_j log u_kj; NaN if an uncertainty is.
    pub(crate) fn exponent(&self, member: usize, uncertainties: impl Iterator<Item = f64>) -> f64 {
        let discount: f64 = self.power.iter().zip(uncertainties).map(|(p, u)| p * log_uncertainty(u)).sum();
        self.bias[member] - discount
    }
}

/// Fits a and p over all of the given sources, to the optimum. The result's `loss` is that of the pairs themselves.
///
/// # Errors
/// [`crate::ErrorCode::InvalidArgument`] for bad shapes or values, fewer than [`MIN_PAIRS`] pairs or more than fit into
/// memory; [`crate::ErrorCode::OutOfMemory`]; [`crate::ErrorCode::Aborted`].
pub fn fit_calibration(pairs: &CalibrationPairs<'_>, cancel: &Cancel) -> Result<Calibration> {
    let contrast = Contrast::new(pairs, cancel)?;
    let columns: Vec<usize> = (0..pairs.sources.len()).collect();
    let theta = fit(&contrast, &columns, &STARTS, TOLERANCE, cancel)?;
    calibration(&contrast, pairs.sources, &columns, theta, cancel)
}

fn calibration(
    contrast: &Contrast,
    sources: &[&str],
    columns: &[usize],
    mut theta: Vec<f64>,
    cancel: &Cancel,
) -> Result<Calibration> {
    let (loss, _) = contrast.loss(&theta, columns, cancel)?;
    let power = theta.split_off(contrast.members());
    let sources = columns.iter().map(|column| sources[*column].to_owned()).collect();
    Ok(Calibration { sources, bias: theta, power, loss, pairs: contrast.pairs() })
}

/// θ = (a, p) at the best of the optima reached from these powers, each with a = 0.
fn fit(contrast: &Contrast, columns: &[usize], starts: &[f64], tolerance: f64, cancel: &Cancel) -> Result<Vec<f64>> {
    let (k, j) = (contrast.members(), columns.len());
    let mut lower = vec![f64::NEG_INFINITY; k];
    lower.resize(k + j, 0.0);
    let objective = |theta: &[f64]| -> Result<(f64, Vec<f64>)> {
        let (loss, mut gradient) = contrast.loss(theta, columns, cancel)?;
        let ridge: f64 = theta.iter().map(|x| x * x).sum();
        for (g, x) in gradient.iter_mut().zip(theta) {
            *g += RIDGE * x;
        }
        Ok((loss + 0.5 * RIDGE * ridge, gradient))
    };
    let starts = if j == 0 { &[0.0] } else { starts };
    let found = starts
        .par_iter()
        .map(|power| {
            let mut start = vec![0.0; k];
            start.resize(k + j, *power);
            minimize(objective, start, &lower, tolerance)
        })
        .collect::<Result<Vec<_>>>()?;
    let best = found.into_iter().min_by(|x, y| x.value.total_cmp(&y.value));
    Ok(best.map_or_else(|| vec![0.0; k + j], |best| best.point))
}
