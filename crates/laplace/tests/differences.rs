//! H against numeric derivatives of the loss and of the similarities, which a second program in float64 computes.
#![allow(clippy::unwrap_used)]

mod support;

use support::literal::{Move, losses, scores};
use support::{Problem, Shape, assert_close, every_option, fit};
use uec_laplace::{Activation, CurvatureOptions, Estimator};

/// Central differences of fourth order of every value that `of` gives.
fn derivatives(of: impl Fn(f64) -> Vec<f64>) -> Vec<f64> {
    const STEP: f64 = 1e-3;
    let [far, near, back, far_back] = [2.0, 1.0, -1.0, -2.0].map(|steps| of(steps * STEP));
    (0..near.len()).map(|k| (8.0 * (near[k] - back[k]) - (far[k] - far_back[k])) / (12.0 * STEP)).collect()
}

/// H by its definition, D×I.
fn expected(problem: &Problem, options: CurvatureOptions) -> Vec<f64> {
    let head = &problem.head;
    let entries = (0..head.dimension).flat_map(|row| (0..head.features).map(move |column| (row, column)));
    entries
        .map(|(row, column)| {
            let at = |step| scores(problem, options, Move { row, column, step });
            match options.estimator {
                Estimator::Ef => derivatives(|step| losses(&at(step))).iter().map(|g| g * g).sum(),
                Estimator::Ggn => {
                    let slopes = derivatives(|step| at(step).concat());
                    let mut slopes = slopes.iter();
                    let spread = |row: &Vec<f64>| {
                        let total: f64 = row.iter().map(|s| s.exp()).sum();
                        let (mut mean, mut square) = (0.0, 0.0);
                        for (s, g) in row.iter().zip(slopes.by_ref()) {
                            mean += s.exp() / total * g;
                            square += s.exp() / total * g * g;
                        }
                        square - mean * mean
                    };
                    at(0.0).iter().map(spread).sum()
                }
            }
        })
        .collect()
}

#[track_caller]
fn check(problem: &Problem, name: &str) {
    for options in every_option(0.5) {
        let expected = expected(problem, options);
        let name = format!("{name} {options:?}");
        assert_close(fit(problem, options, false).h(), &expected, 1e-8, &name);
        assert_close(fit(problem, options, true).h(), &expected, 1e-5, &name);
    }
}

const SHAPE: Shape = Shape { dimension: 6, features: 4, batch: 3, tokens: 3, negatives: 2 };

#[test]
fn every_norm() {
    for norm in ["layer", "rms", "none"] {
        check(&Problem::new(5, norm, SHAPE), norm);
    }
}

/// Matryoshka: the loss sees the first four entries, the norm all six.
#[test]
fn every_norm_with_dimensions_left_out() {
    for norm in ["layer", "rms", "none"] {
        let mut problem = Problem::new(6, norm, SHAPE);
        problem.head.dimension = 4;
        check(&problem, &format!("{norm}, 4 of 6"));
    }
}

#[test]
fn every_activation_of_a_dense_head() {
    for activation in [Activation::Identity, Activation::Tanh, Activation::Relu, Activation::Sigmoid] {
        for dimension in [12, 8] {
            let mut problem = Problem::new(8, "none", Shape { dimension: 12, tokens: 1, ..SHAPE });
            problem.head.activation = activation;
            problem.head.dimension = dimension;
            check(&problem, &format!("{activation:?}, {dimension} of 12"));
        }
    }
}

#[test]
fn tokens_of_unlike_weight() {
    let mut problem = Problem::new(9, "layer", SHAPE);
    for text in problem.queries.iter_mut().chain(&mut problem.positives) {
        let total: f64 = (1..=text.weights.len()).map(|t| t as f64).sum();
        text.weights = (1..=text.weights.len()).map(|t| t as f64 / total).collect();
    }
    check(&problem, "uneven pooling");
}
