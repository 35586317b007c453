//! Weights in files beside a graph that is itself opened from memory.
//!
//! ONNX Runtime maps them from the folder that it is told, so that they are in memory once however large they are, but it
//! follows no link out of that folder. Download caches consist of such links, which lead into one folder of contents;
//! `uec-onnx` has checked by now that this is the folder that the model's own link leads to. The weights are then named as
//! they lie there.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use uec_gaussian::{Error, ErrorCode, Result};
use uec_onnx::{Graph, relocate};

use crate::directory::folder_of;

/// Where the weights are; nowhere for a graph that has them inside.
#[derive(Default)]
pub(crate) struct ExternalWeights {
    /// The folder that all of them lie in.
    pub(crate) folder: Option<PathBuf>,
    /// The model, where it and its weights are links into that folder.
    linked: Option<PathBuf>,
}

impl ExternalWeights {
    /// # Errors
    /// [`ErrorCode::ModelInvalid`] if the files cannot be found or do not lie in one folder.
    pub(crate) fn of(graph: &Graph, model: &Path) -> Result<Self> {
        if graph.external_files().is_empty() {
            return Ok(Self::default());
        }
        let unreadable = |error: std::io::Error| invalid(model, &format!("cannot be read: {error}"));
        let real = |file: &PathBuf| file.canonicalize().map_err(unreadable);
        let files = graph.external_files().iter().map(real).collect::<Result<Vec<_>>>()?;
        let holds_all = |folder: &Path| files.iter().all(|file| file.starts_with(folder));
        let named = folder_of(model).canonicalize().map_err(unreadable)?;
        if holds_all(&named) {
            return Ok(Self { folder: Some(named), linked: None });
        }
        let model_itself = model.canonicalize().map_err(unreadable)?;
        let linked = folder_of(&model_itself);
        if holds_all(linked) {
            return Ok(Self { folder: Some(linked.to_owned()), linked: Some(model.to_owned()) });
        }
        Err(invalid(model, "lie partly beside it and partly elsewhere, behind links: copy them into one folder"))
    }

    /// `graph`, an edited copy of the model, with its weights named as they lie in the folder.
    ///
    /// # Errors
    /// [`ErrorCode::ModelInvalid`] if these bytes are no graph.
    pub(crate) fn named_in<'a>(&self, graph: &'a [u8]) -> Result<Cow<'a, [u8]>> {
        let (Some(folder), Some(model)) = (&self.folder, &self.linked) else { return Ok(graph.into()) };
        let place = |location: &str| {
            let file = folder_of(model).join(location).canonicalize().ok()?;
            Some(file.strip_prefix(folder).ok()?.to_str()?.to_owned())
        };
        relocate(graph, model, place).map(Cow::from)
    }
}

fn invalid(model: &Path, what: &str) -> Error {
    Error::new(ErrorCode::ModelInvalid, format!("the weights of {} {what}", model.display()))
}
