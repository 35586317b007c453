//! A file as memory. The only unsafe code of this crate.
#![allow(unsafe_code, reason = "a memory map cannot be made without")]

use std::fs::File;
use std::io;

use memmap2::Mmap;

use super::disk::Map;

/// Maps a whole file for reading.
///
/// # Errors
/// Any of the system.
pub(super) fn map(file: &File) -> io::Result<Map> {
    // SAFETY: the map is read only, and this library never writes into a base in place: it renames a new one over it. A
    // program that does change the file is beyond us; that is why mapping is asked for (ADR 7).
    let map = unsafe { Mmap::map(file) }?;
    Ok(Box::new(map))
}
