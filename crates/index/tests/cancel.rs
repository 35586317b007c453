//! A search that is cancelled half way stops soon, and the index answers on.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uec_gaussian::{Cancel, ErrorCode, Gaussians, Score};
use uec_index::{GaussianIndex, IndexOptions, SearchOptions};

#[test]
fn a_cancelled_search_ends_soon_and_the_index_answers_on() {
    let (documents, dimension) = (40_000, 64);
    let number = |i: usize| ((i * 7919 % 10_007) as f32 + 1.0) / 10_007.0;
    let rows = Gaussians {
        mean: (0..documents * dimension).map(number).collect(),
        variance: (0..documents * dimension).map(|i| number(i + 13)).collect(),
        dimension,
    };
    let ids: Vec<String> = (0..documents).map(|i| i.to_string()).collect();
    let index = GaussianIndex::new(IndexOptions { dimension, ..IndexOptions::default() }).unwrap();
    index.add(&ids, rows.rows()).unwrap();
    let all: HashSet<Arc<str>> = ids.iter().map(|id| Arc::from(id.as_str())).collect();
    let options = SearchOptions { score: Score::Bhattacharyya, filter: Some(&all), ..SearchOptions::default() };
    let one = Gaussians { mean: rows.mean[..64].to_vec(), variance: rows.variance[..64].to_vec(), dimension };
    let before = index.snapshot().search(one.rows(), &options, &Cancel::default()).unwrap();

    let queries =
        Gaussians { mean: rows.mean[..64 * 256].to_vec(), variance: rows.variance[..64 * 256].to_vec(), ..one };
    let cancel = Cancel::default();
    let (error, since) = std::thread::scope(|scope| {
        let search = scope.spawn(|| index.snapshot().search(queries.rows(), &options, &cancel).unwrap_err());
        std::thread::sleep(Duration::from_millis(20));
        cancel.cancel();
        let cancelled = Instant::now();
        (search.join().unwrap(), cancelled.elapsed())
    });
    assert_eq!(error.code, ErrorCode::Aborted);
    assert!(since < Duration::from_secs(1), "it went on for {since:?}");
    let one = Gaussians { mean: rows.mean[..64].to_vec(), variance: rows.variance[..64].to_vec(), dimension };
    assert_eq!(index.snapshot().search(one.rows(), &options, &Cancel::default()).unwrap(), before);
    index.verify(&Cancel::default()).unwrap();
    index.add(&["0"], one.rows()).unwrap();
    assert_eq!(index.len(), documents);
}
