//! The curvature in plain float64 loops: what the fast path is checked against, and good enough for tiny problems.

use uec_gaussian::{Cancel, Result};

use crate::curvature::{Batch, BatchReport, Curvature, CurvatureOptions, Estimator, Member, Sides};
use crate::gradient::token_gradient;
use crate::head::{Head, Text};

impl Curvature {
    /// The same as [`Curvature::add_batch`], one literal sum after the other, on this thread. Memory: one D×I matrix
    /// of doubles more ('ef'), or one per candidate ('ggn').
    ///
    /// # Errors
    /// As [`Curvature::add_batch`].
    pub fn add_batch_reference(
        &mut self,
        head: &Head,
        queries: &[Text],
        positives: &[Text],
        negatives: &[Vec<Text>],
        cancel: &Cancel,
    ) -> Result<BatchReport> {
        self.add(head, queries, positives, negatives, cancel, |head, options, batch, h| {
            for i in 0..batch.queries.len() {
                cancel.check()?;
                match options.estimator {
                    Estimator::Ef => fisher(head, options, batch, i, h),
                    Estimator::Ggn => gauss_newton(head, options, batch, i, h),
                }
            }
            Ok(())
        })
    }
}

/// H += (∂ℓ_i/∂W)².
fn fisher(head: &Head, options: &CurvatureOptions, batch: &Batch, i: usize, h: &mut [f64]) {
    let coefficients = &batch.contrasts[i].coefficients;
    let mut gradient = vec![0.0; h.len()];
    let upstream = batch.query_gradient(i, coefficients.iter().copied());
    add(head, &batch.queries[i], &upstream, &mut gradient);
    if options.sides == Sides::Both {
        for (candidate, &c) in batch.candidates(i).zip(coefficients) {
            add(head, candidate, &batch.candidate_gradient(i, candidate, c), &mut gradient);
        }
    }
    for (h, g) in h.iter_mut().zip(&gradient) {
        *h += g * g;
    }
}

/// H += Σ_j p_ij (G_ij − G_i*)² − (Σ_j p_ij (G_ij − G_i*))².
fn gauss_newton(head: &Head, options: &CurvatureOptions, batch: &Batch, i: usize, h: &mut [f64]) {
    let contrast = &batch.contrasts[i];
    let gradients: Vec<Vec<f64>> = batch
        .candidates(i)
        .enumerate()
        .map(|(j, candidate)| {
            let mut gradient = vec![0.0; h.len()];
            let one = (0..contrast.probabilities.len()).map(|k| f64::from(u8::from(k == j)));
            add(head, &batch.queries[i], &batch.query_gradient(i, one), &mut gradient);
            if options.sides == Sides::Both {
                add(head, candidate, &batch.candidate_gradient(i, candidate, 1.0), &mut gradient);
            }
            gradient
        })
        .collect();
    for (entry, h) in h.iter_mut().enumerate() {
        let (mut mean, mut square) = (0.0, 0.0);
        for (gradient, p) in gradients.iter().zip(&contrast.probabilities) {
            let x = gradient[entry] - gradients[contrast.best][entry];
            mean += p * x;
            square += p * (x * x);
        }
        *h += (square - mean * mean).max(0.0);
    }
}

/// G += Σ_t δ_t a_tᵀ of one text.
fn add(head: &Head, member: &Member, upstream: &[f64], gradient: &mut [f64]) {
    let deltas = token_gradient(head, &member.forward, upstream);
    for (&t, delta) in member.forward.tokens.iter().zip(deltas.chunks_exact(head.dimension)) {
        let a = &member.text.a[t * head.features..(t + 1) * head.features];
        for (row, delta) in gradient.chunks_exact_mut(head.features).zip(delta) {
            for (g, &a) in row.iter_mut().zip(a) {
                *g += delta * f64::from(a);
            }
        }
    }
}
