//! The fast path against the reference, and what must hold for any curvature.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Owned, Problem, Shape, every_option, fit, relative_to_max, texts};
use uec_gaussian::{Cancel, ErrorCode};
use uec_laplace::{Curvature, CurvatureOptions, Similarity};

#[test]
fn the_fast_path_is_the_reference() {
    let shape = Shape { dimension: 48, features: 96, batch: 8, tokens: 12, negatives: 3 };
    for norm in ["layer", "rms", "none"] {
        let problem = Problem::new(11, norm, shape);
        for options in every_option(0.05) {
            let error = relative_to_max(fit(&problem, options, true).h(), fit(&problem, options, false).h());
            assert!(error < 1e-5, "{norm} {options:?}: {error:e}");
        }
    }
}

/// Sizes that fill no tile, more than one group of samples, more tokens than a block takes.
#[test]
fn odd_sizes_are_the_reference_too() {
    for (seed, norm, dimension, features, batch, tokens) in [
        (1, "none", 1, 1, 1, 1),
        (2, "none", 17, 5, 19, 2),
        (3, "none", 33, 7, 2, 1),
        (4, "layer", 5, 3, 36, 130),
        (5, "rms", 13, 18, 3, 300),
    ] {
        let shape = Shape { dimension, features, batch, tokens, negatives: 1 };
        let problem = Problem::new(seed, norm, shape);
        for options in every_option(1.0) {
            let error = relative_to_max(fit(&problem, options, true).h(), fit(&problem, options, false).h());
            assert!(error < 1e-5, "{dimension}×{features} {options:?}: {error:e}");
        }
    }
}

/// Every positive wins by far: 1 − p is about 1e-60, and H keeps its digits.
#[test]
fn decided_batches_keep_their_digits() {
    let shape = Shape { dimension: 24, features: 16, batch: 6, tokens: 4, negatives: 0 };
    let problem = Problem::new(21, "layer", shape);
    for options in every_option(0.004) {
        if options.similarity == Similarity::Dot {
            continue;
        }
        let (fast, slow) = (fit(&problem, options, true), fit(&problem, options, false));
        let max = slow.h().iter().copied().fold(0.0, f64::max);
        assert!(max > 0.0 && max < 1e-20, "{max:e}");
        let error = relative_to_max(fast.h(), slow.h());
        assert!(error < 1e-5, "{options:?}: {error:e}");
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let shape = Shape { dimension: 40, features: 33, batch: 20, tokens: 7, negatives: 2 };
    let problem = Problem::new(3, "layer", shape);
    for options in every_option(0.05) {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&problem, options, true).h().to_vec())
        };
        assert_eq!(with(1), with(3), "{options:?}");
    }
}

#[test]
fn weightless_positions_are_not_read() {
    let shape = Shape { dimension: 8, features: 5, batch: 3, tokens: 3, negatives: 0 };
    let problem = Problem::new(9, "layer", shape);
    let pad = |text: &Owned| {
        let mut padded = text.clone();
        padded.a.extend([f32::NAN; 5]);
        padded.u.extend([f32::NAN; 8]);
        padded.weights.push(0.0);
        padded
    };
    let padded = Problem {
        head: problem.head.clone(),
        weight: problem.weight.clone(),
        queries: problem.queries.iter().map(pad).collect(),
        positives: problem.positives.iter().map(pad).collect(),
        negatives: Vec::new(),
    };
    for options in every_option(0.05) {
        assert_eq!(fit(&problem, options, true).h(), fit(&padded, options, true).h());
    }
}

#[test]
fn one_pair_has_nothing_to_contrast() {
    let shape = Shape { dimension: 4, features: 3, batch: 1, tokens: 2, negatives: 0 };
    for options in every_option(0.05) {
        let curvature = fit(&Problem::new(1, "layer", shape), options, true);
        assert_eq!((curvature.loss(), curvature.pairs()), (0.0, 1));
        assert!(curvature.h().iter().all(|&h| h == 0.0));
    }
}

#[test]
fn bad_input_is_an_error_and_adds_nothing() {
    let shape = Shape { dimension: 4, features: 3, batch: 2, tokens: 2, negatives: 0 };
    let problem = Problem::new(1, "layer", shape);
    let mut curvature = Curvature::new(&problem.head, CurvatureOptions::default()).unwrap();
    let cancel = Cancel::default();
    let (queries, positives) = (texts(&problem.queries), texts(&problem.positives));
    let mut broken = problem.queries.clone();
    broken[1].u[0] = f32::NAN;
    let error = curvature.add_batch(&problem.head, &texts(&broken), &positives, &[], &cancel).unwrap_err();
    assert!(error.message.contains("query 1") && error.message.contains("not finite"), "{error}");
    let mut empty = problem.queries.clone();
    empty[0].weights.fill(0.0);
    let error = curvature.add_batch(&problem.head, &texts(&empty), &positives, &[], &cancel).unwrap_err();
    assert!(error.message.contains("no tokens"), "{error}");
    assert!(curvature.add_batch(&problem.head, &queries, &positives[..1], &[], &cancel).is_err());
    assert!(curvature.add_batch(&problem.head, &queries, &positives, &[Vec::new()], &cancel).is_err());
    broken[1].u.pop();
    let error = curvature.add_batch(&problem.head, &texts(&broken), &positives, &[], &cancel).unwrap_err();
    assert_eq!(error.code, ErrorCode::DimensionMismatch);

    assert_eq!(curvature.pairs(), 0);
    assert!(curvature.h().iter().all(|&h| h == 0.0));
    curvature.add_batch(&problem.head, &queries, &positives, &[], &cancel).unwrap();

    for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let options = CurvatureOptions { temperature, ..CurvatureOptions::default() };
        assert!(Curvature::new(&problem.head, options).is_err());
    }
}

#[test]
fn an_aborted_batch_adds_nothing_more() {
    let shape = Shape { dimension: 4, features: 3, batch: 2, tokens: 2, negatives: 0 };
    let problem = Problem::new(1, "layer", shape);
    let mut curvature = Curvature::new(&problem.head, CurvatureOptions::default()).unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    let (queries, positives) = (texts(&problem.queries), texts(&problem.positives));
    let error = curvature.add_batch(&problem.head, &queries, &positives, &[], &cancel).unwrap_err();
    assert_eq!(error.code, ErrorCode::Aborted);
    assert_eq!(curvature.pairs(), 0);
}
