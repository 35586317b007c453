//! Tokens packed for the matrix product G = Δᵀ A, and the rows of Δᵀ made on the way.
//!
//! ```text
//! Δᵀ_dt = (w_t/s_t) (γ∘g)_d − (w_t/s_t) mean(γ∘g) − n_td (w_t/s_t) mean(γ∘g∘n_t)      (method §2)
//! ```
//! Everything that is a sum over D is taken in float64 before it is rounded. Without a norm Δᵀ_dt = w_t g_d, so that a
//! text's tokens act as the one token Σ_t w_t a_t of weight 1, and are packed as that.

use std::ops::Range;

use uec_gaussian::PackedMatrix;

use super::batch::Member;
use crate::gradient::{means, scale_by_gamma};
use crate::head::Head;
use crate::variance::{TailKind, features};

/// The tokens of some texts, one after the other.
pub(super) struct Tokens {
    /// A, tokens × I.
    pub(super) activations: PackedMatrix,
    /// Where each text ends.
    ends: Vec<usize>,
    /// w_t/s_t.
    weights: Vec<f32>,
    /// n_td as D × tokens, so that a row of Δᵀ is one pass; empty without a norm.
    normalized: Vec<f32>,
}

impl Tokens {
    pub(super) fn pack<'a, 'b: 'a>(head: &Head, members: impl IntoIterator<Item = &'a Member<'b>> + Clone) -> Self {
        if head.norm.gamma().is_none() {
            return Self::pooled(head, members);
        }
        let count = members.clone().into_iter().map(|m| m.forward.tokens.len()).sum();
        let mut rows = Vec::with_capacity(count);
        let (mut ends, mut weights) = (Vec::new(), Vec::with_capacity(count));
        let mut normalized = vec![0.0; count * head.dimension];
        for Member { text, forward } in members {
            let start = rows.len();
            rows.extend(forward.tokens.iter().map(|t| &text.a[t * head.features..(t + 1) * head.features]));
            weights.extend(forward.weights.iter().map(|&w| w as f32));
            for (t, row) in forward.normalized.chunks_exact(head.dimension).enumerate() {
                for (d, &n) in row.iter().enumerate() {
                    normalized[d * count + start + t] = n as f32;
                }
            }
            ends.push(rows.len());
        }
        Self { activations: PackedMatrix::new(rows.into_iter(), head.features), ends, weights, normalized }
    }

    fn pooled<'a, 'b: 'a>(head: &Head, members: impl IntoIterator<Item = &'a Member<'b>>) -> Self {
        let pooled = |member: &Member| features(head, &member.text, &member.forward, TailKind::FirstOrder);
        let rows: Vec<Vec<f32>> =
            members.into_iter().map(|member| pooled(member).into_iter().map(|h| h as f32).collect()).collect();
        Self {
            activations: PackedMatrix::new(rows.iter().map(Vec::as_slice), head.features),
            ends: (1..=rows.len()).collect(),
            weights: vec![1.0; rows.len()],
            normalized: Vec::new(),
        }
    }
}

/// What of Δ depends on the sample: g of every text and the two means of every token.
pub(super) struct Upstream {
    /// (γ∘g)_d as D × texts.
    scaled: Vec<f32>,
    /// (w_t/s_t) mean(γ∘g); without a norm none.
    means: Vec<f32>,
    /// (w_t/s_t) mean(γ∘g∘n_t); without a norm none.
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
            if head.norm.gamma().is_some() {
                let (mean, rows) = means(head, forward, &gradient);
                upstream.means.extend(forward.weights.iter().map(|w| (w * mean) as f32));
                upstream.projections.extend(rows.zip(&forward.weights).map(|(row, w)| (w * row) as f32));
            }
        }
        upstream
    }

    /// Row d of Δᵀ over a range of the tokens.
    pub(super) fn row(&self, tokens: &Tokens, range: Range<usize>, d: usize, out: &mut [f32]) {
        let scaled = &self.scaled[d * tokens.ends.len()..];
        let mut start = range.start;
        let mut text = tokens.ends.partition_point(|&end| end <= start);
        while start < range.end {
            let span = start..tokens.ends[text].min(range.end);
            let out = &mut out[start - range.start..span.end - range.start];
            let g = scaled[text];
            for (out, w) in out.iter_mut().zip(&tokens.weights[span.clone()]) {
                *out = w * g;
            }
            (start, text) = (span.end, text + 1);
        }
        if tokens.normalized.is_empty() {
            return;
        }
        let normalized = &tokens.normalized[d * tokens.weights.len()..][range.clone()];
        let rest = self.means[range.clone()].iter().zip(&self.projections[range]);
        for ((out, n), (mean, projection)) in out.iter_mut().zip(normalized).zip(rest) {
            *out -= mean + n * projection;
        }
    }
}
