//! Reading: which error it is when a file cannot be read.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use uec_gaussian::{Error, ErrorCode, Result};

/// Opens a file; `what` names what should be there, such as "index".
///
/// # Errors
/// [`ErrorCode::FileNotFound`]; [`ErrorCode::FileCorrupt`] for a folder, a device or a file that may not be read.
pub fn open(path: &Path, what: &str) -> Result<File> {
    // Looked at before it is opened: opening a pipe waits for its writer.
    let metadata = path.metadata().map_err(|error| read_error(path, what, &error))?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorCode::FileCorrupt, format!("{} is no {what} but no file at all", path.display())));
    }
    File::open(path).map_err(|error| read_error(path, what, &error))
}

/// Reads a whole file.
///
/// # Errors
/// As [`open`], and [`ErrorCode::OutOfMemory`].
pub fn read(path: &Path, what: &str) -> Result<Vec<u8>> {
    let mut file = open(path, what)?;
    let mut bytes = Vec::new();
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let reserved = usize::try_from(size).is_ok_and(|size| bytes.try_reserve_exact(size).is_ok());
    if !reserved {
        return Err(read_error(path, what, &ErrorKind::OutOfMemory.into()));
    }
    file.read_to_end(&mut bytes).map_err(|error| read_error(path, what, &error))?;
    Ok(bytes)
}

/// The coded error of a failure to read the file at `path`.
pub fn read_error(path: &Path, what: &str, error: &io::Error) -> Error {
    let path = path.display();
    match error.kind() {
        ErrorKind::NotFound => Error::new(ErrorCode::FileNotFound, format!("there is no {what} at {path}")),
        ErrorKind::OutOfMemory => Error::new(ErrorCode::OutOfMemory, format!("no memory to read the {what} {path}")),
        _ => Error::new(ErrorCode::FileCorrupt, format!("the {what} {path} cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_is_no_file_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let missing = read(&path, "posterior").unwrap_err();
        assert_eq!(missing.code, ErrorCode::FileNotFound);
        assert!(missing.message.starts_with("there is no posterior at "), "{missing}");
        assert_eq!(read(folder.path(), "posterior").unwrap_err().code, ErrorCode::FileCorrupt);
        std::fs::write(&path, "content").unwrap();
        assert_eq!(read(&path, "posterior").unwrap(), b"content");
        assert_eq!(read(&path.join("below"), "index").unwrap_err().code, ErrorCode::FileCorrupt);
    }
}
