//! A posterior over the first dimensions of an embedding.
#![allow(clippy::unwrap_used)]

mod support;

use support::posteriors::{fit_range, variance};
use support::{Problem, Shape};
use uec_gaussian::ErrorCode;
use uec_laplace::{
    Activation, Changes, Posterior, PosteriorOptions, Prior, Scale, TailKind, marglik_precision, relative_precision,
};

const SHAPE: Shape = Shape { dimension: 12, features: 9, batch: 6, tokens: 4, negatives: 0 };
const KEPT: usize = 5;

fn problems() -> impl Iterator<Item = Problem> {
    let normed = ["layer", "rms", "none"].map(|norm| Problem::new(7, norm, SHAPE));
    let dense = [Activation::Tanh, Activation::Sigmoid].map(|activation| {
        let mut problem = Problem::new(7, "none", Shape { tokens: 1, ..SHAPE });
        problem.head.activation = activation;
        problem
    });
    normed.into_iter().chain(dense)
}

fn every_options() -> impl Iterator<Item = PosteriorOptions> {
    [Prior::Relative, Prior::Marglik, Prior::Value(0.1)].into_iter().flat_map(|prior| {
        [TailKind::Plain, TailKind::FirstOrder].into_iter().flat_map(move |tail| {
            [true, false].map(|normalize| PosteriorOptions { prior, tail, normalize, ..PosteriorOptions::default() })
        })
    })
}

#[test]
fn lambda_and_scale_are_those_of_what_is_kept() {
    for problem in problems() {
        for options in every_options() {
            let whole = fit_range(&problem, 0..6, &options);
            let part = whole.truncate(KEPT).unwrap();
            assert_eq!((part.dimension(), part.features(), part.fingerprint()), (KEPT, 9, whole.fingerprint()));
            assert_eq!(part.curvature(), &whole.curvature()[..KEPT * 9]);
            assert_eq!(part.gamma(), &whole.gamma()[..KEPT]);
            let norm2 = problem.weight_norm2()[..KEPT].iter().sum();
            assert_eq!(part.weight_norm2(), norm2);
            let lambda = match options.prior {
                Prior::Relative => relative_precision(part.curvature()),
                Prior::Marglik => marglik_precision(part.curvature(), 1.0, norm2).unwrap(),
                Prior::Value(value) => value,
            };
            assert_eq!(part.prior_precision(), lambda);

            // Of the texts themselves, with an encoder that keeps as many dimensions.
            let mut shorter = problem.clone();
            shorter.head.dimension = KEPT;
            let trace = |text| variance(&shorter, &part, text, options.normalize).iter().sum::<f64>();
            let mean = shorter.queries.iter().map(trace).sum::<f64>() / 6.0;
            assert!((mean - 1.0).abs() < 1e-5, "{options:?}: mean trace {mean}");
        }
    }
}

#[test]
fn a_dense_head_has_mean_total_variance_one_too() {
    for problem in problems() {
        for options in every_options() {
            let posterior = fit_range(&problem, 0..6, &options);
            let trace = |text| variance(&problem, &posterior, text, options.normalize).iter().sum::<f64>();
            let mean = problem.queries.iter().map(trace).sum::<f64>() / 6.0;
            assert!((mean - 1.0).abs() < 1e-5, "{:?} {options:?}: mean trace {mean}", problem.head.activation);
        }
    }
}

#[test]
fn truncating_commutes_with_merging_and_with_other_options() {
    let changes = Changes { prior: Some(Prior::Marglik), laplace_temperature: Some(2.0), scale: Some(Scale::Trace) };
    for problem in problems() {
        let parts = [0..2, 2..6].map(|range| fit_range(&problem, range, &PosteriorOptions::default()));
        let short: Vec<Posterior> = parts.iter().map(|part| part.truncate(KEPT).unwrap()).collect();
        let merged = Posterior::merge(&parts).unwrap();
        assert_eq!(Posterior::merge(&short).unwrap(), merged.truncate(KEPT).unwrap());
        assert_eq!(short[0].with(&changes).unwrap(), parts[0].with(&changes).unwrap().truncate(KEPT).unwrap());

        // In two steps the sampled means are rounded once more.
        let (twice, once) = (merged.truncate(8).unwrap().truncate(KEPT).unwrap(), merged.truncate(KEPT).unwrap());
        assert_eq!(twice.curvature(), once.curvature());
        assert!((twice.scale() / once.scale() - 1.0).abs() < 1e-6);
        assert_eq!(merged.truncate(12).unwrap(), merged);
    }
}

#[test]
fn a_truncated_posterior_survives_its_file() {
    for problem in problems() {
        let part = fit_range(&problem, 0..6, &PosteriorOptions::default()).truncate(KEPT).unwrap();
        assert_eq!(Posterior::from_bytes(&part.to_bytes().unwrap()).unwrap(), part);
    }
}

/// The kept rows of H come from a loss over twelve dimensions; a fit of five compares others.
#[test]
fn a_truncated_posterior_is_no_fit_of_fewer_dimensions() {
    let mut problem = Problem::new(7, "layer", SHAPE);
    let options = PosteriorOptions::default();
    let whole = fit_range(&problem, 0..6, &options);
    let truncated = whole.truncate(KEPT).unwrap();
    problem.head.dimension = KEPT;
    let fitted = fit_range(&problem, 0..6, &options);
    assert_eq!((fitted.dimension(), fitted.gamma()), (KEPT, truncated.gamma()));
    assert_eq!(fitted.weight_norm2(), truncated.weight_norm2());
    let numbers = |p: &Posterior| p.curvature().iter().map(|&h| f64::from(h)).collect::<Vec<_>>();
    assert!(support::relative_to_max(&numbers(&fitted), &numbers(&truncated)) > 0.01);
    for others in [[&whole, &truncated], [&fitted, &truncated]] {
        let error = Posterior::merge(&others.map(Clone::clone)).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert!(error.message.contains("dimensions"), "{error}");
    }
}

#[test]
fn there_must_be_something_to_keep() {
    let posterior = fit_range(&Problem::new(7, "rms", SHAPE), 0..6, &PosteriorOptions::default());
    for dimension in [0, 13, usize::MAX] {
        assert_eq!(posterior.truncate(dimension).unwrap_err().code, ErrorCode::InvalidArgument);
    }
}

#[test]
fn a_head_keeps_no_more_than_it_has() {
    let mut problem = Problem::new(7, "layer", SHAPE);
    problem.head.dimension = 13;
    assert_eq!(problem.head.validate().unwrap_err().code, ErrorCode::InvalidArgument);
    problem.head.dimension = 12;
    problem.head.activation = Activation::Tanh;
    assert_eq!(problem.head.validate().unwrap_err().code, ErrorCode::InvalidArgument);
    problem.head.norm = uec_laplace::Norm::None;
    problem.head.validate().unwrap();
    let tokens = problem.queries.iter().find(|text| text.weights.len() > 1).unwrap();
    assert!(problem.head.forward(&tokens.text()).unwrap_err().message.contains("dense head"));
}
