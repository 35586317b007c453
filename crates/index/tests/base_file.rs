//! The base file: what is saved is what is opened, and no damaged file is opened.
#![allow(clippy::unwrap_used)]

mod lossy_disk;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lossy_disk::LossyDisk;

use uec_gaussian::{Cancel, Error, ErrorCode, Gaussians, Result};
use uec_index::{Disk, GaussianIndex, IndexOptions, OpenOptions, Storage};

const HEADER: usize = 256;
const MODES: [OpenOptions; 2] =
    [OpenOptions { mmap: false, readonly: true }, OpenOptions { mmap: true, readonly: true }];

fn empty(dimension: usize, storage: Storage, prefilter: bool, fingerprint: Option<&str>) -> GaussianIndex {
    let fingerprint = fingerprint.map(str::to_owned);
    GaussianIndex::new(IndexOptions { dimension, storage, prefilter, fingerprint }).unwrap()
}

fn sample(storage: Storage, prefilter: bool) -> GaussianIndex {
    let index = empty(2, storage, prefilter, Some("fingerprint ü"));
    let rows = Gaussians {
        mean: vec![1.0, -0.0, 1e-45, 2.5, 7.0, 7.0, -3.0, 0.0],
        variance: vec![0.0, 1e-45, 3e37, 0.5, 7.0, 7.0, 0.25, 1.0],
        dimension: 2,
    };
    index.add(&["a", "", "gone", "Straße 😀"], rows.rows()).unwrap();
    assert_eq!(index.remove(&["gone"]).unwrap(), 1);
    index
}

fn samples() -> Vec<GaussianIndex> {
    let mut samples = vec![sample(Storage::Float32, true), empty(7, Storage::Int8, false, None)];
    samples.push(empty(1, Storage::Float32, true, Some("")));
    samples.extend(Storage::ALL.map(|storage| sample(storage, false)));
    samples
}

/// 2.3 MiB of rows: several blocks and chunks.
fn large(storage: Storage, prefilter: bool) -> GaussianIndex {
    let (count, dimension) = (3000, 96);
    let number = |i: usize| (i * 7919 % 10_007) as f32 / 10_007.0 + 1e-3;
    let rows = Gaussians {
        mean: (0..count * dimension).map(|i| number(i) - 0.5).collect(),
        variance: (0..count * dimension).map(|i| number(i + 13)).collect(),
        dimension,
    };
    let index = empty(dimension, storage, prefilter, None);
    index.add(&(0..count).map(|i| format!("id {i}")).collect::<Vec<_>>(), rows.rows()).unwrap();
    index
}

fn saved(index: &GaussianIndex, folder: &Path) -> (PathBuf, Vec<u8>) {
    let path = folder.join("index.uec");
    index.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

type Content = Vec<(String, Vec<u32>)>;

/// Ids and decoded rows to the bit.
fn content(index: &GaussianIndex) -> Result<Content> {
    let index = index.snapshot();
    let row = |id: &str| {
        let row = index.get(id)?.unwrap();
        Ok((id.to_owned(), row.mean.iter().chain(&row.variance).map(|x| x.to_bits()).collect()))
    };
    index.ids().map(row).collect()
}

/// Opens a file of these bytes, reads every row and verifies it.
fn read_all(bytes: &[u8], options: OpenOptions) -> Result<Content> {
    let disk = LossyDisk::default();
    disk.put(Path::new("index.uec"), bytes);
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let index = GaussianIndex::open_on(&disk, Path::new("index.uec"), options)?;
    let content = content(&index)?;
    index.verify(&Cancel::default())?;
    Ok(content)
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    crc32fast::hash(bytes).to_le_bytes()
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn section(bytes: &[u8], number: usize) -> usize {
    u64_at(bytes, 48 + 16 * number) as usize
}

/// Makes all checksums fit, as a faulty writer would.
fn forge(mut bytes: Vec<u8>) -> Vec<u8> {
    let blocks = u32::from_le_bytes(bytes[40..44].try_into().unwrap()) as usize;
    let start = (HEADER + 4 * blocks).next_multiple_of(64);
    if blocks < 100 && start <= bytes.len() {
        let checksums: Vec<u8> = bytes[start..].chunks(1 << 20).flat_map(crc).collect();
        if checksums.len() == 4 * blocks {
            bytes[HEADER..HEADER + 4 * blocks].copy_from_slice(&checksums);
        }
        let table = crc(&bytes[HEADER..start]);
        bytes[44..48].copy_from_slice(&table);
    }
    let header = crc(&bytes[..252]);
    bytes[252..HEADER].copy_from_slice(&header);
    bytes
}

#[test]
fn what_is_saved_is_what_is_opened_and_saved_again() {
    let folder = tempfile::tempdir().unwrap();
    let large = [large(Storage::Float32, true), large(Storage::Float16, false), large(Storage::Int8, false)];
    for index in samples().iter().chain(&large) {
        let (path, bytes) = saved(index, folder.path());
        for options in MODES {
            let opened = GaussianIndex::open(&path, options).unwrap();
            assert_eq!((opened.dimension(), opened.storage()), (index.dimension(), index.storage()));
            assert_eq!((opened.prefilter(), opened.fingerprint()), (index.prefilter(), index.fingerprint()));
            assert_eq!((opened.len(), opened.readonly()), (index.len(), true));
            assert_eq!(content(&opened).unwrap(), content(index).unwrap());
            opened.verify(&Cancel::default()).unwrap();
            let copy = folder.path().join("copy.uec");
            opened.save(&copy).unwrap();
            assert!(fs::read(&copy).unwrap() == bytes);
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "files beside index and copy");
}

#[test]
fn the_layout_is_that_of_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let (_, bytes) = saved(&sample(Storage::Float32, true), folder.path());
    assert_eq!((&bytes[..8], &bytes[8..24]), (&b"UECINDEX"[..], &[2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0][..]));
    assert_eq!((u64_at(&bytes, 24), u64_at(&bytes, 32)), (3, bytes.len() as u64));
    assert_eq!((bytes[40..44].to_vec(), bytes[44..48].to_vec()), (vec![1, 0, 0, 0], crc(&bytes[256..320]).to_vec()));
    assert_eq!(bytes[256..260], crc(&bytes[320..]));
    let sections: Vec<(u64, u64)> =
        (0..10).map(|i| (u64_at(&bytes, 48 + 16 * i), u64_at(&bytes, 56 + 16 * i))).collect();
    let expected =
        [(320, 14), (384, 12), (448, 13), (0, 0), (0, 0), (512, 24), (576, 24), (640, 6), (704, 12), (768, 12)];
    assert_eq!(sections, expected);
    assert_eq!(&bytes[448..461], "aStraße 😀".as_bytes());
    let (_, none) = saved(&empty(7, Storage::Int8, false, None), folder.path());
    assert_eq!(none.len(), HEADER);
}

#[test]
fn every_truncation_and_every_spare_byte_is_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    for index in samples() {
        let (_, bytes) = saved(&index, folder.path());
        for options in MODES {
            for length in 0..bytes.len() {
                assert_eq!(read_all(&bytes[..length], options).unwrap_err().code, ErrorCode::FileCorrupt, "{length}");
            }
            assert_eq!(read_all(&[&bytes[..], &[0]].concat(), options).unwrap_err().code, ErrorCode::FileCorrupt);
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    for index in samples() {
        let (_, bytes) = saved(&index, folder.path());
        for options in MODES {
            for bit in 0..8 * bytes.len() {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let expected =
                    if (8..12).contains(&(bit / 8)) { ErrorCode::FileVersion } else { ErrorCode::FileCorrupt };
                assert_eq!(read_all(&damaged, options).unwrap_err().code, expected, "bit {bit}");
            }
        }
    }
}

#[test]
fn a_mapped_file_opens_without_its_rows_and_names_a_damaged_block_when_it_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let index = large(Storage::Float32, false);
    let (path, mut bytes) = saved(&index, folder.path());
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let opened = GaussianIndex::open(&path, MODES[1]).unwrap();
    let snapshot = opened.snapshot();
    assert!(snapshot.get("id 0").unwrap() == index.snapshot().get("id 0").unwrap());
    for _ in 0..2 {
        let error = snapshot.get("id 2999").unwrap_err();
        assert_eq!(error.code, ErrorCode::FileCorrupt);
        assert!(error.message.contains("index.uec is damaged between its bytes"), "{error}");
    }
    assert_eq!(opened.verify(&Cancel::default()).unwrap_err().code, ErrorCode::FileCorrupt);
    assert_eq!(opened.save(&folder.path().join("copy")).unwrap_err().code, ErrorCode::FileCorrupt);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(GaussianIndex::open(&path, MODES[0]).unwrap_err().code, ErrorCode::FileCorrupt);
}

#[test]
fn huge_claimed_sizes_are_corrupt_and_allocate_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_, bytes) = saved(&sample(Storage::Float32, true), folder.path());
    // Dimension, count, length, blocks, then offset and length of each section.
    let sections = (48..208).step_by(8).map(|at| (at, 8));
    for (at, width) in [(16, 4), (24, 8), (32, 8), (40, 4)].into_iter().chain(sections) {
        for value in [u64::MAX, u64::MAX / 2, 1 << 40, 1 << 31, u64::from(u32::MAX) - 1, 0] {
            let mut forged = bytes.clone();
            forged[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
            if forged != bytes {
                let forged = forge(forged);
                for options in MODES {
                    let code = read_all(&forged, options).unwrap_err().code;
                    assert_eq!(code, ErrorCode::FileCorrupt, "{value} at {at}");
                }
            }
        }
    }
}

#[test]
fn contents_that_no_index_can_have_are_corrupt_even_with_fitting_checksums() {
    let folder = tempfile::tempdir().unwrap();
    let check = |bytes: &[u8], at: usize, with: &[u8]| {
        let mut forged = bytes.to_vec();
        forged[at..at + with.len()].copy_from_slice(with);
        assert!(forged != bytes);
        let forged = forge(forged);
        for options in MODES {
            let error = read_all(&forged, options).unwrap_err();
            assert_eq!(error.code, ErrorCode::FileCorrupt, "{with:?} at {at}, {options:?}");
        }
    };
    let nan = f32::NAN.to_le_bytes();
    let (_, float32) = saved(&sample(Storage::Float32, true), folder.path());
    for (number, with) in [
        (0, &[0xff][..]),
        (1, &2_u32.to_le_bytes()),
        (1, &u32::MAX.to_le_bytes()),
        (2, &[0xff]),
        (5, &nan),
        (5, &0_f32.to_le_bytes()),
        (6, &f32::INFINITY.to_le_bytes()),
        (6, &(-1_f32).to_le_bytes()),
        (7, &[0x80]),
        (7, &[1]),
        (8, &nan),
        (8, &0_f32.to_le_bytes()),
        (9, &nan),
        (9, &(-1_f32).to_le_bytes()),
        (9, &1_f32.to_le_bytes()),
    ] {
        check(&float32, section(&float32, number), with);
    }
    for (at, with) in [(12, 1), (12, 3), (20, 2), (20, 7), (208, 1), (248, 1)] {
        check(&float32, at, &u32::to_le_bytes(with));
    }
    // A gap, and the end of the table.
    check(&float32, 320 + 14, &[1]);
    check(&float32, 260, &[1]);
    for (storage, wrong) in [(Storage::Float16, 0x7c00_u16), (Storage::Int8, 0x80)] {
        let (_, bytes) = saved(&sample(storage, false), folder.path());
        for scales in [3, 4] {
            for with in [f32::NAN, 0.0, -1.0, f32::INFINITY, f32::MAX] {
                check(&bytes, section(&bytes, scales) + 4, &with.to_le_bytes());
            }
        }
        for scales in [3, 4] {
            let with: f32 = if storage == Storage::Float16 { 0.75 } else { f32::MIN_POSITIVE / 2.0 };
            check(&bytes, section(&bytes, scales) + 4, &with.to_le_bytes());
        }
        check(&bytes, section(&bytes, 5), &wrong.to_le_bytes());
        if storage == Storage::Float16 {
            check(&bytes, section(&bytes, 6) + 2, &0xbc00_u16.to_le_bytes());
        }
    }
    // The same id twice.
    let index = empty(1, Storage::Float32, false, None);
    let rows = Gaussians { mean: vec![1.0, 2.0], variance: vec![0.0, 0.0], dimension: 1 };
    index.add(&["a", "b"], rows.rows()).unwrap();
    let (_, bytes) = saved(&index, folder.path());
    let ids = section(&bytes, 2);
    assert_eq!(&bytes[ids..ids + 2], b"ab");
    check(&bytes, ids + 1, b"a");
}

fn error(path: &Path) -> Error {
    GaussianIndex::open(path, OpenOptions::default()).unwrap_err()
}

#[test]
fn a_missing_a_foreign_and_another_versions_file_are_named_and_get_no_journal() {
    let folder = tempfile::tempdir().unwrap();
    let missing = error(&folder.path().join("missing"));
    assert_eq!(missing.code, ErrorCode::FileNotFound);
    assert!(missing.message.contains("missing"));
    assert_eq!(error(folder.path()).code, ErrorCode::FileCorrupt);
    let text = folder.path().join("text");
    fs::write(&text, "version https://git-lfs.github.com/spec/v1\n".repeat(9)).unwrap();
    assert!(error(&text).message.contains("it is not an index"), "{}", error(&text));
    for (version, remedy) in [(1, "make it again"), (3, "update uec")] {
        fs::write(&text, [&b"UECINDEX"[..], &u32::to_le_bytes(version)].concat()).unwrap();
        assert_eq!(error(&text).code, ErrorCode::FileVersion);
        assert!(error(&text).message.contains(remedy));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_no_index_and_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(error(&pipe).code, ErrorCode::FileCorrupt);
    let (path, _) = saved(&sample(Storage::Float32, false), folder.path());
    fs::rename(pipe, folder.path().join("index.uec.journal")).unwrap();
    assert_eq!(error(&path).code, ErrorCode::FileWrite);
    assert_eq!(GaussianIndex::open(&path, MODES[0]).unwrap_err().code, ErrorCode::FileCorrupt);
}

#[test]
fn a_failed_save_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let index = sample(Storage::Float32, false);
    let (path, bytes) = saved(&index, folder.path());
    index.remove(&["a"]).unwrap();
    assert_eq!(index.save(&folder.path().join("missing/index.uec")).unwrap_err().code, ErrorCode::FileWrite);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    index.save(&path).unwrap();
    assert_eq!(GaussianIndex::open(&path, MODES[0]).unwrap().len(), 2);
}
