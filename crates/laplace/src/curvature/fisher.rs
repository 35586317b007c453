//! Empirical Fisher, fast: H += Σ_i (∂ℓ_i/∂W)²  (method §2).
//!
//! Per sample G_i = Δ_iᵀ A. The candidates' tokens A are the same for all samples of a batch, so they are packed once,
//! and a few samples' rows of Δᵀ are stacked and multiplied together. The query's and its own negatives' tokens are added
//! per sample, then the squares. Threads own disjoint rows of H: no locks, and sums in one fixed order.

use rayon::prelude::*;
use uec_gaussian::{Cancel, MatrixProduct, Result};

use super::batch::Batch;
use super::options::{CurvatureOptions, Sides};
use super::tokens::{Tokens, Upstream};
use crate::head::Head;

/// Rows of H per tile. Sizes are constants, never derived from the number of threads.
const ROWS: usize = MatrixProduct::TILE;
/// Samples prepared together.
const SAMPLES: usize = 16;
/// Samples stacked into one product, which then fits a second-level cache.
const STACKED: usize = 4;

struct Sample {
    /// What G has to be multiplied with: see [`Sample::new`].
    scale: f64,
    shared: Option<Upstream>,
    own_tokens: Tokens,
    own: Upstream,
}

pub(super) fn accumulate(
    head: &Head,
    options: &CurvatureOptions,
    batch: &Batch,
    h: &mut [f64],
    cancel: &Cancel,
) -> Result<()> {
    let shared = (options.sides == Sides::Both).then(|| Tokens::pack(head, &batch.positives));
    for start in (0..batch.queries.len()).step_by(SAMPLES) {
        let group = start..(start + SAMPLES).min(batch.queries.len());
        let samples: Vec<Sample> = group.into_par_iter().filter_map(|i| Sample::new(head, options, batch, i)).collect();
        h.par_chunks_mut(ROWS * head.features).enumerate().for_each_init(
            MatrixProduct::default,
            |product, (tile, h)| {
                for samples in samples.chunks(STACKED) {
                    if !cancel.is_cancelled() {
                        add_tile(head, shared.as_ref(), samples, tile * ROWS, h, product);
                    }
                }
            },
        );
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
    product: &mut MatrixProduct,
) {
    product.start(samples.len(), h.len() / head.features, head.features);
    if let Some(tokens) = shared {
        product.add(&tokens.activations, 0..samples.len(), |sample, row, range, to| {
            if let Some(upstream) = &samples[sample].shared {
                upstream.row(tokens, range, first + row, to);
            }
        });
    }
    for (index, Sample { own_tokens, own, .. }) in samples.iter().enumerate() {
        product.add(&own_tokens.activations, index..index + 1, |_, row, range, to| {
            own.row(own_tokens, range, first + row, to);
        });
    }
    let mut scales = [0.0; STACKED];
    scales.iter_mut().zip(samples).for_each(|(scale, sample)| *scale = sample.scale);
    product.add_squares(&scales[..samples.len()], h);
}
