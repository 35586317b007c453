//! Bad input and interruption: each a coded error with a sentence, and nothing broken afterwards.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, dead_code)]

mod fixture;

use std::path::Path;
use std::time::Duration;

use fixture::{embed, fitter, load, options, pool, runs, tiny};
use uec_encoder::{Device, Encoder, EncoderOptions, FitOptions, FitPair, Fitter, Progress, Runtime, RuntimeSearch};
use uec_gaussian::{Cancel, ErrorCode};

fn refused(path: &Path, options: &EncoderOptions) -> uec_gaussian::Error {
    Encoder::load(path, options).err().unwrap()
}

#[test]
fn broken_models_are_refused_with_a_sentence() {
    if !runs("broken_models_are_refused_with_a_sentence") {
        return;
    }
    for (name, code) in [
        ("no-linear", ErrorCode::ModelUnsupported),
        ("two-outputs-unrelated", ErrorCode::ModelUnsupported),
        ("truncated", ErrorCode::ModelInvalid),
        ("bad-external", ErrorCode::ModelInvalid),
        ("bad-external-missing", ErrorCode::ModelInvalid),
        ("huge-dim-claim", ErrorCode::ModelInvalid),
        ("cyclic", ErrorCode::ModelInvalid),
        ("not-a-protobuf", ErrorCode::ModelInvalid),
        ("empty-file", ErrorCode::ModelInvalid),
        ("lfs-pointer", ErrorCode::ModelInvalid),
    ] {
        let error = refused(&tiny("broken").join(name), &options());
        assert_eq!(error.code, code, "{name}: {error}");
        assert!(error.message.len() > 30, "{name}: {error}");
    }
    assert_eq!(refused(&tiny("nowhere"), &options()).code, ErrorCode::ModelNotFound);
}

#[test]
fn a_missing_or_damaged_tokenizer_is_refused() {
    if !runs("a_missing_or_damaged_tokenizer_is_refused") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(tiny("bert-ts17/onnx/model.onnx"), folder.path().join("model.onnx")).unwrap();
    assert_eq!(refused(folder.path(), &options()).code, ErrorCode::TokenizerInvalid);
    std::fs::write(folder.path().join("tokenizer.json"), "{\"version\"").unwrap();
    assert_eq!(refused(folder.path(), &options()).code, ErrorCode::TokenizerInvalid);
}

#[test]
fn options_that_cannot_be_met_are_refused() {
    if !runs("options_that_cannot_be_met_are_refused") {
        return;
    }
    let path = tiny("bert-ts17");
    for (options, code) in [
        (EncoderOptions { device: Device::Cuda, ..options() }, ErrorCode::DeviceUnavailable),
        (EncoderOptions { threads: Some(0), ..options() }, ErrorCode::InvalidArgument),
        (EncoderOptions { max_tokens: Some(2), ..options() }, ErrorCode::InvalidArgument),
        (EncoderOptions { max_tokens: Some(65), ..options() }, ErrorCode::InvalidArgument),
        (EncoderOptions { file: Some("onnx/none.onnx".into()), ..options() }, ErrorCode::ModelNotFound),
    ] {
        assert_eq!(refused(&path, &options).code, code);
    }
    let prompt = load(&path).embed(&["text"], Some("query"), &Cancel::default(), &Progress::default());
    assert_eq!(prompt.unwrap_err().code, ErrorCode::InvalidArgument);
}

#[test]
fn a_second_runtime_is_refused() {
    if !runs("a_second_runtime_is_refused") {
        return;
    }
    let loaded = Runtime::ensure(&fixture::runtime()).unwrap();
    assert!(loaded.path().is_absolute());
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("libonnxruntime.so.1");
    std::fs::write(&other, "another").unwrap();
    let search = |path: &Path| RuntimeSearch { path: Some(path.to_owned()), candidates: Vec::new() };
    assert_eq!(Runtime::ensure(&search(&other)).unwrap_err().code, ErrorCode::InvalidArgument);
    let missing = folder.path().join("none.so");
    assert_eq!(Runtime::ensure(&search(&missing)).unwrap_err().code, ErrorCode::RuntimeNotFound);
    assert!(Runtime::ensure(&search(loaded.path())).is_ok());
}

#[test]
fn a_baked_file_wants_its_own_tokenizer() {
    if !runs("a_baked_file_wants_its_own_tokenizer") {
        return;
    }
    let (cancel, progress) = (Cancel::default(), Progress::default());
    let encoder = load(&tiny("bert-ts17"));
    let mut fitter = fitter(&encoder, FitOptions::default());
    fitter.push(pairs(4), &cancel, &progress).unwrap();
    let posterior = fitter.finish(&cancel, &progress).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("baked.onnx");
    encoder.bake(&file, Some(&posterior), None, &pool(), &progress).unwrap();
    std::fs::copy(tiny("llama-last/tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    assert_eq!(refused(&file, &options()).code, ErrorCode::TokenizerInvalid);
    std::fs::copy(tiny("bert-ts17/tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    let baked = load(&file);
    assert_eq!(Fitter::new(&baked, FitOptions::default(), pool()).err().unwrap().code, ErrorCode::InvalidArgument);
    assert_eq!(
        baked.bake(&file, None, None, &pool(), &progress).unwrap_err().code,
        ErrorCode::InvalidArgument,
        "onto itself"
    );
    let again = EncoderOptions { posterior: Some(posterior.into()), ..options() };
    assert_eq!(refused(&file, &again).code, ErrorCode::InvalidArgument);
}

#[test]
fn a_model_that_changes_on_disk_is_not_fitted() {
    if !runs("a_model_that_changes_on_disk_is_not_fitted") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for file in ["tokenizer.json", "onnx/model.onnx"] {
        let name = Path::new(file).file_name().unwrap();
        std::fs::copy(tiny("bert-ts17").join(file), folder.path().join(name)).unwrap();
    }
    let encoder = load(folder.path());
    std::fs::copy(tiny("bert-ts14/onnx/model.onnx"), folder.path().join("model.onnx")).unwrap();
    assert_eq!(Fitter::new(&encoder, FitOptions::default(), pool()).err().unwrap().code, ErrorCode::ModelInvalid);
}

#[test]
fn a_call_cancelled_before_it_begins_does_nothing() {
    if !runs("a_call_cancelled_before_it_begins_does_nothing") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let (cancel, progress) = (Cancel::default(), Progress::default());
    cancel.cancel();
    assert_eq!(encoder.embed(&["text"], None, &cancel, &progress).unwrap_err().code, ErrorCode::Aborted);
    let mut fitter = fitter(&encoder, FitOptions { batch_size: 2, ..FitOptions::default() });
    assert_eq!(fitter.push(pairs(8), &cancel, &progress).unwrap_err().code, ErrorCode::Aborted);
    let after = fitter.push(pairs(8), &Cancel::default(), &progress).unwrap_err();
    assert_eq!(after.code, ErrorCode::InvalidArgument, "a fit that lacks a batch does not go on");
}

#[test]
fn a_running_call_is_cancelled_and_the_encoder_works_on() {
    if !runs("a_running_call_is_cancelled_and_the_encoder_works_on") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let texts: Vec<String> = (0..60_000).map(|i| format!("the boat number {i} crosses the lake at dawn")).collect();
    let before = embed(&encoder, &texts[..100]);
    let (cancel, progress) = (Cancel::default(), Progress::default());
    let error = std::thread::scope(|scope| {
        let call = scope.spawn(|| encoder.embed(&texts, None, &cancel, &progress));
        while progress.snapshot().phase != uec_encoder::Phase::Embed || progress.snapshot().done == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        cancel.cancel();
        call.join().unwrap().unwrap_err()
    });
    assert_eq!(error.code, ErrorCode::Aborted);
    assert!(progress.snapshot().done < texts.len() as u64, "it stopped half way");
    assert_eq!(embed(&encoder, &texts[..100]), before);
}

fn pairs(count: usize) -> Vec<FitPair> {
    let text = |i: usize, end: &str| format!("{} {end}", ["the boat", "a dog", "green water", "the market"][i % 4]);
    (0..count)
        .map(|i| FitPair { query: text(i, "at dawn"), positive: text(i, "in the morning"), negatives: Vec::new() })
        .collect()
}
