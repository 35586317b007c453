//! The journal file: torn ends cost nothing acknowledged, damage is noticed, one writer at a time.
#![allow(clippy::unwrap_used)]

mod lossy_disk;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use lossy_disk::LossyDisk;
use uec_gaussian::{ErrorCode, Gaussians, Result};
use uec_index::{Disk, GaussianIndex, IndexOptions, OpenOptions, Storage};

const PATH: &str = "index.uec";
const JOURNAL: &str = "index.uec.journal";
const WRITE: OpenOptions = OpenOptions { mmap: false, readonly: false };
const READ: OpenOptions = OpenOptions { mmap: false, readonly: true };

fn new(storage: Storage) -> GaussianIndex {
    GaussianIndex::new(IndexOptions { dimension: 2, storage, ..IndexOptions::default() }).unwrap()
}

fn add(index: &GaussianIndex, id: &str) -> Result<()> {
    index.add(&[id], Gaussians { mean: vec![1.0, 2.0], variance: vec![0.5, 0.25], dimension: 2 }.rows())
}

fn ids(index: &GaussianIndex) -> Vec<String> {
    index.snapshot().ids().map(str::to_owned).collect()
}

fn open(disk: &LossyDisk, options: OpenOptions) -> Result<GaussianIndex> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    GaussianIndex::open_on(&disk, Path::new(PATH), options)
}

/// An index of no rows on a disk of its own; its journal after a, b and the removal of a, and before c and after it.
fn journals() -> (LossyDisk, Vec<u8>, Vec<u8>) {
    let disk = LossyDisk::default();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    new(Storage::Int8).save_on(&shared, Path::new(PATH)).unwrap();
    let index = open(&disk, WRITE).unwrap();
    add(&index, "a").unwrap();
    add(&index, "b").unwrap();
    index.remove(&["a"]).unwrap();
    let before = disk.bytes(Path::new(JOURNAL));
    add(&index, "c").unwrap();
    let after = disk.bytes(Path::new(JOURNAL));
    drop(index);
    (disk, before, after)
}

#[test]
fn a_torn_end_is_passed_over_or_cut_off_and_what_stands_before_is_kept() {
    let (disk, before, after) = journals();
    for length in before.len()..after.len() {
        // As the header was before the last record.
        let torn = [&before[..64], &after[64..length]].concat();
        disk.put(Path::new(JOURNAL), &torn);
        assert_eq!(ids(&open(&disk, READ).unwrap()), ["b"], "{length}");
        assert_eq!(disk.bytes(Path::new(JOURNAL)), torn, "a reader writes nothing");
        let index = open(&disk, WRITE).unwrap();
        assert_eq!(ids(&index), ["b"]);
        assert_eq!(disk.bytes(Path::new(JOURNAL)), before, "cut off");
        add(&index, "d").unwrap();
        drop(index);
        assert_eq!(ids(&open(&disk, READ).unwrap()), ["b", "d"]);
    }
    for length in 1..before.len() {
        disk.put(Path::new(JOURNAL), &before[..length]);
        for options in [READ, WRITE] {
            assert_eq!(open(&disk, options).unwrap_err().code, ErrorCode::FileCorrupt, "{length}");
        }
    }
}

#[test]
fn every_flipped_bit_below_the_committed_length_is_noticed() {
    let (disk, before, after) = journals();
    for bit in 0..8 * after.len() {
        let mut damaged = after.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        disk.put(Path::new(JOURNAL), &damaged);
        let expected = if (8..12).contains(&(bit / 8)) { ErrorCode::FileVersion } else { ErrorCode::FileCorrupt };
        for options in [READ, WRITE] {
            let error = open(&disk, options).unwrap_err();
            assert_eq!(error.code, expected, "bit {bit}: {error}");
            assert!(error.message.contains(JOURNAL), "{error}");
        }
        // Of a record that nobody was told of, a flipped bit costs that record alone.
        if bit / 8 >= before.len() {
            damaged[..64].copy_from_slice(&before[..64]);
            disk.put(Path::new(JOURNAL), &damaged);
            assert_eq!(ids(&open(&disk, READ).unwrap()), ["b"]);
        }
    }
}

#[test]
fn a_base_that_was_replaced_is_told_from_one_that_only_was_when_nothing_is_lost() {
    let (disk, ..) = journals();
    let other = LossyDisk::default();
    let shared: Arc<dyn Disk> = Arc::new(other.clone());
    let index = new(Storage::Float32);
    add(&index, "other").unwrap();
    index.save_on(&shared, Path::new(PATH)).unwrap();
    disk.put(Path::new(PATH), &other.bytes(Path::new(PATH)));
    for options in [READ, WRITE] {
        let error = open(&disk, options).unwrap_err();
        assert_eq!(error.code, ErrorCode::FileCorrupt);
        assert!(error.message.contains("delete that journal and lose the changes"), "{error}");
    }
    // Nor does saving over it destroy changes that may still find their base; so, too, where that is gone.
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    assert_eq!(index.save_on(&shared, Path::new(PATH)).unwrap_err().code, ErrorCode::FileCorrupt);
    let base = disk.bytes(Path::new(PATH));
    disk.delete(Path::new(PATH));
    assert_eq!(index.save_on(&shared, Path::new(PATH)).unwrap_err().code, ErrorCode::FileCorrupt);
    disk.put(Path::new(PATH), &base);
    disk.delete(Path::new(JOURNAL));
    index.save_on(&shared, Path::new(PATH)).unwrap();
    assert_eq!(ids(&open(&disk, WRITE).unwrap()), ["other"]);
    // Without changes in the journal, another base is simply another base.
    let (empty, ..) = journals();
    empty.delete(Path::new(JOURNAL));
    disk.put(Path::new(PATH), &empty.bytes(Path::new(PATH)));
    for options in [READ, WRITE] {
        assert!(open(&disk, options).unwrap().is_empty());
    }
}

#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(PATH);
    new(Storage::Float16).save(&path).unwrap();
    let index = GaussianIndex::open(&path, WRITE).unwrap();
    add(&index, "a").unwrap();
    let error = GaussianIndex::open(&path, WRITE).unwrap_err();
    assert_eq!(error.code, ErrorCode::FileLocked);
    assert!(error.message.contains(JOURNAL) && error.message.contains("readonly"), "{error}");
    assert_eq!(new(Storage::Float16).save(&path).unwrap_err().code, ErrorCode::FileLocked);
    for mmap in [false, true] {
        let reader = GaussianIndex::open(&path, OpenOptions { mmap, readonly: true }).unwrap();
        assert_eq!(ids(&reader), ["a"]);
        assert_eq!(add(&reader, "b").unwrap_err().code, ErrorCode::InvalidArgument);
        assert_eq!(reader.remove(&["a"]).unwrap_err().code, ErrorCode::InvalidArgument);
    }
    drop(index);
    let index = GaussianIndex::open(&path, OpenOptions { mmap: true, readonly: false }).unwrap();
    assert_eq!(ids(&index), ["a"]);
    index.save(&path).unwrap();
    assert_eq!(fs::metadata(folder.path().join(JOURNAL)).unwrap().len(), 64);
    add(&index, "b").unwrap();
    drop(index);
    new(Storage::Float16).save(&path).unwrap();
    assert!(GaussianIndex::open(&path, WRITE).unwrap().is_empty());
}

/// Not a test of its own: the process that `kill_9_frees_the_lock` starts.
#[test]
#[expect(clippy::print_stdout, reason = "it tells its parent that it is ready")]
fn child() {
    let Some(path) = env::var_os("UEC_JOURNAL_TEST_CHILD") else { return };
    let index = GaussianIndex::open(&PathBuf::from(path), WRITE).unwrap();
    add(&index, "child").unwrap();
    println!("\nready");
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn kill_9_frees_the_lock_and_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(PATH);
    new(Storage::Float32).save(&path).unwrap();
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env("UEC_JOURNAL_TEST_CHILD", &path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(std::result::Result::ok).any(|line| line == "ready"));
    assert_eq!(GaussianIndex::open(&path, WRITE).unwrap_err().code, ErrorCode::FileLocked);
    assert_eq!(ids(&GaussianIndex::open(&path, READ).unwrap()), ["child"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(ids(&GaussianIndex::open(&path, WRITE).unwrap()), ["child"]);
}

#[test]
fn a_reader_opens_while_a_writer_adds_and_compacts_and_sees_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(PATH);
    new(Storage::Float32).save(&path).unwrap();
    let index = GaussianIndex::open(&path, WRITE).unwrap();
    let (acknowledged, end) = (AtomicUsize::new(0), Instant::now() + Duration::from_secs(1));
    let opened = thread::scope(|scope| {
        scope.spawn(|| {
            while Instant::now() < end {
                let number = acknowledged.load(Ordering::SeqCst);
                add(&index, &number.to_string()).unwrap();
                acknowledged.store(number + 1, Ordering::SeqCst);
                if number % 3 == 0 {
                    index.save(&path).unwrap();
                }
            }
        });
        let mut opened = 0;
        while Instant::now() < end {
            let before = acknowledged.load(Ordering::SeqCst);
            let reader = GaussianIndex::open(&path, OpenOptions { mmap: opened % 2 == 0, readonly: true }).unwrap();
            let after = acknowledged.load(Ordering::SeqCst) + 1;
            assert!((before..=after).contains(&reader.len()), "{before} {} {after}", reader.len());
            let expected: Vec<String> = (0..reader.len()).map(|number| number.to_string()).collect();
            assert_eq!(ids(&reader), expected);
            opened += 1;
        }
        opened
    });
    assert!(opened > 1 && acknowledged.load(Ordering::SeqCst) > 1, "{opened} {acknowledged:?}");
}
