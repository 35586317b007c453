//! One contrastive batch of a fit, made up: B pairs of T tokens each, D outputs of I features, LayerNorm, mean pooling.

use rayon::ThreadPool;
use serde::Deserialize;
use uec_gaussian::Cancel;
use uec_laplace::{Activation, Curvature, CurvatureOptions, Head, Norm, Text};

use crate::error::Result;

/// Sizes and estimator of a batch.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    batch: usize,
    tokens: usize,
    dimension: usize,
    features: usize,
    estimator: String,
    sides: String,
}

/// The batch and the sum that it is added to.
pub(crate) struct Batch {
    shape: Shape,
    head: Head,
    curvature: Curvature,
    /// a and u of the queries, then of the passages.
    texts: Vec<[Vec<f32>; 2]>,
    weights: Vec<f64>,
}

impl Batch {
    pub(crate) fn new(shape: &Shape) -> Result<Self> {
        let &Shape { batch, tokens, dimension, features, .. } = shape;
        let norm = Norm::Layer { gamma: vec![1.0; dimension], beta: vec![0.0; dimension], epsilon: 1e-12 };
        let head = Head { width: dimension, dimension, features, norm, activation: Activation::Identity };
        let options = CurvatureOptions {
            estimator: shape.estimator.parse()?,
            sides: shape.sides.parse()?,
            ..CurvatureOptions::default()
        };
        let mut state = 1_u64;
        let mut numbers = |count: usize| {
            let mut number = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1 << 23) as f32 - 1.0
            };
            (0..count).map(|_| number()).collect::<Vec<f32>>()
        };
        Ok(Self {
            curvature: Curvature::new(&head, options)?,
            texts: (0..2 * batch).map(|_| [numbers(tokens * features), numbers(tokens * dimension)]).collect(),
            weights: vec![1.0 / tokens as f64; tokens],
            shape: shape.clone(),
            head,
        })
    }

    /// Adds the batch once more.
    pub(crate) fn add(&mut self, pool: &ThreadPool) -> Result<()> {
        let texts: Vec<Text<'_>> = self.texts.iter().map(|[a, u]| Text { a, u, weights: &self.weights }).collect();
        let (queries, passages) = texts.split_at(self.shape.batch);
        pool.install(|| self.curvature.add_batch(&self.head, queries, passages, &[], &Cancel::default()))?;
        Ok(())
    }

    /// Floating-point operations of the products: 2·D·I for each token that enters a sample's gradient, which are the
    /// query's and, for sides 'both', those of all passages.
    pub(crate) fn operations(&self) -> usize {
        let Shape { batch, tokens, dimension, features, sides, .. } = &self.shape;
        let entering = if sides == "both" { tokens * (1 + batch) } else { *tokens };
        batch * 2 * dimension * features * entering
    }
}
