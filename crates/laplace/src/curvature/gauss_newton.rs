//! Generalised Gauss-Newton, fast  (method §2).
//!
//! ```text
//! H += Σ_j p_ij X_ij² − (Σ_j p_ij X_ij)²,   X_ij = G_ij − G_i*,   * the most probable candidate
//! ```
//! which is the variance of G_ij under p_i about a centre chosen so that nothing cancels: Σ p X² ≤ variance / p_i*.
//! The query's part of X is one product with the difference of the two gradients.
//!
//! The loop is not the one of `fisher`: there the samples of a batch share the operand, here the candidates of a sample
//! share the query's and have one each besides.

use rayon::prelude::*;
use uec_gaussian::{Cancel, MatrixProduct, Result};

use super::batch::{Batch, Member};
use super::options::{CurvatureOptions, Sides};
use super::tokens::{Tokens, Upstream};
use crate::head::Head;

/// Rows of H per tile.
const ROWS: usize = MatrixProduct::TILE;
/// Samples prepared together.
const SAMPLES: usize = 4;
/// Candidates stacked into one product.
const STACKED: usize = 4;

struct Sample<'a> {
    probabilities: &'a [f64],
    best: usize,
    query_tokens: Tokens,
    /// Per candidate: the query's gradient of s_ij − s_i*.
    query: Vec<Upstream>,
    /// The candidates' gradients of s_ij, for sides 'both': the shared positives, then the query's own negatives.
    candidates: Vec<Upstream>,
    negatives: Vec<Tokens>,
}

#[derive(Default)]
struct Workspace {
    base: MatrixProduct,
    product: MatrixProduct,
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
    let both = options.sides == Sides::Both;
    let pack = |member: &Member| Tokens::pack(head, std::slice::from_ref(member));
    let positives: Vec<Tokens> = if both { batch.positives.par_iter().map(pack).collect() } else { Vec::new() };
    for start in (0..batch.queries.len()).step_by(SAMPLES) {
        let group = start..(start + SAMPLES).min(batch.queries.len());
        let samples: Vec<Sample> = group.into_par_iter().map(|i| Sample::new(head, both, batch, i)).collect();
        h.par_chunks_mut(ROWS * head.features).enumerate().for_each_init(Workspace::default, |workspace, (tile, h)| {
            for sample in &samples {
                if !cancel.is_cancelled() {
                    sample.add_tile(head, &positives, tile * ROWS, h, workspace);
                }
            }
        });
        cancel.check()?;
    }
    Ok(())
}

impl<'a> Sample<'a> {
    fn new(head: &Head, both: bool, batch: &'a Batch, i: usize) -> Self {
        let (query, contrast) = (&batch.queries[i], &batch.contrasts[i]);
        let candidates = contrast.probabilities.len();
        let sign = |j: usize, k: usize| f64::from(u8::from(k == j)) - f64::from(u8::from(k == contrast.best));
        let differences = (0..candidates).map(|j| {
            let gradient = batch.query_gradient(i, (0..candidates).map(|k| sign(j, k)));
            Upstream::new(head, 1, std::iter::once((query, gradient)))
        });
        let upstream = |member: &Member| {
            let gradient = batch.candidate_gradient(i, member, 1.0);
            Upstream::new(head, 1, std::iter::once((member, gradient)))
        };
        let pack = |member: &Member| Tokens::pack(head, std::slice::from_ref(member));
        Self {
            probabilities: &contrast.probabilities,
            best: contrast.best,
            query_tokens: Tokens::pack(head, std::slice::from_ref(query)),
            query: differences.collect(),
            candidates: if both { batch.candidates(i).map(upstream).collect() } else { Vec::new() },
            negatives: if both { batch.negatives(i).iter().map(pack).collect() } else { Vec::new() },
        }
    }

    /// Adds the part of candidate j's gradient that runs through the candidate, if any.
    fn add_candidate(&self, positives: &[Tokens], j: usize, first: usize, stack: usize, product: &mut MatrixProduct) {
        let tokens = j.checked_sub(positives.len()).map_or_else(|| positives.get(j), |own| self.negatives.get(own));
        if let (Some(tokens), Some(upstream)) = (tokens, self.candidates.get(j)) {
            product.add(&tokens.activations, stack..stack + 1, |_, row, range, to| {
                upstream.row(tokens, range, first + row, to);
            });
        }
    }

    fn add_tile(&self, head: &Head, positives: &[Tokens], first: usize, h: &mut [f64], workspace: &mut Workspace) {
        let Workspace { base, product, mean, square } = workspace;
        let (rows, features) = (h.len() / head.features, head.features);
        for sums in [&mut *mean, &mut *square] {
            sums.clear();
            sums.resize(h.len(), 0.0);
        }
        base.start(1, rows, features);
        self.add_candidate(positives, self.best, first, 0, base);
        let others = |j: &usize| *j != self.best && self.probabilities[*j] != 0.0;
        let others: Vec<usize> = (0..self.probabilities.len()).filter(others).collect();
        for others in others.chunks(STACKED) {
            product.start(others.len(), rows, features);
            product.add(&self.query_tokens.activations, 0..others.len(), |stack, row, range, to| {
                self.query[others[stack]].row(&self.query_tokens, range, first + row, to);
            });
            for (stack, &j) in others.iter().enumerate() {
                self.add_candidate(positives, j, first, stack, product);
                let p = self.probabilities[j];
                let sums = mean.chunks_exact_mut(features).zip(square.chunks_exact_mut(features));
                for (row, (mean, square)) in sums.enumerate() {
                    let sums = mean.chunks_mut(MatrixProduct::PIECE).zip(square.chunks_mut(MatrixProduct::PIECE));
                    for ((mean, square), (x, base)) in sums.zip(product.row(stack, row).zip(base.row(0, row))) {
                        for ((mean, square), (x, base)) in mean.iter_mut().zip(square).zip(x.iter().zip(base)) {
                            let x = f64::from(x - base);
                            *mean += p * x;
                            *square += p * (x * x);
                        }
                    }
                }
            }
        }
        for ((h, mean), square) in h.iter_mut().zip(&*mean).zip(&*square) {
            *h += (square - mean * mean).max(0.0);
        }
    }
}
