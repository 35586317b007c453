//! A baked file is the original with three more outputs, which hold the Gaussian of method §3.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod models;

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use models::{Reference, fixtures, json, onnx, tail};
use safetensors::SafeTensors;
use serde::Deserialize;
use uec_gaussian::ErrorCode;
use uec_onnx::{Bake, BakedPosterior, Dense, Graph, Pooling, Stage, Tail, TailKind};

#[derive(Deserialize)]
struct Variance {
    #[serde(rename = "V")]
    v: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Settings {
    pooling: String,
}

#[derive(Deserialize)]
struct DenseConfig {
    in_features: usize,
    out_features: usize,
    activation_function: String,
}

fn options(posterior: Option<BakedPosterior>) -> Bake {
    let metadata = vec![("note".to_owned(), "x".to_owned())];
    Bake { pooling: Pooling::Mean, normalize: true, dimensions: None, posterior, metadata }
}

fn plain(variance: Vec<f32>) -> Option<BakedPosterior> {
    Some(BakedPosterior { variance, kind: TailKind::Plain, half: false })
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
        let tapped = graph.tapped(&tail, Pooling::Mean).unwrap();
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

#[test]
fn wrong_dimensions_are_refused() {
    let (graph, tail) = tail(&fixtures().join("bert-ts17")).unwrap();
    for dimensions in [0, 33] {
        let error = graph.bake(&tail, &Bake { dimensions: Some(dimensions), ..options(None) }).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidArgument, "{error}");
    }
}

/// A way to bake.
#[derive(Clone, Copy, Debug)]
struct Way {
    kind: TailKind,
    normalize: bool,
    half: bool,
    /// Half of the outputs.
    shortened: bool,
    /// Variances so large that their sums are no float32.
    overflowing: bool,
}

const WAYS: [Way; 8] = {
    let way = Way { kind: TailKind::Plain, normalize: true, half: false, shortened: false, overflowing: false };
    let first = Way { kind: TailKind::FirstOrder, ..way };
    [
        way,
        Way { normalize: false, ..way },
        Way { shortened: true, half: true, ..way },
        first,
        Way { normalize: false, half: true, ..first },
        Way { shortened: true, ..first },
        Way { overflowing: true, ..way },
        Way { overflowing: true, normalize: false, half: true, ..way },
    ]
};

/// Means to 1e-5 and variances to 1e-4 (relative to the largest) of a direct computation in float64 from the reference's
/// a and u, in ONNX Runtime under Python; also padding, rows without tokens or with variances beyond float32, and the
/// official checker. Quantised and float16 encoders to the tolerance of their reference, a V of float16 to 2⁻¹¹ more.
#[test]
fn onnx_runtime_agrees_with_a_direct_computation() {
    const TEST: &str = "onnx_runtime_agrees_with_a_direct_computation";
    let python = std::env::var("UEC_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let mut cases = Vec::new();
    for model in encoders() {
        for (at, way) in WAYS.into_iter().enumerate() {
            let name = format!("{}-{at}", model.file_name().unwrap().display());
            cases.push(case(&folder.path().join(name), &model, way));
        }
    }
    let list = folder.path().join("cases.json");
    std::fs::write(&list, serde_json::to_vec(&cases).unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/check_baked.py");
    let Ok(output) = Command::new(python).arg(script).arg(list).output() else {
        eprintln!("skipped: {TEST} (no python3; set UEC_PYTHON)");
        return;
    };
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if output.status.code() == Some(77) {
        eprintln!("skipped: {TEST} ({}; set UEC_PYTHON)", said.trim().trim_start_matches("skipped: "));
        return;
    }
    assert!(output.status.success(), "{said}");
}

/// Every fixture with reference values.
fn encoders() -> Vec<PathBuf> {
    let found = std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = found.filter(|path| path.join("reference.json").exists()).collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

/// What check_baked.py reads of a model baked into `folder`.
fn case(folder: &Path, model: &Path, way: Way) -> serde_json::Value {
    let reference: Settings = json(&model.join("reference.json"));
    let (graph, tail) = tail(model).unwrap();
    let heads = heads(model, &tail);
    let tail = tail.with_heads(heads).unwrap();
    let stored = model.join("variance.json");
    let mut variance: Vec<f32> = match stored.exists() {
        true => json::<Variance>(&stored).v.concat(),
        // Uneven on purpose, so that a transposed V would be seen.
        false => (0..tail.weight.len()).map(|at| 1e-4 * (1.0 + (at % 13) as f32)).collect(),
    };
    let dimension = if way.shortened { tail.dimension / 2 } else { tail.dimension };
    variance.truncate(dimension * tail.features);
    if way.overflowing {
        variance.fill(f32::MAX);
    }
    let posterior = Some(BakedPosterior { variance: variance.clone(), kind: way.kind, half: way.half });
    let bake = Bake {
        pooling: reference.pooling.parse().unwrap(),
        normalize: way.normalize,
        dimensions: way.shortened.then_some(dimension),
        posterior,
        metadata: Vec::new(),
    };
    // Beside its external data.
    std::fs::create_dir(folder).unwrap();
    for file in graph.external_files() {
        std::fs::copy(file, folder.join(file.file_name().unwrap())).unwrap();
    }
    let (baked, matrix) = (folder.join("baked.onnx"), folder.join("V.f32"));
    std::fs::write(&baked, graph.bake(&tail, &bake).unwrap().bytes).unwrap();
    std::fs::write(&matrix, variance.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()).unwrap();
    serde_json::json!({
        "original": onnx(model),
        "baked": baked,
        "reference": model,
        "variance": matrix,
        "pooling": reference.pooling,
        "normalize": way.normalize,
        "tail": if way.kind == TailKind::Plain { "plain" } else { "first-order" },
        "dimensions": dimension,
        "half": way.half,
        "overflowing": way.overflowing,
    })
}

/// The `Dense` module of a folder, where the graph does not have it.
fn heads(model: &Path, tail: &Tail) -> Vec<Dense> {
    let Ok(bytes) = std::fs::read(model.join("2_Dense/model.safetensors")) else { return Vec::new() };
    if tail.stage == Stage::Pooled {
        return Vec::new();
    }
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |name| {
        let data = tensors.tensor(name).unwrap();
        data.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect::<Vec<_>>()
    };
    let config: DenseConfig = json(&model.join("2_Dense/config.json"));
    vec![Dense {
        weight: floats("linear.weight"),
        bias: floats("linear.bias"),
        dimension: config.out_features,
        features: config.in_features,
        activation: config.activation_function.parse().unwrap(),
    }]
}
