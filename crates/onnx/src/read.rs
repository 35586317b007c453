//! From a file to a decoded model, with a clear sentence for everything that is not an ONNX model.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use bytes::Bytes;
use prost::Message;
use uec_gaussian::{Error, ErrorCode, Result};

use crate::proto::ModelProto;

/// A protobuf message cannot be larger; models beyond it keep their weights in external data.
pub(crate) const MAX_BYTES: u64 = i32::MAX as u64;

/// Reads the whole file after looking at its kind and size.
///
/// # Errors
/// [`ErrorCode::ModelNotFound`] without a file there, [`ErrorCode::ModelInvalid`] for a directory, an unreadable file or
/// one above 2 GiB.
pub(crate) fn file(path: &Path) -> Result<Bytes> {
    let fail = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => {
            Error::new(ErrorCode::ModelNotFound, format!("no model at {}: check the path", path.display()))
        }
        _ => invalid(path, &format!("cannot be read: {error}")),
    };
    // Looked at before it is opened: opening a pipe waits for its writer.
    let metadata = path.metadata().map_err(fail)?;
    if !metadata.is_file() {
        return Err(invalid(path, "is not a file: name the .onnx file itself"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(invalid(path, "is larger than 2 GiB, the limit of an ONNX file: export it with external data"));
    }
    let file = File::open(path).map_err(fail)?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(metadata.len() as usize)
        .map_err(|_| Error::new(ErrorCode::OutOfMemory, format!("not enough memory to read {}", path.display())))?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(fail)?;
    Ok(Bytes::from(bytes))
}

/// Decodes a model; weights stay slices of `bytes`.
///
/// # Errors
/// [`ErrorCode::ModelInvalid`] with what the bytes are instead: nothing, a Git LFS pointer, a web page, a cut-off file.
pub(crate) fn decode(bytes: &Bytes, path: &Path) -> Result<ModelProto> {
    if bytes.is_empty() {
        return Err(invalid(path, "is empty, there is no graph in it: download or export it again"));
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(invalid(
            path,
            "is a Git LFS pointer, not the model: run `git lfs pull`, or download the file itself",
        ));
    }
    let text = bytes.trim_ascii_start();
    if text.starts_with(b"<") && std::str::from_utf8(&text[..text.len().min(64)]).is_ok() {
        return Err(invalid(path, "is not an ONNX file but a web page (HTML or XML): download the model again"));
    }
    if bytes.starts_with(b"PK\x03\x04") || text.starts_with(b"{\"") {
        return Err(invalid(path, "is not an ONNX file but an archive or JSON: name the .onnx file itself"));
    }
    ModelProto::decode(bytes.clone())
        .map_err(|error| invalid(path, &format!("is truncated or damaged, or not an ONNX file ({error})")))
}

pub(crate) fn invalid(path: &Path, what: &str) -> Error {
    Error::new(ErrorCode::ModelInvalid, format!("{} {what}", path.display()))
}
