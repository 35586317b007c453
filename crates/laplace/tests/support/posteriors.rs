//! Posteriors of random problems, and the variance of a text by the formulas alone.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use std::ops::Range;

use uec_gaussian::Cancel;
use uec_laplace::{
    Curvature, CurvatureOptions, Posterior, PosteriorOptions, TailKind, TraceSample, features, normalized_variance,
    propagate,
};

use super::{Owned, Problem, texts};

/// Fits some pairs of a problem, in batches of two.
pub fn fit_range(problem: &Problem, range: Range<usize>, options: &PosteriorOptions) -> Posterior {
    let (queries, positives) = (&problem.queries[range.clone()], &problem.positives[range.clone()]);
    let mut curvature = Curvature::new(&problem.head, CurvatureOptions::default()).unwrap();
    for (queries, positives) in queries.chunks(2).zip(positives.chunks(2)) {
        let (queries, positives) = (texts(queries), texts(positives));
        curvature.add_batch(&problem.head, &queries, &positives, &[], &Cancel::default()).unwrap();
    }
    let mut sample = TraceSample::new(&problem.head, options.tail);
    for (index, text) in range.zip(queries) {
        sample.add(hash(index), &problem.head, &text.text()).unwrap();
    }
    let (options, fingerprint) = (options.clone(), "encoder".to_owned());
    Posterior::fit(curvature, &problem.head, &problem.weight_norm2(), sample, options, fingerprint).unwrap()
}

/// A content hash that is not in the order of the texts.
pub fn hash(index: usize) -> u64 {
    (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The final variance of a text by the formulas, with the posterior's own V·c.
pub fn variance(problem: &Problem, posterior: &Posterior, text: &Owned, normalize: bool) -> Vec<f64> {
    let text = text.text();
    let forward = problem.head.forward(&text).unwrap();
    let v: Vec<f64> = posterior.variance().iter().map(|&v| f64::from(v)).collect();
    let h = features(&problem.head, &text, &forward, posterior.tail());
    let gamma = (posterior.tail() == TailKind::FirstOrder).then(|| posterior.gamma());
    let mut v = propagate(&v, &h, gamma);
    posterior.activation().carry(&forward.pooled, &mut v);
    if normalize { normalized_variance(&v, &forward.unit, forward.norm) } else { v }
}
