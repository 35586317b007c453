//! A baked file is the original with three more outputs, which hold the Gaussian of method §3.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod models;

use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use models::{Reference, fixtures, json, onnx, tail};
use serde::Deserialize;
use uec_gaussian::ErrorCode;
use uec_onnx::{Bake, BakedPosterior, Graph, Pooling, TailKind};

#[derive(Deserialize)]
struct Variance {
    #[serde(rename = "V")]
    v: Vec<Vec<f32>>,
}

fn options(posterior: Option<BakedPosterior>) -> Bake {
    Bake { pooling: Pooling::Mean, normalize: true, posterior, metadata: vec![("note".to_owned(), "x".to_owned())] }
}

fn plain(variance: Vec<f32>) -> Option<BakedPosterior> {
    Some(BakedPosterior { variance, kind: TailKind::Plain })
}

#[test]
fn the_original_bytes_come_first_and_the_outputs_last() {
    let path = onnx(&fixtures().join("bert-ts17"));
    let (graph, tail) = tail(&fixtures().join("bert-ts17")).unwrap();
    assert_eq!(graph.baked(), None);
    let baked = graph.bake(&tail, &options(plain(vec![1.0; tail.weight.len()]))).unwrap();
    assert!(baked.bytes.starts_with(graph.bytes()));
    let read = Graph::parse(Bytes::from(baked.bytes), &path).unwrap();
    assert_eq!(read.outputs(), ["last_hidden_state", "mean", "variance", "norm"]);
    assert_eq!(read.inputs(), graph.inputs());
    let info = read.baked().unwrap();
    assert_eq!((info.version, info.mean.as_str(), info.norm.as_str()), (1, "mean", "norm"));
    assert_eq!((info.variance.as_deref(), info.metadata["note"].as_str()), (Some("variance"), "x"));
    let again = read.bake(&tail, &options(None)).unwrap_err();
    assert_eq!(again.code, ErrorCode::ModelUnsupported, "{again}");
}

#[test]
fn without_a_posterior_there_is_no_variance() {
    let path = onnx(&fixtures().join("bert-ts17"));
    let (graph, tail) = tail(&fixtures().join("bert-ts17")).unwrap();
    let baked = graph.bake(&tail, &options(None)).unwrap();
    assert_eq!(baked.variance, None);
    let read = Graph::parse(Bytes::from(baked.bytes), &path).unwrap();
    assert_eq!(read.outputs(), ["last_hidden_state", "mean", "norm"]);
    assert_eq!(read.baked().unwrap().variance, None);
}

#[test]
fn tapping_adds_the_two_tensors_as_outputs() {
    for name in ["bert-ts17", "bert-ts14", "bert-dynamo20", "bert-fp16-weights", "bert-cls"] {
        let (graph, tail) = tail(&fixtures().join(name)).unwrap();
        let tapped = graph.tapped(&tail).unwrap();
        let reference: Reference = json(&fixtures().join(name).join("reference.json"));
        assert_eq!(tapped.activations, reference.last_linear.a_tensor);
        assert_eq!(tapped.preactivations, reference.norm.u_tensor.unwrap());
        let read = Graph::parse(Bytes::from(tapped.bytes), &onnx(&fixtures().join(name))).unwrap();
        assert_eq!(read.outputs(), ["last_hidden_state", &tapped.activations, &tapped.preactivations]);
    }
}

#[test]
fn wrong_variances_and_metadata_are_refused() {
    let (graph, tail) = tail(&fixtures().join("bert-ts17")).unwrap();
    let code = |bake: &Bake| graph.bake(&tail, bake).unwrap_err().code;
    assert_eq!(code(&options(plain(vec![1.0; 3]))), ErrorCode::DimensionMismatch);
    for value in [f32::NAN, f32::INFINITY, -1.0] {
        let mut variance = vec![1.0; tail.weight.len()];
        variance[70] = value;
        let error = graph.bake(&tail, &options(plain(variance))).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert!(error.message.contains("variance[1, 6]"), "{error}");
    }
    let metadata = vec![("uec.mean".to_owned(), "y".to_owned())];
    assert_eq!(code(&Bake { metadata, ..options(None) }), ErrorCode::InvalidArgument);
}

/// Means to 1e-5 and variances to 1e-4 (relative to the largest) of a direct computation in float64 from the reference's
/// a and u, in ONNX Runtime under Python; also padding, a row without tokens, and the official checker.
#[test]
fn onnx_runtime_agrees_with_a_direct_computation() {
    let python = std::env::var("UEC_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let folder = tempfile::tempdir().unwrap();
    for name in ["bert-ts17", "bert-ts14", "bert-dynamo20", "bert-fp16-weights", "bert-cls", "llama-last"] {
        for (kind, flag) in [(TailKind::Plain, "plain"), (TailKind::FirstOrder, "first-order")] {
            for normalize in [true, false] {
                if !agrees(&python, folder.path(), name, (kind, flag), normalize) {
                    return;
                }
            }
        }
    }
}

/// `false` if Python lacks what the check needs.
fn agrees(python: &str, folder: &Path, name: &str, (kind, flag): (TailKind, &str), normalize: bool) -> bool {
    let model = fixtures().join(name);
    let reference: Reference = json(&model.join("reference.json"));
    let (graph, tail) = tail(&model).unwrap();
    let stored = model.join("variance.json");
    let variance: Vec<f32> = match stored.exists() {
        true => json::<Variance>(&stored).v.concat(),
        // Uneven on purpose, so that a transposed V would be seen.
        false => (0..tail.weight.len()).map(|at| 1e-4 * (1.0 + (at % 13) as f32)).collect(),
    };
    let pooling: Pooling = reference.pooling.parse().unwrap();
    let posterior = Some(BakedPosterior { variance: variance.clone(), kind });
    let bake = Bake { pooling, normalize, posterior, metadata: Vec::new() };
    let (baked, matrix) = (folder.join("baked.onnx"), folder.join("V.f32"));
    std::fs::write(&baked, graph.bake(&tail, &bake).unwrap().bytes).unwrap();
    std::fs::write(&matrix, variance.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/check_baked.py");
    let output = Command::new(python)
        .arg(script)
        .arg("--original")
        .arg(onnx(&model))
        .arg("--baked")
        .arg(&baked)
        .arg("--reference")
        .arg(&model)
        .arg("--variance")
        .arg(&matrix)
        .args(["--pooling", &reference.pooling, "--normalize", if normalize { "1" } else { "0" }, "--tail", flag])
        .output();
    let skip = |why: &str| {
        eprintln!("skipped: onnx_runtime_agrees_with_a_direct_computation ({why}; set UEC_PYTHON)");
        false
    };
    let Ok(output) = output else { return skip("no python3") };
    if output.status.code() == Some(77) {
        return skip(String::from_utf8_lossy(&output.stdout).trim().trim_start_matches("skipped: "));
    }
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{name} {flag} normalize={normalize}: {said}");
    true
}
