//! The tail is found by structure, and is the one that the generator of the fixtures wrote down.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod models;

use std::path::Path;

use models::{Reference, fixtures, json, onnx, shared, tail};
use uec_gaussian::ErrorCode;
use uec_onnx::{Graph, NormKind, Override};

fn close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (&found, &expected) in found.iter().zip(expected) {
        // The reference has nine significant digits.
        assert!((f64::from(found) - expected).abs() <= 1e-8 * expected.abs() + 1e-10, "{what}: {found} {expected}");
    }
}

fn matches_reference(folder: &Path) {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let reference: Reference = json(&folder.join("reference.json"));
    let (graph, tail) = tail(folder).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(graph.inputs(), reference.inputs, "{name}");
    assert_eq!([tail.dimension, tail.features], reference.last_linear.shape, "{name}");
    assert_eq!(tail.linear, reference.last_linear.node_name, "{name}");
    assert_eq!(tail.activations(), [reference.last_linear.a_tensor], "{name}");
    assert_eq!(tail.preactivations(), [reference.norm.u_tensor.unwrap()], "{name}");
    let kind = if reference.norm.kind == "RMSNorm" { NormKind::Rms } else { NormKind::Layer };
    assert_eq!(tail.norm, kind, "{name}");
    let eps = reference.norm.eps.unwrap();
    assert!((f64::from(tail.epsilon) - eps).abs() <= 1e-6 * eps, "{name}");
    close(&tail.gamma, &reference.norm.gamma.unwrap(), name);
    close(&tail.beta, &reference.norm.beta.unwrap_or(vec![0.0; reference.dimension]), name);
    let weight: Vec<f64> = tail.weight.iter().map(|&w| f64::from(w)).collect();
    assert!((weight.iter().sum::<f64>() - reference.last_linear.sum).abs() < 1e-7, "{name}");
    assert!((weight.iter().map(|w| w.abs()).sum::<f64>() - reference.last_linear.abs_sum).abs() < 1e-6, "{name}");
    // Rows of W, so that a forgotten transposition is seen.
    close(&tail.weight[..5], &reference.last_linear.first, name);
    close(&tail.weight[tail.weight.len() - 5..], &reference.last_linear.last, name);
    let norm2: f64 = weight.iter().map(|w| w * w).sum();
    assert!((tail.weight_norm2() - norm2).abs() < 1e-9 * norm2, "{name}");
}

#[test]
fn finds_the_tail_of_every_supported_export() {
    for name in ["bert-ts17", "bert-ts14", "bert-dynamo20", "bert-fp16-weights", "bert-cls", "llama-last"] {
        matches_reference(&fixtures().join(name));
    }
}

#[test]
fn finds_the_tail_of_more_exports() {
    let Some(models) = shared("finds_the_tail_of_more_exports") else { return };
    for name in
        ["bert-external", "bert-fp16", "bert-pooled", "modernbert-like", "roberta-like", "llama-last", "llama-dynamo23"]
    {
        matches_reference(&models.join("tiny").join(name));
    }
}

#[test]
fn names_the_operator_that_stops_the_walk() {
    for (name, operator) in [("bert-fused", "SkipLayerNormalization"), ("bert-int8", "MatMulInteger")] {
        refuses(&fixtures().join(name), operator);
    }
    let Some(models) = shared("names_the_operator_that_stops_the_walk, all variants") else { return };
    for (name, operator) in [
        ("bert-qdq", "DequantizeLinear"),
        ("bert-gemm", "Gemm"),
        ("bert-dense-ingraph", "Gemm (node `/dense/Gemm`)"),
        ("bert-nbits", "MatMulNBits"),
        ("bert-int8-u8", "MatMulInteger"),
        ("bert-int8-ortsaved", "SkipLayerNormalization"),
        ("llama-fused", "SkipSimplifiedLayerNormalization"),
    ] {
        refuses(&models.join("tiny").join(name), operator);
    }
}

fn refuses(folder: &Path, operator: &str) {
    let error = tail(folder).unwrap_err();
    assert_eq!(error.code, ErrorCode::ModelUnsupported, "{error}");
    assert!(error.message.contains(operator), "{operator}: {error}");
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
