//! The posterior file: safetensors with a checksum (docs/posterior-format.md).

mod metadata;
mod read;
mod write;

use safetensors::Dtype;

use crate::sealed::Kind;

/// Prefix of the recorded settings of the fit.
const RECORD: &str = "fit.";

const POSTERIOR: Kind = Kind {
    format: "uec-posterior",
    version: 1,
    name: "posterior",
    tensors: &[
        ("sample_hash", Dtype::U64),
        ("sample_norm", Dtype::F64),
        ("weight_norm2", Dtype::F64),
        ("H", Dtype::F32),
        ("gamma", Dtype::F32),
        ("sample_h", Dtype::F32),
        ("sample_mean", Dtype::F32),
    ],
};
