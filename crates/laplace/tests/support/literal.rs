//! The loss of a batch written down a second time, in float64 and with W moved: no code of the crate is used.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use uec_laplace::{Activation, CurvatureOptions, Norm, Sides, Similarity};

use super::{Owned, Problem};

/// One entry of W moved by `step`.
#[derive(Clone, Copy)]
pub struct Move {
    pub row: usize,
    pub column: usize,
    pub step: f64,
}

/// s_ij of every query and its candidates.
pub fn scores(problem: &Problem, options: CurvatureOptions, by: Move) -> Vec<Vec<f64>> {
    let still = Move { step: 0.0, ..by };
    let passage = |text: &Owned| embed(problem, text, if options.sides == Sides::Both { by } else { still });
    let positives: Vec<Vec<f64>> = problem.positives.iter().map(passage).collect();
    let score = |query: &[f64], candidate: &[f64]| {
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        let length = match options.similarity {
            Similarity::Dot => 1.0,
            Similarity::Cosine => (dot(query, query) * dot(candidate, candidate)).sqrt(),
        };
        dot(query, candidate) / length / options.temperature
    };
    let queries = problem.queries.iter().map(|text| embed(problem, text, by));
    let row = |(i, query): (usize, Vec<f64>)| {
        let own: Vec<Vec<f64>> = problem.negatives.get(i).into_iter().flatten().map(passage).collect();
        positives.iter().chain(&own).map(|candidate| score(&query, candidate)).collect()
    };
    queries.enumerate().map(row).collect()
}

/// ℓ_i = −log softmax of the i-th score.
pub fn losses(scores: &[Vec<f64>]) -> Vec<f64> {
    let sum = |row: &[f64]| row.iter().map(|s| s.exp()).sum::<f64>();
    scores.iter().enumerate().map(|(i, row)| sum(row).ln() - row[i]).collect()
}

/// z of a text.
fn embed(problem: &Problem, text: &Owned, by: Move) -> Vec<f64> {
    let head = &problem.head;
    let mut pooled = vec![0.0; head.dimension];
    for (t, &weight) in text.weights.iter().enumerate() {
        let row = &text.u[t * head.width..(t + 1) * head.width];
        let mut u: Vec<f64> = row.iter().map(|&u| f64::from(u)).collect();
        u[by.row] += by.step * f64::from(text.a[t * head.features + by.column]);
        let mean = |map: &dyn Fn(f64) -> f64| u.iter().map(|&u| map(u)).sum::<f64>() / head.width as f64;
        for d in 0..head.dimension {
            pooled[d] += weight
                * match &head.norm {
                    Norm::None => u[d],
                    Norm::Rms { gamma, epsilon } => {
                        f64::from(gamma[d]) * u[d] / (mean(&|u| u * u) + f64::from(*epsilon)).sqrt()
                    }
                    Norm::Layer { gamma, beta, epsilon } => {
                        let centre = mean(&|u| u);
                        let spread = (mean(&|u| (u - centre) * (u - centre)) + f64::from(*epsilon)).sqrt();
                        f64::from(gamma[d]) * (u[d] - centre) / spread + f64::from(beta[d])
                    }
                };
        }
    }
    for z in &mut pooled {
        *z = match head.activation {
            Activation::Identity => *z,
            Activation::Tanh => z.tanh(),
            Activation::Relu => z.max(0.0),
            Activation::Sigmoid => 1.0 / (1.0 + (-*z).exp()),
        };
    }
    pooled
}
