//! Where an encoder came from.

use std::path::PathBuf;

use crate::options::FittedOn;

/// Where the model came from, to read it again for fitting and baking.
pub(crate) struct Source {
    pub(crate) model: PathBuf,
    pub(crate) tokenizer: PathBuf,
    pub(crate) tail: uec_onnx::Override,
    /// Folders of the linear layers that are applied behind the graph.
    pub(crate) dense: Vec<PathBuf>,
    pub(crate) fitted_on: FittedOn,
    pub(crate) baked: bool,
}
