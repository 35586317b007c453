//! Configuration files of a model directory. They come from strangers: they may be damaged, and must not lead out of it.

use std::path::{Component, Path, PathBuf};

use serde::de::DeserializeOwned;
use uec_gaussian::{Error, ErrorCode, Result};

/// No configuration is larger.
const MOST_BYTES: u64 = 16 << 20;

/// `name` below `folder`.
pub(crate) fn inside(folder: &Path, name: &str) -> Result<PathBuf> {
    if Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Ok(folder.join(name));
    }
    Err(Error::invalid(format!("{name} leads out of the model directory {}", folder.display())))
}

/// The parsed file; `None` if there is none.
pub(crate) fn read<T: DeserializeOwned>(file: &Path) -> Result<Option<T>> {
    if file.metadata().is_ok_and(|metadata| metadata.len() > MOST_BYTES) {
        return Err(invalid(file, "a configuration of more than 16 MiB is damaged"));
    }
    match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| invalid(file, &error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(invalid(file, &error.to_string())),
    }
}

pub(crate) fn invalid(file: &Path, why: &str) -> Error {
    Error::new(ErrorCode::ModelInvalid, format!("{}: {why}", file.display()))
}

pub(crate) fn unsupported(place: &Path, why: &str) -> Error {
    Error::new(ErrorCode::ModelUnsupported, format!("{}: {why}", place.display()))
}
