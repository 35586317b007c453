//! Replaces a file all at once: written beside it, flushed to the disk, then renamed over it. Whatever fails, the old
//! file stays as it was and nothing else stays behind.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::Builder;
use uec_gaussian::{Error, ErrorCode, Result};

/// Replaces `path` by what `write` writes.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> Result<()> {
    try_replace(path, write).map_err(|error| {
        let message =
            format!("{} cannot be written: {error}. Check that its folder exists and has room", path.display());
        Error::new(ErrorCode::FileWrite, message)
    })
}

fn try_replace(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = Builder::new();
    builder.prefix(".uec-");
    // As any new file: readable as the process's umask says, not private as temporary files are.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder)?;
    let mut buffer = BufWriter::with_capacity(1 << 16, file.as_file());
    write(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    file.as_file().sync_all()?;
    file.persist(path)?;
    // The new name is durable only with its folder.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_failing_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        replace(&path, |file| file.write_all(b"old")).unwrap();
        // The disk is full after more than a buffer has been written.
        let full = |file: &mut BufWriter<&File>| {
            file.write_all(&[7; 1 << 17])?;
            Err(io::ErrorKind::StorageFull.into())
        };
        assert_eq!(replace(&path, full).unwrap_err().code, ErrorCode::FileWrite);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        replace(&path, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_missing_folder_is_a_write_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = replace(&folder.path().join("missing/index"), |_| Ok(())).unwrap_err();
        assert_eq!(error.code, ErrorCode::FileWrite);
        // A folder in the file's place cannot be replaced, and stays.
        let occupied = folder.path().join("occupied");
        fs::create_dir(&occupied).unwrap();
        assert_eq!(replace(&occupied, |_| Ok(())).unwrap_err().code, ErrorCode::FileWrite);
        assert!(occupied.is_dir());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
