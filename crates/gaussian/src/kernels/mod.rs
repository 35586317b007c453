//! The fast kernels in float32 and integers, one file per family, each written once for every instruction set.
//!
//! They only select: each states how far its result may lie from the exact one. `canonical` is the exception: float64,
//! the same bits everywhere.

mod ahead;
pub(crate) mod canonical;
pub(crate) mod distance;
pub(crate) mod divergence;
pub(crate) mod dot;
mod half;
pub(crate) mod int8;
pub(crate) mod mixture;
pub(crate) mod moments;
pub(crate) mod packed;
pub(crate) mod product;
pub(crate) mod stream;
mod tile;

#[cfg(test)]
mod tests;
