//! The files beside a model that hold its weights, and a baked file that needs them, too.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use uec_gaussian::{Error, Result};
use uec_onnx::Graph;

use crate::directory::folder_of;
use crate::encoder::Encoder;

/// Bytes compared at a time.
const PORTION: usize = 1 << 20;

impl Encoder {
    /// Copies the files that the weights lie in to where a file baked into `folder` looks for them, under the names that the
    /// graph gives them. Does nothing for a model in one file, nor in the folder of the model.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::ModelInvalid`] if the model cannot be read any more,
    /// [`uec_gaussian::ErrorCode::FileWrite`].
    pub fn copy_weights(&self, folder: &Path) -> Result<()> {
        let model = &self.0.source.model;
        for weights in Graph::read(model)?.external_files() {
            let copy = folder.join(name(weights, model));
            let made = std::fs::create_dir_all(folder_of(&copy));
            made.map_err(|error| uec_files::write_error(&copy, &error))?;
            if same_folder(&copy, weights) {
                continue;
            }
            uec_files::replace(&copy, |out| io::copy(&mut File::open(weights)?, out).map(drop))?;
        }
        Ok(())
    }
}

fn same_folder(one: &Path, other: &Path) -> bool {
    let [one, other] = [one, other].map(|file| folder_of(file).canonicalize().ok());
    one.is_some() && one == other
}

/// External weights are found beside the file alone, in the folder of the model or in one that has a copy of them, and not
/// through links that leave it.
pub(crate) fn check_beside(graph: &Graph, model: &Path, file: &Path) -> Result<()> {
    for weights in graph.external_files() {
        let copy = folder_of(file).join(name(weights, model));
        if !is_same(weights, &copy).unwrap_or(false) {
            return Err(Error::invalid(format!(
                "the weights of {} lie in files beside it: bake into the same folder, or copy them there first; {} is missing \
                 or another",
                model.display(),
                copy.display()
            )));
        }
        if !is_inside(&copy, folder_of(file)).unwrap_or(false) {
            return Err(Error::invalid(format!(
                "{} is a link out of its folder, through which a baked file would not find its weights: copy the model without \
                 links, and bake that",
                copy.display()
            )));
        }
    }
    Ok(())
}

/// The path of a weights file as the graph says it.
fn name<'a>(weights: &'a Path, model: &Path) -> &'a Path {
    weights.strip_prefix(folder_of(model)).unwrap_or(weights)
}

/// Whether two paths lead to the same bytes.
fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    if one.canonicalize()? == other.canonicalize()? {
        return Ok(true);
    }
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let mut left = one.metadata()?.len();
    if left != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut x, mut y) = (vec![0; PORTION], vec![0; PORTION]);
    while left > 0 {
        let size = usize::try_from(left).unwrap_or(PORTION).min(PORTION);
        one.read_exact(&mut x[..size])?;
        other.read_exact(&mut y[..size])?;
        if x[..size] != y[..size] {
            return Ok(false);
        }
        left -= size as u64;
    }
    Ok(true)
}

/// Whether a file lies below a folder, links followed.
fn is_inside(file: &Path, folder: &Path) -> io::Result<bool> {
    Ok(file.canonicalize()?.starts_with(folder.canonicalize()?))
}
