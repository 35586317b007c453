//! Tokens packed for the matrix product G = Δᵀ A, and the rows of Δᵀ made on the way.
//!
//! ```text
//! Δᵀ_dt = (w_t/s_t) (γ∘g)_d − (w_t/s_t) mean(γ∘g) − n_td (w_t/s_t) mean(γ∘g∘n_t)      (method §2)
//! ```
//! Everything that is a sum over D is taken in float64 before it is rounded.

use std::ops::Range;

use super::batch::Member;
use crate::gradient::{means, scale_by_gamma};
use crate::head::Head;

/// The tokens of some texts, one after the other.
pub(super) struct Tokens {
    /// A, tokens × I.
    pub(super) activations: Vec<f32>,
    /// The tokens of each text.
    pub(super) spans: Vec<Range<usize>>,
    /// w_t/s_t.
    weights: Vec<f32>,
    /// n_td as D × tokens, so that a row of Δᵀ is one pass; empty without a norm.
    normalized: Vec<f32>,
}

impl Tokens {
    pub(super) fn pack<'a, 'b: 'a>(head: &Head, members: impl Iterator<Item = &'a Member<'b>> + Clone) -> Self {
        let count = members.clone().map(|m| m.forward.tokens.len()).sum();
        let has_norm = head.norm.gamma().is_some();
        let mut packed = Self {
            activations: Vec::with_capacity(count * head.features),
            spans: Vec::new(),
            weights: Vec::with_capacity(count),
            normalized: vec![0.0; if has_norm { count * head.dimension } else { 0 }],
        };
        for Member { text, forward } in members {
            let start = packed.weights.len();
            for &t in &forward.tokens {
                packed.activations.extend_from_slice(&text.a[t * head.features..(t + 1) * head.features]);
            }
            packed.weights.extend(forward.weights.iter().map(|&w| w as f32));
            for (t, row) in forward.normalized.chunks_exact(head.dimension).enumerate() {
                for (d, &n) in row.iter().enumerate() {
                    packed.normalized[d * count + start + t] = n as f32;
                }
            }
            packed.spans.push(start..packed.weights.len());
        }
        packed
    }

    pub(super) fn len(&self) -> usize {
        self.weights.len()
    }

    /// The tokens of some neighbouring texts.
    pub(super) fn range(&self, texts: &Range<usize>) -> Range<usize> {
        self.spans[texts.start].start..self.spans[texts.end - 1].end
    }

    /// The texts in groups of about `tokens` tokens, so that the buffers for Δ stay small however long the texts.
    pub(super) fn groups(&self, tokens: usize) -> Vec<Range<usize>> {
        let mut groups = Vec::new();
        let mut start = 0;
        for text in 0..self.spans.len() {
            if self.spans[text].end - self.spans[start].start >= tokens || text + 1 == self.spans.len() {
                groups.push(start..text + 1);
                start = text + 1;
            }
        }
        groups
    }
}

/// What of Δ depends on the sample: g of every text and the two means of every token.
pub(super) struct Upstream {
    /// (γ∘g)_d as D × texts.
    scaled: Vec<f32>,
    /// (w_t/s_t) mean(γ∘g).
    means: Vec<f32>,
    /// (w_t/s_t) mean(γ∘g∘n_t).
    projections: Vec<f32>,
}

impl Upstream {
    /// From g = ∂/∂z of each text, in the order in which the texts were packed.
    pub(super) fn new<'a, 'b: 'a>(
        head: &Head,
        texts: usize,
        gradients: impl Iterator<Item = (&'a Member<'b>, Vec<f64>)>,
    ) -> Self {
        let mut upstream =
            Self { scaled: vec![0.0; head.dimension * texts], means: Vec::new(), projections: Vec::new() };
        for (text, (Member { forward, .. }, mut gradient)) in gradients.enumerate() {
            scale_by_gamma(head, &mut gradient);
            for (d, &g) in gradient.iter().enumerate() {
                upstream.scaled[d * texts + text] = g as f32;
            }
            let (mean, rows) = means(head, forward, &gradient);
            upstream.means.extend(forward.weights.iter().map(|w| (w * mean) as f32));
            upstream.projections.extend(rows.zip(&forward.weights).map(|(row, w)| (w * row) as f32));
        }
        upstream
    }

    /// Row d of Δᵀ over the tokens of `texts`.
    pub(super) fn row(&self, tokens: &Tokens, texts: &Range<usize>, d: usize, out: &mut [f32]) {
        let first = tokens.spans[texts.start].start;
        let scaled = &self.scaled[d * tokens.spans.len()..];
        for text in texts.clone() {
            let span = tokens.spans[text].clone();
            let g = scaled[text];
            let out = &mut out[span.start - first..span.end - first];
            let weights = &tokens.weights[span.clone()];
            if tokens.normalized.is_empty() {
                for (out, w) in out.iter_mut().zip(weights) {
                    *out = w * g;
                }
                continue;
            }
            let normalized = &tokens.normalized[d * tokens.len()..][span.clone()];
            let (means, projections) = (&self.means[span.clone()], &self.projections[span]);
            for t in 0..out.len() {
                out[t] = weights[t] * g - means[t] - normalized[t] * projections[t];
            }
        }
    }
}
