//! Files that are whole or not there: replaced all at once, and opened with an error that says what is missing.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod read;
mod replace;

pub use read::{open, read, read_error};
pub use replace::{Temporary, replace, sync_folder, write_error};
