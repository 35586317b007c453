//! A search against a plain loop of the canonical routine over the decoded rows: the same ids in the same order, with
//! scores, similarities and deviations that are equal bit for bit, on data made to break shortcuts.
#![allow(clippy::unwrap_used)]

mod adversarial;

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use adversarial::{Case, cases};
use proptest::prelude::*;
use uec_gaussian::{Cancel, Gaussians, Rows, Score, Scored, score_pair};
use uec_index::{GaussianIndex, Hits, IndexOptions, Plan, SearchOptions, Snapshot, Storage, UNUSED};

const PLANS: [Plan; 2] = [Plan::Certified, Plan::Fused];

/// Every storage, and float32 with a prefilter.
fn kinds() -> impl Iterator<Item = (Storage, bool)> {
    Storage::ALL.into_iter().map(|storage| (storage, false)).chain([(Storage::Float32, true)])
}

/// Rows that the storage takes, under their number in `rows`.
fn index(rows: Rows<'_>, storage: Storage, prefilter: bool) -> GaussianIndex {
    let options = IndexOptions { dimension: rows.dimension, storage, prefilter, fingerprint: None };
    let index = GaussianIndex::new(options).unwrap();
    // In parts, so that there are several chunks.
    let part = rows.len().div_ceil(3).max(1);
    for start in (0..rows.len()).step_by(part) {
        let range = start..rows.len().min(start + part);
        let ids: Vec<String> = range.clone().map(|row| row.to_string()).collect();
        let numbers = range.start * rows.dimension..range.end * rows.dimension;
        let part = Rows { mean: &rows.mean[numbers.clone()], variance: &rows.variance[numbers], ..rows };
        if index.add(&ids, part).is_err() {
            // Some mean is stored as zeros.
            for (id, row) in ids.iter().zip(part.iter()) {
                let row = Rows { mean: row.mean, variance: row.variance, ..rows };
                let _ = index.add(&[id], row);
            }
        }
    }
    index
}

/// The decoded rows in order, with their positions.
fn stored(snapshot: &Snapshot) -> (Vec<u32>, Gaussians) {
    let mut rows = Gaussians::zeros(0, snapshot.dimension());
    let mut positions = Vec::new();
    for id in snapshot.ids() {
        let row = snapshot.get(id).unwrap().unwrap();
        rows.mean.extend(row.mean);
        rows.variance.extend(row.variance);
        positions.push(snapshot.position(id).unwrap());
    }
    (positions, rows)
}

/// All rows as a query ranks them.
fn ranking(score: Score, beta: f64, query: Rows<'_>, stored: &(Vec<u32>, Gaussians)) -> Vec<(u32, Scored)> {
    let rows = stored.0.iter().copied().zip(stored.1.rows().iter());
    let mut ranking: Vec<_> =
        rows.map(|(position, row)| (position, score_pair(score, beta, query.row(0), row))).collect();
    ranking.sort_by(|x, y| {
        let by_score = y.1.score.partial_cmp(&x.1.score).unwrap_or(Ordering::Equal);
        by_score.then(x.0.cmp(&y.0))
    });
    ranking
}

/// `hits` of query `index` are the first of `ranking`.
fn assert_equal(hits: &Hits, index: usize, ranking: &[(u32, Scored)], what: &str) {
    let cells = index * hits.k..(index + 1) * hits.k;
    let expected = &ranking[..ranking.len().min(hits.k)];
    assert_eq!(hits.counts[index] as usize, expected.len(), "{what}");
    let positions = expected.iter().map(|hit| hit.0).chain(std::iter::repeat(UNUSED));
    assert!(positions.take(hits.k).eq(hits.positions[cells.clone()].iter().copied()), "{what}");
    for (column, of) in [
        (&hits.scores, (|hit: &Scored| hit.score) as fn(&Scored) -> f64),
        (&hits.similarities, |hit| hit.similarity),
        (&hits.deviations, |hit| hit.deviation),
    ] {
        let expected = expected.iter().map(|hit| of(&hit.1)).chain(std::iter::repeat(f64::NEG_INFINITY));
        let got = column[cells.clone()].iter().map(|x| x.to_bits());
        assert!(expected.take(hits.k).map(f64::to_bits).eq(got), "{what}");
    }
}

fn search(snapshot: &Snapshot, queries: Rows<'_>, options: &SearchOptions<'_>) -> Hits {
    snapshot.search(queries, options, &Cancel::default()).unwrap()
}

fn part(rows: Rows<'_>, range: std::ops::Range<usize>) -> Rows<'_> {
    let numbers = range.start * rows.dimension..range.end * rows.dimension;
    Rows { mean: &rows.mean[numbers.clone()], variance: &rows.variance[numbers], ..rows }
}

/// Every k, minimum score and filter for one score; q queries at once and the first alone.
fn check(case: &Case, snapshot: &Snapshot, score: Score, beta: f64, what: &str) {
    let stored = stored(snapshot);
    let (n, queries) = (stored.0.len(), case.queries.rows());
    let rankings: Vec<_> =
        (0..queries.len()).map(|query| ranking(score, beta, part(queries, query..query + 1), &stored)).collect();
    for plan in PLANS {
        let options = SearchOptions { score, beta, plan, ..SearchOptions::default() };
        for k in [1, 2, 10, n / 2, n, n + 5] {
            let what = format!("{what}, {plan:?}, k {k}");
            let options = SearchOptions { k, ..options };
            let hits = search(snapshot, queries, &options);
            for (query, ranking) in rankings.iter().enumerate() {
                assert_equal(&hits, query, ranking, &format!("{what}, query {query}"));
            }
            for (query, ranking) in rankings.iter().enumerate().take(1) {
                let hits = search(snapshot, part(queries, query..query + 1), &options);
                assert_equal(&hits, 0, ranking, &format!("{what}, query {query} alone"));
            }
        }
        // A minimum that some row meets exactly.
        for rank in [0, 3, n / 3] {
            let min_score = rankings[0][rank].1.score;
            let options = SearchOptions { k: 7, min_score: Some(min_score), ..options };
            let hits = search(snapshot, queries, &options);
            for (query, ranking) in rankings.iter().enumerate() {
                let reaching = ranking.partition_point(|hit| hit.1.score >= min_score);
                assert_equal(&hits, query, &ranking[..reaching], &format!("{what}, {plan:?}, minimum {min_score}"));
            }
        }
        for every in [1, 3, 97] {
            let filter: HashSet<Arc<str>> = (0..n).step_by(every).map(|row| row.to_string().into()).collect();
            let options = SearchOptions { k: 3, filter: Some(&filter), ..options };
            let hits = search(snapshot, queries, &options);
            for (query, ranking) in rankings.iter().enumerate() {
                let left = |hit: &&(u32, Scored)| filter.contains(snapshot.id(hit.0).unwrap());
                let ranking: Vec<_> = ranking.iter().filter(left).copied().collect();
                assert_equal(&hits, query, &ranking, &format!("{what}, {plan:?}, every {every}th"));
            }
        }
    }
}

fn check_all(storage: Storage, prefilter: bool) {
    for case in cases(200, 9) {
        let index = index(case.rows.rows(), storage, prefilter);
        for score in Score::ALL {
            let what = format!("{}, {storage:?}, prefilter {prefilter}, {score:?}", case.name);
            check(&case, &index.snapshot(), *score, 1.0, &what);
        }
        check(&case, &index.snapshot(), Score::Uec, 1e4, case.name);
    }
}

#[test]
fn float32_equals_the_plain_loop() {
    check_all(Storage::Float32, false);
}

#[test]
fn float16_equals_the_plain_loop() {
    check_all(Storage::Float16, false);
}

#[test]
fn int8_equals_the_plain_loop() {
    check_all(Storage::Int8, false);
}

#[test]
fn the_prefilter_equals_the_plain_loop() {
    check_all(Storage::Float32, true);
}

#[test]
fn every_number_of_queries_and_threads_gives_the_same() {
    // Several tiles, so that the score to reach passes from one to the next and between threads.
    for case in cases(4_000, 70).into_iter().filter(|case| ["ordinary", "ascending", "ties"].contains(&case.name)) {
        for (storage, prefilter) in kinds() {
            let index = index(case.rows.rows(), storage, prefilter);
            let snapshot = index.snapshot();
            let stored = stored(&snapshot);
            let queries = case.queries.rows();
            for score in [Score::Uec, Score::Bhattacharyya] {
                let rankings: Vec<_> =
                    (0..70).map(|query| ranking(score, 1.0, part(queries, query..query + 1), &stored)).collect();
                for threads in [1, 4] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    for count in [0, 1, 3, 9, 33, 70] {
                        let what = format!("{}, {storage:?}, {score:?}, {threads} threads, {count}", case.name);
                        let options = SearchOptions { score, k: 5, ..SearchOptions::default() };
                        let hits = pool.install(|| search(&snapshot, part(queries, 0..count), &options));
                        assert_eq!(hits.counts.len(), count);
                        for (query, ranking) in rankings[..count].iter().enumerate() {
                            assert_equal(&hits, query, ranking, &what);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn removed_and_replaced_rows_are_as_if_never_there() {
    let case = cases(2_000, 6).remove(0);
    for (storage, prefilter) in kinds() {
        let index = index(case.rows.rows(), storage, prefilter);
        let gone: Vec<String> = (0..2_000).step_by(71).map(|row| row.to_string()).collect();
        index.remove(&gone).unwrap();
        let replaced: Vec<String> = (1..2_000).step_by(71).map(|row| row.to_string()).collect();
        index.add(&replaced, part(case.rows.rows(), 0..replaced.len())).unwrap();
        check(&case, &index.snapshot(), Score::Uec, 1.0, &format!("{storage:?}, prefilter {prefilter}"));
    }
}

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => (-8i8..9).prop_map(|x| f32::from(x) / 8.0),
        4 => -1.0f32..1.0,
        1 => prop::sample::select(vec![0.0, -0.0, 1e-45, -1e-40, 1e-20, 1e30, -1e30, 3e38, -3e38, 1.0 + f32::EPSILON]),
    ]
}

fn gaussians(dimension: usize, rows: usize) -> impl Strategy<Value = Gaussians> {
    let numbers = || prop::collection::vec(number(), dimension * rows);
    (numbers(), numbers()).prop_map(move |(mean, variance)| Gaussians {
        mean,
        variance: variance.into_iter().map(f32::abs).collect(),
        dimension,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_small_index_equals_the_plain_loop(
        (rows, queries) in (1usize..9, 1usize..80, 1usize..12).prop_flat_map(|(d, n, q)| (gaussians(d, n), gaussians(d, q))),
        k in 1usize..12, beta in prop_oneof![Just(0.0), Just(1.0), 0.0f64..1e3], kind in 0usize..4,
    ) {
        let (storage, prefilter) = kinds().nth(kind).unwrap();
        let index = index(rows.rows(), storage, prefilter);
        let snapshot = index.snapshot();
        let stored = stored(&snapshot);
        for score in Score::ALL {
            let score = *score;
            for plan in PLANS {
                let options = SearchOptions { score, beta, k, plan, ..SearchOptions::default() };
                let hits = search(&snapshot, queries.rows(), &options);
                for query in 0..queries.rows().len() {
                    let ranking = ranking(score, beta, part(queries.rows(), query..query + 1), &stored);
                    assert_equal(&hits, query, &ranking, &format!("{score:?}, {plan:?}"));
                }
            }
        }
    }
}
