//! What is asked of a disk. A trait, so that tests can put one in its place that loses what was not synced.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a file as memory.
pub type Map = Box<dyn AsRef<[u8]> + Send + Sync>;

/// Where files live.
pub trait Disk: Debug + Send + Sync {
    /// The path with its links resolved; as it is if nothing is there.
    fn resolve(&self, path: &Path) -> PathBuf;

    /// Opens an ordinary file for reading.
    ///
    /// # Errors
    /// Of kind `NotFound`, and any other; a folder or a pipe is one of them.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading and writing, making it if need be, and takes its exclusive lock until the file is
    /// dropped. `None` if another holds it, in this process or elsewhere. A new file may be read and written by those who
    /// may read and write `base`.
    ///
    /// # Errors
    /// Any.
    fn lock(&self, path: &Path, base: &Path) -> io::Result<Option<Box<dyn DiskFile>>>;

    /// Whether something is at `path`.
    fn exists(&self, path: &Path) -> bool;

    /// A new file in the folder of `target`.
    ///
    /// # Errors
    /// Any.
    fn temporary(&self, target: &Path) -> io::Result<Box<dyn Temporary>>;

    /// Makes the names in the folder of `path` survive a power failure.
    ///
    /// # Errors
    /// Of the disk; a folder that this process may not open and a file system that cannot sync one are none.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Debug + Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// Any.
    fn length(&self) -> io::Result<u64>;

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before, and any other.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// Any; part of it may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Cuts the file to `length`.
    ///
    /// # Errors
    /// Any.
    fn cut(&self, length: u64) -> io::Result<()>;

    /// Returns when everything written is on the disk.
    ///
    /// # Errors
    /// Any; then it is unknown what is.
    fn sync(&self) -> io::Result<()>;

    /// The file as memory.
    ///
    /// # Errors
    /// Any.
    fn map(&self) -> io::Result<Map>;
}

/// A new file that is gone when dropped, unless it was put in place.
pub trait Temporary: Debug {
    /// To write into.
    fn file(&self) -> &dyn DiskFile;

    /// Renames it over its target.
    ///
    /// # Errors
    /// Any; then the target is as it was.
    fn put_in_place(self: Box<Self>) -> io::Result<()>;
}
