//! Generalised Gauss-Newton, fast  (method §2).
//!
//! ```text
//! H += Σ_j p_ij X_ij² − (Σ_j p_ij X_ij)²,   X_ij = G_ij − G_i*,   * the most probable candidate
//! ```
//! which is the variance of G_ij under p_i about a centre chosen so that nothing cancels: Σ p X² ≤ variance / p_i*.
//! The query's part of X is one product with the difference of the two gradients.

use rayon::prelude::*;
use uec_gaussian::{Cancel, Result};

use super::batch::{Batch, Member};
use super::options::{CurvatureOptions, Sides};
use super::product::{multiply, scratch};
use super::tokens::{Tokens, Upstream};
use crate::head::Head;

/// Rows of H per tile.
const ROWS: usize = 32;
/// Samples prepared together.
const SAMPLES: usize = 4;

struct Sample<'a> {
    probabilities: &'a [f64],
    best: usize,
    query_tokens: Tokens,
    /// Per candidate: the query's gradient of s_ij − s_i*.
    query: Vec<Upstream>,
    /// The candidates' gradients of s_ij, for sides 'both': the shared positives, then the query's own negatives.
    positives: Option<Upstream>,
    negatives: Option<(Tokens, Upstream)>,
}

#[derive(Default)]
struct Workspace {
    deltas: Vec<f32>,
    base: Vec<f32>,
    product: Vec<f32>,
    mean: Vec<f64>,
    square: Vec<f64>,
}

pub(super) fn accumulate(
    head: &Head,
    options: &CurvatureOptions,
    batch: &Batch,
    h: &mut [f64],
    cancel: &Cancel,
) -> Result<()> {
    let shared = (options.sides == Sides::Both).then(|| Tokens::pack(head, batch.positives.iter()));
    for start in (0..batch.queries.len()).step_by(SAMPLES) {
        let group = start..(start + SAMPLES).min(batch.queries.len());
        let samples: Vec<Sample> = group.into_par_iter().map(|i| Sample::new(head, options, batch, i)).collect();
        h.par_chunks_mut(ROWS * head.features).enumerate().for_each_init(Workspace::default, |workspace, (tile, h)| {
            for sample in &samples {
                if !cancel.is_cancelled() {
                    sample.add_tile(head, shared.as_ref(), tile * ROWS, h, workspace);
                }
            }
        });
        cancel.check()?;
    }
    Ok(())
}

impl<'a> Sample<'a> {
    fn new(head: &Head, options: &CurvatureOptions, batch: &'a Batch, i: usize) -> Self {
        let (query, contrast) = (&batch.queries[i], &batch.contrasts[i]);
        let candidates = contrast.probabilities.len();
        let sign = |j: usize, k: usize| f64::from(u8::from(k == j)) - f64::from(u8::from(k == contrast.best));
        let differences = (0..candidates).map(|j| {
            let gradient = batch.query_gradient(i, (0..candidates).map(|k| sign(j, k)));
            Upstream::new(head, 1, std::iter::once((query, gradient)))
        });
        let both = options.sides == Sides::Both;
        let upstream = |members: &'a [Member]| {
            let gradients = members.iter().map(|member| (member, batch.candidate_gradient(i, member, 1.0)));
            Upstream::new(head, members.len(), gradients)
        };
        let negatives = batch.negatives(i);
        Self {
            probabilities: &contrast.probabilities,
            best: contrast.best,
            query_tokens: Tokens::pack(head, std::iter::once(query)),
            query: differences.collect(),
            positives: both.then(|| upstream(&batch.positives)),
            negatives: (both && !negatives.is_empty())
                .then(|| (Tokens::pack(head, negatives.iter()), upstream(negatives))),
        }
    }

    /// The tokens and the gradient of candidate j, and its number among the texts of those tokens.
    fn candidate<'t>(&'t self, shared: Option<&'t Tokens>, j: usize) -> Option<(&'t Tokens, &'t Upstream, usize)> {
        let (tokens, upstream) = (shared?, self.positives.as_ref()?);
        match j.checked_sub(tokens.spans.len()) {
            None => Some((tokens, upstream, j)),
            Some(own) => self.negatives.as_ref().map(|(tokens, upstream)| (tokens, upstream, own)),
        }
    }

    fn add_tile(&self, head: &Head, shared: Option<&Tokens>, first: usize, h: &mut [f64], workspace: &mut Workspace) {
        let Workspace { deltas, base, product, mean, square } = workspace;
        let base = scratch(base, h.len());
        let product = scratch(product, h.len());
        for sums in [&mut *mean, &mut *square] {
            sums.clear();
            sums.resize(h.len(), 0.0);
        }
        if let Some((tokens, upstream, text)) = self.candidate(shared, self.best) {
            part(head, tokens, upstream, text, first, deltas, base, false);
        }
        for (j, &p) in self.probabilities.iter().enumerate() {
            if j == self.best || p == 0.0 {
                continue;
            }
            let candidate = self.candidate(shared, j);
            if candidate.is_some() {
                for (x, base) in product.iter_mut().zip(&*base) {
                    *x = -base;
                }
            }
            part(head, &self.query_tokens, &self.query[j], 0, first, deltas, product, candidate.is_some());
            if let Some((tokens, upstream, text)) = candidate {
                part(head, tokens, upstream, text, first, deltas, product, true);
            }
            for ((mean, square), &x) in mean.iter_mut().zip(&mut *square).zip(&*product) {
                let x = f64::from(x);
                *mean += p * x;
                *square += p * (x * x);
            }
        }
        for ((h, mean), square) in h.iter_mut().zip(&*mean).zip(&*square) {
            *h += (square - mean * mean).max(0.0);
        }
    }
}

/// out ← (out +) Δᵀ A over the tokens of one text, for the rows of one tile.
#[expect(clippy::too_many_arguments, reason = "one matrix product with its operands and its place")]
fn part(
    head: &Head,
    tokens: &Tokens,
    upstream: &Upstream,
    text: usize,
    first: usize,
    deltas: &mut Vec<f32>,
    out: &mut [f32],
    add: bool,
) {
    let rows = out.len() / head.features;
    let span = tokens.spans[text].clone();
    let deltas = scratch(deltas, rows * span.len());
    for (row, delta) in deltas.chunks_exact_mut(span.len()).enumerate() {
        upstream.row(tokens, &(text..text + 1), first + row, delta);
    }
    let activations = &tokens.activations[span.start * head.features..span.end * head.features];
    multiply(deltas, activations, out, (rows, span.len(), head.features), add);
}
