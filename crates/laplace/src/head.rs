//! What follows the last linear layer, in float64  (method §1).
//!
//! ```text
//! LayerNorm: n_t = (u_t − mean u_t)/s_t, s_t = sqrt(var u_t + ε), y_t = γ∘n_t + β
//! RMSNorm:   n_t = u_t/s_t,              s_t = sqrt(mean u_t² + ε), y_t = γ∘n_t
//! identity:  y_t = u_t,                  s_t = 1
//! z = Σ_t w_t y_t,   μ = z/‖z‖                a dense head (T = 1): z = f(u)
//! ```
//! Matryoshka: z keeps the first D of the layer's `width` outputs; means and s_t still run over all of them.

use uec_gaussian::{Error, ErrorCode, Result};

use crate::activation::Activation;

/// The norm between the linear layer and the pooling.
#[derive(Clone, Debug, PartialEq)]
pub enum Norm {
    /// LayerNorm over the outputs.
    Layer {
        /// γ, one per output of the layer.
        gamma: Vec<f32>,
        /// β, one per output of the layer.
        beta: Vec<f32>,
        /// ε, ≥ 0.
        epsilon: f32,
    },
    /// RMSNorm over the outputs.
    Rms {
        /// γ, one per output of the layer.
        gamma: Vec<f32>,
        /// ε, ≥ 0.
        epsilon: f32,
    },
    /// No norm: y = u.
    None,
}

impl Norm {
    /// γ, or `None` where there is no norm (γ ≡ 1).
    pub fn gamma(&self) -> Option<&[f32]> {
        match self {
            Self::Layer { gamma, .. } | Self::Rms { gamma, .. } => Some(gamma),
            Self::None => None,
        }
    }

    /// `layer`, `rms` or `none`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Layer { .. } => "layer",
            Self::Rms { .. } => "rms",
            Self::None => "none",
        }
    }
}

/// The tail of an encoder: a linear layer over I features, then a norm or an activation, of which D outputs are kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The outputs of the linear layer: the length of u.
    pub width: usize,
    /// D ≤ width, the outputs that the embedding keeps: the first ones (Matryoshka).
    pub dimension: usize,
    /// I, the inputs of the layer.
    pub features: usize,
    /// What follows it.
    pub norm: Norm,
    /// f of a dense head, which has no norm and one token; identity elsewhere.
    pub activation: Activation,
}

/// One text as the last linear layer sees it. Positions of weight 0 (padding) are never read.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// Inputs a_t of the linear layer, T×I row-major.
    pub a: &'a [f32],
    /// All its outputs u_t with bias and residual, T×width row-major.
    pub u: &'a [f32],
    /// Pooling weights w_t ≥ 0, length T, of sum 1 (all 0 for a text without tokens).
    pub weights: &'a [f64],
}

/// A text after the tail. Only the positions with weight > 0 are kept, in order.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Which rows of the text were kept.
    pub tokens: Vec<usize>,
    /// w_t/s_t of the kept positions.
    pub weights: Vec<f64>,
    /// The first D entries of n_t of the kept positions, row-major; empty where there is no norm.
    pub normalized: Vec<f64>,
    /// z, length D.
    pub pooled: Vec<f64>,
    /// ‖z‖.
    pub norm: f64,
    /// μ = z/‖z‖, or zeros where ‖z‖ = 0.
    pub unit: Vec<f64>,
}

impl Head {
    /// # Errors
    /// `InvalidArgument` for D = 0, I = 0, D > width, an activation behind a norm, or values that are not finite;
    /// `DimensionMismatch` for a γ or β of another length than the width.
    pub fn validate(&self) -> Result<()> {
        if self.dimension == 0 || self.features == 0 {
            return Err(Error::invalid("the last linear layer needs at least one input and one output"));
        }
        if self.dimension > self.width {
            return Err(Error::invalid(format!(
                "{} dimensions cannot be kept of the {} that the last linear layer has",
                self.dimension, self.width
            )));
        }
        if self.activation != Activation::Identity && self.norm != Norm::None {
            return Err(Error::invalid("an activation behind a norm is no tail that this version knows"));
        }
        let (gamma, beta, epsilon) = match &self.norm {
            Norm::Layer { gamma, beta, epsilon } => (gamma.as_slice(), beta.as_slice(), *epsilon),
            Norm::Rms { gamma, epsilon } => (gamma.as_slice(), gamma.as_slice(), *epsilon),
            Norm::None => return Ok(()),
        };
        if gamma.len() != self.width || beta.len() != self.width {
            return Err(Error::new(
                ErrorCode::DimensionMismatch,
                format!(
                    "the norm has {} scales and {} shifts for {} outputs of the linear layer",
                    gamma.len(),
                    beta.len(),
                    self.width
                ),
            ));
        }
        if gamma.iter().chain(beta).any(|x| !x.is_finite()) || !epsilon.is_finite() || epsilon < 0.0 {
            return Err(Error::invalid("the norm's scale, shift and epsilon must be finite, epsilon >= 0"));
        }
        Ok(())
    }

    /// Runs the tail over one text.
    ///
    /// # Errors
    /// `InvalidArgument` for wrong lengths, weights that are negative or do not sum to 1 (or 0), inputs that are not
    /// finite where the weight is not 0, and more than one token before an activation.
    pub fn forward(&self, text: &Text) -> Result<Forward> {
        let positions = text.weights.len();
        if text.a.len() != positions * self.features || text.u.len() != positions * self.width {
            return Err(Error::new(
                ErrorCode::DimensionMismatch,
                format!(
                    "a text of {positions} positions needs {} activations and {} outputs, got {} and {}",
                    positions * self.features,
                    positions * self.width,
                    text.a.len(),
                    text.u.len()
                ),
            ));
        }
        let total: f64 = text.weights.iter().sum();
        if text.weights.iter().any(|w| !(w.is_finite() && *w >= 0.0)) || (total != 0.0 && (total - 1.0).abs() > 1e-6) {
            return Err(Error::invalid("pooling weights must be >= 0 and sum to 1"));
        }
        let tokens: Vec<usize> = (0..positions).filter(|&t| text.weights[t] > 0.0).collect();
        if self.activation != Activation::Identity && tokens.len() > 1 {
            return Err(Error::invalid("a dense head with an activation sees one pooled vector, not tokens"));
        }
        let mut forward = Forward {
            weights: Vec::with_capacity(tokens.len()),
            normalized: Vec::new(),
            pooled: vec![0.0; self.dimension],
            norm: 0.0,
            unit: vec![0.0; self.dimension],
            tokens,
        };
        for index in 0..forward.tokens.len() {
            let t = forward.tokens[index];
            let u = &text.u[t * self.width..(t + 1) * self.width];
            let a = &text.a[t * self.features..(t + 1) * self.features];
            // Without an early exit, which would keep the compiler from comparing several numbers at once.
            if !a.iter().chain(u).fold(true, |finite, x| finite & x.is_finite()) {
                return Err(Error::invalid(format!("the encoder gave a value that is not finite at token {t}")));
            }
            self.token(u, text.weights[t], &mut forward)?;
        }
        // A text without tokens stays zero, whatever f(0) is.
        if !forward.tokens.is_empty() {
            for z in &mut forward.pooled {
                *z = self.activation.value(*z);
            }
        }
        forward.norm = forward.pooled.iter().map(|z| z * z).sum::<f64>().sqrt();
        if forward.norm > 0.0 {
            for (unit, z) in forward.unit.iter_mut().zip(&forward.pooled) {
                *unit = z / forward.norm;
            }
        }
        Ok(forward)
    }

    fn token(&self, u: &[f32], weight: f64, forward: &mut Forward) -> Result<()> {
        let d = self.width as f64;
        let (gamma, beta, mean, scale) = match &self.norm {
            Norm::None => {
                for (z, &u) in forward.pooled.iter_mut().zip(u) {
                    *z += weight * f64::from(u);
                }
                forward.weights.push(weight);
                return Ok(());
            }
            Norm::Layer { gamma, beta, epsilon } => {
                let mean = u.iter().map(|&x| f64::from(x)).sum::<f64>() / d;
                let variance = u.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / d;
                (gamma, Some(beta), mean, (variance + f64::from(*epsilon)).sqrt())
            }
            Norm::Rms { gamma, epsilon } => {
                let square = u.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / d;
                (gamma, None, 0.0, (square + f64::from(*epsilon)).sqrt())
            }
        };
        if scale == 0.0 {
            return Err(Error::invalid("a token's outputs are all equal and the norm's epsilon is 0"));
        }
        forward.weights.push(weight / scale);
        for (i, &u) in u[..self.dimension].iter().enumerate() {
            let n = (f64::from(u) - mean) / scale;
            forward.normalized.push(n);
            forward.pooled[i] += weight * (f64::from(gamma[i]) * n + beta.map_or(0.0, |beta| f64::from(beta[i])));
        }
        Ok(())
    }
}
