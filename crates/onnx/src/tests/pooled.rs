use std::path::Path;

use prost::Message;
use uec_gaussian::ErrorCode::{ModelInvalid, ModelUnsupported};
use uec_gaussian::Result;

use super::builder::{Builder, WEIGHT, weighted};
use crate::proto::{DataType, ModelProto};
use crate::{Activation, Graph, Override, Pooling, Stage, Tail};

/// A fixture, with only the outputs of these names.
fn fixture(name: &str, outputs: &[&str]) -> Tail {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/models").join(name).join("onnx/model.onnx");
    let mut model = ModelProto::decode(Graph::read(&path).unwrap().bytes().clone()).unwrap();
    model.graph.as_mut().unwrap().output.retain(|output| outputs.contains(&output.name()));
    Graph::parse(model.encode_to_vec().into(), &path).unwrap().tail(&Override::default()).unwrap()
}

#[test]
fn a_graph_that_only_gives_the_pooled_vector() {
    let both = fixture("bert-pooled", &["token_embeddings", "sentence_embedding"]);
    let pooled = fixture("bert-pooled", &["sentence_embedding"]);
    assert_eq!((both.pooling, pooled.pooling), (Some(Pooling::Mean), Some(Pooling::Mean)));
    assert_eq!((both.stage, pooled.stage), (Stage::Tokens, Stage::Tokens));
    assert_eq!((&both.weight, &both.gamma), (&pooled.weight, &pooled.gamma));
    assert_eq!((&both.output, &both.preactivations), (&pooled.output, &pooled.preactivations));
    let dense = fixture("bert-dense-ingraph", &["sentence_embedding"]);
    assert_eq!(dense.pooling, Some(Pooling::Mean));
    assert_eq!((dense.stage, dense.output()), (Stage::Pooled, ["/Tanh_output_0".to_owned()].as_slice()));
}

/// Token vectors y = W a, D = 2, with what pooling needs.
fn tokens() -> Builder {
    let base = weighted().node("MatMul", &["a", "W"], &["y"]);
    base.integers("0", &[0]).integers("1", &[1]).integers("-1", &[-1]).floats("small", &[], &[1e-9])
}

fn mask(base: Builder) -> Builder {
    base.node("Unsqueeze", &["attention_mask", "-1"], &["column"])
        .node("Expand", &["column", "shape"], &["expanded"])
        .node("Cast", &["expanded"], &["mask"])
        .int("to", DataType::Float as i64)
}

fn pooling(base: Builder) -> Result<(Option<Pooling>, String)> {
    let tail = base.output("z", &[0, 2]).tail()?;
    assert_eq!((tail.stage, tail.weight.as_slice()), (Stage::Tokens, WEIGHT.as_slice()));
    Ok((tail.pooling, tail.output.terms[0].clone()))
}

#[test]
fn the_pooling_of_a_graph_is_read() {
    let found = |kind| Ok((Some(kind), "y".to_owned()));
    let masked = |sum: [&str; 2]| {
        let base = mask(tokens()).node("Mul", &sum, &["masked"]).node("ReduceSum", &["masked", "1"], &["sum"]);
        base.node("ReduceSum", &["mask", "1"], &["count"])
    };
    for order in [["y", "mask"], ["mask", "y"]] {
        let base = masked(order).node("Clip", &["count", "small"], &["safe"]).node("Div", &["sum", "safe"], &["z"]);
        assert_eq!(pooling(base), found(Pooling::Mean));
    }
    // Zeros chosen for padding, with the mask in both senses.
    let chosen = |condition: fn(Builder) -> Builder, branches: [&str; 2]| {
        let base = mask(tokens()).floats("zero", &[], &[0.0]);
        let base = condition(base).node("Where", &["condition", branches[0], branches[1]], &["masked"]);
        let base = base.node("ReduceSum", &["masked", "1"], &["sum"]).node("ReduceSum", &["mask", "1"], &["count"]);
        pooling(base.node("Div", &["sum", "count"], &["z"]))
    };
    let bool = |base: Builder| base.node("Cast", &["column"], &["condition"]).int("to", DataType::Bool as i64);
    let equal = |base: Builder| base.node("Equal", &["column", "0"], &["condition"]);
    let not = |base: Builder| {
        let base = base.node("Cast", &["column"], &["kept"]).int("to", DataType::Bool as i64);
        base.node("Not", &["kept"], &["condition"])
    };
    assert_eq!(chosen(bool, ["y", "zero"]), found(Pooling::Mean));
    assert_eq!(chosen(equal, ["zero", "y"]), found(Pooling::Mean));
    assert_eq!(chosen(not, ["zero", "y"]), found(Pooling::Mean));
    assert_eq!(chosen(not, ["y", "zero"]).unwrap_err().code, ModelUnsupported);
    assert_eq!(chosen(bool, ["y", "small"]).unwrap_err().code, ModelUnsupported);
    let added = masked(["y", "mask"]).node("Add", &["count", "small"], &["safe"]);
    assert_eq!(pooling(added.node("Div", &["sum", "safe"], &["z"])), found(Pooling::Mean));
    let plain = tokens().node("ReduceMean", &["y"], &["z"]).ints("axes", &[1]).int("keepdims", 0);
    assert_eq!(pooling(plain), found(Pooling::Mean));
    assert_eq!(pooling(tokens().node("Gather", &["y", "0"], &["z"]).int("axis", 1)), found(Pooling::Cls));
    let slice = tokens().node("Slice", &["y", "0", "1", "1"], &["first"]).node("Squeeze", &["first", "1"], &["z"]);
    assert_eq!(pooling(slice), found(Pooling::Cls));
}

#[test]
fn other_poolings_are_refused_with_the_way_to_them() {
    let refused = |base: Builder, operator: &str| {
        let error = pooling(base).unwrap_err();
        assert!(error.code == ModelUnsupported && error.message.contains(operator), "{error}");
    };
    refused(tokens().node("ReduceMax", &["y"], &["z"]).ints("axes", &[1]), "ReduceMax");
    refused(tokens().node("Gather", &["y", "1"], &["z"]).int("axis", 1), "Gather");
    refused(tokens().node("Gather", &["y", "0"], &["z"]).int("axis", 0), "Gather");
    // A sum over the root of the count, a mean weighted by position, and one over another mask than the counted one.
    let over = |values: &str, count: [&str; 2]| {
        let base = mask(tokens()).node("Mul", &["mask", "positions"], &["weighted"]).node("Cast", &["ids"], &["other"]);
        let base = base.int("to", DataType::Float as i64).node("Mul", &["y", values], &["masked"]);
        let base = base.node("ReduceSum", &["masked", "1"], &["sum"]).node("ReduceSum", &[count[0], "1"], &["count"]);
        let base = base.node("Sqrt", &["count"], &["root"]).node("Div", &["sum", count[1]], &["z"]);
        refused(base, "Div (node `/z`)");
    };
    over("mask", ["mask", "root"]);
    over("weighted", ["weighted", "count"]);
    over("other", ["other", "count"]);
    over("mask", ["other", "count"]);
}

/// tanh(W a) of a pooled vector `a`, scaled to length 1.
fn dense(scale: impl Fn(Builder) -> Builder) -> Builder {
    let base = Builder::default()
        .floats("small", &[], &[1e-9])
        .floats("two", &[], &[2.0])
        .integers("last", &[-1])
        .node("ReduceMean", &["y"], &["a"])
        .ints("axes", &[1])
        .floats("W", &[3, 2], &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0])
        .floats("b", &[2], &[1.0, 1.0])
        .node("Gemm", &["a", "W", "b"], &["u"])
        .node("Tanh", &["u"], &["f"]);
    scale(base)
}

#[test]
fn normalisations_in_a_graph_are_left_out() {
    let root =
        |base: Builder| base.node("ReduceSum", &["square", "last"], &["sum"]).node("Sqrt", &["sum"], &["length"]);
    let ways: [&dyn Fn(Builder) -> Builder; 7] = [
        &|base| base.node("Identity", &["f"], &["z"]),
        &|base| base.node("LpNormalization", &["f"], &["z"]).int("axis", 1),
        &|base| base.node("ReduceL2", &["f", "last"], &["length"]).node("Div", &["f", "length"], &["z"]),
        &|base| {
            let base = base.node("ReduceL2", &["f"], &["length"]).ints("axes", &[-1]);
            let base = base.node("Max", &["small", "length"], &["safe"]).node("Expand", &["safe", "s"], &["wide"]);
            base.node("Div", &["f", "wide"], &["z"])
        },
        &|base| root(base.node("Mul", &["f", "f"], &["square"])).node("Div", &["f", "length"], &["z"]),
        &|base| {
            let base = root(base.node("Pow", &["f", "two"], &["square"])).node("Add", &["length", "small"], &["safe"]);
            base.node("Reciprocal", &["safe"], &["inverse"]).node("Mul", &["inverse", "f"], &["z"])
        },
        &|base| {
            let base = base.node("LpNormalization", &["f"], &["once"]);
            base.node("LpNormalization", &["once"], &["z"])
        },
    ];
    for (at, way) in ways.into_iter().enumerate() {
        let tail = dense(way).output("z", &[0, 2]).tail().unwrap_or_else(|error| panic!("{at}: {error}"));
        assert_eq!(
            (tail.stage, tail.activation, tail.weight.as_slice()),
            (Stage::Pooled, Activation::Tanh, &WEIGHT[..])
        );
        assert_eq!([tail.activations(), tail.preactivations()], [&["a".to_owned()], &["u".to_owned()]]);
        let output = if at == 0 { "z" } else { "f" };
        assert_eq!((tail.output(), tail.activations.flat), ([output.to_owned()].as_slice(), false), "{at}");
    }
    // The length of another vector, or another norm, is no normalisation.
    let other =
        |base: Builder| base.node("ReduceL2", &["u", "last"], &["length"]).node("Div", &["f", "length"], &["z"]);
    assert_eq!(dense(other).output("z", &[0, 2]).tail().unwrap_err().code, ModelUnsupported);
    let sum = |base: Builder| base.node("LpNormalization", &["f"], &["z"]).int("p", 1);
    assert_eq!(dense(sum).output("z", &[0, 2]).tail().unwrap_err().code, ModelUnsupported);
}

#[test]
fn activations() {
    for (operator, activation) in [("Relu", Activation::Relu), ("Sigmoid", Activation::Sigmoid)] {
        let base = Builder::default().floats("W", &[2, 3], &WEIGHT).node("Gemm", &["a", "W"], &["u"]).int("transB", 1);
        let tail = base.node(operator, &["u"], &["z"]).output("z", &[0, 2]).tail().unwrap();
        assert_eq!((tail.stage, tail.activation, tail.dimension), (Stage::Pooled, activation, 2));
    }
}

/// A BERT pooler beside the token vectors is no embedding; a linear layer in front of a normalised output is.
#[test]
fn a_pooler_is_not_the_embedding() {
    let both = |pooled: &str| {
        let base = tokens().node("Gather", &["y", "0"], &["first"]).int("axis", 1).floats("P", &[2, 2], &[1.0; 4]);
        let base = base.node("Gemm", &["first", "P"], &["u"]).node("Tanh", &["u"], &["pooler_output"]);
        let base = base.node("LpNormalization", &["pooler_output"], &["unit"]);
        base.output("y", &[0, 0, 2]).output(pooled, &[0, 2]).tail().unwrap()
    };
    assert_eq!((both("pooler_output").stage, both("pooler_output").linear.as_str()), (Stage::Tokens, "/y"));
    assert_eq!((both("unit").stage, both("unit").linear.as_str()), (Stage::Pooled, "/u"));
}

#[test]
fn a_linear_layer_that_cannot_be_reached_is_not_left_out() {
    let base = tokens().node("ReduceMean", &["y"], &["m"]).ints("axes", &[1]).floats("P", &[2, 2], &[1.0; 4]);
    let base = base.node("Gemm", &["m", "P"], &["u"]).node("Softmax", &["u"], &["sentence_embedding"]);
    let error = base.output("y", &[0, 0, 2]).output("sentence_embedding", &[0, 2]).tail().unwrap_err();
    assert!(error.code == ModelUnsupported && error.message.contains("Gemm (node `/u`) lies between"), "{error}");
}

#[test]
fn a_norm_or_activation_behind_a_pooling_that_cannot_be_read_is_not_left_out() {
    let between = |change: fn(Builder) -> Builder| {
        let base = tokens().node("ReduceMax", &["y"], &["m"]).ints("axes", &[1]);
        let base = change(base).output("y", &[0, 0, 2]).output("sentence_embedding", &[0, 2]);
        base.tail().map(|tail| (tail.stage, tail.pooling))
    };
    let refused: [fn(Builder) -> Builder; 3] = [
        |base| base.node("LayerNormalization", &["m", "g"], &["sentence_embedding"]),
        |base| base.node("Tanh", &["m"], &["sentence_embedding"]),
        |base| {
            let base = base.node("ReduceMean", &["m"], &["mean"]).ints("axes", &[-1]);
            base.node("Sub", &["m", "mean"], &["sentence_embedding"])
        },
    ];
    for change in refused {
        let error = between(change).unwrap_err();
        assert!(error.code == ModelUnsupported && error.message.contains("lies between"), "{error}");
    }
    let length = |base: Builder| base.node("LpNormalization", &["m"], &["sentence_embedding"]).int("axis", 1);
    assert_eq!(between(length), Ok((Stage::Tokens, None)), "how it pools is then for others to say");
}

/// The embedding's own token vectors count, whatever else has a row for each token.
#[test]
fn a_pooled_output_says_which_token_vectors_are_meant() {
    let base = || tokens().floats("C", &[2, 1], &[1.0, 2.0]).node("MatMul", &["y", "C"], &["token_embeddings"]);
    let pooled = |base: Builder| base.node("Gather", &["y", "0"], &["sentence_embedding"]).int("axis", 1);
    let outputs = |base: Builder| base.output("token_embeddings", &[0, 0, 1]).output("sentence_embedding", &[0, 2]);
    let hidden = outputs(pooled(base())).tail().unwrap();
    assert_eq!((hidden.linear.as_str(), hidden.stage, hidden.pooling), ("/y", Stage::Tokens, Some(Pooling::Cls)));
    let shown = outputs(pooled(base())).output("y", &[0, 0, 2]).tail().unwrap();
    assert_eq!((shown.output(), shown.pooling), (["y".to_owned()].as_slice(), Some(Pooling::Cls)));
}

#[test]
fn declared_widths_that_lie() {
    let same = |base: Builder| base.node("Identity", &["f"], &["z"]);
    assert_eq!(dense(same).output("z", &[0, 5]).tail().unwrap_err().code, ModelInvalid);
    // Some exporters write −1 for a width that they do not know.
    assert_eq!(dense(same).output("z", &[0, -1]).tail().unwrap().dimension, 2);
    let several = dense(same).output("z", &[0, 2]).output("u", &[0, 2]).tail().unwrap_err();
    assert!(several.code == ModelUnsupported && several.message.contains("`z`, `u`"), "{several}");
}
