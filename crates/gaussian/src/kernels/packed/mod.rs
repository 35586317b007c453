//! ⟨a, b⟩ and Σ (a² + v) w + v b² of every pair of a block of queries and a block of rows (method §6).
//!
//! Queries are packed once, sixteen beside each other, coordinate by coordinate; rows are packed as they come, with b²
//! formed on the way. Both sums are then products of matrices: the second is one of twice the depth, of
//! (a² + v | v) and (w | b²) in turns of [`HALF`] coordinates. A tile of rows × queries stays in registers for a
//! block of [`DEPTH`] steps.
//!
//! A pair's sums are the same wherever it stands: each is one chain per block, in the order of the coordinates, the
//! blocks' chains are added in their order, and every [`FLUSH`] coordinates the sum moves on to float64. They differ
//! between instruction sets (some have no fused multiply-add) within [`mean_roundings`] and [`variance_roundings`].

mod bounds;
mod columns;
mod products;
mod queries;
mod rows;
mod scores;

#[cfg(test)]
mod tests;

pub(crate) use bounds::{Bounds, Errors, Of, Panel, Rule, UNDERFLOW};
pub(crate) use columns::Columns;
pub(crate) use products::{Products, ROWS};
pub(crate) use queries::Queries;
pub(crate) use scores::Fold;

pub(crate) use super::tile::{Line, PANEL};

/// Steps of a chain: a panel of queries over so many coordinates takes a quarter of a first-level cache.
const DEPTH: usize = 128;
/// Coordinates of a chain of the second sum.
const HALF: usize = DEPTH / 2;
/// Coordinates of the rows that are packed at a time.
const RUN: usize = 4 * DEPTH;
/// Coordinates whose sum stays in float32.
const FLUSH: usize = 4 * RUN;

/// Roundings to float32 on a term's way into ⟨a, b⟩: in its chain (the product's among them), in the sum of the chains,
/// and the last one out of float64.
pub(crate) fn mean_roundings(dimension: usize) -> usize {
    dimension.min(DEPTH) + dimension.min(FLUSH).div_ceil(DEPTH) + 1
}

/// The same for Σ (a² + v) w + v b²: a² + v has two of its own, b² one.
pub(crate) fn variance_roundings(dimension: usize) -> usize {
    2 + (2 * dimension).min(DEPTH) + dimension.min(FLUSH).div_ceil(HALF) + 1
}

/// The same for Σ b² and Σ w of a row, with four lanes or more.
pub(crate) fn row_roundings(dimension: usize) -> usize {
    dimension.min(RUN).div_ceil(4) + 6 + dimension.div_ceil(RUN)
}
