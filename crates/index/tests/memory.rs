//! What an index allocates: at most 5 % more than the numbers and ids that it stores; and what it does without memory.
#![allow(clippy::unwrap_used)]
#![allow(unsafe_code, reason = "an allocator that counts can be written in no other way")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use uec_gaussian::{ErrorCode, Gaussians, Rows};
use uec_index::{GaussianIndex, IndexOptions, Storage};

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
/// Larger pieces are not to be had.
static LARGEST: AtomicUsize = AtomicUsize::new(usize::MAX);
/// One test at a time.
static TURN: Mutex<()> = Mutex::new(());

struct Counting;

// SAFETY: `System` keeps the contract; the counter touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST.load(Ordering::Relaxed) {
            return std::ptr::null_mut();
        }
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are the ones that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `memory` came from `System` with this layout.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes allocated, and those of maps for which huge pages were asked: only an index asks for them.
fn allocated() -> usize {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let (mut size, mut advised) = (0, 0);
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("Size:") => size = words.next().unwrap().parse::<usize>().unwrap() << 10,
            Some("VmFlags:") if words.any(|flag| flag == "hg") => advised += size,
            _ => {}
        }
    }
    ALLOCATED.load(Ordering::Relaxed) + advised
}

const ROWS: usize = 20_000;
const D: usize = 384;

fn id(row: usize) -> String {
    format!("document {row}")
}

/// Bytes of these rows and ids as the storage defines them.
fn stored(storage: Storage, prefilter: bool, rows: impl Iterator<Item = usize>) -> usize {
    let numbers = match storage {
        Storage::Float32 => 8 * D + if prefilter { D + 8 } else { 0 },
        Storage::Float16 => 4 * D + 8,
        Storage::Int8 => 2 * D + 8,
    };
    rows.map(|row| numbers + id(row).len()).sum()
}

#[test]
fn an_index_holds_five_percent_more_than_it_stores_at_most() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let block = 500;
    let rows = Gaussians {
        mean: (0..block * D).map(|i| (i % 1009) as f32 - 500.5).collect(),
        variance: (0..block * D).map(|i| (i % 997) as f32).collect(),
        dimension: D,
    };
    for (storage, prefilter) in
        [(Storage::Float32, false), (Storage::Float32, true), (Storage::Float16, false), (Storage::Int8, false)]
    {
        let before = allocated();
        let allocated = || allocated() - before;
        let options = IndexOptions { dimension: D, storage, prefilter, fingerprint: None };
        let index = GaussianIndex::new(options).unwrap();
        let check = |what: &str, rows: &mut dyn Iterator<Item = usize>| {
            let (stored, allocated) = (stored(storage, prefilter, rows), allocated());
            let ratio = allocated as f64 / stored as f64;
            assert!(ratio <= 1.05, "{what}, {storage:?}: {ratio} of what is stored");
            let counted = index.bytes() as f64 / allocated as f64;
            assert!((0.99..1.01).contains(&counted), "{what}, {storage:?}: {counted} of what is allocated");
        };
        let mut row = 0;
        // Of many sizes, one by one among them.
        while row < ROWS {
            let count = (1 + row * 31 % block).min(ROWS - row).min(if row % 5000 < 300 { 1 } else { block });
            let ids: Vec<String> = (row..row + count).map(id).collect();
            index.add(&ids, Rows::new(&rows.mean[..count * D], &rows.variance[..count * D], D).unwrap()).unwrap();
            row += count;
        }
        check("added", &mut (0..ROWS));
        // Rows of every chunk, so that each has some dead for a time; most of some.
        for start in (0..ROWS).step_by(100) {
            let ids: Vec<String> = (start..start + 100).filter(|row| gone(*row)).map(id).collect();
            index.remove(&ids).unwrap();
        }
        check("removed", &mut (0..ROWS).filter(|row| !gone(*row)));
        for row in (0..ROWS).step_by(100) {
            index.add(&[id(row)], Rows::new(&rows.mean[..D], &rows.variance[..D], D).unwrap()).unwrap();
        }
        check("changed", &mut (0..ROWS).filter(|row| !gone(*row) || row.is_multiple_of(100)));
        let all: Vec<String> = (0..ROWS).map(id).collect();
        assert!(index.remove(&all).unwrap() > 10_000);
        drop(all);
        assert!(index.is_empty() && allocated() < 100_000, "{} bytes of an empty index", allocated());
    }
}

fn gone(row: usize) -> bool {
    row % 7 == 3 || (8_000..12_000).contains(&row) && !row.is_multiple_of(10)
}

#[test]
fn an_add_that_finds_no_memory_changes_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let index = GaussianIndex::new(IndexOptions { dimension: D, ..IndexOptions::default() }).unwrap();
    let rows = Gaussians { mean: vec![1.0; 3000 * D], variance: vec![1.0; 3000 * D], dimension: D };
    let other = Rows::new(&rows.variance[..1000 * D], &rows.mean[..1000 * D], D).unwrap();
    index.add(&(0..1000).map(id).collect::<Vec<_>>(), other).unwrap();
    let before = index.snapshot();
    let ids: Vec<String> = (0..3000).map(id).collect();
    // Less than the list of rows, than the check for ids that occur twice, and for few rows than a column.
    for (largest, count) in [(10_000, 3000), (60_000, 3000), (60_000, 50)] {
        let rows = Rows::new(&rows.mean[..count * D], &rows.variance[..count * D], D).unwrap();
        LARGEST.store(largest, Ordering::Relaxed);
        let outcome = index.add(&ids[ids.len() - count..], rows);
        LARGEST.store(usize::MAX, Ordering::Relaxed);
        assert_eq!(outcome.unwrap_err().code, ErrorCode::OutOfMemory);
        assert!(index.snapshot().ids().eq(before.ids()));
    }
    index.add(&ids, rows.rows()).unwrap();
    assert_eq!(index.len(), 3000);
}
