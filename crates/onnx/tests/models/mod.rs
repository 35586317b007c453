//! The tiny encoders of `__test__/fixtures/models` and the reference values beside them.
#![allow(dead_code, clippy::print_stderr, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use serde::Deserialize;
use uec_onnx::{Graph, Override, Tail};

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/models")
}

/// The folders with a sound model.
pub(crate) fn variants() -> Vec<PathBuf> {
    let found = std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = found.filter(|path| path.join("reference.json").exists()).collect();
    found.sort();
    found
}

/// A folder under `$UEC_SHARED/models`; prints why when there is none.
pub(crate) fn shared(test: &str) -> Option<PathBuf> {
    let found = std::env::var_os("UEC_SHARED").map(|shared| PathBuf::from(shared).join("models"));
    if found.is_none() {
        eprintln!("skipped: {test} (UEC_SHARED not set)");
    }
    found
}

pub(crate) fn onnx(folder: &Path) -> PathBuf {
    folder.join("onnx/model.onnx")
}

pub(crate) fn tail(folder: &Path) -> uec_gaussian::Result<(Graph, Tail)> {
    let graph = Graph::read(&onnx(folder))?;
    let tail = graph.tail(&Override::default())?;
    Ok((graph, tail))
}

pub(crate) fn json<T: for<'a> Deserialize<'a>>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[derive(Deserialize)]
pub(crate) struct Reference {
    #[serde(rename = "D")]
    pub(crate) dimension: usize,
    #[serde(rename = "I")]
    pub(crate) features: usize,
    pub(crate) pooling: String,
    pub(crate) normalize: bool,
    pub(crate) inputs: Vec<String>,
    pub(crate) last_linear: Linear,
    pub(crate) norm: Norm,
    /// The last layer in the graph where `last_linear` is a layer behind it.
    pub(crate) graph_last_linear: Option<Linear>,
    pub(crate) graph_norm: Option<Norm>,
}

#[derive(Deserialize)]
pub(crate) struct Linear {
    pub(crate) node_name: Option<String>,
    #[serde(default)]
    pub(crate) a_tensor: String,
    #[serde(default)]
    pub(crate) activation: Option<String>,
    #[serde(default)]
    pub(crate) bias: Option<Bias>,
    #[serde(rename = "W_shape")]
    pub(crate) shape: [usize; 2],
    #[serde(rename = "W_sum")]
    pub(crate) sum: f64,
    #[serde(rename = "W_abs_sum")]
    pub(crate) abs_sum: f64,
    #[serde(rename = "W_first5")]
    pub(crate) first: Vec<f64>,
    #[serde(rename = "W_last5")]
    pub(crate) last: Vec<f64>,
}

#[derive(Deserialize)]
pub(crate) struct Bias {
    pub(crate) values: Vec<f32>,
}

#[derive(Deserialize)]
pub(crate) struct Norm {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) u_tensor: Option<String>,
    pub(crate) u_is_sum_of: Option<Vec<String>>,
    pub(crate) eps: Option<f64>,
    pub(crate) gamma: Option<Vec<f64>>,
    pub(crate) beta: Option<Vec<f64>>,
}
