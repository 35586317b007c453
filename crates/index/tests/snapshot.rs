//! The snapshot file: what is saved is what is opened, and no damaged file is opened.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use uec_gaussian::{Cancel, ErrorCode, Gaussians};
use uec_index::{GaussianIndex, IndexOptions, OpenOptions, Snapshot};

const HEADER: usize = 192;
const DIGEST: std::ops::Range<usize> = 104..136;

fn empty(dimension: usize, fingerprint: Option<&str>) -> GaussianIndex {
    let fingerprint = fingerprint.map(str::to_owned);
    GaussianIndex::new(IndexOptions { dimension, fingerprint, ..IndexOptions::default() }).unwrap()
}

fn open(path: &Path) -> uec_gaussian::Result<GaussianIndex> {
    GaussianIndex::open(path, OpenOptions::default())
}

fn sample() -> GaussianIndex {
    let index = empty(2, Some("fingerprint ü"));
    let rows = Gaussians {
        mean: vec![1.0, -0.0, 1e-45, 2.5, -3.0, 0.0],
        variance: vec![0.0, 1e-45, 3e38, 0.5, 0.25, 1.0],
        dimension: 2,
    };
    index.add(&["a", "", "Straße 😀"], rows.rows()).unwrap();
    index
}

fn saved(index: &GaussianIndex, folder: &Path) -> (PathBuf, Vec<u8>) {
    let path = folder.join("index.uec");
    index.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

/// Writes `bytes` with a digest that fits, as a faulty writer would, and opens the file.
fn open_forged(path: &Path, mut bytes: Vec<u8>) -> ErrorCode {
    bytes[DIGEST].fill(0);
    let digest = Sha256::digest(&bytes);
    bytes[DIGEST].copy_from_slice(&digest);
    fs::write(path, bytes).unwrap();
    open(path).unwrap_err().code
}

fn bits(index: &Snapshot) -> Vec<(String, Vec<u32>)> {
    let row = |id: &str| index.get(id).unwrap().unwrap();
    let bits = |id: &str| row(id).mean.iter().chain(&row(id).variance).map(|x| x.to_bits()).collect();
    index.ids().map(|id| (id.to_owned(), bits(id))).collect()
}

#[test]
fn what_is_saved_is_what_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    for index in [sample(), empty(7, None), empty(1, Some(""))] {
        let (path, bytes) = saved(&index, folder.path());
        let opened = open(&path).unwrap();
        opened.verify(&Cancel::default()).unwrap();
        assert_eq!((opened.dimension(), opened.fingerprint()), (index.dimension(), index.fingerprint()));
        assert_eq!(bits(&opened.snapshot()), bits(&index.snapshot()));
        assert_eq!(saved(&opened, folder.path()).1, bytes);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn every_truncation_and_every_spare_byte_is_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bytes) = saved(&sample(), folder.path());
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        assert_eq!(open(&path).unwrap_err().code, ErrorCode::FileCorrupt, "{length} bytes");
    }
    fs::write(&path, [&bytes[..], &[0]].concat()).unwrap();
    assert_eq!(open(&path).unwrap_err().code, ErrorCode::FileCorrupt);
}

#[test]
fn every_flipped_byte_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bytes) = saved(&sample(), folder.path());
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            fs::write(&path, &damaged).unwrap();
            let code = open(&path).unwrap_err().code;
            // A higher number in the version field is a newer file, as far as anyone can tell.
            let expected = if (8..12).contains(&at) {
                [ErrorCode::FileVersion, ErrorCode::FileCorrupt]
            } else {
                [ErrorCode::FileCorrupt; 2]
            };
            assert!(expected.contains(&code), "byte {at} ^ {flip}: {code:?}");
        }
    }
}

#[test]
fn huge_claimed_sizes_are_corrupt_and_allocate_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bytes) = saved(&sample(), folder.path());
    // Dimension, count, file length, then offset and length of each section.
    let fields: Vec<(usize, usize)> =
        [(16, 4), (24, 8), (32, 8)].into_iter().chain((40..104).step_by(8).map(|at| (at, 8))).collect();
    for (at, width) in fields {
        for value in [u64::MAX, u64::MAX / 2, 1 << 40, 0] {
            let mut forged = bytes.clone();
            forged[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
            if forged != bytes {
                assert_eq!(open_forged(&path, forged), ErrorCode::FileCorrupt, "{value} at {at}");
            }
        }
    }
}

#[test]
fn contents_that_no_index_can_have_are_corrupt_even_with_a_fitting_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bytes) = saved(&sample(), folder.path());
    let section =
        |number: usize| u64::from_le_bytes(bytes[40 + 16 * number..48 + 16 * number].try_into().unwrap()) as usize;
    let forge = |at: usize, with: &[u8]| {
        let mut forged = bytes.clone();
        forged[at..at + with.len()].copy_from_slice(with);
        open_forged(&path, forged)
    };
    let (fingerprint, ids, means, variances) = (section(0), section(1), section(2), section(3));
    for (at, with) in [
        (fingerprint, &[0xff][..]),
        (ids, &2_u32.to_le_bytes()),
        (ids, &u32::MAX.to_le_bytes()),
        (ids + 12, &[0xff]),
        (means, &f32::NAN.to_le_bytes()),
        (means, &0_f32.to_le_bytes()),
        (variances, &f32::INFINITY.to_le_bytes()),
        (variances, &(-1_f32).to_le_bytes()),
        (20, &0_u32.to_le_bytes()),
        (20, &2_u32.to_le_bytes()),
        (12, &1_u32.to_le_bytes()),
        (8, &0_u32.to_le_bytes()),
    ] {
        assert_eq!(forge(at, with), ErrorCode::FileCorrupt, "{with:?} at {at}");
    }
    assert!(ids >= HEADER);
    assert_eq!(forge(8, &2_u32.to_le_bytes()), ErrorCode::FileVersion);

    // The same id twice.
    let index = empty(1, None);
    let rows = Gaussians { mean: vec![1.0, 2.0], variance: vec![0.0, 0.0], dimension: 1 };
    index.add(&["a", "b"], rows.rows()).unwrap();
    let (path, mut bytes) = saved(&index, folder.path());
    let ids = u64::from_le_bytes(bytes[56..64].try_into().unwrap()) as usize;
    assert_eq!(&bytes[ids + 8..ids + 10], b"ab");
    bytes[ids + 9] = b'a';
    assert_eq!(open_forged(&path, bytes), ErrorCode::FileCorrupt);
}

#[test]
fn a_missing_or_foreign_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(&folder.path().join("missing")).unwrap_err();
    assert_eq!(error.code, ErrorCode::FileNotFound);
    assert!(error.message.contains("missing"));
    assert_eq!(open(folder.path()).unwrap_err().code, ErrorCode::FileCorrupt);
    let text = folder.path().join("text");
    fs::write(&text, "version https://git-lfs.github.com/spec/v1\n".repeat(9)).unwrap();
    assert_eq!(open(&text).unwrap_err().code, ErrorCode::FileCorrupt);
}

#[test]
fn a_failed_save_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, bytes) = saved(&sample(), folder.path());
    let changed = sample();
    changed.remove(&["a"]).unwrap();
    assert_eq!(changed.save(&folder.path().join("missing/index.uec")).unwrap_err().code, ErrorCode::FileWrite);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    changed.save(&path).unwrap();
    assert_eq!(open(&path).unwrap().len(), 2);
}
