//! The index against a plain model: a list of (id, row) and a full sort.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;
use uec_gaussian::{Cancel, ErrorCode, Gaussians, Row, Rows, Score, score_pair};
use uec_index::{GaussianIndex, Hits, SearchOptions, UNUSED};

const D: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<(u8, [i8; D], [u8; D])>),
    Remove(Vec<u8>),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec((0u8..30, any::<[i8; D]>(), any::<[u8; D]>()), 0..8).prop_map(Step::Add),
        2 => prop::collection::vec(0u8..30, 0..6).prop_map(Step::Remove),
        1 => Just(Step::Reopen),
    ]
}

type Entry = (String, [f32; D], [f32; D]);

fn flat(entries: &[Entry]) -> (Vec<String>, Gaussians) {
    let mean = entries.iter().flat_map(|e| e.1).collect();
    let variance = entries.iter().flat_map(|e| e.2).collect();
    (entries.iter().map(|e| e.0.clone()).collect(), Gaussians { mean, variance, dimension: D })
}

fn search(index: &GaussianIndex, queries: Rows<'_>, options: &SearchOptions<'_>) -> Hits {
    index.search(queries, options, &Cancel::default()).unwrap()
}

fn check(index: &GaussianIndex, model: &[Entry]) {
    index.verify().unwrap();
    assert_eq!(index.len(), model.len());
    assert!(index.ids().iter().map(|id| id.as_ref()).eq(model.iter().map(|e| e.0.as_str())));
    for (id, mean, variance) in model {
        assert_eq!(index.get(id).unwrap(), Row { mean, variance });
    }
    assert!(index.get("unknown").is_none() && !index.has("unknown"));
    let query = Gaussians { mean: vec![0.3, -0.2, 0.9], variance: vec![0.1, 0.2, 0.0], dimension: D };
    let filter: HashSet<Arc<str>> = ["0", "3", "6", "9", "unknown"].into_iter().map(Arc::from).collect();
    for filter in [None, Some(&filter)] {
        for (score, min_score) in
            [(Score::Uec, None), (Score::Uec, Some(0.1)), (Score::Kl, None), (Score::Csd, Some(-1.0))]
        {
            let mut expected: Vec<(u32, f64)> = (0..)
                .zip(model)
                .filter(|(_, e)| filter.is_none_or(|f| f.contains(e.0.as_str())))
                .map(|(p, e)| {
                    (p, score_pair(score, 1.0, query.rows().row(0), Row { mean: &e.1, variance: &e.2 }).score)
                })
                .filter(|(_, score)| min_score.is_none_or(|min| *score >= min))
                .collect();
            expected.sort_by(|x, y| y.1.total_cmp(&x.1).then(x.0.cmp(&y.0)));
            expected.truncate(4);
            let hits = search(
                index,
                query.rows(),
                &SearchOptions { score, k: 4, min_score, filter, ..SearchOptions::default() },
            );
            assert_eq!(hits.k, model.len().min(4));
            assert_eq!(hits.counts, [expected.len() as u32]);
            let got: Vec<_> = hits.positions.iter().copied().zip(hits.scores.iter().copied()).collect();
            assert_eq!(got[..expected.len()], expected);
            assert!(got[expected.len()..].iter().all(|cell| *cell == (UNUSED, f64::NEG_INFINITY)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_sequence_of_steps_agrees_with_the_model(steps in prop::collection::vec(step(), 1..20)) {
        let folder = tempfile::tempdir().unwrap();
        let mut index = GaussianIndex::new(D, Some("made by a test".into())).unwrap();
        let mut model: Vec<Entry> = Vec::new();
        for step in steps {
            match step {
                Step::Add(rows) => {
                    let entries: Vec<Entry> = rows.iter().map(|(id, mean, variance)| (id.to_string(), mean.map(|x| f32::from(x) / 128.0), variance.map(|x| f32::from(x) / 256.0))).collect();
                    let (ids, rows) = flat(&entries);
                    let unique = ids.iter().collect::<HashSet<_>>().len() == ids.len();
                    let sound = unique && rows.rows().iter().all(|row| !row.has_zero_mean());
                    match index.add(&ids, rows.rows()) {
                        Ok(()) => {
                            prop_assert!(sound);
                            for entry in entries {
                                match model.iter_mut().find(|e| e.0 == entry.0) {
                                    Some(known) => *known = entry,
                                    None => model.push(entry),
                                }
                            }
                        }
                        Err(error) => {
                            prop_assert!(!sound);
                            prop_assert_eq!(error.code, ErrorCode::InvalidArgument);
                        }
                    }
                }
                Step::Remove(ids) => {
                    let ids: Vec<String> = ids.iter().map(u8::to_string).collect();
                    let before = model.len();
                    model.retain(|entry| !ids.contains(&entry.0));
                    prop_assert_eq!(index.remove(&ids), before - model.len());
                }
                Step::Reopen => {
                    let path = folder.path().join("index");
                    index.save(&path).unwrap();
                    index = GaussianIndex::open(&path).unwrap();
                    prop_assert_eq!(index.fingerprint(), Some("made by a test"));
                }
            }
            check(&index, &model);
        }
    }
}

/// Rows whose scores tie often, so that a wrong merge order would show.
fn many(rows: usize) -> GaussianIndex {
    let mean: Vec<f32> = (0..rows * D).map(|i| ((i / D * 7 % 13) as f32 - 6.0) / 8.0 + 0.01 * (i % D) as f32).collect();
    let variance = (0..rows * D).map(|i| (i / D * 5 % 11) as f32 / 64.0).collect();
    let ids: Vec<String> = (0..rows).map(|i| format!("id {i}")).collect();
    let mut index = GaussianIndex::new(D, None).unwrap();
    index.add(&ids, Gaussians { mean, variance, dimension: D }.rows()).unwrap();
    index
}

#[test]
fn results_depend_neither_on_threads_nor_on_the_batch() {
    let index = many(5_000);
    let mean: Vec<f32> = (0..40 * D).map(|i| (i as f32 * 0.7).sin()).collect();
    let queries = Gaussians { variance: mean.iter().map(|m| m * m / 10.0).collect(), mean, dimension: D };
    for score in Score::ALL {
        let options = SearchOptions { score: *score, k: 700, ..SearchOptions::default() };
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| search(&index, queries.rows(), &options))
        };
        let hits = run(1);
        assert_eq!(hits, run(4), "{score:?}");
        let row = queries.rows().row(33);
        let single = search(&index, Rows::new(row.mean, row.variance, D).unwrap(), &options);
        assert_eq!(hits.positions[33 * 700..34 * 700], single.positions);
        assert_eq!(hits.scores[33 * 700..34 * 700], single.scores);
    }
}

#[test]
fn more_hits_than_rows_gives_every_row_and_an_empty_index_none() {
    let index = many(7);
    let query = Gaussians { mean: vec![1.0; D], variance: vec![0.0; D], dimension: D };
    let hits = search(&index, query.rows(), &SearchOptions { k: usize::MAX, ..SearchOptions::default() });
    assert_eq!((hits.k, hits.counts), (7, vec![7]));
    let empty = GaussianIndex::new(D, None).unwrap();
    let none = search(&empty, query.rows(), &SearchOptions::default());
    assert_eq!((none.k, none.counts, none.positions.len()), (0, vec![0], 0));
    let filter = HashSet::new();
    let hits = search(&index, query.rows(), &SearchOptions { filter: Some(&filter), ..SearchOptions::default() });
    assert_eq!(hits.counts, [0]);
    let no_queries = search(&index, Gaussians::zeros(0, D).rows(), &SearchOptions::default());
    assert!(no_queries.counts.is_empty());
}

#[test]
fn a_refused_add_changes_nothing() {
    let mut index = many(5);
    let before = index.clone();
    let ids = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let rows = |mean: [f32; 2 * D], variance: [f32; 2 * D]| Gaussians {
        mean: mean.to_vec(),
        variance: variance.to_vec(),
        dimension: D,
    };
    let good = rows([0.5; 6], [0.1; 6]);
    let mut refuse = |ids: &[String], rows: Rows<'_>, code: ErrorCode| {
        assert_eq!(index.add(ids, rows).unwrap_err().code, code);
        assert_eq!((index.ids(), index.rows()), (before.ids(), before.rows()));
        index.verify().unwrap();
    };
    refuse(&ids(&["a", "a"]), good.rows(), ErrorCode::InvalidArgument);
    refuse(&ids(&["id 1"]), good.rows(), ErrorCode::InvalidArgument);
    refuse(&ids(&["id 1", "a"]), rows([0.5, 0.5, 0.5, 0.0, 0.0, 0.0], [0.1; 6]).rows(), ErrorCode::InvalidArgument);
    refuse(
        &ids(&["id 1", "a"]),
        rows([0.5, 0.5, 0.5, f32::NAN, 0.0, 0.0], [0.1; 6]).rows(),
        ErrorCode::InvalidArgument,
    );
    refuse(&ids(&["id 1", "a"]), rows([0.5; 6], [0.1, 0.1, 0.1, -0.1, 0.1, 0.1]).rows(), ErrorCode::InvalidArgument);
    refuse(&ids(&["a"]), Rows::new(&[1.0], &[1.0], 1).unwrap(), ErrorCode::DimensionMismatch);
    index.add(&ids(&["id 1", "a"]), good.rows()).unwrap();
    assert_eq!((index.len(), index.position("id 1"), index.position("a")), (6, Some(1), Some(5)));
    assert!(index.bytes() > before.bytes());
}

#[test]
fn bad_searches_are_named() {
    let index = many(5);
    let code = |rows: Rows<'_>, options: SearchOptions<'_>, cancel: &Cancel| {
        index.search(rows, &options, cancel).unwrap_err().code
    };
    let query = Gaussians { mean: vec![1.0; D], variance: vec![0.0; D], dimension: D };
    let (default, free) = (SearchOptions::default(), Cancel::default());
    assert_eq!(code(query.rows(), SearchOptions { k: 0, ..default }, &free), ErrorCode::InvalidArgument);
    assert_eq!(code(query.rows(), SearchOptions { beta: f64::INFINITY, ..default }, &free), ErrorCode::InvalidArgument);
    assert_eq!(
        code(query.rows(), SearchOptions { min_score: Some(f64::NAN), ..default }, &free),
        ErrorCode::InvalidArgument
    );
    assert_eq!(code(Rows::new(&[1.0], &[1.0], 1).unwrap(), default, &free), ErrorCode::DimensionMismatch);
    assert_eq!(code(Rows::new(&[f32::NAN; D], &[1.0; D], D).unwrap(), default, &free), ErrorCode::InvalidArgument);
    assert_eq!(GaussianIndex::new(0, None).unwrap_err().code, ErrorCode::InvalidArgument);
    let cancel = Cancel::default();
    cancel.cancel();
    assert_eq!(code(query.rows(), default, &cancel), ErrorCode::Aborted);
}
