//! Every style of export the whole way: fitted, embedded with its posterior, baked, loaded again. The variance of the
//! first-order tail against `variance.json` (float64, checked by Monte Carlo where it was made).
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, dead_code)]

mod fixture;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use fixture::{
    ENCODERS, distance, embed, fitter, json, load, load_with, numbers, options, pool, relative, runs, texts, tiny,
};
use uec_encoder::{Encoder, EncoderOptions, FitOptions, FitPair, FittedOn, Progress, Weights};
use uec_gaussian::{Cancel, ErrorCode};
use uec_laplace::{Posterior, TailKind};
use uec_onnx::{Activation, Bake, BakedPosterior, Dense, Graph, Override, Stage, TailKind as BakedTail};

/// Six pairs of short sentences.
fn pairs() -> Vec<FitPair> {
    let pair = |(query, positive): (&str, &str)| FitPair {
        query: query.to_owned(),
        positive: positive.to_owned(),
        negatives: vec!["a green market".to_owned()],
    };
    [
        ("a boat at dawn", "the small boat in the morning"),
        ("bread from the market", "a man walks to the market"),
        ("the dog sleeps", "a dog lies by the lake"),
        ("green water", "the lake is green"),
        ("two men talk", "men speak to each other"),
        ("it rains in the town", "rain falls on small houses"),
    ]
    .map(pair)
    .to_vec()
}

fn fit(encoder: &Encoder, tail: TailKind) -> Posterior {
    let (cancel, progress) = (Cancel::default(), Progress::default());
    let mut fitter = fitter(encoder, FitOptions { tail, ..FitOptions::default() });
    fitter.push(pairs(), &cancel, &progress).unwrap();
    fitter.finish(&cancel, &progress).unwrap()
}

/// A copy of a tiny encoder's folder that may be changed.
fn copy(name: &str) -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    let mut open = vec![tiny(name)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let place = target.path().join(path.strip_prefix(tiny(name)).unwrap());
            if path.is_dir() {
                fs::create_dir_all(place).unwrap();
                open.push(path);
            } else {
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                fs::copy(path, place).unwrap();
            }
        }
    }
    target
}

#[test]
fn every_encoder_is_fitted_and_baked() {
    if !runs("every_encoder_is_fitted_and_baked") {
        return;
    }
    for name in ENCODERS {
        let reference = json(&tiny(name).join("reference.json"));
        let texts = texts(&reference);
        let folder = copy(name);
        let plain = load(folder.path());
        for tail in [TailKind::Plain, TailKind::FirstOrder] {
            let posterior = fit(&plain, tail);
            let shape = (posterior.dimension() as u64, posterior.features() as u64);
            assert_eq!(shape, (reference["D"].as_u64().unwrap(), reference["I"].as_u64().unwrap()), "{name}");
            assert!(posterior.curvature().iter().any(|h| *h > 0.0), "{name}: the texts say something about the layer");

            let fitted = load_with(folder.path(), &posterior);
            let expected = embed(&fitted, &texts);
            // Beyond rounding: ONNX Runtime fuses fewer nodes where it must hand out what lies between them.
            let means: Vec<f64> = embed(&plain, &texts).gaussians.mean.iter().map(|&x| f64::from(x)).collect();
            let moved = distance(&expected.gaussians.mean, &means);
            assert!(moved < if reference["tolerance"] == 1e-4 { 1e-5 } else { 5e-2 }, "{name}: {moved}");
            assert!(expected.gaussians.variance.iter().all(|v| v.is_finite() && *v > 0.0), "{name}");

            let file = folder.path().join("onnx/baked.onnx");
            fitted.bake(&file, None, None, &pool(), &Progress::default()).unwrap();
            fs::copy(folder.path().join("tokenizer.json"), folder.path().join("onnx/tokenizer.json")).unwrap();
            let baked = load(&file);
            assert_eq!(embed(&baked, &texts), expected, "{name}, {tail:?}: it is the same graph");
            assert_eq!(baked.identity(), fitted.identity(), "{name}");
        }
    }
}

#[test]
fn variances_are_those_of_the_reference() {
    if !runs("variances_are_those_of_the_reference") {
        return;
    }
    for name in ["bert-ts17", "bert-cls", "bert-dense", "bert-dense-ingraph", "llama-last"] {
        let expected = json(&tiny(name).join("variance.json"));
        let folder = copy(name);
        let file = folder.path().join("baked.onnx");
        bake_by_hand(folder.path(), &file, &numbers(&expected["V"]));
        let encoder = load(&file);
        let embedded = embed(&encoder, &texts(&expected));
        let dimension = encoder.dimension();
        for (row, text) in expected["texts"].as_array().unwrap().iter().enumerate() {
            let part = row * dimension..(row + 1) * dimension;
            assert!(distance(&embedded.gaussians.mean[part.clone()], &numbers(&text["mu"])) < 1e-5, "{name}, {row}");
            let error = relative(&embedded.gaussians.variance[part], &numbers(&text["v_mu"]));
            assert!(error < 1e-4, "{name}, text {row}: {error}");
        }
    }
}

/// A baked file with this V, as an encoder's own `bake` would write it.
fn bake_by_hand(folder: &Path, file: &Path, variance: &[f64]) {
    let graph = Graph::read(&folder.join("onnx/model.onnx")).unwrap();
    let mut tail = graph.tail(&Override::default()).unwrap();
    let reference = json(&folder.join("reference.json"));
    if tail.stage == Stage::Tokens && folder.join("2_Dense").exists() {
        let bytes = fs::read(folder.join("2_Dense/model.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let floats = |name: &str| {
            let data = tensors.tensor(name).unwrap().data().as_chunks().0.to_vec();
            data.into_iter().map(f32::from_le_bytes).collect()
        };
        let (weight, bias) = (floats("linear.weight"), floats("linear.bias"));
        let dense = Dense { weight, bias, dimension: 16, features: 32, activation: Activation::Tanh };
        tail = tail.with_heads(vec![dense]).unwrap();
    }
    let digest = <sha2::Sha256 as sha2::Digest>::digest(fs::read(folder.join("tokenizer.json")).unwrap());
    let pooling = reference["pooling"].as_str().unwrap();
    let metadata = [
        ("uec.pooling", pooling.to_owned()),
        ("uec.normalize", "true".to_owned()),
        ("uec.max_tokens", "32".to_owned()),
        ("uec.lower_case", "false".to_owned()),
        ("uec.fingerprint", "0".repeat(64)),
        ("uec.identity", "1".repeat(64)),
        ("uec.tokenizer_sha256", digest.iter().map(|byte| format!("{byte:02x}")).collect()),
        ("uec.dimension", tail.dimension.to_string()),
        ("uec.features", tail.features.to_string()),
        ("uec.norm_kind", "layer".to_owned()),
        ("uec.linear", tail.linear.clone()),
    ];
    let variance = variance.iter().map(|&v| v as f32).collect();
    let bake = Bake {
        pooling: pooling.parse().unwrap(),
        normalize: true,
        posterior: Some(BakedPosterior { variance, kind: BakedTail::FirstOrder, half: false }),
        metadata: metadata.map(|(key, value)| (key.to_owned(), value)).to_vec(),
        dimensions: None,
    };
    fs::write(file, graph.bake(&tail, &bake).unwrap().bytes).unwrap();
}

/// Variants 4 to 7, 18 and 20 of the tiny encoders share the weights of the first.
#[test]
fn a_quantised_copy_takes_the_posterior_of_its_original() {
    if !runs("a_quantised_copy_takes_the_posterior_of_its_original") {
        return;
    }
    let posterior = Arc::new(fit(&load(&tiny("bert-ts17")), TailKind::Plain));
    let texts = texts(&json(&tiny("bert-ts17").join("reference.json")));
    let original = embed(&load_with(&tiny("bert-ts17"), &posterior), &texts);
    let given = |fitted_on| EncoderOptions { posterior: Some(Arc::clone(&posterior)), fitted_on, ..options() };
    for name in ["bert-int8", "bert-qdq", "bert-fp16", "bert-nbits", "bert-int8-ortsaved"] {
        let refused = Encoder::load(&tiny(name), &given(FittedOn::This)).err().unwrap();
        assert_eq!(refused.code, ErrorCode::PosteriorMismatch, "{name}");
        assert!(refused.message.contains("'original'"), "{refused}");

        let options = EncoderOptions { normalize: Some(true), ..given(FittedOn::Original) };
        let copy = Encoder::load(&tiny(name), &options).unwrap();
        let embedded = embed(&copy, &texts);
        let traces = |embedded: &uec_encoder::Embedded| -> Vec<f64> {
            let rows = embedded.gaussians.variance.chunks(32);
            rows.map(|row| row.iter().map(|&v| f64::from(v)).sum()).collect()
        };
        for (row, (ours, theirs)) in traces(&embedded).iter().zip(traces(&original)).enumerate() {
            assert!((ours / theirs - 1.0).abs() < 0.15, "{name}, text {row}: {ours} {theirs}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("baked.onnx");
        fs::copy(tiny(name).join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
        copy.bake(&file, None, Some(Weights::Float16), &pool(), &Progress::default()).unwrap();
        let half = load(&file);
        let halved = embed(&half, &texts);
        assert_eq!(halved.gaussians.mean, embedded.gaussians.mean, "{name}");
        for (ours, theirs) in halved.gaussians.variance.iter().zip(&embedded.gaussians.variance) {
            assert!((ours / theirs - 1.0).abs() < 2e-3, "{name}: {ours} {theirs}");
        }
        assert_ne!(half.identity(), copy.identity(), "{name}: other Gaussians");
    }
}

#[test]
fn another_encoder_is_no_quantised_copy() {
    if !runs("another_encoder_is_no_quantised_copy") {
        return;
    }
    let posterior = Arc::new(fit(&load(&tiny("bert-ts17")), TailKind::Plain));
    for (name, word) in
        [("roberta-like", "norm"), ("bert-dense", "32×64, this one 16×32"), ("llama-last", "norm is 'layer'")]
    {
        let options =
            EncoderOptions { posterior: Some(Arc::clone(&posterior)), fitted_on: FittedOn::Original, ..options() };
        let error = Encoder::load(&tiny(name), &options).err().unwrap();
        assert_eq!(error.code, ErrorCode::PosteriorMismatch, "{name}");
        assert!(error.message.contains(word), "{name}: {error}");
        let folder = tempfile::tempdir().unwrap();
        let unfitted = EncoderOptions { posterior: None, ..options };
        let encoder = Encoder::load(&tiny(name), &unfitted).unwrap();
        let file = folder.path().join("baked.onnx");
        let error = encoder.bake(&file, Some(&posterior), None, &pool(), &Progress::default()).unwrap_err();
        assert_eq!((error.code, file.exists()), (ErrorCode::PosteriorMismatch, false), "{name}");
    }
}

#[test]
fn a_layer_in_the_graph_is_not_applied_twice() {
    if !runs("a_layer_in_the_graph_is_not_applied_twice") {
        return;
    }
    // Its weights are not even read, but its size must be that of the graph's layer.
    let folder = copy("bert-dense-ingraph");
    let whole = load(folder.path());
    fs::remove_file(folder.path().join("2_Dense/model.safetensors")).unwrap();
    assert_eq!(load(folder.path()).fingerprint(), whole.fingerprint());
    fs::write(folder.path().join("2_Dense/config.json"), r#"{"in_features": 16, "out_features": 8}"#).unwrap();
    let error = Encoder::load(folder.path(), &options()).err().unwrap();
    assert_eq!(error.code, ErrorCode::ModelUnsupported);
    assert!(error.message.contains("2_Dense"), "{error}");
}

#[test]
fn the_layers_behind_a_graph_are_part_of_the_encoder() {
    if !runs("the_layers_behind_a_graph_are_part_of_the_encoder") {
        return;
    }
    let folder = copy("bert-dense");
    let encoder = load(folder.path());
    let posterior = fit(&encoder, TailKind::Plain);
    let config = folder.path().join("2_Dense/config.json");
    let own = encoder.bake(&config, Some(&posterior), None, &pool(), &Progress::default()).unwrap_err();
    assert_eq!(own.code, ErrorCode::InvalidArgument, "a part of the model");
    let changed = fs::read_to_string(&config).unwrap().replace("Tanh", "ReLU");
    fs::write(&config, changed).unwrap();
    let other = load(folder.path());
    assert_ne!(other.fingerprint(), encoder.fingerprint());
    let file = folder.path().join("baked.onnx");
    let stale = encoder.bake(&file, Some(&posterior), None, &pool(), &Progress::default()).unwrap_err();
    assert_eq!(stale.code, ErrorCode::ModelInvalid, "the model has changed since it was loaded");
    let mismatch = other.bake(&file, Some(&posterior), None, &pool(), &Progress::default()).unwrap_err();
    assert_eq!(mismatch.code, ErrorCode::PosteriorMismatch);
    // ReLU of what was tanh: no entry is negative.
    assert!(embed(&other, &["a boat"]).gaussians.mean.iter().all(|x| *x >= 0.0));
    fs::remove_file(folder.path().join("2_Dense/model.safetensors")).unwrap();
    assert_eq!(Encoder::load(folder.path(), &options()).err().unwrap().code, ErrorCode::ModelInvalid);
}
