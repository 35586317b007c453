//! Sealed files: safetensors whose checksum covers metadata and tensors (docs/posterior-format.md).
//!
//! The posterior and the checkpoint of a fit are such files.

mod read;
mod sample;
mod strings;
mod write;

use std::borrow::Cow;
use std::io;

use safetensors::Dtype;
use sha2::{Digest, Sha256};

pub(crate) use read::Sealed;
pub(crate) use strings::{Strings, curvature_strings};
pub(crate) use write::Content;

/// The metadata key of the checksum, which covers every other key and every tensor.
const CHECKSUM: &str = "checksum";
/// Values that are turned into bytes at a time.
const CHUNK: usize = 1 << 12;

/// A kind of sealed file.
pub(crate) struct Kind {
    /// What `format` says.
    pub(crate) format: &'static str,
    /// The version that this code writes, and the newest that it reads.
    pub(crate) version: u32,
    /// What messages call it.
    pub(crate) name: &'static str,
    /// The tensors in the order of the file: eight-byte types first, so that every one is aligned.
    pub(crate) tensors: &'static [(&'static str, Dtype)],
}

/// The numbers of one tensor.
pub(crate) enum Values<'a> {
    U64(Vec<u64>),
    F64(Cow<'a, [f64]>),
    /// Rows one after the other.
    F32(Vec<&'a [f32]>),
}

impl Values<'_> {
    /// The bytes, little-endian, in pieces, so that there is never a second copy of the whole.
    fn pieces(&self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        fn chunks<T: Copy, const N: usize>(
            values: &[T],
            bytes: impl Fn(T) -> [u8; N],
            take: &mut impl FnMut(&[u8]) -> io::Result<()>,
        ) -> io::Result<()> {
            values.chunks(CHUNK).try_for_each(|chunk| {
                let piece: Vec<u8> = chunk.iter().flat_map(|&value| bytes(value)).collect();
                take(&piece)
            })
        }
        match self {
            Self::U64(values) => chunks(values, u64::to_le_bytes, &mut take),
            Self::F64(values) => chunks(values, f64::to_le_bytes, &mut take),
            Self::F32(rows) => rows.iter().try_for_each(|row| chunks(row, f32::to_le_bytes, &mut take)),
        }
    }

    /// The number of bytes.
    fn size(&self) -> usize {
        match self {
            Self::U64(values) => 8 * values.len(),
            Self::F64(values) => 8 * values.len(),
            Self::F32(rows) => 4 * rows.iter().map(|row| row.len()).sum::<usize>(),
        }
    }
}

/// SHA-256 over metadata (sorted by key, without the checksum itself) and tensors (in the order of the kind), each
/// piece preceded by its length, so that it survives a rewrite of the header by other tools.
struct Checksum(Sha256);

impl Checksum {
    fn of_metadata<'a>(metadata: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut pairs: Vec<_> = metadata.filter(|(key, _)| *key != CHECKSUM).collect();
        pairs.sort_unstable();
        let mut sum = Self(Sha256::new());
        for (key, value) in pairs {
            sum.piece(key.as_bytes());
            sum.piece(value.as_bytes());
        }
        sum
    }

    fn piece(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.update(bytes);
    }

    fn length(&mut self, length: usize) {
        self.0.update((length as u64).to_le_bytes());
    }

    fn shape(&mut self, shape: &[usize]) {
        shape.iter().for_each(|&length| self.piece(&(length as u64).to_le_bytes()));
    }

    fn end(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
