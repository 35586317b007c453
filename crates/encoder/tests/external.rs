//! Weights in a file beside the model: the edited graph is opened from memory, and still finds them.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, dead_code)]

mod fixture;

use std::fs;
use std::path::Path;

use fixture::{distance, embed, fitter, json, load, numbers, options, pool, runs, texts, tiny};
use uec_encoder::{Encoder, FitOptions, FitPair, Progress};
use uec_gaussian::{Cancel, ErrorCode};
use uec_laplace::Posterior;

/// Copies what an encoder needs beside its graph.
fn settings(folder: &Path) {
    for file in ["tokenizer.json", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json"] {
        let target = folder.join(file);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(tiny("bert-external").join(file), target).unwrap();
    }
    fs::create_dir_all(folder.join("onnx")).unwrap();
}

fn assert_reference(folder: &Path) {
    let reference = json(&tiny("bert-external").join("reference.json"));
    let embedded = embed(&load(folder), &texts(&reference));
    for (row, text) in reference["texts"].as_array().unwrap().iter().enumerate() {
        let mean = &embedded.gaussians.mean[row * 32..(row + 1) * 32];
        assert!(distance(mean, &numbers(&text["embedding"])) < reference["tolerance"].as_f64().unwrap(), "text {row}");
    }
}

#[test]
fn weights_in_a_folder_below_the_model_are_found() {
    if !runs("weights_in_a_folder_below_the_model_are_found") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    settings(folder.path());
    let source = tiny("bert-external/onnx");
    // A name of the same length, so that the file stays a sound message.
    let (from, to) = (b"model.onnx_data", b"weights/onnx.db");
    let mut model = fs::read(source.join("model.onnx")).unwrap();
    for at in 0..=model.len() - from.len() {
        if model[at..].starts_with(from) {
            model[at..at + from.len()].copy_from_slice(to);
        }
    }
    fs::write(folder.path().join("onnx/model.onnx"), model).unwrap();
    fs::create_dir(folder.path().join("onnx/weights")).unwrap();
    fs::copy(source.join("model.onnx_data"), folder.path().join("onnx/weights/onnx.db")).unwrap();
    assert_reference(folder.path());
}

/// Every file a link into one folder of contents, as download caches keep them.
#[cfg(unix)]
#[test]
fn a_download_cache_of_links_is_a_model() {
    if !runs("a_download_cache_of_links_is_a_model") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (blobs, snapshot) = (folder.path().join("blobs"), folder.path().join("snapshot"));
    settings(&snapshot);
    fs::create_dir(&blobs).unwrap();
    for (name, blob) in [("model.onnx", "1a"), ("model.onnx_data", "2b")] {
        fs::copy(tiny("bert-external/onnx").join(name), blobs.join(blob)).unwrap();
        std::os::unix::fs::symlink(blobs.join(blob), snapshot.join("onnx").join(name)).unwrap();
    }
    assert_reference(&snapshot);

    let encoder = load(&snapshot);
    let posterior = fitted(&encoder);
    let file = snapshot.join("onnx/baked.onnx");
    let error = encoder.bake(&file, Some(&posterior), None, &pool(), &Progress::default()).unwrap_err();
    assert_eq!((error.code, file.exists()), (ErrorCode::InvalidArgument, false), "no runtime would find its weights");
    assert!(error.message.contains("model.onnx_data is a link"), "{error}");
    encoder.copy_weights(&snapshot.join("onnx")).unwrap();
    assert!(snapshot.join("onnx/model.onnx_data").is_symlink(), "the model's own folder stays as it is");
}

fn fitted(encoder: &Encoder) -> Posterior {
    let (cancel, progress) = (Cancel::default(), Progress::default());
    let pair = |query: &str, positive: &str| FitPair {
        query: query.to_owned(),
        positive: positive.to_owned(),
        negatives: Vec::new(),
    };
    let mut fit = fitter(encoder, FitOptions::default());
    fit.push(vec![pair("a boat at dawn", "the boat"), pair("green water", "the lake")], &cancel, &progress).unwrap();
    fit.finish(&cancel, &progress).unwrap()
}

#[test]
fn it_is_fitted_and_baked_beside_its_weights() {
    if !runs("it_is_fitted_and_baked_beside_its_weights") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    settings(folder.path());
    let onnx = folder.path().join("onnx");
    for name in ["model.onnx", "model.onnx_data"] {
        fs::copy(tiny("bert-external/onnx").join(name), onnx.join(name)).unwrap();
    }
    let encoder = load(folder.path());
    let (progress, pool) = (Progress::default(), pool());
    let posterior = fitted(&encoder);

    let refused = |file: &Path| encoder.bake(file, Some(&posterior), None, &pool, &progress).unwrap_err().code;
    let weights = fs::read(onnx.join("model.onnx_data")).unwrap();
    for own in ["onnx/model.onnx", "onnx/model.onnx_data", "tokenizer.json"] {
        assert_eq!(refused(&folder.path().join(own)), ErrorCode::InvalidArgument, "{own} is a part of the model");
    }
    assert_eq!(refused(&folder.path().join("baked.onnx")), ErrorCode::InvalidArgument, "away from its weights");
    assert_eq!(fs::read(onnx.join("model.onnx_data")).unwrap(), weights);

    let elsewhere = folder.path().join("elsewhere");
    encoder.copy_weights(&elsewhere).unwrap();
    let copy = elsewhere.join("baked.onnx");
    encoder.bake(&copy, Some(&posterior), None, &pool, &progress).unwrap();
    fs::copy(folder.path().join("tokenizer.json"), elsewhere.join("tokenizer.json")).unwrap();

    let file = onnx.join("baked.onnx");
    encoder.bake(&file, Some(&posterior), None, &pool, &progress).unwrap();
    fs::copy(folder.path().join("tokenizer.json"), onnx.join("tokenizer.json")).unwrap();
    let fitted = fixture::load_with(folder.path(), &posterior);
    let texts = ["the boat", "green water at dawn"];
    assert_eq!(embed(&load(&file), &texts), embed(&fitted, &texts));
    assert_eq!(embed(&load(&copy), &texts), embed(&fitted, &texts), "beside a copy of the weights");
    let mut other = weights.clone();
    other[0] ^= 1;
    fs::write(elsewhere.join("model.onnx_data"), other).unwrap();
    assert_eq!(refused(&copy), ErrorCode::InvalidArgument, "beside other weights");

    fs::write(onnx.join("model.onnx_data"), &weights[..weights.len() - 1]).unwrap();
    assert_eq!(Encoder::load(folder.path(), &options()).err().unwrap().code, ErrorCode::ModelInvalid);
}
