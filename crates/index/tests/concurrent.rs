//! Readers beside a writer: each sees the index as it was at one moment, all of a change or nothing of it.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use uec_gaussian::{Cancel, Gaussians, Rows, Score};
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

/// An id that does something when it is read.
struct Id<'a>(&'a str, &'a dyn Fn());

impl AsRef<str> for Id<'_> {
    fn as_ref(&self) -> &str {
        self.1();
        self.0
    }
}

fn one_row() -> GaussianIndex {
    let index = GaussianIndex::new(IndexOptions { dimension: D, ..IndexOptions::default() }).unwrap();
    let rows = pairs(0, 1, 1).1;
    index.add(&["first"], Rows::new(&rows.mean[..D], &rows.variance[..D], D).unwrap()).unwrap();
    index
}

#[test]
fn reading_does_not_wait_for_a_change_under_way() {
    let index = one_row();
    let (begun, wait_for_begun) = channel();
    let (read, wait_for_read) = channel();
    thread::scope(|scope| {
        let index = &index;
        scope.spawn(move || {
            wait_for_begun.recv().unwrap();
            let snapshot = index.snapshot();
            let hits = snapshot.search(pairs(0, 1, 0).1.rows(), &SearchOptions::default(), &Cancel::default()).unwrap();
            read.send((hits.k, snapshot.has("second"), change_of(&snapshot, "first"))).unwrap();
        });
        let first_time = AtomicBool::new(true);
        let pause = || {
            if first_time.swap(false, Ordering::Relaxed) {
                begun.send(()).unwrap();
                let seen = wait_for_read.recv_timeout(Duration::from_secs(20)).expect("the reader waits");
                assert_eq!(seen, (1, false, Some(1.0)));
            }
        };
        index.add(&[Id("second", &pause), Id("first", &|| {})], pairs(0, 1, 2).1.rows()).unwrap();
    });
    let now = index.snapshot();
    assert_eq!((now.len(), change_of(&now, "first"), change_of(&now, "second")), (2, Some(2.0), Some(2.0)));
}

#[test]
fn a_change_that_panics_leaves_the_index_as_it_was() {
    let index = one_row();
    let mut survived = 0;
    // At each of the moments at which an id is read, until the add reads no more of them.
    for moment in 0_usize.. {
        let left = std::cell::Cell::new(moment);
        let count_down = || left.set(left.get().checked_sub(1).expect("it is time to panic"));
        let ids = [Id("first", &count_down), Id("second", &count_down)];
        let rows = pairs(0, 1, 2).1;
        if catch_unwind(AssertUnwindSafe(|| index.add(&ids, rows.rows()))).is_ok() {
            break;
        }
        let now = index.snapshot();
        assert_eq!((now.len(), change_of(&now, "first"), now.has("second")), (1, Some(1.0), false));
        index.verify(&Cancel::default()).unwrap();
        survived += 1;
    }
    assert!(survived > 3);
    assert_eq!(index.len(), 2);
}
