use uec_gaussian::ErrorCode::{ModelInvalid, ModelUnsupported};
use uec_gaussian::Result;

use super::builder::{Builder, TOKENS};
use crate::proto::DataType;
use crate::{Override, Tail};

/// B = [[1, 4], [2, 5], [3, 6]] (I×D) with zero points (1, 2) and scales (0.5, 2): W = [[0, 0.5, 1], [4, 6, 8]].
const EXPECTED: [f32; 6] = [0.0, 0.5, 1.0, 4.0, 6.0, 8.0];

fn quantised(scales: &[f32], zeros: &[i8]) -> Builder {
    Builder::default()
        .node("Tanh", &["x"], &["a"])
        .int8("B", &[3, 2], &[1, 4, 2, 5, 3, 6])
        .floats("scale", &[scales.len() as i64], scales)
        .int8("zero", &[zeros.len() as i64], zeros)
        .node("DynamicQuantizeLinear", &["a"], &["a/q", "a/scale", "a/zero"])
}

fn integer(scales: &[f32], zeros: &[i8]) -> Builder {
    quantised(scales, zeros)
        .node("MatMulInteger", &["a/q", "B", "a/zero", "zero"], &["product"])
        .node("Cast", &["product"], &["float"])
        .int("to", DataType::Float as i64)
}

fn is_expected(tail: Result<Tail>, linear: &str) {
    let tail = tail.unwrap();
    assert_eq!((tail.weight, tail.linear.as_str()), (EXPECTED.to_vec(), linear));
    assert_eq!(tail.activations.terms, ["a"]);
}

#[test]
fn scales_in_any_order_and_nesting() {
    let base = || integer(&[0.5, 2.0], &[1, 2]);
    let together = base().node("Mul", &["a/scale", "scale"], &["both"]).node("Mul", &["both", "float"], &["y"]);
    is_expected(together.output("y", &TOKENS).tail(), "/product");
    let apart = base().node("Mul", &["float", "a/scale"], &["half"]).node("Mul", &["scale", "half"], &["y"]);
    is_expected(apart.output("y", &TOKENS).tail(), "/product");
}

#[test]
fn one_scale_and_zero_point_for_all() {
    let base = integer(&[0.5], &[1]).node("Mul", &["a/scale", "scale"], &["both"]);
    let tail = base.node("Mul", &["float", "both"], &["y"]).output("y", &TOKENS).tail().unwrap();
    assert_eq!(tail.weight, [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]);
}

#[test]
fn fused_products() {
    let matmul = quantised(&[0.5, 2.0], &[1, 2]).node("ms.DynamicQuantizeMatMul", &["a", "B", "scale", "zero"], &["y"]);
    is_expected(matmul.output("y", &TOKENS).tail(), "/y");
    let inputs = ["a/q", "B", "a/scale", "scale", "a/zero", "zero", "bias"];
    let float = quantised(&[0.5, 2.0], &[1, 2]).floats("bias", &[2], &[1.0, 1.0]);
    is_expected(float.node("ms.MatMulIntegerToFloat", &inputs, &["y"]).output("y", &TOKENS).tail(), "/y");
}

#[test]
fn a_product_of_a_tensor_that_was_quantised_statically() {
    let product = |input: &'static str, scale: &'static str| {
        quantised(&[0.5, 2.0], &[1, 2])
            .floats("s", &[], &[0.1])
            .floats("other", &[], &[0.2])
            .uint8("z", &[], &[0])
            .node("QuantizeLinear", &["a", "s", "z"], &["static"])
            .node("QLinearMatMul", &[input, scale, "z", "B", "scale", "zero", "s", "z"], &["product"])
            .node("DequantizeLinear", &["product", "s", "z"], &["y"])
            .output("y", &TOKENS)
            .tail()
    };
    is_expected(product("static", "s"), "/product");
    for (input, scale) in [("static", "other"), ("computed", "s")] {
        let error = product(input, scale).unwrap_err();
        assert!(error.code == ModelUnsupported && error.message.contains("QLinearMatMul"), "{error}");
    }
}

#[test]
fn scales_of_another_tensor_are_refused() {
    let base = integer(&[0.5, 2.0], &[1, 2]).node("DynamicQuantizeLinear", &["b"], &["b/q", "b/scale", "b/zero"]);
    let base = base.node("Mul", &["b/scale", "scale"], &["both"]).node("Mul", &["both", "float"], &["y"]);
    let error = base.output("y", &TOKENS).tail().unwrap_err();
    assert!(error.code == ModelUnsupported && error.message.contains("Mul (node `/y`)"), "{error}");
}

#[test]
fn scales_and_zero_points_that_do_not_fit() {
    for (scales, zeros) in [(&[0.5; 3][..], &[1, 2][..]), (&[0.5, 2.0], &[1, 2, 3]), (&[], &[1])] {
        let base = quantised(scales, zeros).node("ms.DynamicQuantizeMatMul", &["a", "B", "scale", "zero"], &["y"]);
        assert_eq!(base.output("y", &TOKENS).tail().unwrap_err().code, ModelInvalid);
    }
    let huge = quantised(&[f32::MAX], &[-127]).node("ms.DynamicQuantizeMatMul", &["a", "B", "scale", "zero"], &["y"]);
    assert_eq!(huge.output("y", &TOKENS).tail().unwrap_err().code, ModelInvalid);
}

/// D×I integers with a scale for each output, transposed behind `DequantizeLinear` or before it.
#[test]
fn scales_along_an_axis() {
    let stored = |first: &str, then: &str, axis: i64| {
        let base = quantised(&[0.5, 2.0], &[1, 2]).int8("stored", &[2, 3], &[1, 2, 3, 4, 5, 6]);
        let step = |base: Builder, operator: &str, input: &str, output: &str| match operator {
            "Transpose" => base.node(operator, &[input], &[output]),
            _ => base.node(operator, &[input, "scale", "zero"], &[output]).int("axis", axis),
        };
        let base = step(step(base, first, "stored", "half"), then, "half", "W");
        base.node("MatMul", &["a", "W"], &["y"]).output("y", &TOKENS).tail()
    };
    for axis in [0, -2] {
        is_expected(stored("DequantizeLinear", "Transpose", axis), "/y");
    }
    for axis in [1, -1] {
        is_expected(stored("Transpose", "DequantizeLinear", axis), "/y");
        assert_eq!(stored("DequantizeLinear", "Transpose", axis).unwrap_err().code, ModelInvalid);
    }
    assert_eq!(stored("DequantizeLinear", "Transpose", i64::MIN).unwrap_err().code, ModelInvalid);
}

/// Four bits, a scale for two neighbours along the first axis of an I×D matrix.
#[test]
fn scales_in_blocks() {
    let tail = |scales: &[i64], block: i64| {
        let base = Builder::default()
            .node("Tanh", &["x"], &["a"])
            .constant("stored", DataType::Int4, &[3, 2], vec![0x41, 0x52, 0xf3])
            .floats("scale", scales, &[1.0, 0.5, 2.0, 4.0])
            .node("DequantizeLinear", &["stored", "scale"], &["W"])
            .int("axis", 0)
            .int("block_size", block);
        base.node("MatMul", &["a", "W"], &["y"]).output("y", &TOKENS).tail()
    };
    assert_eq!(tail(&[2, 2], 2).unwrap().weight, [1.0, 2.0, 6.0, 2.0, 2.5, -4.0]);
    for (scales, block) in [([2, 2], 1), ([2, 2], 0), ([4, 1], 2), ([2, 2], -1)] {
        assert_eq!(tail(&scales, block).unwrap_err().code, ModelInvalid);
    }
}

#[test]
fn integers_beside_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.onnx");
    let read = |size: usize| {
        std::fs::write(folder.path().join("data"), &[1, 4, 2, 5, 3, 6, 7][..size]).unwrap();
        let base = Builder::default()
            .node("Tanh", &["x"], &["a"])
            .floats("scale", &[2], &[0.5, 2.0])
            .int8("zero", &[2], &[1, 2])
            .external("B", DataType::Int8, &[3, 2], "data")
            .node("ms.DynamicQuantizeMatMul", &["a", "B", "scale", "zero"], &["y"]);
        base.output("y", &TOKENS).graph_at(&model)?.tail(&Override::default())
    };
    is_expected(read(6), "/y");
    assert_eq!(read(5).unwrap_err().code, ModelInvalid);
}

#[test]
fn a_scale_of_the_whole_batch_is_seen_in_a_branch_too() {
    let alone = |base: Builder| base.output("y", &TOKENS).graph().unwrap().runs_alone();
    assert!(alone(quantised(&[1.0], &[0])));
    assert!(alone(quantised(&[1.0], &[0]).branch()));
    assert!(!alone(Builder::default().node("Tanh", &["x"], &["y"]).branch()));
}
