//! What holds for every curvature: closed forms, identities and scaling laws.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Owned, Problem, Shape, assert_close, every_option, fit, plain_head};
use uec_laplace::{CurvatureOptions, Estimator, Norm, Sides, Similarity};

const SHAPE: Shape = Shape { dimension: 9, features: 7, batch: 5, tokens: 4, negatives: 2 };

#[test]
fn nothing_is_negative_and_something_is_positive() {
    for norm in ["layer", "rms", "none"] {
        for options in every_option(0.05) {
            for fast in [true, false] {
                let curvature = fit(&Problem::new(31, norm, SHAPE), options, fast);
                assert!(curvature.h().iter().all(|&h| h >= 0.0), "{norm} {options:?}");
                assert!(curvature.h().iter().any(|&h| h > 0.0), "{norm} {options:?}");
            }
        }
    }
}

#[test]
fn the_order_of_the_pairs_does_not_matter() {
    let problem = Problem::new(32, "layer", SHAPE);
    let order = [3, 0, 4, 2, 1];
    let pick = |texts: &[Owned]| order.map(|i: usize| texts[i].clone()).to_vec();
    let moved = Problem {
        queries: pick(&problem.queries),
        positives: pick(&problem.positives),
        negatives: order.map(|i| problem.negatives[i].clone()).to_vec(),
        ..problem.clone()
    };
    for options in every_option(0.2) {
        assert_close(fit(&moved, options, false).h(), fit(&problem, options, false).h(), 1e-13, "reference");
        assert_close(fit(&moved, options, true).h(), fit(&problem, options, true).h(), 1e-6, "fast");
    }
}

/// H does not change if all of a text's u, or its a, are multiplied by 2^k, but for the powers of two that follow from the
/// formulas: the cosine forgets the length of u, the dot product is paid back by τ.
#[test]
fn scaling_laws() {
    let problem = Problem::new(33, "none", SHAPE);
    let scaled = |a: f32, u: f32| {
        let mut scaled = problem.clone();
        let own = scaled.negatives.iter_mut().flatten();
        for text in scaled.queries.iter_mut().chain(&mut scaled.positives).chain(own) {
            text.a.iter_mut().for_each(|x| *x *= a);
            text.u.iter_mut().for_each(|x| *x *= u);
        }
        scaled
    };
    for options in every_option(0.2) {
        let h = fit(&problem, options, false).h().to_vec();
        let times = |factor: f64| h.iter().map(|h| h * factor).collect::<Vec<_>>();
        assert_close(fit(&scaled(4.0, 1.0), options, false).h(), &times(16.0), 1e-13, "a");
        let tau = if options.similarity == Similarity::Dot { 16.0 } else { 1.0 };
        let options = CurvatureOptions { temperature: tau * options.temperature, ..options };
        assert_close(fit(&scaled(1.0, 4.0), options, false).h(), &times(1.0 / 16.0), 1e-13, "u");
    }
}

/// For large τ the softmax is uniform, and only the 1/τ of the gradient is left.
#[test]
fn high_temperatures_leave_one_over_tau_squared() {
    let problem = Problem::new(34, "rms", SHAPE);
    for options in every_option(1e5) {
        let hotter = CurvatureOptions { temperature: 2e5, ..options };
        let expected: Vec<f64> = fit(&problem, options, false).h().iter().map(|h| h / 4.0).collect();
        assert_close(fit(&problem, hotter, false).h(), &expected, 1e-4, &format!("{options:?}"));
    }
}

/// The generalised Gauss-Newton of a softmax is the Fisher information: Σ_j p_j (∂ log p_j/∂W)², which is the empirical
/// Fisher with each candidate in turn as the positive.
#[test]
fn gauss_newton_is_the_expected_empirical_fisher() {
    let mut problem = Problem::new(35, "layer", Shape { batch: 4, ..SHAPE });
    problem.negatives = vec![problem.negatives.concat()];
    problem.queries.truncate(1);
    problem.positives.truncate(1);
    for options in every_option(0.3).filter(|options| options.estimator == Estimator::Ggn) {
        let mut expected = vec![0.0; 9 * 7];
        let mut total = 0.0;
        for j in 0..=problem.negatives[0].len() {
            let mut other = problem.clone();
            if j > 0 {
                std::mem::swap(&mut other.positives[0], &mut other.negatives[0][j - 1]);
            }
            let fisher = fit(&other, CurvatureOptions { estimator: Estimator::Ef, ..options }, false);
            let probability = (-fisher.loss()).exp();
            total += probability;
            for (sum, h) in expected.iter_mut().zip(fisher.h()) {
                *sum += probability * h;
            }
        }
        assert!((total - 1.0).abs() < 1e-12, "the candidates' probabilities sum to {total}");
        assert_close(fit(&problem, options, false).h(), &expected, 1e-12, "reference");
        assert_close(fit(&problem, options, true).h(), &expected, 1e-5, "fast");
    }
}

/// Two texts, one token each, u = z: all numbers by hand.
fn two_pairs(queries: [[f32; 2]; 2], positives: [[f32; 2]; 2]) -> Problem {
    let text = |a: [f32; 3], u: [f32; 2]| Owned::new(a.to_vec(), u.to_vec(), 1);
    let [first, second] = queries;
    Problem {
        head: plain_head(2, 3, Norm::None),
        weight: vec![0.0; 6],
        queries: vec![text([1.0, -2.0, 0.5], first), text([0.0, 3.0, 1.0], second)],
        positives: positives.map(|u| text([7.0, 7.0, 7.0], u)).to_vec(),
        negatives: Vec::new(),
    }
}

/// With one token, ∂ℓ_i/∂W is the outer product (Σ_j c_ij z'_j/τ) a_iᵀ.
#[test]
fn one_token_gives_an_outer_product() {
    let problem = two_pairs([[1.0, 0.5], [-0.5, 2.0]], [[0.75, 0.25], [0.5, 1.5]]);
    let tau: f64 = 2.0;
    // s_11 = 0.875/2, s_12 = 1.25/2; s_21 = 0.125/2, s_22 = 2.75/2.
    let lost = |gap: f64| 1.0 / (1.0 + (gap / tau).exp());
    let lost = [lost(0.875 - 1.25), lost(2.75 - 0.125)];
    // z'_1 − z'_2 = (0.25, −1.25), squared and over τ².
    let squares = [0.0625 / 4.0, 1.5625 / 4.0];
    let a = [[1.0, 4.0, 0.25], [0.0, 9.0, 1.0]];
    for estimator in [Estimator::Ef, Estimator::Ggn] {
        let weight = |i: usize| match estimator {
            Estimator::Ef => lost[i] * lost[i],
            Estimator::Ggn => lost[i] * (1.0 - lost[i]),
        };
        let entry = |d: usize, k: usize| (0..2).map(|i| weight(i) * squares[d] * a[i][k]).sum::<f64>();
        let expected: Vec<f64> = (0..6).map(|at| entry(at / 3, at % 3)).collect();
        let options =
            CurvatureOptions { estimator, sides: Sides::Query, similarity: Similarity::Dot, temperature: tau };
        let curvature = fit(&problem, options, false);
        assert_close(curvature.h(), &expected, 1e-14, &format!("{estimator:?}"));
        assert_close(fit(&problem, options, true).h(), &expected, 1e-6, &format!("fast {estimator:?}"));
        let loss: f64 = lost.iter().map(|lost| -(1.0 - lost).ln()).sum();
        assert!((curvature.loss() / loss - 1.0).abs() < 1e-14);
    }
}

/// Two candidates of equal score: p = ½, and both estimators are ¼ (G_1 − G_2)².
#[test]
fn two_candidates_in_balance_have_one_curvature() {
    let problem = two_pairs([[1.0, 0.0], [1.0, 0.0]], [[0.75, 0.5], [0.75, -0.5]]);
    for sides in [Sides::Both, Sides::Query] {
        for similarity in [Similarity::Dot, Similarity::Cosine] {
            let of = |estimator| {
                let options = CurvatureOptions { estimator, sides, similarity, temperature: 0.5 };
                fit(&problem, options, false).h().to_vec()
            };
            let (ef, ggn) = (of(Estimator::Ef), of(Estimator::Ggn));
            assert!(ef.iter().any(|&h| h > 0.0));
            assert_close(&ef, &ggn, 1e-14, &format!("{sides:?} {similarity:?}"));
        }
    }
    let options = CurvatureOptions {
        estimator: Estimator::Ef,
        sides: Sides::Query,
        similarity: Similarity::Dot,
        temperature: 0.5,
    };
    // ¼ · (1/τ²) · (0, 1)² · Σ_i a_i²
    assert_close(fit(&problem, options, false).h(), &[0.0, 0.0, 0.0, 1.0, 13.0, 1.25], 1e-15, "by hand");
}
