//! Files that others use, too: who may read them, who is locked out, and what changes beneath an open index.
#![allow(clippy::unwrap_used)]

mod lossy_disk;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use lossy_disk::LossyDisk;
use uec_gaussian::{Cancel, ErrorCode, Gaussians};
use uec_index::{Disk, DiskFile, GaussianIndex, IndexOptions, OpenOptions, Temporary};

const WRITE: OpenOptions = OpenOptions { mmap: false, readonly: false };
const MAP: OpenOptions = OpenOptions { mmap: true, readonly: true };

fn add(index: &GaussianIndex, id: &str) {
    let rows = Gaussians { mean: vec![1.0, 2.0], variance: vec![0.0, 0.5], dimension: 2 };
    index.add(&[id], rows.rows()).unwrap();
}

fn with(id: &str) -> GaussianIndex {
    let index = GaussianIndex::new(IndexOptions { dimension: 2, ..IndexOptions::default() }).unwrap();
    add(&index, id);
    index
}

#[test]
fn verify_reads_mapped_blocks_again_that_were_sound_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.uec");
    with("a").save(&path).unwrap();
    let index = GaussianIndex::open(&path, MAP).unwrap();
    index.snapshot().get("a").unwrap();
    index.verify(&Cancel::default()).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // A variance stays one; its checksum does not fit.
    *bytes.last_mut().unwrap() ^= 1;
    io::Write::write_all(&mut fs::File::options().write(true).open(&path).unwrap(), &bytes).unwrap();
    assert_eq!(index.verify(&Cancel::default()).unwrap_err().code, ErrorCode::FileCorrupt);
    assert_eq!(index.snapshot().get("a").unwrap_err().code, ErrorCode::FileCorrupt);
}

#[test]
fn a_cancelled_open_has_let_the_file_go() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.uec");
    with("a").save(&path).unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    let error = GaussianIndex::open_unless(&path, WRITE, &cancel).unwrap_err();
    assert_eq!(error.code, ErrorCode::Aborted);
    let index = GaussianIndex::open(&path, WRITE).unwrap();
    assert_eq!(GaussianIndex::open(&path, WRITE).unwrap_err().code, ErrorCode::FileLocked);
    drop(index);
    GaussianIndex::open_unless(&path, WRITE, &Cancel::default()).unwrap();
}

#[cfg(unix)]
#[test]
fn a_private_index_stays_private_and_so_is_its_journal() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.uec");
    with("a").save(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let index = GaussianIndex::open(&path, WRITE).unwrap();
    add(&index, "b");
    index.save(&path).unwrap();
    for name in ["index.uec", "index.uec.journal"] {
        let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// A disk on which another opens the target for writing while a new base is being written.
#[derive(Debug)]
struct Crowded {
    disk: Arc<dyn Disk>,
    other: Mutex<Option<GaussianIndex>>,
}

impl Disk for Crowded {
    fn resolve(&self, path: &Path) -> PathBuf {
        self.disk.resolve(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open(path)
    }

    fn lock(&self, path: &Path, base: &Path) -> io::Result<Option<Box<dyn DiskFile>>> {
        self.disk.lock(path, base)
    }

    fn exists(&self, path: &Path) -> bool {
        self.disk.exists(path)
    }

    fn temporary(&self, target: &Path) -> io::Result<Box<dyn Temporary>> {
        *self.other.lock().unwrap() = GaussianIndex::open_on(&self.disk, target, WRITE).ok();
        self.disk.temporary(target)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_folder(path)
    }
}

#[test]
fn a_save_does_not_replace_what_another_opened_meanwhile() {
    let path = Path::new("index.uec");
    // Without a journal, and with one that is empty, as a process leaves it that is killed while it opens the file.
    for journal in [false, true] {
        let plain: Arc<dyn Disk> = Arc::new(LossyDisk::default());
        with("old").save_on(&plain, path).unwrap();
        if journal {
            plain.lock(Path::new("index.uec.journal"), path).unwrap();
        }
        let crowded = Arc::new(Crowded { disk: plain.clone(), other: Mutex::default() });
        let disk: Arc<dyn Disk> = crowded.clone();
        let saved = with("new").save_on(&disk, path);
        match crowded.other.lock().unwrap().take() {
            Some(other) => {
                assert_eq!(saved.unwrap_err().code, ErrorCode::FileLocked);
                add(&other, "acknowledged");
            }
            None => saved.unwrap(),
        }
        let opened = GaussianIndex::open_on(&plain, path, WRITE).unwrap();
        let expected: &[&str] = if journal { &["new"] } else { &["old", "acknowledged"] };
        assert_eq!(opened.snapshot().ids().collect::<Vec<_>>(), expected);
    }
}
