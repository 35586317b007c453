//! A graph that pools by itself, and settings that ask for another pooling.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, dead_code)]

mod fixture;

use std::fs;
use std::path::Path;

use fixture::{embed, load, options, runs, tiny};
use uec_encoder::{Encoder, EncoderOptions, Pooling};
use uec_gaussian::{Error, ErrorCode};

/// A tiny encoder whose `modules.json` asks for the pooling `cls`.
fn contradicted(name: &str, folder: &Path) {
    for file in ["tokenizer.json", "modules.json", "onnx/model.onnx", "2_Dense/config.json"] {
        if tiny(name).join(file).exists() {
            fs::create_dir_all(folder.join(file).parent().unwrap()).unwrap();
            fs::copy(tiny(name).join(file), folder.join(file)).unwrap();
        }
    }
    fs::create_dir(folder.join("1_Pooling")).unwrap();
    fs::write(folder.join("1_Pooling/config.json"), r#"{"pooling_mode": "cls"}"#).unwrap();
}

fn load_pooled(path: &Path, pooling: Option<Pooling>) -> Result<Encoder, Error> {
    Encoder::load(path, &EncoderOptions { pooling, ..options() })
}

#[test]
fn the_graph_and_the_directory_may_not_contradict_each_other() {
    if !runs("the_graph_and_the_directory_may_not_contradict_each_other") {
        return;
    }
    for name in ["bert-pooled", "bert-dense-ingraph"] {
        let folder = tempfile::tempdir().unwrap();
        contradicted(name, folder.path());
        let error = load_pooled(folder.path(), None).err().unwrap();
        assert!(error.code == ErrorCode::ModelUnsupported && error.message.contains("'cls'"), "{name}: {error}");
        let chosen = load_pooled(folder.path(), Some(Pooling::Mean)).unwrap();
        let texts = ["a small boat crosses the lake"];
        assert_eq!(embed(&chosen, &texts).gaussians.mean, embed(&load(&tiny(name)), &texts).gaussians.mean, "{name}");
    }
}

/// Token vectors can be pooled in any way; a layer behind the pooling has the graph's in front of it.
#[test]
fn another_pooling_than_the_graphs_can_be_chosen_where_there_are_token_vectors() {
    if !runs("another_pooling_than_the_graphs_can_be_chosen_where_there_are_token_vectors") {
        return;
    }
    assert_eq!(load_pooled(&tiny("bert-pooled"), Some(Pooling::Cls)).unwrap().info().pooling, "cls");
    let error = load_pooled(&tiny("bert-dense-ingraph"), Some(Pooling::Cls)).err().unwrap();
    assert!(error.code == ErrorCode::InvalidArgument && error.message.contains("pools by 'mean'"), "{error}");
    assert!(load_pooled(&tiny("bert-dense"), Some(Pooling::Cls)).is_ok(), "this layer is not in the graph");
}
