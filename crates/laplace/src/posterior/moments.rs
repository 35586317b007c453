//! Total variance over the stored sample, for the scale c and for T = 'auto'  (method §3, §4).

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use uec_gaussian::{Error, Moments, Result};

use super::Posterior;
use crate::sample::Sampled;
use crate::variance::{TailKind, normalized_trace, normalized_variance};

/// Texts per matrix product; a constant, so that the result does not depend on the number of threads.
const TEXTS: usize = 32;

impl Posterior {
    /// Moments of the trace of the final variance (with c) over the stored sample, at the present λ.
    ///
    /// # Errors
    /// `InvalidArgument` where they leave the range of numbers.
    pub fn trace_moments(&self) -> Result<Moments> {
        let traces = self.sampled(|v, text| self.trace(v, text) * self.scale)?;
        checked(Moments::of(&traces))
    }

    /// Moments of Σ_d 1/v_d of the final variance (with c) over the stored sample, at the present λ.
    ///
    /// # Errors
    /// `InvalidArgument` where a variance is zero, so that the sum has no value.
    pub fn precision_moments(&self) -> Result<Moments> {
        let precisions = self.sampled(|v, text| {
            let variance =
                if self.options.normalize { normalized_variance(v, &unit(text), text.norm) } else { v.to_vec() };
            variance.iter().map(|v| 1.0 / (v * self.scale)).sum()
        })?;
        checked(Moments::of(&precisions))
    }

    /// c = 1 / mean trace.
    pub(super) fn trace_scale(&self) -> Result<f64> {
        if self.evidence.sample.is_empty() {
            return Err(Error::invalid("scale 'trace' needs a text of non-zero length among the fitting texts"));
        }
        let traces = self.sampled(|v, text| self.trace(v, text))?;
        let mean = checked(Moments::of(&traces))?.mean;
        if mean > 0.0 && (1.0 / mean).is_finite() {
            return Ok(1.0 / mean);
        }
        Err(Error::invalid(
            "scale 'trace' has nothing to divide by: the fitting texts have no variance; use scale 'none' or a number",
        ))
    }

    fn trace(&self, v: &[f64], text: &Sampled) -> f64 {
        if self.options.normalize { normalized_trace(v, &unit(text), text.norm) } else { v.iter().sum() }
    }

    /// `map` of the unscaled v_d of every stored text, in the order of their hashes.
    fn sampled(&self, map: impl Fn(&[f64], &Sampled) -> f64 + Sync) -> Result<Vec<f64>> {
        let (dimension, features) = (self.evidence.dimension, self.evidence.features);
        let variance: Vec<f64> = self.evidence.h.iter().map(|&h| self.entry(h)).collect();
        let variance = ArrayView2::from_shape((dimension, features), &variance)
            .map_err(|_| Error::invalid("the curvature has the wrong size"))?;
        let gamma2: Vec<f64> = match self.options.tail {
            TailKind::Plain => vec![1.0; dimension],
            TailKind::FirstOrder => self.evidence.gamma.iter().map(|&g| f64::from(g).powi(2)).collect(),
        };
        let texts: Vec<&Sampled> = self.evidence.sample.texts.values().collect();
        let values = texts.par_chunks(TEXTS).flat_map_iter(|texts| {
            let squares = Array2::from_shape_fn((texts.len(), features), |(row, i)| f64::from(texts[row].h[i]).powi(2));
            let mut v = Array2::zeros((texts.len(), dimension));
            general_mat_mul(1.0, &squares, &variance.t(), 0.0, &mut v);
            v.rows_mut()
                .into_iter()
                .zip(texts)
                .map(|(row, text)| {
                    let mut v: Vec<f64> = row.iter().zip(&gamma2).map(|(v, gamma2)| v * gamma2).collect();
                    let z: Vec<f64> = unit(text).iter().map(|unit| unit * text.norm).collect();
                    self.evidence.activation.carry(&z, &mut v);
                    map(&v, text)
                })
                .collect::<Vec<_>>()
        });
        Ok(values.collect())
    }
}

fn unit(text: &Sampled) -> Vec<f64> {
    text.mean.iter().map(|&m| f64::from(m)).collect()
}

fn checked(moments: Moments) -> Result<Moments> {
    if moments.mean.is_finite() && moments.m2.is_finite() {
        return Ok(moments);
    }
    Err(Error::invalid("the variances of the fitting texts are zero or beyond the range of numbers"))
}
