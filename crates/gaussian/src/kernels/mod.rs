//! The fast kernels in float32 and integers, one file per family, each written once for every instruction set.
//!
//! They only select: each states how far its result may lie from the exact one.


pub(crate) mod distance;
pub(crate) mod dot;
mod half;
pub(crate) mod int8;
pub(crate) mod moments;
pub(crate) mod stream;
