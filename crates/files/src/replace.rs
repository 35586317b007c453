//! Writing: into a temporary file of the same folder, synced to the disk, then renamed over the target.

use std::fs::File;
use std::io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};
use uec_gaussian::{Error, ErrorCode, Result};

/// Replaces the file at `path` by what `write` writes. Whatever fails, a crash included, the old file stays as it was;
/// after an error nothing else stays behind. The rights are those of the old file, or those that the process gives to any
/// new one.
///
/// # Errors
/// [`ErrorCode::FileWrite`], naming the path.
pub fn replace(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> Result<()> {
    try_replace(path, write).map_err(|error| write_error(path, &error))
}

/// The coded error of a failed write: [`ErrorCode::FileWrite`].
pub fn write_error(path: &Path, error: &io::Error) -> Error {
    let remedy = "check that its folder exists, has room and may be written to";
    Error::new(ErrorCode::FileWrite, format!("{} cannot be written: {error}; {remedy}", path.display()))
}

fn try_replace(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    let file = Temporary::beside(path)?;
    let mut buffer = BufWriter::with_capacity(1 << 16, file.file());
    write(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    file.file().sync_all()?;
    file.put_in_place(path)?;
    // The file is in place by now, and whole.
    let _ = sync_folder(path);
    Ok(())
}

/// A new file in the folder of its target; gone when dropped, unless it was put in place.
#[derive(Debug)]
pub struct Temporary(NamedTempFile);

impl Temporary {
    /// Makes one, with the rights that the process gives to any new file.
    ///
    /// # Errors
    /// Any of the system.
    pub fn beside(target: &Path) -> io::Result<Self> {
        let mut builder = Builder::new();
        builder.prefix(".uec-");
        // Temporary files are private by default; the umask takes away what new files may not have.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        builder.tempfile_in(folder_of(target)).map(Self)
    }

    /// To write into.
    pub fn file(&self) -> &File {
        self.0.as_file()
    }

    /// Renames it over `target`, whose rights it takes over.
    ///
    /// # Errors
    /// Any of the system; `target` stays as it was.
    pub fn put_in_place(self, target: &Path) -> io::Result<()> {
        #[cfg(unix)]
        if let Ok(old) = target.metadata() {
            let rights = old.permissions();
            if rights != self.file().metadata()?.permissions() {
                self.file().set_permissions(rights)?;
            }
        }
        self.0.persist(target)?;
        Ok(())
    }
}

/// Makes the names in the folder of `path` survive a power failure. Where that cannot be asked for (no right to read the
/// folder, a file system without it), nothing is done.
///
/// # Errors
/// Those of the disk.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    match File::open(folder_of(path)).and_then(|folder| folder.sync_all()) {
        Err(error) if matches!(error.kind(), PermissionDenied | InvalidInput | Unsupported) => Ok(()),
        result => result,
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn entries(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn replaces_the_whole_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, |file| file.write_all(b"old and long")).unwrap();
        replace(&path, |file| file.write_all(b"ne").and_then(|()| file.write_all(b"w"))).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(entries(folder.path()), 1);
    }

    #[test]
    fn a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, |file| file.write_all(b"old")).unwrap();
        let error = replace(&path, |file| {
            file.write_all(&[7; 1 << 17])?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(error.unwrap_err().code, ErrorCode::FileWrite);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(entries(folder.path()), 1);
    }

    /// `/dev/full` answers every write as a full disk does.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named_and_the_old_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        replace(&path, |file| file.write_all(b"old")).unwrap();
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        let error = replace(&path, |file| {
            file.write_all(&[7; 1 << 17])?;
            full.write_all(b"more")
        })
        .unwrap_err();
        assert_eq!(error.code, ErrorCode::FileWrite);
        assert!(error.message.contains("No space left on device") && error.message.contains("has room"), "{error}");
        assert!(error.message.contains(&*path.to_string_lossy()), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(entries(folder.path()), 1);
    }

    #[test]
    fn a_missing_folder_is_a_write_error_and_a_folder_in_the_files_place_stays() {
        let folder = tempfile::tempdir().unwrap();
        let error = replace(&folder.path().join("missing/file"), |_| Ok(())).unwrap_err();
        assert_eq!(error.code, ErrorCode::FileWrite);
        let occupied = folder.path().join("occupied");
        fs::create_dir(&occupied).unwrap();
        assert_eq!(replace(&occupied, |_| Ok(())).unwrap_err().code, ErrorCode::FileWrite);
        assert!(occupied.is_dir());
        assert_eq!(entries(folder.path()), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_cannot_be_synced_does_not_undo_the_write() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o300)).unwrap();
        let written = replace(&path, |file| file.write_all(b"new"));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        written.unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_has_the_rights_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        replace(&ours, |_| Ok(())).unwrap();
        fs::write(&plain, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o600)).unwrap();
        replace(&ours, |_| Ok(())).unwrap();
        assert_eq!(mode(&ours) & 0o777, 0o600, "a private file stays private");
    }
}
