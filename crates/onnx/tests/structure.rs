//! The tail is found by structure, and is the one that the generator of the fixtures wrote down.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod models;

use std::path::Path;

use models::{Linear, Norm, Reference, fixtures, json, onnx, shared, tail, variants};
use uec_gaussian::ErrorCode;
use uec_onnx::{Activation, Dense, Graph, NormKind, Override, Stage, Tail};

fn close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (&found, &expected) in found.iter().zip(expected) {
        // The reference has nine significant digits, and multiplies the integers of quantised weights in float64.
        assert!((f64::from(found) - expected).abs() <= 1e-7 * expected.abs() + 1e-10, "{what}: {found} {expected}");
    }
}

fn close_sums(weight: &[f32], expected: &Linear, what: &str) {
    let weight: Vec<f64> = weight.iter().map(|&w| f64::from(w)).collect();
    assert!((weight.iter().sum::<f64>() - expected.sum).abs() < 1e-6, "{what}");
    assert!((weight.iter().map(|w| w.abs()).sum::<f64>() - expected.abs_sum).abs() < 1e-6, "{what}");
}

fn has_weight(tail: &Tail, expected: &Linear, what: &str) {
    assert_eq!([tail.dimension, tail.features], expected.shape, "{what}");
    close_sums(&tail.weight, expected, what);
    // Rows of W, so that a forgotten transposition is seen.
    close(&tail.weight[..5], &expected.first, what);
    close(&tail.weight[tail.weight.len() - 5..], &expected.last, what);
    let norm2: f64 = tail.weight.iter().map(|&w| f64::from(w) * f64::from(w)).sum();
    assert!((tail.weight_norm2() - norm2).abs() < 1e-9 * norm2, "{what}");
}

fn has_norm(tail: &Tail, expected: &Norm, what: &str) {
    let kind = match expected.kind.as_str() {
        "identity" => NormKind::None,
        "RMSNorm" => NormKind::Rms,
        _ => NormKind::Layer,
    };
    assert_eq!(tail.norm, kind, "{what}");
    let eps = expected.eps.unwrap_or(0.0);
    assert!((f64::from(tail.epsilon) - eps).abs() <= 1e-6 * eps, "{what}");
    close(&tail.gamma, expected.gamma.as_deref().unwrap_or(&vec![1.0; tail.dimension]), what);
    close(&tail.beta, expected.beta.as_deref().unwrap_or(&vec![0.0; tail.dimension]), what);
    if kind != NormKind::None {
        let u = expected.u_tensor.as_ref().map_or_else(|| expected.u_is_sum_of.clone().unwrap(), |u| vec![u.clone()]);
        assert_eq!(tail.preactivations(), u, "{what}");
    }
}

/// Everything that `reference.json` says about the tail in the graph.
fn matches_reference(folder: &Path) {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let reference: Reference = json(&folder.join("reference.json"));
    let (graph, tail) = tail(folder).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(graph.inputs(), reference.inputs, "{name}");
    let in_graph = reference.last_linear.node_name.is_some();
    let linear = reference.graph_last_linear.as_ref().filter(|_| !in_graph).unwrap_or(&reference.last_linear);
    let norm = reference.graph_norm.as_ref().filter(|_| !in_graph).unwrap_or(&reference.norm);
    assert_eq!(Some(&tail.linear), linear.node_name.as_ref(), "{name}");
    assert_eq!(tail.activations(), [linear.a_tensor.as_str()], "{name}");
    has_weight(&tail, linear, name);
    has_norm(&tail, norm, name);
    let pooled = linear.activation.is_some();
    assert_eq!(tail.stage, if pooled { Stage::Pooled } else { Stage::Tokens }, "{name}");
    assert_eq!(tail.activation, if pooled { Activation::Tanh } else { Activation::Identity }, "{name}");
    assert_eq!(graph.runs_alone(), name.contains("int8"), "{name}");
}

#[test]
fn finds_the_tail_of_every_export() {
    let variants = variants();
    assert_eq!(variants.len(), 22);
    for folder in variants {
        matches_reference(&folder);
    }
}

/// The tensors that hold u and y where they are neither the norm's input nor an output.
#[test]
fn a_dense_layer_in_the_graph_is_not_followed_by_its_normalisation() {
    let (_, tail) = tail(&fixtures().join("bert-dense-ingraph")).unwrap();
    assert_eq!(tail.preactivations(), ["/dense/Gemm_output_0"]);
    assert_eq!(tail.output(), ["/Tanh_output_0"]);
}

/// The only tensors of 2_Dense/model.safetensors: the length of the header, the header, the data.
fn dense(folder: &Path, reference: &Linear) -> Dense {
    let bytes = std::fs::read(folder.join("2_Dense/model.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let start = header["linear.weight"]["data_offsets"][0].as_u64().unwrap() as usize + 8 + length;
    let [dimension, features] = reference.shape;
    let data = bytes[start..start + 4 * dimension * features].chunks_exact(4);
    let weight = data.map(|value| f32::from_le_bytes(value.try_into().unwrap())).collect();
    let bias = reference.bias.as_ref().unwrap().values.clone();
    Dense { weight, bias, dimension, features, activation: Activation::Tanh }
}

#[test]
fn a_dense_module_becomes_the_last_layer() {
    let folder = fixtures().join("bert-dense");
    let reference: Reference = json(&folder.join("reference.json"));
    let (_, inner) = tail(&folder).unwrap();
    let head = dense(&folder, &reference.last_linear);
    let outer = inner.clone().with_heads(vec![head.clone()]).unwrap();
    assert_eq!((outer.stage, outer.activation), (Stage::Pooled, Activation::Tanh));
    has_weight(&outer, &reference.last_linear, "head");
    has_norm(&outer, &reference.norm, "head");
    assert_eq!(outer.output(), inner.output());
    let same = inner.clone().with_heads(Vec::new()).unwrap();
    assert_eq!((same.stage, same.weight), (Stage::Tokens, inner.weight.clone()));

    let code = |tail: Tail, heads: Vec<Dense>| tail.with_heads(heads).unwrap_err().code;
    let (_, within) = tail(&fixtures().join("bert-dense-ingraph")).unwrap();
    assert_eq!(code(within, vec![head.clone()]), ErrorCode::InvalidArgument);
    assert_eq!(code(outer, vec![head.clone()]), ErrorCode::InvalidArgument);
    assert_eq!(code(inner.clone(), vec![head.clone(), head.clone()]), ErrorCode::ModelInvalid);
    assert_eq!(code(inner.clone(), vec![Dense { bias: vec![0.0; 15], ..head.clone() }]), ErrorCode::ModelInvalid);
    let damaged = Dense { bias: vec![f32::NAN; 16], ..head };
    assert_eq!(code(inner, vec![damaged]), ErrorCode::ModelInvalid);
}

#[test]
fn activations_have_the_names_of_torch() {
    for (name, expected) in [
        ("torch.nn.modules.linear.Identity", Activation::Identity),
        ("torch.nn.modules.activation.Tanh", Activation::Tanh),
        ("ReLU", Activation::Relu),
        ("torch.nn.Sigmoid", Activation::Sigmoid),
    ] {
        assert_eq!(name.parse::<Activation>().unwrap(), expected);
    }
    let error = "torch.nn.modules.activation.GELU".parse::<Activation>().unwrap_err();
    assert!(error.code == ErrorCode::ModelUnsupported && error.message.contains("GELU"), "{error}");
}

#[test]
fn finds_the_tail_of_the_real_encoders() {
    let Some(models) = shared("finds_the_tail_of_the_real_encoders") else { return };
    for name in ["minilm-l6-en", "student-l3-de", "student-l3-fr", "student-l3-cs"] {
        let (_, tail) = tail(&models.join(name)).unwrap();
        assert_eq!((tail.dimension, tail.norm), (384, NormKind::Layer), "{name}");
        assert_eq!(tail.weight.len(), tail.dimension * tail.features, "{name}");
        if name == "minilm-l6-en" {
            // golden/encoder.json, fit.W_norm2
            assert!((tail.weight_norm2() - 886.643261809776).abs() < 1e-9);
        }
    }
}

#[test]
fn an_override_starts_the_walk_elsewhere() {
    let graph = Graph::read(&onnx(&fixtures().join("bert-ts17"))).unwrap();
    let earlier = "/layer.0/output/LayerNorm/LayerNormalization";
    let over = |linear: Option<&str>, norm: Option<&str>| Override {
        linear: linear.map(str::to_owned),
        norm: norm.map(str::to_owned),
    };
    let by_node = graph.tail(&over(None, Some(earlier))).unwrap();
    let by_tensor = graph.tail(&over(None, Some(&format!("{earlier}_output_0")))).unwrap();
    assert_eq!(by_node.linear, "/layer.0/output/dense/MatMul");
    assert_eq!(by_node.linear, by_tensor.linear);
    let named = graph.tail(&over(Some("/layer.1/output/dense/MatMul"), None)).unwrap();
    assert_eq!(named.linear, graph.tail(&Override::default()).unwrap().linear);
    let elsewhere = graph.tail(&over(Some("/layer.0/output/dense/MatMul"), None)).unwrap_err();
    assert_eq!(elsewhere.code, ErrorCode::ModelUnsupported, "{elsewhere}");
    let unknown = graph.tail(&over(None, Some("nope"))).unwrap_err();
    assert_eq!(unknown.code, ErrorCode::InvalidArgument, "{unknown}");
}

#[test]
fn an_override_chooses_between_unrelated_outputs() {
    let graph = Graph::read(&onnx(&fixtures().join("broken/two-outputs-unrelated"))).unwrap();
    let tail = graph.tail(&Override { norm: Some("output_b".to_owned()), linear: None }).unwrap();
    assert_eq!((tail.linear.as_str(), tail.norm), ("/b/MatMul", NormKind::None));
    assert_eq!(tail.preactivations(), tail.output());
    assert!(tail.gamma.iter().all(|&gamma| gamma == 1.0) && tail.beta.iter().all(|&beta| beta == 0.0));
}
