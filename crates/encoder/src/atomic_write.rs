//! A file that is either the old one or the whole new one: written beside, synced, renamed.

use std::io::Write;
use std::path::Path;

use uec_gaussian::{Error, ErrorCode, Result};

/// Writes `parts` one after another to `file`.
///
/// # Errors
/// [`ErrorCode::FileWrite`]; then the old file, if any, is untouched and nothing else is left behind.
pub(crate) fn write(file: &Path, parts: &[&[u8]]) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorCode::FileWrite, format!("{} cannot be written: {error}", file.display()))
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".uec-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file: what the umask allows.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut temporary = builder.tempfile_in(folder).map_err(failed)?;
    for part in parts {
        temporary.write_all(part).map_err(failed)?;
    }
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(file).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_whole_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.onnx");
        write(&file, &[b"old and long"]).unwrap();
        write(&file, &[b"ne", b"w"]).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_of_writing() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("none/model.onnx"), &[b"x"]).unwrap_err();
        assert_eq!(error.code, ErrorCode::FileWrite);
    }

    #[test]
    fn a_target_that_is_a_folder_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("taken");
        std::fs::create_dir(&target).unwrap();
        assert_eq!(write(&target, &[b"x"]).unwrap_err().code, ErrorCode::FileWrite);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
