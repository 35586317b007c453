//! Matryoshka: the first entries of an embedding, with the posterior of their rows.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, dead_code)]

mod fixture;

use std::sync::Arc;

use fixture::{distance, embed, embedding_before_norm, fitter, json, load, options, pool, runs, texts, tiny};
use uec_encoder::{Encoder, EncoderOptions, FitOptions, Progress};
use uec_gaussian::{Cancel, ErrorCode};
use uec_laplace::Posterior;

fn load_with(name: &str, dimensions: Option<usize>, posterior: Option<&Posterior>) -> uec_gaussian::Result<Encoder> {
    let posterior = posterior.map(|posterior| Arc::new(posterior.clone()));
    Encoder::load(&tiny(name), &EncoderOptions { dimensions, posterior, ..options() })
}

fn fit(encoder: &Encoder) -> Posterior {
    let (cancel, progress) = (Cancel::default(), Progress::default());
    let texts =
        (0..24).map(|i| format!("the small boat number {i} crosses the lake at dawn with {} men", i * i)).collect();
    let mut fitter = fitter(encoder, FitOptions::default());
    fitter.push_texts(texts, &cancel, &progress).unwrap();
    fitter.finish(&cancel, &progress).unwrap()
}

#[test]
fn the_first_entries_are_normalised_anew() {
    if !runs("the_first_entries_are_normalised_anew") {
        return;
    }
    for name in ["bert-ts17", "bert-ts14", "bert-dense", "bert-dense-ingraph", "llama-last"] {
        let reference = json(&tiny(name).join("reference.json"));
        let texts = texts(&reference);
        let cut = load_with(name, Some(7), None).unwrap();
        let whole = load(&tiny(name));
        assert_eq!((cut.dimension(), cut.info().dimension, cut.features()), (7, 7, whole.features()));
        assert_eq!(cut.fingerprint(), whole.fingerprint(), "{name}: it is the same encoder");
        assert_ne!(cut.identity(), whole.identity(), "{name}: which gives other Gaussians");
        let embedded = embed(&cut, &texts);
        for (row, text) in reference["texts"].as_array().unwrap().iter().enumerate() {
            let first = &embedding_before_norm(text)[..7];
            let length = first.iter().map(|z| z * z).sum::<f64>().sqrt();
            let scale = if reference["normalize"] == true { length } else { 1.0 };
            let expected: Vec<f64> = first.iter().map(|z| z / scale).collect();
            let error = distance(&embedded.gaussians.mean[row * 7..(row + 1) * 7], &expected);
            assert!(error < 1e-4 * (1.0 + length / scale), "{name}, text {row}: {error}");
            assert!((f64::from(embedded.norms[row]) - length).abs() < 1e-4 * length, "{name}, text {row}");
        }
    }
}

#[test]
fn a_posterior_of_all_dimensions_is_cut() {
    if !runs("a_posterior_of_all_dimensions_is_cut") {
        return;
    }
    for name in ["bert-ts17", "bert-dense", "llama-dynamo23"] {
        let whole = load(&tiny(name));
        let posterior = fit(&whole);
        let cut = load_with(name, Some(7), Some(&posterior)).unwrap();
        let by_hand = load_with(name, Some(7), Some(&posterior.truncate(7).unwrap())).unwrap();
        assert_eq!(cut.identity(), by_hand.identity(), "{name}");
        assert_eq!(cut.trace_moments(), by_hand.trace_moments(), "{name}");
        let texts = ["a boat at dawn", "", "green water"];
        let embedded = embed(&cut, &texts);
        assert_eq!(embedded, embed(&by_hand, &texts), "{name}");
        assert!(embedded.gaussians.variance.iter().all(|v| v.is_finite() && *v > 0.0), "{name}");

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("baked.onnx");
        std::fs::copy(tiny(name).join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
        // The encoder of seven dimensions bakes the posterior of all of them as well.
        for (encoder, given) in [(&cut, None), (&load_with(name, Some(7), None).unwrap(), Some(&posterior))] {
            encoder.bake(&file, given, None, &pool(), &Progress::default()).unwrap();
            let baked = load(&file);
            assert_eq!(embed(&baked, &texts), embedded, "{name}");
            assert_eq!((baked.identity(), baked.fingerprint()), (cut.identity(), whole.fingerprint()), "{name}");
            assert_eq!((baked.dimension(), baked.info().features), (7, whole.features()), "{name}");
        }
        let wider = EncoderOptions { dimensions: Some(8), ..options() };
        assert_eq!(Encoder::load(&file, &wider).err().unwrap().code, ErrorCode::InvalidArgument, "baked with 7");
        let same = EncoderOptions { dimensions: Some(7), ..options() };
        assert_eq!(Encoder::load(&file, &same).unwrap().identity(), cut.identity());
    }
}

#[test]
fn an_encoder_of_fewer_dimensions_is_fitted_as_such() {
    if !runs("an_encoder_of_fewer_dimensions_is_fitted_as_such") {
        return;
    }
    for name in ["bert-ts17", "bert-dense", "bert-dense-ingraph"] {
        let cut = load_with(name, Some(7), None).unwrap();
        let posterior = fit(&cut);
        assert_eq!((posterior.dimension(), posterior.features()), (7, cut.features()), "{name}");
        assert_eq!(posterior.fingerprint(), cut.fingerprint(), "{name}");
        assert_ne!(
            posterior.curvature(),
            fit(&load(&tiny(name))).truncate(7).unwrap().curvature(),
            "{name}: another loss"
        );
        let fitted = load_with(name, Some(7), Some(&posterior)).unwrap();
        let embedded = embed(&fitted, &["a boat at dawn"]);
        assert!(embedded.gaussians.variance.iter().all(|v| v.is_finite() && *v > 0.0), "{name}");
        assert_eq!(load_with(name, Some(3), Some(&posterior)).unwrap().dimension(), 3, "{name}");
        for wanted in [None, Some(8)] {
            let error = load_with(name, wanted, Some(&posterior)).err().unwrap();
            assert_eq!(error.code, ErrorCode::PosteriorMismatch, "{name}");
            assert!(error.message.contains("dimensions: 7"), "{error}");
        }
    }
}

#[test]
fn all_dimensions_are_the_encoder_itself_and_more_are_an_error() {
    if !runs("all_dimensions_are_the_encoder_itself_and_more_are_an_error") {
        return;
    }
    let whole = load(&tiny("bert-ts17"));
    assert_eq!(load_with("bert-ts17", Some(32), None).unwrap().identity(), whole.identity());
    for wanted in [0, 33, usize::MAX] {
        let error = load_with("bert-ts17", Some(wanted), None).err().unwrap();
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert!(error.message.contains("32"), "{error}");
    }
    let error = load_with("bert-dense", Some(17), None).err().unwrap();
    assert!(error.message.contains("16"), "the layer behind the graph counts: {error}");
}
