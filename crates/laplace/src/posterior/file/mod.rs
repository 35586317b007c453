//! The posterior file: safetensors with a checksum (docs/posterior-format.md).

mod metadata;
mod read;
mod write;

use safetensors::Dtype;
use sha2::{Digest, Sha256};

/// What `format` says.
const FORMAT: &str = "uec-posterior";
/// The version that this code writes, and the newest that it reads.
const VERSION: u32 = 1;
/// The metadata key of the checksum, which covers every other key and every tensor.
const CHECKSUM: &str = "checksum";
/// Prefix of the recorded settings of the fit.
const RECORD: &str = "fit.";

/// The tensors in the order of the file: eight-byte types first, so that every one is aligned.
const TENSORS: [(&str, Dtype); 7] = [
    ("sample_hash", Dtype::U64),
    ("sample_norm", Dtype::F64),
    ("weight_norm2", Dtype::F64),
    ("H", Dtype::F32),
    ("gamma", Dtype::F32),
    ("sample_h", Dtype::F32),
    ("sample_mean", Dtype::F32),
];

/// SHA-256 over metadata (sorted by key, without the checksum itself) and tensors (in the order of [`TENSORS`]), each
/// piece preceded by its length, so that it survives a rewrite of the header by other tools.
fn checksum<'a>(
    metadata: impl Iterator<Item = (&'a str, &'a str)>,
    tensors: impl Iterator<Item = (&'a [usize], &'a [u8])>,
) -> String {
    let mut pairs: Vec<_> = metadata.filter(|(key, _)| *key != CHECKSUM).collect();
    pairs.sort_unstable();
    let mut hash = Sha256::new();
    let mut piece = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for (key, value) in pairs {
        piece(key.as_bytes());
        piece(value.as_bytes());
    }
    for (shape, data) in tensors {
        for &length in shape {
            piece(&(length as u64).to_le_bytes());
        }
        piece(data);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
