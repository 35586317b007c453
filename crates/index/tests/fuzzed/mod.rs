//! What must hold for any bytes: they open as an index that works, or as an error with a code; nothing panics.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use uec_gaussian::{Cancel, ErrorCode, Gaussians, Result};
use uec_index::{Disk, GaussianIndex, OpenOptions, SearchOptions};

use crate::lossy_disk::LossyDisk;

const PATH: &str = "index.uec";
const HEADER: usize = 256;
/// Set in the first byte: make all checksums fit, so that what lies behind them is reached.
pub(crate) const FORGE: u8 = 1;
const MMAP: u8 = 2;
const READONLY: u8 = 4;

/// The bytes are a byte of flags, the length of the base as u32, the base, and the journal, if anything is left.
pub(crate) fn check(data: &[u8]) {
    let Some((&[flags, ref length @ ..], files)) = data.split_first_chunk::<5>() else { return };
    let length = (u32::from_le_bytes(*length) as usize).min(files.len());
    let (mut base, mut journal) = (files[..length].to_vec(), files[length..].to_vec());
    if flags & FORGE != 0 {
        forge_base(&mut base);
        forge_journal(&mut journal, &base);
    }
    let disk = LossyDisk::default();
    disk.put(Path::new(PATH), &base);
    if !journal.is_empty() {
        disk.put(Path::new("index.uec.journal"), &journal);
    }
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let options = OpenOptions { mmap: flags & MMAP != 0, readonly: flags & READONLY != 0 };
    if let Err(error) =
        GaussianIndex::open_on(&disk, Path::new(PATH), options).and_then(|index| exercise(index, options, &disk))
    {
        let allowed = [ErrorCode::FileCorrupt, ErrorCode::FileVersion, ErrorCode::OutOfMemory, ErrorCode::Internal];
        assert!(allowed.contains(&error.code), "{error}");
    }
}

/// Searches, verifies, saves, opens what was saved; changes it if it may be, and opens what that gave. Once it is verified,
/// all of this works.
fn exercise(index: GaussianIndex, options: OpenOptions, disk: &Arc<dyn Disk>) -> Result<()> {
    let dimension = index.dimension();
    if dimension > 4096 {
        return Ok(());
    }
    let query = Gaussians { mean: vec![1.0; dimension], variance: vec![0.5; dimension], dimension };
    let searched = index.snapshot().search(query.rows(), &SearchOptions::default(), &Cancel::default());
    index.verify(&Cancel::default())?;
    assert_eq!(searched?.counts[0] as usize, index.len().min(SearchOptions::default().k));
    let copy = Path::new("copy");
    index.save_on(disk, copy).unwrap();
    let in_memory = OpenOptions { mmap: false, readonly: true };
    assert_opens_as(&index, disk, copy, in_memory);
    if options.readonly {
        return Ok(());
    }
    let first: Vec<String> = index.snapshot().ids().take(1).map(String::from).collect();
    index.add(&["new"], query.rows()).unwrap();
    let count = first.len() * dimension;
    let replacement = Gaussians { mean: vec![2.0; count], variance: vec![0.0; count], dimension };
    index.add(&first, replacement.rows()).unwrap();
    index.remove(&["new"]).unwrap();
    index.verify(&Cancel::default()).unwrap();
    // As it was opened: by map, a row of the base that a change replaced is never decoded, whatever it is.
    assert_opens_as(&index, disk, Path::new(PATH), OpenOptions { readonly: true, ..options });
    index.save_on(disk, Path::new(PATH)).unwrap();
    index.add(&["after"], query.rows()).unwrap();
    index.close();
    assert_opens_as(&index, disk, Path::new(PATH), in_memory);
    Ok(())
}

fn assert_opens_as(index: &GaussianIndex, disk: &Arc<dyn Disk>, path: &Path, options: OpenOptions) {
    let opened = GaussianIndex::open_on(disk, path, options).unwrap();
    let (opened, expected) = (opened.snapshot(), index.snapshot());
    assert!(opened.ids().eq(expected.ids()));
    for id in expected.ids() {
        assert_eq!(opened.get(id).unwrap(), expected.get(id).unwrap());
    }
}

fn put(bytes: &mut [u8], at: usize, checksum: u32) {
    bytes[at..at + 4].copy_from_slice(&checksum.to_le_bytes());
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn forge_base(bytes: &mut [u8]) {
    if bytes.len() < HEADER {
        return;
    }
    let start = (HEADER + 4 * u32_at(bytes, 40)).next_multiple_of(64);
    if start <= bytes.len() {
        let checksums: Vec<u32> = bytes[start..].chunks(1 << 20).map(crc32fast::hash).collect();
        for (block, checksum) in checksums.into_iter().enumerate().take(u32_at(bytes, 40)) {
            put(bytes, HEADER + 4 * block, checksum);
        }
        let table = crc32fast::hash(&bytes[HEADER..start]);
        put(bytes, 44, table);
    }
    let header = crc32fast::hash(&bytes[..252]);
    put(bytes, 252, header);
}

fn forge_journal(bytes: &mut [u8], base: &[u8]) {
    if bytes.len() < 64 || base.len() < HEADER {
        return;
    }
    let start = (HEADER + 4 * u32_at(base, 40)).next_multiple_of(64).min(base.len());
    bytes[16..48].copy_from_slice(&Sha256::digest(&base[..start]));
    let (header, committed) = (crc32fast::hash(&bytes[..48]), crc32fast::hash(&bytes[56..64]));
    put(bytes, 48, header);
    put(bytes, 52, committed);
    let (head, mut records) = bytes.split_at_mut(64);
    while records.len() >= 24 {
        let size = u32_at(records, 8).min(records.len() - 24);
        let payload = crc32fast::hash(&records[24..24 + size]);
        put(records, 16, payload);
        let header = crc32fast::hash(&[&head[16..48], &records[..20]].concat());
        put(records, 20, header);
        records = &mut records[24 + size..];
    }
}
