//! Text encoders: tokenizer, ONNX Runtime sessions, batches, the fit driver.
//!
//! An encoder is a model directory whose graph has been given the outputs `mean`, `variance` and `norm` (crate `uec-onnx`);
//! embedding is one run of that graph per batch. Fitting runs the original graph with its last linear layer's input and
//! output tapped, and hands them to the curvature (crate `uec-laplace`).

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod baking;
mod batch;
mod belonging;
mod checkpoint;
mod config_file;
mod dense;
mod description;
mod directory;
mod dropout;
mod embed;
mod encoder;
mod external;
mod fingerprint;
mod fit;
mod fit_options;
mod head;
mod modules;
mod options;
mod pooling_config;
mod progress;
mod runtime;
mod session;
mod settings;
mod source;
mod taps;
mod tokenize;
mod weights;

pub use description::baked_metadata;
pub use directory::Directory;
pub use dropout::word_dropped;
pub use embed::Embedded;
pub use encoder::Encoder;
pub use fit::Fitter;
pub use fit_options::{CheckpointOptions, FitOptions, FitPair};
pub use options::{Device, EncoderInfo, EncoderOptions, FittedOn, Weights};
pub use progress::{Phase, Progress, Snapshot};
pub use runtime::{RUNTIME_VARIABLE, Runtime, RuntimeSearch};
pub use tokenize::{TextTokenizer, Tokens};
pub use uec_onnx::{Override, Pooling};
