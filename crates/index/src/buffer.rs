//! One column of a chunk as bytes: owned and aligned to a cache line, or a part of a mapped file.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytemuck::Pod;
use uec_gaussian::{Cancel, Error, ErrorCode, Result};

pub(crate) use crate::owned::Owned;

/// A mapped file, as the rows see it.
pub(crate) trait Mapped: fmt::Debug + Send + Sync {
    /// The bytes `range` of the file; what is touched for the first time is verified.
    ///
    /// # Errors
    /// [`ErrorCode::FileCorrupt`] if what is there is damaged.
    fn bytes(&self, range: Range<usize>) -> Result<&[u8]>;

    /// Verifies all of it, what was verified before, too.
    ///
    /// # Errors
    /// [`ErrorCode::FileCorrupt`], [`ErrorCode::Aborted`].
    fn verify(&self, cancel: &Cancel) -> Result<()>;
}

/// One column of a chunk.
#[derive(Debug)]
pub(crate) enum Buffer {
    /// In memory.
    Owned(Owned),
    /// These bytes of a file.
    Mapped(Arc<dyn Mapped>, Range<usize>),
}

impl Buffer {
    /// Its bytes `range`.
    ///
    /// # Errors
    /// [`ErrorCode::FileCorrupt`] if the file they lie in is damaged there.
    pub(crate) fn bytes(&self, range: Range<usize>) -> Result<&[u8]> {
        match self {
            Self::Owned(owned) => Ok(&owned.bytes()[range]),
            Self::Mapped(file, place) => file.bytes(place.start + range.start..place.start + range.end),
        }
    }

    /// The elements `range` as numbers of type `T`.
    ///
    /// # Errors
    /// As [`Buffer::bytes`].
    pub(crate) fn view<T: Pod>(&self, range: Range<usize>) -> Result<&[T]> {
        let bytes = self.bytes(range.start * size_of::<T>()..range.end * size_of::<T>())?;
        bytemuck::try_cast_slice(bytes)
            .map_err(|_| Error::new(ErrorCode::Internal, "a section of the file is not aligned"))
    }

    /// Bytes of memory that it holds: none if mapped.
    pub(crate) fn allocated(&self) -> usize {
        match self {
            Self::Owned(owned) => owned.allocated(),
            Self::Mapped(..) => 0,
        }
    }

    /// The file it lies in, if it is mapped.
    pub(crate) fn file(&self) -> Option<&dyn Mapped> {
        match self {
            Self::Owned(_) => None,
            Self::Mapped(file, _) => Some(&**file),
        }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::Owned(Owned::default())
    }
}

pub(crate) fn no_memory(bytes: usize) -> Error {
    Error::new(ErrorCode::OutOfMemory, format!("no memory for {bytes} more bytes of an index"))
}

/// An empty list with room for `count`.
///
/// # Errors
/// [`ErrorCode::OutOfMemory`].
pub(crate) fn reserved<T>(count: usize) -> Result<Vec<T>> {
    let mut list = Vec::new();
    list.try_reserve_exact(count).map_err(|_| no_memory(count.saturating_mul(size_of::<T>())))?;
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_seen_in_place() {
        let mut owned = Owned::zeroed(16).unwrap();
        owned.view_mut::<f32>(1..3).copy_from_slice(&[1.5, -2.5]);
        let buffer = Buffer::Owned(owned);
        assert_eq!(buffer.view::<f32>(0..4).unwrap(), [0.0, 1.5, -2.5, 0.0]);
        assert_eq!(buffer.view::<f32>(2..3).unwrap(), [-2.5]);
        assert_eq!((buffer.allocated(), buffer.file().is_none()), (64, true));
    }
}
