//! Reads ONNX graphs by structure and bakes a posterior into them.
//!
//! [`Graph::read`] checks and decodes a file, [`Graph::tail`] finds the last linear layer and the norm behind it
//! (method §1), [`Graph::tapped`] exposes the layer's input and the norm's input as outputs, which fitting needs, and
//! [`Graph::bake`] appends the nodes that turn token vectors into a Gaussian (method §3). Names in a file are never
//! trusted: the walk goes back from the output and looks at operators and constants only.
//!
//! An edited model is the original bytes followed by one more protobuf message, which readers merge: no existing node is
//! touched, and external data keeps its place.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bake;
mod baked;
mod blocks;
mod constant;
mod delta;
mod dense;
mod dequantize;
mod external;
mod graph;
mod linear;
mod norm;
mod output;
mod pool;
mod pooled;
mod proto;
mod quantised;
mod read;
mod relocate;
mod tail;
mod tap;
mod terms;
#[cfg(test)]
mod tests;
mod trail;
mod variance;
mod walk;
mod weights;

pub use bake::{Bake, Baked, BakedPosterior, TailKind};
pub use baked::BakedInfo;
pub use dense::{Activation, Dense};
pub use graph::Graph;
pub use norm::NormKind;
pub use pool::Pooling;
pub use relocate::relocate;
pub use tail::{Override, Stage, Tail};
pub use tap::Tapped;
