//! Empirical Fisher, fast: H += Σ_i (∂ℓ_i/∂W)²  (method §2).
//!
//! Per sample G_i = Δ_iᵀ A. The candidates' tokens A are the same for all samples of a batch, so they are packed once,
//! and the samples of a group are stacked: (samples·rows × tokens) · (tokens × I). The query's and its own negatives'
//! tokens are added per sample. Threads own disjoint row tiles of H: no locks, and sums in one fixed order.

use rayon::prelude::*;
use uec_gaussian::{Cancel, Result};

use super::batch::Batch;
use super::options::{CurvatureOptions, Sides};
use super::product::{multiply, scratch};
use super::tokens::{Tokens, Upstream};
use crate::head::Head;

/// Rows of H per tile. Sizes are constants, never derived from the number of threads.
const ROWS: usize = 16;
/// Samples stacked into one product.
const SAMPLES: usize = 16;
/// About how many tokens enter one product.
const TOKENS: usize = 2048;

struct Sample {
    /// What G has to be multiplied with: see [`Sample::new`].
    scale: f64,
    shared: Option<Upstream>,
    own_tokens: Tokens,
    own: Upstream,
}

#[derive(Default)]
struct Workspace {
    deltas: Vec<f32>,
    products: Vec<f32>,
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
        let samples: Vec<Sample> = group.into_par_iter().filter_map(|i| Sample::new(head, options, batch, i)).collect();
        if samples.is_empty() {
            continue;
        }
        h.par_chunks_mut(ROWS * head.features).enumerate().for_each_init(Workspace::default, |workspace, (tile, h)| {
            if !cancel.is_cancelled() {
                add_tile(head, shared.as_ref(), &samples, tile * ROWS, h, workspace);
            }
        });
        cancel.check()?;
    }
    Ok(())
}

impl Sample {
    /// G is linear in c_ij, which may be tiny (a decided query has 1e-20): it is computed from c_ij / max|c| in
    /// float32 and scaled by max|c| in float64. `None` where all c_ij are 0.
    fn new(head: &Head, options: &CurvatureOptions, batch: &Batch, i: usize) -> Option<Self> {
        let coefficients = &batch.contrasts[i].coefficients;
        let scale = coefficients.iter().fold(0.0_f64, |max, c| max.max(c.abs()));
        if scale == 0.0 {
            return None;
        }
        let query = &batch.queries[i];
        let query_gradient = batch.query_gradient(i, coefficients.iter().map(|c| c / scale));
        let gradient = |j: usize, candidate| batch.candidate_gradient(i, candidate, coefficients[j] / scale);
        let both = options.sides == Sides::Both;
        let shared = both.then(|| {
            let gradients = batch.positives.iter().enumerate().map(|(j, member)| (member, gradient(j, member)));
            Upstream::new(head, batch.positives.len(), gradients)
        });
        let negatives = if both { batch.negatives(i) } else { &[] };
        let first = batch.positives.len();
        let gradients = negatives.iter().enumerate().map(|(j, member)| (member, gradient(first + j, member)));
        Some(Self {
            scale,
            shared,
            own_tokens: Tokens::pack(head, std::iter::once(query).chain(negatives)),
            own: Upstream::new(head, 1 + negatives.len(), std::iter::once((query, query_gradient)).chain(gradients)),
        })
    }
}

fn add_tile(
    head: &Head,
    shared: Option<&Tokens>,
    samples: &[Sample],
    first: usize,
    h: &mut [f64],
    Workspace { deltas, products }: &mut Workspace,
) {
    let features = head.features;
    let rows = h.len() / features;
    let products = scratch(products, samples.len() * h.len());
    if let Some(tokens) = shared {
        for (index, texts) in tokens.groups(TOKENS).iter().enumerate() {
            let range = tokens.range(texts);
            let deltas = scratch(deltas, samples.len() * rows * range.len());
            let stacked = samples.iter().flat_map(|sample| (0..rows).map(move |row| (sample, first + row)));
            for (out, (sample, d)) in deltas.chunks_exact_mut(range.len()).zip(stacked) {
                if let Some(upstream) = &sample.shared {
                    upstream.row(tokens, texts, d, out);
                }
            }
            let activations = &tokens.activations[range.start * features..range.end * features];
            multiply(deltas, activations, products, (samples.len() * rows, range.len(), features), index > 0);
        }
    }
    for (sample, product) in samples.iter().zip(products.chunks_exact_mut(h.len())) {
        let tokens = &sample.own_tokens;
        let deltas = scratch(deltas, rows * tokens.len());
        for (row, out) in deltas.chunks_exact_mut(tokens.len()).enumerate() {
            sample.own.row(tokens, &(0..tokens.spans.len()), first + row, out);
        }
        multiply(deltas, &tokens.activations, product, (rows, tokens.len(), features), shared.is_some());
    }
    for (row, h) in h.chunks_exact_mut(features).enumerate() {
        for (sample, product) in samples.iter().zip(products.chunks_exact(rows * features)) {
            let scale = sample.scale * sample.scale;
            for (h, &g) in h.iter_mut().zip(&product[row * features..(row + 1) * features]) {
                *h += scale * (f64::from(g) * f64::from(g));
            }
        }
    }
}
