//! The disk of the operating system.

use std::borrow::Borrow;
use std::fmt::Debug;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, DiskFile, Map, Temporary};
use super::map::map;

/// Files of the operating system.
#[derive(Debug)]
pub(crate) struct OsDisk;

impl Disk for OsDisk {
    fn resolve(&self, path: &Path) -> PathBuf {
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        // Looked at before it is opened: opening a pipe waits for its writer.
        if !path.metadata()?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        Ok(Box::new(File::open(path)?))
    }

    fn lock(&self, path: &Path, base: &Path) -> io::Result<Option<Box<dyn DiskFile>>> {
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(io::Error::other("it is no file"));
        }
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        if let Ok(base) = base.metadata() {
            use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
            options.mode(base.permissions().mode() & 0o666);
        }
        #[cfg(not(unix))]
        let _ = base;
        exclusive(&options, path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    fn temporary(&self, target: &Path) -> io::Result<Box<dyn Temporary>> {
        Ok(Box::new(OsTemporary { file: uec_files::Temporary::beside(target)?, target: target.to_owned() }))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        uec_files::sync_folder(path)
    }
}

#[cfg(not(windows))]
fn exclusive(options: &fs::OpenOptions, path: &Path) -> io::Result<Option<Box<dyn DiskFile>>> {
    let file = options.open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Box::new(Locked(file)))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A file whose lock ends with it. Closing alone would leave the lock to a child process that is being started and has
/// not yet let go of what it inherited.
#[cfg(not(windows))]
#[derive(Debug)]
struct Locked(File);

#[cfg(not(windows))]
impl Borrow<File> for Locked {
    fn borrow(&self) -> &File {
        &self.0
    }
}

#[cfg(not(windows))]
impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Locked bytes cannot be read on Windows, so that the lock is there the right to write, which is not shared.
#[cfg(windows)]
fn exclusive(options: &fs::OpenOptions, path: &Path) -> io::Result<Option<Box<dyn DiskFile>>> {
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_SHARE_READ: u32 = 1;
    const ERROR_SHARING_VIOLATION: i32 = 32;
    match options.clone().share_mode(FILE_SHARE_READ).open(path) {
        Ok(file) => Ok(Some(Box::new(file))),
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(None),
        Err(error) => Err(error),
    }
}

impl<F: Borrow<File> + Debug + Send + Sync> DiskFile for F {
    fn length(&self) -> io::Result<u64> {
        Ok(self.borrow().metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        positioned::read(self.borrow(), bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        positioned::write(self.borrow(), bytes, offset)
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.borrow().set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.borrow().sync_data()
    }

    fn map(&self) -> io::Result<Map> {
        map(self.borrow())
    }
}

#[cfg(unix)]
mod positioned {
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::FileExt;

    pub(super) fn read(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(file, bytes, offset)
    }

    pub(super) fn write(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(file, bytes, offset)
    }
}

#[cfg(windows)]
mod positioned {
    use std::fs::File;
    use std::io::{self, ErrorKind};
    use std::os::windows::fs::FileExt;

    pub(super) fn read(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let done = file.seek_read(bytes, offset)?;
            if done == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            bytes = &mut bytes[done..];
            offset += done as u64;
        }
        Ok(())
    }

    pub(super) fn write(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let done = file.seek_write(bytes, offset)?;
            if done == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            bytes = &bytes[done..];
            offset += done as u64;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct OsTemporary {
    file: uec_files::Temporary,
    target: PathBuf,
}

impl Temporary for OsTemporary {
    fn file(&self) -> &dyn DiskFile {
        self.file.file()
    }

    fn put_in_place(self: Box<Self>) -> io::Result<()> {
        self.file.put_in_place(&self.target)
    }
}
