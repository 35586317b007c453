//! `GaussianIndex`: Gaussians with ids in memory, exact top-k search, one file and its journal.
//!
//! Every score of a search comes from the canonical routine of `uec_gaussian` (method §6): results depend neither on
//! threads nor on how the rows are split. The files are described in `docs/index-format.md`.
#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod buffer;
mod builder;
mod chunk;
mod edit;
mod encoding;
mod file;
mod gaussian_index;
mod ids;
mod owned;
mod search;
mod state;
mod storage;
mod verify;

pub use file::{Disk, DiskFile, Map, Temporary};
pub use gaussian_index::{GaussianIndex, IndexOptions, OpenOptions};
pub use search::{Hits, Plan, SearchOptions, UNUSED};
pub use state::Snapshot;
pub use storage::Storage;
