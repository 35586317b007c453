//! The tiny encoders of `__test__/fixtures/models` and the reference values beside them.
#![allow(dead_code, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use serde::Deserialize;
use uec_onnx::{Graph, Override, Tail};

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/models")
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
}

#[derive(Deserialize)]
pub(crate) struct Linear {
    pub(crate) node_name: String,
    pub(crate) a_tensor: String,
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
pub(crate) struct Norm {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) u_tensor: Option<String>,
    pub(crate) eps: Option<f64>,
    pub(crate) gamma: Option<Vec<f64>>,
    pub(crate) beta: Option<Vec<f64>>,
}
