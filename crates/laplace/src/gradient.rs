//! From ∂ℓ/∂(similarity's vector) to the gradient at the linear layer's output  (method §2).
//!
//! A text with upstream g = ∂ℓ/∂z (before an activation f: f′(u)∘∂ℓ/∂z) contributes Σ_t δ_t a_tᵀ to ∂ℓ/∂W, with
//!
//! ```text
//! LayerNorm: δ_t = (w_t/s_t) [ γ∘g − mean(γ∘g) − n_t mean(γ∘g∘n_t) ]
//! RMSNorm:   δ_t = (w_t/s_t) [ γ∘g − n_t mean(γ∘g∘n_t) ]
//! identity:  δ_t = w_t g
//! ```
//! For the cosine, g is projected first: g ← (g − μ (μ·g))/‖z‖. The means run over all outputs of the layer; where the
//! embedding keeps the first D of them, g is 0 beyond, and so only the sums' divisor knows of the rest.

use crate::activation::Activation;
use crate::contrast::Similarity;
use crate::head::{Forward, Head, Norm};

/// Carries a gradient with respect to the similarity's vector (μ or z) to the pooled vector before the activation, in
/// place.
pub(crate) fn project(similarity: Similarity, activation: Activation, text: &Forward, gradient: &mut [f64]) {
    if similarity == Similarity::Cosine {
        let along = dot(&text.unit, gradient);
        for (g, unit) in gradient.iter_mut().zip(&text.unit) {
            *g = (*g - unit * along) / text.norm;
        }
    }
    if activation != Activation::Identity {
        for (g, &z) in gradient.iter_mut().zip(&text.pooled) {
            *g *= activation.derivative(z);
        }
    }
}

/// γ∘g in place.
pub(crate) fn scale_by_gamma(head: &Head, gradient: &mut [f64]) {
    if let Some(gamma) = head.norm.gamma() {
        for (g, &gamma) in gradient.iter_mut().zip(gamma) {
            *g *= f64::from(gamma);
        }
    }
}

/// The two means of δ_t, given γ∘g: mean(γ∘g) (LayerNorm only) and, per kept token, mean(γ∘g∘n_t). Zeros where the
/// norm lacks the term.
pub(crate) fn means<'a>(head: &'a Head, text: &'a Forward, scaled: &'a [f64]) -> (f64, impl Iterator<Item = f64> + 'a) {
    let d = head.width as f64;
    let mean = match head.norm {
        Norm::Layer { .. } => scaled.iter().sum::<f64>() / d,
        Norm::Rms { .. } | Norm::None => 0.0,
    };
    let rows = (0..text.tokens.len()).map(move |t| match head.norm {
        Norm::None => 0.0,
        Norm::Layer { .. } | Norm::Rms { .. } => {
            dot(scaled, &text.normalized[t * head.dimension..(t + 1) * head.dimension]) / d
        }
    });
    (mean, rows)
}

/// The first D entries of δ_t of every kept token, row-major (tokens × D), from g of length D: ∂ℓ/∂z, before an
/// activation f′(u)∘∂ℓ/∂z. The literal formula, used by the reference path.
pub fn token_gradient(head: &Head, text: &Forward, gradient: &[f64]) -> Vec<f64> {
    let mut scaled = gradient.to_vec();
    scale_by_gamma(head, &mut scaled);
    let (mean, rows) = means(head, text, &scaled);
    let mut deltas = Vec::with_capacity(text.tokens.len() * head.dimension);
    for (t, row) in rows.enumerate() {
        for (d, g) in scaled.iter().enumerate() {
            let normalized = text.normalized.get(t * head.dimension + d).copied().unwrap_or(0.0);
            deltas.push(text.weights[t] * (g - mean - normalized * row));
        }
    }
    deltas
}

/// Inner product in eight lanes: fixed order, so the same on every machine, and short dependency chains.
pub(crate) fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (x_blocks, y_blocks) = (x.chunks_exact(8), y.chunks_exact(8));
    let tail: f64 = x_blocks.remainder().iter().zip(y_blocks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in x_blocks.zip(y_blocks) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f64>() + tail
}
