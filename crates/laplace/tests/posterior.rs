//! The posterior: λ, V and c from the stored H, other options, merging.
#![allow(clippy::unwrap_used)]

mod support;

use support::posteriors::{fit_range, hash, variance};
use support::{Problem, Shape, assert_close, plain_head};
use uec_gaussian::{Cancel, ErrorCode};
use uec_laplace::{
    Changes, Curvature, CurvatureOptions, Norm, Posterior, PosteriorOptions, Prior, SAMPLE_CAPACITY, Scale, TailKind,
    Text, TraceSample,
};

const SHAPE: Shape = Shape { dimension: 12, features: 9, batch: 6, tokens: 4, negatives: 0 };

fn fit(options: &PosteriorOptions) -> (Problem, Posterior) {
    let problem = Problem::new(7, "layer", SHAPE);
    let posterior = fit_range(&problem, 0..SHAPE.batch, options);
    (problem, posterior)
}

#[test]
fn scale_trace_makes_the_mean_total_variance_one() {
    for tail in [TailKind::Plain, TailKind::FirstOrder] {
        for normalize in [true, false] {
            let options = PosteriorOptions { tail, normalize, ..PosteriorOptions::default() };
            let (problem, posterior) = fit(&options);
            let traces: Vec<f64> = problem
                .queries
                .iter()
                .map(|text| variance(&problem, &posterior, text, normalize).iter().sum())
                .collect();
            let mean = traces.iter().sum::<f64>() / traces.len() as f64;
            // h and μ of the sample, and V·c, are float32.
            assert!((mean - 1.0).abs() < 1e-5, "{tail:?} {normalize}: {mean}");
            let moments = posterior.trace_moments().unwrap();
            assert_eq!(moments.count, traces.len());
            assert!((moments.mean - 1.0).abs() < 1e-12);
            let m2: f64 = traces.iter().map(|t| (t - mean).powi(2)).sum();
            assert!((moments.m2 / m2 - 1.0).abs() < 1e-4);
        }
    }
}

#[test]
fn precision_moments_are_those_of_the_inverse_variances() {
    let (problem, posterior) = fit(&PosteriorOptions::default());
    let sums: Vec<f64> = problem
        .queries
        .iter()
        .map(|text| variance(&problem, &posterior, text, true).iter().map(|v| 1.0 / v).sum())
        .collect();
    let mean = sums.iter().sum::<f64>() / sums.len() as f64;
    let moments = posterior.precision_moments().unwrap();
    assert!((moments.mean / mean - 1.0).abs() < 1e-4);
}

#[test]
fn variance_is_the_inverse_precision_times_the_scale() {
    let options = PosteriorOptions {
        prior: Prior::Value(0.25),
        laplace_temperature: 4.0,
        scale: Scale::Value(3.0),
        ..PosteriorOptions::default()
    };
    let (_, posterior) = fit(&options);
    let expected: Vec<f64> = posterior.curvature().iter().map(|&h| 3.0 / (f64::from(h) / 4.0 + 0.25)).collect();
    let got: Vec<f64> = posterior.variance().iter().map(|&v| f64::from(v)).collect();
    assert_close(&got, &expected, 1e-7, "V·c");
}

/// A curvature that is not looked at would pass most tests.
#[test]
fn disturbing_the_curvature_changes_the_variance() {
    let problem = Problem::new(7, "layer", SHAPE);
    let whole = fit_range(&problem, 0..6, &PosteriorOptions::default());
    let part = fit_range(&problem, 0..4, &PosteriorOptions::default());
    let text = &problem.queries[0];
    let (a, b) = (variance(&problem, &whole, text, true), variance(&problem, &part, text, true));
    let change = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(change > 1e-3 * a.iter().copied().fold(0.0, f64::max), "{change}");
}

#[test]
fn with_is_a_fit_with_those_options() {
    let (_, posterior) = fit(&PosteriorOptions::default());
    for prior in [Prior::Value(0.5), Prior::Marglik, Prior::Relative] {
        for scale in [Scale::None, Scale::Value(0.1), Scale::Trace] {
            let options = PosteriorOptions { prior, laplace_temperature: 2.0, scale, ..PosteriorOptions::default() };
            let changes = Changes { prior: Some(prior), laplace_temperature: Some(2.0), scale: Some(scale) };
            assert_eq!(posterior.with(&changes).unwrap(), fit(&options).1);
        }
    }
    assert_eq!(posterior.with(&Changes::default()).unwrap(), posterior);
    // The last change wins, whatever came before.
    let first = Changes { prior: Some(Prior::Marglik), laplace_temperature: Some(3.0), scale: Some(Scale::None) };
    let last = Changes { prior: Some(Prior::Value(0.1)), laplace_temperature: Some(0.5), scale: Some(Scale::Trace) };
    assert_eq!(posterior.with(&first).unwrap().with(&last).unwrap(), posterior.with(&last).unwrap());
    let one = Changes { prior: first.prior, ..Changes::default() };
    let two = Changes { laplace_temperature: first.laplace_temperature, scale: first.scale, ..Changes::default() };
    assert_eq!(posterior.with(&one).unwrap().with(&two).unwrap(), posterior.with(&first).unwrap());
    assert_eq!(posterior.with(&two).unwrap().with(&one).unwrap(), posterior.with(&first).unwrap());
    for scale in [0.0, f64::NAN, -1.0, f64::INFINITY] {
        assert!(posterior.with(&Changes { scale: Some(Scale::Value(scale)), ..Changes::default() }).is_err());
    }
    let tiny = Changes { prior: Some(Prior::Value(1e-300)), ..Changes::default() };
    assert!(posterior.with(&tiny).is_ok());
    assert!(posterior.with(&Changes { scale: Some(Scale::Value(1e300)), ..tiny }).is_err());
}

#[test]
fn shards_merge_to_the_whole_in_any_order() {
    let problem = Problem::new(7, "layer", SHAPE);
    for prior in [Prior::Relative, Prior::Marglik] {
        let options = PosteriorOptions { prior, ..PosteriorOptions::default() };
        let whole = fit_range(&problem, 0..6, &options);
        let parts = [0..2, 2..4, 4..6].map(|range| fit_range(&problem, range, &options));
        let [a, b, c] = parts.clone();
        let merged = Posterior::merge(&parts).unwrap();
        assert_eq!(Posterior::merge(&[c, a, b]).unwrap(), merged);
        assert_eq!((merged.pairs(), merged.accuracy()), (whole.pairs(), whole.accuracy()));
        assert_eq!(merged.sample(), whole.sample());
        assert!((merged.loss() / whole.loss() - 1.0).abs() < 1e-12);
        for (got, expected) in [
            (merged.prior_precision(), whole.prior_precision()),
            (merged.scale(), whole.scale()),
            (merged.log_marginal_likelihood(), whole.log_marginal_likelihood()),
        ] {
            assert!((got / expected - 1.0).abs() < 1e-6, "{got} for {expected}");
        }
        let single = |p: &Posterior| p.curvature().iter().map(|&h| f64::from(h)).collect::<Vec<_>>();
        assert_close(&single(&merged), &single(&whole), 1e-6, "H");
        assert_eq!(Posterior::merge(std::slice::from_ref(&whole)).unwrap(), whole);
    }
}

#[test]
fn more_precision_is_less_variance() {
    let (_, posterior) = fit(&PosteriorOptions { scale: Scale::None, ..PosteriorOptions::default() });
    let parameters = (12 * 9) as f64;
    let of = |lambda: f64, t_l: f64| {
        let changes = Changes { prior: Some(Prior::Value(lambda)), laplace_temperature: Some(t_l), scale: None };
        let changed = posterior.with(&changes).unwrap();
        let determined = changed.effective_parameters();
        assert!((0.0..=parameters).contains(&determined), "γ_eff = {determined} of {parameters}");
        (changed.variance(), determined)
    };
    let below = |x: &[f32], y: &[f32]| x.iter().zip(y).all(|(x, y)| x < y);
    for lambda in [1e-6, 1e-3, 1.0, 1e3] {
        let (loose, tight) = (of(lambda, 1.0), of(10.0 * lambda, 1.0));
        assert!(below(&tight.0, &loose.0) && tight.1 < loose.1, "λ = {lambda}");
        // A hotter posterior trusts the data less.
        let hot = of(lambda, 4.0);
        assert!(hot.0.iter().zip(&loose.0).all(|(hot, cold)| hot >= cold) && hot.1 < loose.1, "λ = {lambda}");
    }
    assert!(of(1e-12, 1.0).1 > 0.999 * parameters && of(1e12, 1.0).1 < 1e-6);
}

#[test]
fn with_and_merge_commute() {
    let problem = Problem::new(7, "layer", SHAPE);
    let parts = [0..2, 2..4, 4..6].map(|range| fit_range(&problem, range, &PosteriorOptions::default()));
    let changes = Changes { prior: Some(Prior::Marglik), laplace_temperature: Some(2.0), scale: Some(Scale::Trace) };
    let before: Vec<Posterior> = parts.iter().map(|part| part.with(&changes).unwrap()).collect();
    assert_eq!(Posterior::merge(&before).unwrap(), Posterior::merge(&parts).unwrap().with(&changes).unwrap());
    // In two steps H is rounded to float32 once more.
    let [a, b, c] = parts;
    let stepwise = Posterior::merge(&[Posterior::merge(&[a.clone(), b.clone()]).unwrap(), c.clone()]).unwrap();
    let single = |p: &Posterior| p.curvature().iter().map(|&h| f64::from(h)).collect::<Vec<_>>();
    assert_close(&single(&stepwise), &single(&Posterior::merge(&[a, b, c]).unwrap()), 1e-7, "H");
}

#[test]
fn unlike_posteriors_do_not_merge() {
    let problem = Problem::new(7, "layer", SHAPE);
    let options = PosteriorOptions::default();
    let base = fit_range(&problem, 0..2, &options);
    assert_eq!(Posterior::merge(&[]).unwrap_err().code, ErrorCode::InvalidArgument);

    let other = fit_range(&Problem::new(8, "layer", SHAPE), 0..2, &options);
    assert_eq!(Posterior::merge(&[base.clone(), other]).unwrap_err().code, ErrorCode::PosteriorMismatch);

    let seed = [("seed".to_owned(), "1".to_owned())].into();
    for options in [
        PosteriorOptions { prior: Prior::Marglik, ..options.clone() },
        PosteriorOptions { tail: TailKind::FirstOrder, ..options.clone() },
        PosteriorOptions { record: seed, ..options.clone() },
    ] {
        let other = fit_range(&problem, 2..4, &options);
        assert_eq!(Posterior::merge(&[base.clone(), other]).unwrap_err().code, ErrorCode::InvalidArgument);
    }
}

#[test]
fn warnings_say_what_is_wrong() {
    let (problem, posterior) = fit(&PosteriorOptions::default());
    assert_eq!(posterior.accuracy(), 1.0);
    assert!(posterior.warnings()[0].contains("too easy"), "{:?}", posterior.warnings());

    let weak = PosteriorOptions { prior: Prior::Marglik, laplace_temperature: 1e9, ..PosteriorOptions::default() };
    let posterior = fit_range(&problem, 0..2, &weak);
    assert!(posterior.effective_parameters() < 0.05 * (12 * 9) as f64);
    assert!(posterior.warnings().iter().any(|w| w.contains("prior")), "{:?}", posterior.warnings());
}

#[test]
fn a_fit_without_substance_is_an_error() {
    let head = plain_head(2, 2, Norm::None);
    let curvature = || Curvature::new(&head, CurvatureOptions::default()).unwrap();
    let sample = || TraceSample::new(&head, TailKind::Plain);
    let fit = |curvature, sample, options| Posterior::fit(curvature, &head, &[0.5; 2], sample, options, String::new());
    let message = |result: uec_gaussian::Result<Posterior>| result.unwrap_err().message;
    assert!(message(fit(curvature(), sample(), PosteriorOptions::default())).contains("one pair"));

    let text = Text { a: &[0.0, 0.0], u: &[1.0, 0.5], weights: &[1.0] };
    let one_pair = || {
        let mut curvature = curvature();
        curvature.add_batch(&head, &[text], &[text], &[], &Cancel::default()).unwrap();
        curvature
    };
    assert!(message(fit(one_pair(), sample(), PosteriorOptions::default())).contains("scale 'trace'"));
    let mut silent = sample();
    silent.add(1, &head, &text).unwrap();
    assert!(message(fit(one_pair(), silent, PosteriorOptions::default())).contains("no variance"));
    let marglik = PosteriorOptions { prior: Prior::Marglik, scale: Scale::None, ..PosteriorOptions::default() };
    assert!(message(fit(one_pair(), sample(), marglik)).contains("curvature is zero"));
}

#[test]
fn the_sample_is_the_smallest_hashes_in_any_order() {
    let head = plain_head(1, 1, Norm::None);
    let hashes: Vec<u64> = (0..2 * SAMPLE_CAPACITY).map(hash).collect();
    let sample = |hashes: &mut dyn Iterator<Item = &u64>| {
        let mut sample = TraceSample::new(&head, TailKind::Plain);
        for &hash in hashes {
            let value = (hash >> 40) as f32 + 1.0;
            sample.add(hash, &head, &Text { a: &[value], u: &[value], weights: &[1.0] }).unwrap();
        }
        sample
    };
    let forward = sample(&mut hashes.iter());
    assert_eq!(forward.len(), SAMPLE_CAPACITY);
    assert_eq!(forward, sample(&mut hashes.iter().rev()));
    assert_eq!(forward, sample(&mut hashes.iter().chain(&hashes)));
    let (left, right) = hashes.split_at(700);
    let (mut a, mut b) = (sample(&mut left.iter()), sample(&mut right.iter()));
    let before = a.clone();
    a.merge(&b).unwrap();
    b.merge(&before).unwrap();
    assert_eq!((&a, &a), (&b, &forward));
    // A text without length is passed over.
    let zero = Text { a: &[0.0], u: &[0.0], weights: &[1.0] };
    let mut empty = sample(&mut [].iter());
    empty.add(0, &head, &zero).unwrap();
    assert!(empty.is_empty());
}

/// h of the first-order tail is divided by s, which a nearly constant u makes tiny.
#[test]
fn a_sample_keeps_no_infinite_text() {
    let norm = Norm::Layer { gamma: vec![1.0; 2], beta: vec![0.0, 1.0], epsilon: 1e-30 };
    let head = plain_head(2, 1, norm);
    let text = Text { a: &[1e30], u: &[1.0, 1.0], weights: &[1.0] };
    let mut sample = TraceSample::new(&head, TailKind::FirstOrder);
    assert_eq!(sample.add(1, &head, &text).unwrap_err().code, ErrorCode::InvalidArgument);
    assert!(sample.is_empty());
    TraceSample::new(&head, TailKind::Plain).add(1, &head, &text).unwrap();
}
