//! Weights beside the model file ("external data"): where they may lie, and reading them with a known size.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use uec_gaussian::{Error, ErrorCode, Result};

use crate::proto::TensorProto;

/// A checked range of an external file.
#[derive(Debug)]
pub(crate) struct External {
    pub(crate) file: PathBuf,
    offset: u64,
    length: u64,
}

impl External {
    /// Checks location and range of `tensor`, whose data must have `expected` bytes, without reading it.
    ///
    /// The location must be a plain relative path. After links it must still lie in the folder of the model, as named or
    /// as linked (a download cache links both files into one other folder).
    ///
    /// # Errors
    /// [`ErrorCode::ModelInvalid`], naming the tensor and the file.
    pub(crate) fn check(tensor: &TensorProto, expected: u64, model: &Path) -> Result<Self> {
        let invalid = |what: String| {
            Error::new(ErrorCode::ModelInvalid, format!("{}: weight `{}` {what}", model.display(), tensor.name()))
        };
        let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key() == key).map(|entry| entry.value());
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => text
                .parse::<u64>()
                .map(Some)
                .map_err(|_| invalid(format!("has external data with the {key} `{text}`, which is not a number"))),
        };
        let location = entry("location").unwrap_or_default();
        let relative = Path::new(location);
        let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if location.is_empty() || location.contains(['\\', '\0', ':']) || !relative.components().all(plain) {
            return Err(invalid(format!(
                "has external data at `{location}`, which leaves the folder of the model: refused"
            )));
        }
        let folder = folder(model);
        let file = folder.join(relative);
        let real = file.canonicalize().map_err(|_| {
            invalid(format!(
                "is in the external data file `{location}`, which is missing: download it beside the model"
            ))
        })?;
        let inside = |folder: PathBuf| real.starts_with(folder);
        let as_linked = model.canonicalize().ok().and_then(|model| model.parent().map(Path::to_owned));
        if !folder.canonicalize().is_ok_and(inside) && !as_linked.is_some_and(inside) {
            return Err(invalid(format!(
                "has external data at `{location}`, a link that leaves the folder of the model: refused"
            )));
        }
        let metadata = real.metadata().map_err(|error| invalid(format!("is in `{location}`: {error}")))?;
        if !metadata.is_file() {
            return Err(invalid(format!("is in the external data `{location}`, which is not a file")));
        }
        let offset = number("offset")?.unwrap_or(0);
        let length = number("length")?.unwrap_or(expected);
        if length != expected {
            return Err(invalid(format!("needs {expected} bytes by its dimensions, its external data has {length}")));
        }
        if offset.checked_add(length).is_none_or(|end| end > metadata.len()) {
            return Err(invalid(format!(
                "reaches beyond the end of the external data file `{location}`: it is cut off"
            )));
        }
        Ok(Self { file, offset, length })
    }

    /// The bytes of the range.
    ///
    /// # Errors
    /// [`ErrorCode::ModelInvalid`] when the file cannot be read, [`ErrorCode::OutOfMemory`].
    pub(crate) fn read(&self) -> Result<Vec<u8>> {
        let fail = |error: std::io::Error| {
            Error::new(ErrorCode::ModelInvalid, format!("{} cannot be read: {error}", self.file.display()))
        };
        let mut file = File::open(&self.file).map_err(fail)?;
        file.seek(SeekFrom::Start(self.offset)).map_err(fail)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(self.length as usize).map_err(|_| {
            Error::new(ErrorCode::OutOfMemory, format!("not enough memory to read {}", self.file.display()))
        })?;
        file.take(self.length).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 != self.length {
            return Err(fail(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(bytes)
    }
}

fn folder(model: &Path) -> PathBuf {
    match model.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
