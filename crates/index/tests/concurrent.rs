//! Readers beside a writer: each sees the index as it was at one moment, all of a change or nothing of it.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use uec_gaussian::{Cancel, Gaussians, Score};
use uec_index::{GaussianIndex, IndexOptions, SearchOptions, Snapshot, Storage};

// 32 rows fill a chunk.
const D: usize = 16_384;
const PAIRS: usize = 60;

/// Both rows of each pair carry the number of the change that wrote them.
fn pairs(first: usize, count: usize, change: usize) -> (Vec<String>, Gaussians) {
    let ids = (first..first + count).flat_map(|pair| [format!("left {pair}"), format!("right {pair}")]).collect();
    let mut rows = Gaussians::zeros(2 * count, D);
    for mean in rows.mean.chunks_exact_mut(D) {
        // A power of two times at most 127: every storage keeps it.
        (mean[0], mean[D - 1]) = (127.0, (change % 127) as f32);
    }
    (ids, rows)
}

fn change_of(snapshot: &Snapshot, id: &str) -> Option<f32> {
    snapshot.get(id).unwrap().map(|row| {
        assert_eq!(row.mean[0], 127.0);
        row.mean[D - 1]
    })
}

fn check(snapshot: &Snapshot) {
    let ids: HashSet<&str> = snapshot.ids().collect();
    assert_eq!((ids.len(), ids.len() % 2), (snapshot.len(), 0));
    for pair in 0..PAIRS {
        let (left, right) = (format!("left {pair}"), format!("right {pair}"));
        assert_eq!(change_of(snapshot, &left), change_of(snapshot, &right), "pair {pair}");
        assert_eq!(snapshot.has(&left), ids.contains(left.as_str()));
    }
    let query = pairs(0, 1, 0).1;
    let options = SearchOptions { score: Score::Cosine, k: 2 * PAIRS, ..SearchOptions::default() };
    let hits = snapshot.search(query.rows(), &options, &Cancel::default()).unwrap();
    let found: HashSet<&str> =
        hits.positions[..hits.k].iter().map(|position| snapshot.id(*position).unwrap()).collect();
    assert_eq!(found, ids);
}

#[test]
fn readers_see_all_of_a_change_or_nothing() {
    for (storage, changes) in [(Storage::Float32, 150), (Storage::Float16, 100), (Storage::Int8, 100)] {
        let index = GaussianIndex::new(IndexOptions { dimension: D, storage, ..IndexOptions::default() }).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut kept = None;
                    while !done.load(Ordering::Relaxed) {
                        let snapshot = index.snapshot();
                        check(&snapshot);
                        // One of some time ago is still what it was.
                        let (old, ids) = kept.get_or_insert_with(|| {
                            let ids: Vec<String> = snapshot.ids().map(str::to_owned).collect();
                            (snapshot.clone(), ids)
                        });
                        assert!(old.ids().eq(ids.iter()));
                        check(old);
                        kept.take_if(|(_, ids)| ids.len() != snapshot.len());
                    }
                });
            }
            let end = Done(&done);
            for change in 0..changes {
                let first = change * 7 % PAIRS;
                let (ids, rows) = pairs(first, (PAIRS - first).min(1 + change % 9), change);
                if change % 3 == 2 {
                    index.remove(&ids).unwrap();
                } else {
                    index.add(&ids, rows.rows()).unwrap();
                }
            }
            drop(end);
        });
        index.verify(&Cancel::default()).unwrap();
        check(&index.snapshot());
    }
}

/// Lets the readers go, even if the writer panics.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
