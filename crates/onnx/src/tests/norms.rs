use uec_gaussian::ErrorCode::ModelUnsupported;

use super::builder::{Builder, TOKENS, weighted};
use crate::NormKind;
use crate::proto::DataType;

/// u = product + skip + bias, with the norm as `operator`; γ behind an `Identity`.
fn skip(operator: &str, inputs: &[&str], outputs: &[&str]) -> Builder {
    weighted()
        .node("MatMul", &["a", "W"], &["product"])
        .floats("stored", &[2], &[0.5, 2.0])
        .node("Identity", &["stored"], &["gamma"])
        .floats("beta", &[2], &[0.25, -1.0])
        .floats("bias", &[2], &[1.0, 1.0])
        .node(operator, inputs, outputs)
        .output("y", &TOKENS)
}

#[test]
fn fused_norms_hold_u_as_a_sum() {
    let layer = skip("ms.SkipLayerNormalization", &["product", "x", "gamma", "beta", "bias"], &["y"]).tail().unwrap();
    assert_eq!((layer.norm, layer.epsilon), (NormKind::Layer, 1e-12));
    assert_eq!(layer.preactivations(), ["product", "x", "bias"]);
    assert_eq!((layer.gamma, layer.beta), (vec![0.5, 2.0], vec![0.25, -1.0]));
    let rms = skip("ms.SkipSimplifiedLayerNormalization", &["x", "product", "gamma", "bias"], &["y"]);
    let rms = rms.float("epsilon", 1e-3).tail().unwrap();
    assert_eq!((rms.norm, rms.epsilon, rms.beta), (NormKind::Rms, 1e-3, vec![0.0, 0.0]));
    let without = skip("ms.SkipLayerNormalization", &["product", "x", "gamma", "", ""], &["y"]).tail().unwrap();
    assert_eq!((without.preactivations.terms.len(), without.beta), (2, vec![0.0, 0.0]));
}

#[test]
fn the_sum_is_taken_where_a_fused_norm_gives_it_out() {
    let outputs = ["y", "", "", "u"];
    let tail = skip("ms.SkipLayerNormalization", &["product", "x", "gamma"], &outputs).tail().unwrap();
    assert_eq!((tail.preactivations(), tail.linear.as_str()), (["u".to_owned()].as_slice(), "/product"));
}

/// The first result of an earlier fused norm is a norm, the fourth a sum that the walk follows.
#[test]
fn results_of_a_node_are_told_apart() {
    let earlier = |term: &str| {
        skip("ms.SkipLayerNormalization", &["product", "x", "gamma"], &["n", "", "", "sum"])
            .node("Add", &[term, "x"], &["v"])
            .node("LayerNormalization", &["v", "gamma", "beta"], &["z"])
            .output("z", &TOKENS)
            .graph()
            .unwrap()
    };
    let named = crate::Override { norm: Some("z".to_owned()), linear: None };
    assert_eq!(earlier("sum").tail(&named).unwrap().linear, "/product");
    let error = earlier("n").tail(&named).unwrap_err();
    assert!(error.code == ModelUnsupported && error.message.contains("SkipLayerNormalization"), "{error}");
}

/// LayerNorm written out; its axes are an attribute before operator set 18, then an input.
fn written_out(opset: i64, root: &[(&str, &[&str])]) -> Builder {
    let axes = |base: Builder| if opset < 18 { base.ints("axes", &[-1]) } else { base };
    let operands = |value: &'static str| if opset < 18 { vec![value] } else { vec![value, "axes"] };
    let base = weighted()
        .opset(opset)
        .integers("axes", &[-1])
        .floats("epsilon", &[], &[1e-6])
        .floats("two", &[], &[2.0])
        .floats("one", &[], &[1.0])
        .floats("gamma", &[2], &[0.5, 2.0])
        .node("MatMul", &["a", "W"], &["u"])
        .node("ReduceMean", &operands("u"), &["mean"]);
    let base = axes(base).node("Sub", &["u", "mean"], &["c"]).node("Pow", &["c", "two"], &["square"]);
    let base = axes(base.node("ReduceMean", &operands("square"), &["variance"]));
    let base = base.node("Add", &["variance", "epsilon"], &["shifted"]).node("Sqrt", &["shifted"], &["s"]);
    let base = root.iter().fold(base, |base, (operator, inputs)| {
        let output = if *operator == "Reciprocal" { "inverse" } else { "n" };
        base.node(operator, inputs, &[output])
    });
    base.node("Mul", &["gamma", "n"], &["y"]).output("y", &TOKENS)
}

#[test]
fn norms_written_out_in_every_operator_set() {
    for opset in [11, 13, 17, 18, 20, 23] {
        for root in [
            &[("Div", ["c", "s"].as_slice())][..],
            &[("Reciprocal", ["s"].as_slice()), ("Mul", ["inverse", "c"].as_slice())],
        ] {
            let tail = written_out(opset, root).tail().unwrap();
            assert_eq!((tail.norm, tail.epsilon, tail.gamma), (NormKind::Layer, 1e-6, vec![0.5, 2.0]), "{opset}");
            assert_eq!(tail.preactivations.terms, ["u"]);
        }
    }
}

/// Quantised operands around a norm: y, u and γ behind pairs of `QuantizeLinear` and `DequantizeLinear`.
#[test]
fn quantised_tensors_around_a_norm() {
    let pair = |base: Builder, name: &str, output: &str| {
        let quantised = format!("{name}/q");
        base.node("QuantizeLinear", &[name, "scale", "zero"], &[&quantised]).node(
            "DequantizeLinear",
            &[&quantised, "scale", "zero"],
            &[output],
        )
    };
    let base = weighted()
        .floats("scale", &[], &[0.5])
        .uint8("zero", &[], &[2])
        .uint8("stored", &[2], &[4, 1])
        .node("DequantizeLinear", &["stored", "scale", "zero"], &["gamma"])
        .node("MatMul", &["a", "W"], &["product"]);
    let base = pair(base, "product", "u").node("LayerNormalization", &["u", "gamma"], &["norm"]);
    let tail = pair(base, "norm", "y").output("y", &TOKENS).tail().unwrap();
    assert_eq!(tail.gamma, [1.0, -0.5]);
    assert_eq!((tail.preactivations.terms, tail.output.terms), (vec!["u".to_owned()], vec!["y".to_owned()]));
}

#[test]
fn a_norm_of_flat_rows_is_the_norm_of_their_tokens() {
    let base = weighted()
        .integers("shape", &[0, -1, 2])
        .node("Gemm", &["a", "W"], &["u"])
        .node("LayerNormalization", &["u"], &["rows"])
        .int("axis", 1)
        .node("Reshape", &["rows", "shape"], &["y"]);
    let tail = base.output("y", &TOKENS).tail().unwrap();
    assert!(tail.preactivations.flat && tail.activations.flat && !tail.output.flat);
    let other =
        weighted().node("MatMul", &["a", "W"], &["u"]).node("LayerNormalization", &["u"], &["y"]).int("axis", 1);
    assert_eq!(other.output("y", &TOKENS).tail().unwrap_err().code, ModelUnsupported);
}

#[test]
fn a_residual_from_a_quantised_embedding() {
    let base = weighted()
        .int8("table", &[5, 2], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
        .floats("scale", &[], &[0.1])
        .constant("zero", DataType::Int8, &[], vec![0])
        .node("Gather", &["table", "ids"], &["rows"])
        .node("DequantizeLinear", &["rows", "scale", "zero"], &["r"])
        .node("Sigmoid", &["r"], &["b"])
        .floats("V", &[2, 2], &[1.0, 0.0, 0.0, 1.0])
        .node("MatMul", &["b", "V"], &["product"])
        .node("Add", &["r", "product"], &["y"]);
    assert_eq!(base.output("y", &TOKENS).tail().unwrap().linear, "/product");
}
