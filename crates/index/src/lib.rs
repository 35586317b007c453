//! `GaussianIndex`: Gaussians with ids in memory, exact top-k search, one snapshot file.
//!
//! Every score of a search comes from the canonical routine of `uec_gaussian` (method §6): results depend neither on
//! threads nor on how the rows are split. The file is described in `docs/index-format.md`.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod gaussian_index;
mod search;
mod snapshot;

pub use gaussian_index::GaussianIndex;
pub use search::{Hits, SearchOptions, UNUSED};
