use uec_gaussian::ErrorCode::{ModelInvalid, ModelUnsupported};

use super::builder::{Builder, TOKENS, WEIGHT, weighted};
use crate::Tail;

fn doubled() -> Vec<f32> {
    WEIGHT.iter().map(|w| 2.0 * w).collect()
}

#[test]
fn transposed_renamed_and_cast_weights() {
    let base = Builder::default().node("Tanh", &["x"], &["a"]).floats("stored", &[2, 3], &WEIGHT);
    let base = base.node("Identity", &["stored"], &["alias"]).node("Transpose", &["alias"], &["W"]);
    let tail = base.ints("perm", &[1, 0]).node("MatMul", &["a", "W"], &["y"]).output("y", &TOKENS).tail().unwrap();
    assert_eq!((tail.dimension, tail.features, tail.weight.as_slice()), (2, 3, WEIGHT.as_slice()));
}

/// `Reshape`, `Gemm`, `Reshape` as exporters write it; `residual` is added by the node itself.
fn gemm(residual: &str, width: i64) -> Builder {
    weighted()
        .integers("rows", &[-1, 3])
        .integers("width", &[width])
        .node("Reshape", &["a", "rows"], &["flat"])
        .node("Gemm", &["flat", "W", residual], &["product"])
        .node("Concat", &["batch", "tokens", "width"], &["shape"])
        .node("Reshape", &["product", "shape"], &["y"])
        .output("y", &TOKENS)
}

#[test]
fn gemm_between_reshapes() {
    let tail = gemm("", 2).tail().unwrap();
    assert_eq!((tail.activations(), tail.weight.as_slice()), (["flat".to_owned()].as_slice(), WEIGHT.as_slice()));
    assert!(tail.activations.flat && !tail.preactivations.flat && !tail.output.flat);
}

#[test]
fn gemm_may_add_the_residual() {
    let tail = gemm("r", 2).tail().unwrap();
    assert_eq!(tail.linear, "/product");
}

#[test]
fn gemm_with_other_rows_than_the_layer_is_refused() {
    assert_eq!(gemm("", 1).tail().unwrap_err().code, ModelInvalid);
    let declared = weighted().node("MatMul", &["a", "W"], &["y"]).output("y", &[0, 0, 3]);
    let error = declared.tail().unwrap_err();
    assert!(error.code == ModelInvalid && error.message.contains("declares 3"), "{error}");
}

fn scaled(operator: &str) -> Builder {
    weighted().node(operator, &["a", "W"], &["y"]).float("alpha", 2.0).output("y", &TOKENS)
}

#[test]
fn alpha_belongs_to_the_weight() {
    assert_eq!(scaled("Gemm").tail().unwrap().weight, doubled());
    assert_eq!(scaled("ms.FusedMatMul").tail().unwrap().weight, doubled());
    let error = weighted().node("Gemm", &["a", "W"], &["y"]).float("alpha", f32::MAX).output("y", &TOKENS).tail();
    assert_eq!(error.unwrap_err().code, ModelInvalid);
}

#[test]
fn transposed_operands() {
    for operator in ["Gemm", "ms.FusedMatMul"] {
        let base = Builder::default().node("Tanh", &["x"], &["a"]).floats("W", &[2, 3], &WEIGHT);
        let product = || base_product(operator);
        let tail = base.node(operator, &["a", "W"], &["y"]).int("transB", 1).output("y", &TOKENS).tail().unwrap();
        assert_eq!(tail.weight, WEIGHT);
        let error = product().int("transA", 1).output("y", &TOKENS).tail().unwrap_err();
        assert!(error.code == ModelUnsupported && error.message.contains("(node `/y`)"), "{error}");
    }
}

fn base_product(operator: &str) -> Builder {
    weighted().node(operator, &["a", "W"], &["y"])
}

#[test]
fn shapes_that_are_no_matrix() {
    let tail = |dims: &[i64], values: &[f32]| {
        let base = Builder::default().node("Tanh", &["x"], &["a"]).floats("W", dims, values);
        base.node("Gemm", &["a", "W"], &["y"]).output("y", &TOKENS).tail()
    };
    let code = |result: uec_gaussian::Result<Tail>| result.unwrap_err().code;
    assert_eq!(code(tail(&[3, 2, 1], &WEIGHT)), ModelUnsupported);
    assert_eq!(code(tail(&[6], &WEIGHT)), ModelUnsupported);
    assert_eq!(code(tail(&[0, 2], &[])), ModelInvalid);
    assert_eq!(code(tail(&[-3, -2], &WEIGHT)), ModelInvalid);
    assert_eq!(code(tail(&[i64::MAX, i64::MAX], &WEIGHT)), ModelInvalid);
}

#[test]
fn a_scaled_term_that_is_computed_is_refused() {
    let base = weighted().node("Sigmoid", &["x"], &["r"]).node("Gemm", &["a", "W", "r"], &["y"]);
    let error = base.float("beta", 0.5).output("y", &TOKENS).tail().unwrap_err();
    assert!(error.code == ModelUnsupported && error.message.contains("Sigmoid"), "{error}");
}
