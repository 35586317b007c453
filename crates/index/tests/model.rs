//! The index against a plain model: a list of (position, id, decoded row) and a full sort.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::sync::Arc;

use half::f16;
use proptest::prelude::*;
use uec_gaussian::{Cancel, ErrorCode, Gaussians, Row, Rows, Score, score_pair};
use uec_index::{GaussianIndex, Hits, IndexOptions, OpenOptions, SearchOptions, Snapshot, Storage, UNUSED};

const D: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<(u8, [i8; D], [u8; D])>),
    Remove(Vec<u8>),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec((0u8..30, any::<[i8; D]>(), any::<[u8; D]>()), 0..8).prop_map(Step::Add),
        4 => prop::collection::vec(0u8..30, 0..6).prop_map(Step::Remove),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Clone, Debug)]
struct Entry {
    position: u32,
    id: String,
    mean: [f32; D],
    variance: [f32; D],
}

/// As documented: binary16 of x over a power of two, or an integer times the 127th (255th) part of the largest.
fn decoded(storage: Storage, x: [f32; D], codes: f64) -> [f32; D] {
    let max = x.iter().fold(0.0, |max: f32, x| max.max(x.abs()));
    if max == 0.0 {
        return x;
    }
    match storage {
        Storage::Float32 => x,
        Storage::Float16 => {
            let scale = 2f64.powi(f64::from(max).log2().floor() as i32 - 14);
            x.map(|x| (f16::from_f64(f64::from(x) / scale).to_f64() * scale) as f32)
        }
        Storage::Int8 => {
            let scale = (f64::from(max) / codes) as f32;
            x.map(|x| scale * (x / scale).round_ties_even().clamp(-127.0, codes as f32))
        }
    }
}

fn search(index: &GaussianIndex, queries: Rows<'_>, options: &SearchOptions<'_>) -> Hits {
    index.snapshot().search(queries, options, &Cancel::default()).unwrap()
}

fn check(snapshot: &Snapshot, model: &[Entry]) {
    assert_eq!(snapshot.len(), model.len());
    assert!(snapshot.ids().eq(model.iter().map(|entry| entry.id.as_str())));
    for entry in model {
        assert_eq!(snapshot.position(&entry.id), Some(entry.position));
        assert_eq!(snapshot.id(entry.position), Some(entry.id.as_str()));
        let row = snapshot.get(&entry.id).unwrap().unwrap();
        assert_eq!(row.rows().row(0), Row { mean: &entry.mean, variance: &entry.variance });
    }
    assert!(snapshot.get("unknown").unwrap().is_none() && !snapshot.has("unknown"));
    let query = Gaussians { mean: vec![0.3, -0.2, 0.9], variance: vec![0.1, 0.2, 0.0], dimension: D };
    let filter: HashSet<Arc<str>> = ["0", "3", "6", "9", "unknown"].into_iter().map(Arc::from).collect();
    for filter in [None, Some(&filter)] {
        for (score, min_score) in
            [(Score::Uec, None), (Score::Uec, Some(0.1)), (Score::Kl, None), (Score::Csd, Some(-1.0))]
        {
            let score_of = |entry: &Entry| {
                let row = Row { mean: &entry.mean, variance: &entry.variance };
                (entry.position, score_pair(score, 1.0, query.rows().row(0), row).score)
            };
            let mut expected: Vec<(u32, f64)> = model
                .iter()
                .filter(|entry| filter.is_none_or(|filter| filter.contains(entry.id.as_str())))
                .map(score_of)
                .filter(|(_, score)| min_score.is_none_or(|min| *score >= min))
                .collect();
            expected.sort_by(|x, y| y.1.total_cmp(&x.1).then(x.0.cmp(&y.0)));
            expected.truncate(4);
            let options = SearchOptions { score, k: 4, min_score, filter, ..SearchOptions::default() };
            let hits = snapshot.search(query.rows(), &options, &Cancel::default()).unwrap();
            assert_eq!(hits.k, model.len().min(4));
            assert_eq!(hits.counts, [expected.len() as u32]);
            let got: Vec<_> = hits.positions.iter().copied().zip(hits.scores.iter().copied()).collect();
            assert_eq!(got[..expected.len()], expected);
            assert!(got[expected.len()..].iter().all(|cell| *cell == (UNUSED, f64::NEG_INFINITY)));
        }
    }
}

const LAYOUTS: [(Storage, bool); 4] =
    [(Storage::Float32, false), (Storage::Float32, true), (Storage::Float16, false), (Storage::Int8, false)];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_sequence_of_steps_agrees_with_the_model(
        layout in 0..LAYOUTS.len(),
        steps in prop::collection::vec(step(), 1..16),
    ) {
        let (storage, prefilter) = LAYOUTS[layout];
        let folder = tempfile::tempdir().unwrap();
        let fingerprint = Some("made by a test".to_owned());
        let mut index =
            GaussianIndex::new(IndexOptions { dimension: D, storage, prefilter, fingerprint: fingerprint.clone() })
                .unwrap();
        let mut model: Vec<Entry> = Vec::new();
        let mut end = 0;
        let mut seen = Vec::new();
        for step in steps {
            match step {
                Step::Add(rows) => {
                    let ids: Vec<String> = rows.iter().map(|row| row.0.to_string()).collect();
                    let mean: Vec<[f32; D]> = rows.iter().map(|row| row.1.map(|x| f32::from(x) / 128.0)).collect();
                    let variance: Vec<[f32; D]> = rows.iter().map(|row| row.2.map(|x| f32::from(x) / 256.0)).collect();
                    let unique = ids.iter().collect::<HashSet<_>>().len() == ids.len();
                    let sound = unique && mean.iter().all(|mean| *mean != [0.0; D]);
                    match index.add(&ids, Rows::new(mean.as_flattened(), variance.as_flattened(), D).unwrap()) {
                        Ok(()) => {
                            prop_assert!(sound);
                            for ((id, mean), variance) in ids.into_iter().zip(mean).zip(variance) {
                                let (mean, variance) = (decoded(storage, mean, 127.0), decoded(storage, variance, 255.0));
                                match model.iter_mut().find(|entry| entry.id == id) {
                                    Some(known) => (known.mean, known.variance) = (mean, variance),
                                    None => {
                                        model.push(Entry { position: end, id, mean, variance });
                                        end += 1;
                                    }
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
                    model.retain(|entry| !ids.contains(&entry.id));
                    prop_assert_eq!(index.remove(&ids).unwrap(), before - model.len());
                }
                Step::Reopen => {
                    let path = folder.path().join("index");
                    index.save(&path).unwrap();
                    // It may hold the lock.
                    drop(index);
                    index = GaussianIndex::open(&path, OpenOptions::default()).unwrap();
                    prop_assert_eq!(index.fingerprint(), fingerprint.clone());
                    prop_assert_eq!((index.storage(), index.prefilter()), (storage, prefilter));
                    for (entry, position) in model.iter_mut().zip(0..) {
                        entry.position = position;
                    }
                    end = model.len() as u32;
                }
            }
            index.verify(&Cancel::default()).unwrap();
            check(&index.snapshot(), &model);
            seen.push((index.snapshot(), model.clone()));
        }
        for (snapshot, model) in seen {
            check(&snapshot, &model);
        }
    }
}

fn empty() -> GaussianIndex {
    GaussianIndex::new(IndexOptions { dimension: D, ..IndexOptions::default() }).unwrap()
}

/// Rows whose scores tie often, so that a wrong merge order would show.
fn many(rows: usize) -> GaussianIndex {
    let mean: Vec<f32> = (0..rows * D).map(|i| ((i / D * 7 % 13) as f32 - 6.0) / 8.0 + 0.01 * (i % D) as f32).collect();
    let variance = (0..rows * D).map(|i| (i / D * 5 % 11) as f32 / 64.0).collect();
    let ids: Vec<String> = (0..rows).map(|i| format!("id {i}")).collect();
    let index = empty();
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
    let none = search(&empty(), query.rows(), &SearchOptions::default());
    assert_eq!((none.k, none.counts, none.positions.len()), (0, vec![0], 0));
    let filter = HashSet::new();
    let hits = search(&index, query.rows(), &SearchOptions { filter: Some(&filter), ..SearchOptions::default() });
    assert_eq!(hits.counts, [0]);
    let no_queries = search(&index, Gaussians::zeros(0, D).rows(), &SearchOptions::default());
    assert!(no_queries.counts.is_empty());
}

#[test]
fn a_refused_add_changes_nothing() {
    let index = many(5);
    let before = index.snapshot();
    let ids = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let rows = |mean: [f32; 2 * D], variance: [f32; 2 * D]| Gaussians {
        mean: mean.to_vec(),
        variance: variance.to_vec(),
        dimension: D,
    };
    let good = rows([0.5; 6], [0.1; 6]);
    let refuse = |ids: &[String], rows: Rows<'_>, code: ErrorCode| {
        assert_eq!(index.add(ids, rows).unwrap_err().code, code);
        let now = index.snapshot();
        assert!(now.ids().eq(before.ids()) && now.ids().all(|id| now.get(id).unwrap() == before.get(id).unwrap()));
        index.verify(&Cancel::default()).unwrap();
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
    let bytes = index.bytes();
    index.add(&ids(&["id 1", "a"]), good.rows()).unwrap();
    let now = index.snapshot();
    assert_eq!((now.len(), now.position("id 1"), now.position("a")), (6, Some(1), Some(5)));
    assert!(index.bytes() > bytes);
}

#[test]
fn bad_searches_are_named() {
    let index = many(5);
    let code = |rows: Rows<'_>, options: SearchOptions<'_>, cancel: &Cancel| {
        index.snapshot().search(rows, &options, cancel).unwrap_err().code
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
    assert_eq!(GaussianIndex::new(IndexOptions::default()).unwrap_err().code, ErrorCode::InvalidArgument);
    let cancel = Cancel::default();
    cancel.cancel();
    assert_eq!(code(query.rows(), default, &cancel), ErrorCode::Aborted);
}
