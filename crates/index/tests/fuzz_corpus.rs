//! The corpus of the fuzz target `fuzz/fuzz_targets/index_file.rs`, and seeds with every byte changed.
#![allow(clippy::unwrap_used)]

mod fuzzed;
mod lossy_disk;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lossy_disk::LossyDisk;
use uec_gaussian::Gaussians;
use uec_index::{Disk, GaussianIndex, IndexOptions, OpenOptions, Storage};

/// A small index and a journal with one record of each kind, as the target reads them.
fn seed(storage: Storage, prefilter: bool, flags: u8) -> Vec<u8> {
    let lossy = LossyDisk::default();
    let disk: Arc<dyn Disk> = Arc::new(lossy.clone());
    let path = Path::new("index.uec");
    let rows = |value: f32| Gaussians { mean: vec![value; 2], variance: vec![0.5; 2], dimension: 2 };
    let fingerprint = Some("f".to_owned());
    let index = GaussianIndex::new(IndexOptions { dimension: 2, storage, prefilter, fingerprint }).unwrap();
    index.add(&["a"], rows(1.0).rows()).unwrap();
    index.save_on(&disk, path).unwrap();
    let index = GaussianIndex::open_on(&disk, path, OpenOptions::default()).unwrap();
    index.add(&["b"], rows(2.0).rows()).unwrap();
    index.remove(&["a"]).unwrap();
    let base = lossy.bytes(path);
    let journal = lossy.bytes(Path::new("index.uec.journal"));
    [&[flags][..], &(base.len() as u32).to_le_bytes(), &base, &journal].concat()
}

fn seeds() -> Vec<Vec<u8>> {
    let kinds = [(Storage::Float32, true), (Storage::Float16, false), (Storage::Int8, false)];
    kinds
        .into_iter()
        .flat_map(|(storage, prefilter)| (0..8).map(move |flags| seed(storage, prefilter, flags)))
        .collect()
}

#[test]
fn the_corpus_gives_indexes_or_coded_errors() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/index_file");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        fuzzed::check(&fs::read(file).unwrap());
    }
}

#[test]
fn a_seed_with_any_byte_changed_gives_an_index_or_a_coded_error() {
    for seed in seeds() {
        fuzzed::check(&seed);
        for at in 0..seed.len() {
            for with in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = seed.clone();
                changed[at] = if changed[at] == with { with ^ 0x55 } else { with };
                fuzzed::check(&changed);
            }
        }
    }
}

/// Writes the seeds anew: `UEC_WRITE_CORPUS=1 cargo test -p uec-index --test fuzz_corpus`, after a change of the format.
#[test]
fn write_the_seeds() {
    if std::env::var_os("UEC_WRITE_CORPUS").is_some() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/index_file");
        for (seed, number) in seeds().into_iter().zip(0..) {
            fs::write(folder.join(format!("seed-{number:02}")), seed).unwrap();
        }
    }
}
