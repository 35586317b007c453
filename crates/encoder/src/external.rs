//! Weights in files beside a graph that is itself opened from memory.
//!
//! ONNX Runtime reads them from the folder that it is told, but follows no link out of it. Download caches consist of such
//! links; `uec-onnx` has checked by now that they lead where the model's own link leads, and their files are handed over
//! in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use uec_gaussian::{Error, ErrorCode, Result};
use uec_onnx::Graph;

use crate::directory::folder_of;

/// Where the weights are; nowhere for a graph that has them inside.
#[derive(Default)]
pub(crate) struct ExternalWeights {
    /// The folder of the model.
    pub(crate) folder: Option<PathBuf>,
    /// Files that lie elsewhere, under the names that the graph gives them.
    pub(crate) linked: Vec<(PathBuf, Arc<[u8]>)>,
}

impl ExternalWeights {
    /// # Errors
    /// [`ErrorCode::ModelInvalid`] if a file cannot be read, [`ErrorCode::OutOfMemory`].
    pub(crate) fn of(graph: &Graph, model: &Path) -> Result<Self> {
        if graph.external_files().is_empty() {
            return Ok(Self::default());
        }
        let folder = folder_of(model).canonicalize().map_err(|error| unreadable(model, &error))?;
        let mut linked = Vec::new();
        for file in graph.external_files() {
            if file.canonicalize().is_ok_and(|file| file.starts_with(&folder)) {
                continue;
            }
            let name = file.strip_prefix(folder_of(model)).unwrap_or(file);
            let bytes = std::fs::read(file).map_err(|error| unreadable(file, &error))?;
            linked.push((name.to_owned(), bytes.into()));
        }
        Ok(Self { folder: Some(folder), linked })
    }
}

fn unreadable(file: &Path, error: &std::io::Error) -> Error {
    let code = match error.kind() {
        std::io::ErrorKind::OutOfMemory => ErrorCode::OutOfMemory,
        _ => ErrorCode::ModelInvalid,
    };
    Error::new(code, format!("the weights of {} cannot be read: {error}", file.display()))
}
