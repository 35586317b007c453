//! Opens any bytes as an index and its journal: `cargo +nightly fuzz run index_file`. What is checked stands with the
//! tests of the crate, which replay the corpus.
#![no_main]

#[path = "../../crates/index/tests/fuzzed/mod.rs"]
mod fuzzed;
#[path = "../../crates/index/tests/lossy_disk/mod.rs"]
mod lossy_disk;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::check(data));
