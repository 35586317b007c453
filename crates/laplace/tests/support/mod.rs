//! Fixtures and random problems for the tests.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

pub mod forged;
pub mod literal;
pub mod posteriors;

use std::path::PathBuf;

use serde_json::Value;
use uec_gaussian::Cancel;
use uec_laplace::{Activation, Curvature, CurvatureOptions, Estimator, Head, Norm, Sides, Similarity, Text};

pub fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/golden").join(name)
}

pub fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

/// A nested list of numbers, flattened.
pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

pub fn floats(value: &Value) -> Vec<f32> {
    numbers(value).iter().map(|&x| x as f32).collect()
}

pub fn head(norm: &str, model: &Value, dimension: usize, features: usize) -> Head {
    let (gamma, beta) = (floats(&model["gamma"]), floats(&model["beta"]));
    let epsilon = model["eps"].as_f64().unwrap() as f32;
    let norm = match norm {
        "LayerNorm" => Norm::Layer { gamma, beta, epsilon },
        "RMSNorm" => Norm::Rms { gamma, epsilon },
        "identity" => Norm::None,
        other => panic!("unknown norm {other}"),
    };
    plain_head(dimension, features, norm)
}

/// All outputs of the layer kept, no activation.
pub fn plain_head(dimension: usize, features: usize, norm: Norm) -> Head {
    Head { width: dimension, dimension, features, norm, activation: Activation::Identity }
}

/// Largest |got − expected| over the largest |expected|.
pub fn relative_to_max(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let max = expected.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
    let error = got.iter().zip(expected).fold(0.0_f64, |max, (x, y)| max.max((x - y).abs()));
    assert!(got.iter().all(|x| x.is_finite()));
    if max == 0.0 { error } else { error / max }
}

#[track_caller]
pub fn assert_close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    let error = relative_to_max(got, expected);
    assert!(error <= tolerance, "{what}: {error:e} > {tolerance:e}");
}

/// A text that owns its arrays.
#[derive(Clone)]
pub struct Owned {
    pub a: Vec<f32>,
    pub u: Vec<f32>,
    pub weights: Vec<f64>,
}

impl Owned {
    /// Mean pooling over all tokens.
    pub fn new(a: Vec<f32>, u: Vec<f32>, tokens: usize) -> Self {
        Self { a, u, weights: vec![1.0 / tokens as f64; tokens] }
    }

    pub fn from_json(value: &Value) -> Self {
        Self::new(floats(&value["a"]), floats(&value["u"]), value["a"].as_array().unwrap().len())
    }

    pub fn text(&self) -> Text<'_> {
        Text { a: &self.a, u: &self.u, weights: &self.weights }
    }
}

pub fn texts(owned: &[Owned]) -> Vec<Text<'_>> {
    owned.iter().map(Owned::text).collect()
}

/// SplitMix64: small, known, and the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [−1, 1).
    pub fn signed(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    pub fn floats(&mut self, n: usize, size: f64) -> Vec<f32> {
        (0..n).map(|_| (size * self.signed()) as f32).collect()
    }
}

/// Random W and texts with u = W a + r, where a positive resembles its query.
#[derive(Clone)]
pub struct Problem {
    pub head: Head,
    pub weight: Vec<f32>,
    pub queries: Vec<Owned>,
    pub positives: Vec<Owned>,
    pub negatives: Vec<Vec<Owned>>,
}

#[derive(Clone, Copy)]
pub struct Shape {
    pub dimension: usize,
    pub features: usize,
    pub batch: usize,
    pub tokens: usize,
    pub negatives: usize,
}

impl Problem {
    pub fn new(seed: u64, norm: &str, shape: Shape) -> Self {
        let mut random = Random(seed);
        let Shape { dimension, features, batch, tokens, negatives } = shape;
        let gamma: Vec<f32> = (0..dimension).map(|_| (1.0 + 0.5 * random.signed()) as f32).collect();
        let norm = match norm {
            "layer" => Norm::Layer { gamma, beta: random.floats(dimension, 0.2), epsilon: 1e-6 },
            "rms" => Norm::Rms { gamma, epsilon: 1e-6 },
            _ => Norm::None,
        };
        let head = plain_head(dimension, features, norm);
        let weight = random.floats(dimension * features, 1.0 / (features as f64).sqrt());
        let mut text = |like: Option<&Owned>| {
            let count = like.map_or(1 + tokens / 2 + random.below(tokens), |like| like.weights.len());
            let mut a = random.floats(count * features, 1.0);
            if let Some(like) = like {
                a = a.iter().zip(&like.a).map(|(a, like)| 0.6 * a + like).collect();
            }
            let residual = random.floats(count * dimension, 0.1);
            Owned::new(a.clone(), outputs(&weight, &a, &residual, features), count)
        };
        let queries: Vec<Owned> = (0..batch).map(|_| text(None)).collect();
        let positives = queries.iter().map(|query| text(Some(query))).collect();
        let negatives = if negatives == 0 {
            Vec::new()
        } else {
            (0..batch).map(|i| (0..(i % (negatives + 1))).map(|_| text(None)).collect()).collect()
        };
        Self { head, weight, queries, positives, negatives }
    }

    /// ‖Ŵ_d‖² of every row.
    pub fn weight_norm2(&self) -> Vec<f64> {
        let rows = self.weight.chunks_exact(self.head.features);
        rows.map(|row| row.iter().map(|&w| f64::from(w).powi(2)).sum()).collect()
    }

    pub fn negatives(&self) -> Vec<Vec<Text<'_>>> {
        self.negatives.iter().map(|list| texts(list)).collect()
    }
}

/// Estimators × sides × similarities.
pub fn every_option(temperature: f64) -> impl Iterator<Item = CurvatureOptions> {
    [Estimator::Ef, Estimator::Ggn].into_iter().flat_map(move |estimator| {
        [Sides::Both, Sides::Query].into_iter().flat_map(move |sides| {
            [Similarity::Cosine, Similarity::Dot].map(|similarity| CurvatureOptions {
                estimator,
                sides,
                similarity,
                temperature,
            })
        })
    })
}

/// The curvature of one batch, by the fast path or by the reference.
pub fn fit(problem: &Problem, options: CurvatureOptions, fast: bool) -> Curvature {
    let mut curvature = Curvature::new(&problem.head, options).unwrap();
    let (queries, positives, negatives) = (texts(&problem.queries), texts(&problem.positives), problem.negatives());
    let (head, cancel) = (&problem.head, Cancel::default());
    let added = match fast {
        true => curvature.add_batch(head, &queries, &positives, &negatives, &cancel),
        false => curvature.add_batch_reference(head, &queries, &positives, &negatives, &cancel),
    };
    added.unwrap();
    curvature
}

/// u = W a + r, tokens × D.
pub fn outputs(weight: &[f32], a: &[f32], residual: &[f32], features: usize) -> Vec<f32> {
    let dimension = weight.len() / features;
    a.chunks_exact(features)
        .zip(residual.chunks_exact(dimension))
        .flat_map(|(a, residual)| {
            weight.chunks_exact(features).zip(residual).map(move |(w, &r)| {
                let sum: f64 = w.iter().zip(a).map(|(&w, &a)| f64::from(w) * f64::from(a)).sum();
                (sum + f64::from(r)) as f32
            })
        })
        .collect()
}
