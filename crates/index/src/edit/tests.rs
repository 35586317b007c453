//! Chunks of few rows, so that everything that happens to chunks happens often.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uec_gaussian::{ErrorCode, Gaussians};

use super::*;
use crate::state::Settings;
use crate::storage::{Layout, Storage};

const D: usize = 3;
const MOST: usize = 16;

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<(u8, i16)>),
    Remove(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let ids = prop_oneof![1..4_usize, 1..60_usize];
    prop_oneof![
        ids.clone().prop_flat_map(|n| prop::collection::vec(any::<(u8, i16)>(), n)).prop_map(Step::Add),
        ids.prop_flat_map(|n| prop::collection::vec(any::<u8>(), n)).prop_map(Step::Remove),
    ]
}

fn empty(storage: Storage, prefilter: bool) -> State {
    let layout = Layout { dimension: D, storage, prefilter };
    State { chunk_rows: MOST, ..State::empty(Settings { layout, fingerprint: None }).unwrap() }
}

fn gaussians(seeds: impl Iterator<Item = i16>) -> Gaussians {
    let mut rows = Gaussians::zeros(0, D);
    for seed in seeds.map(f32::from) {
        rows.mean.extend([1.0, seed, seed / 3.0]);
        rows.variance.extend([0.0, seed.abs(), 0.3]);
    }
    rows
}

fn added(state: &State, rows: &BTreeMap<String, i16>) -> State {
    let ids: Vec<&String> = rows.keys().collect();
    let new = state.with_added(&ids, gaussians(rows.values().copied()).rows()).unwrap();
    new.table.insert(new.entries(state.end));
    new
}

/// What the row is stored as when it is alone.
fn alone(layout: Layout, seed: i16) -> Gaussians {
    let state = added(&empty(layout.storage, layout.prefilter), &BTreeMap::from([("alone".into(), seed)]));
    let mut scratch = Gaussians::zeros(0, D);
    let rows = state.chunks[0].rows(0..1, &mut scratch).unwrap();
    Gaussians { mean: rows.mean.to_vec(), variance: rows.variance.to_vec(), dimension: D }
}

/// By position.
type Model = BTreeMap<u32, (String, i16)>;

fn check(state: &State, model: &Model) {
    assert_eq!(state.len, model.len());
    assert!(state.entries(0).eq(model.iter().map(|(position, (id, _))| (id.as_str(), *position))));
    let mut scratch = Gaussians::zeros(0, D);
    for (position, (id, seed)) in model {
        assert_eq!(state.position(id), Some(*position));
        let (chunk, row) = state.locate(*position).unwrap();
        let stored = state.chunks[chunk].rows(row..row + 1, &mut scratch).unwrap();
        assert_eq!(stored, alone(state.settings.layout, *seed).rows());
    }
    for chunk in &state.chunks {
        assert!(chunk.len() <= MOST && chunk.live() > 0);
        assert!(chunk.dead() * DEAD <= chunk.len(), "{} of {} are dead", chunk.dead(), chunk.len());
    }
    // Of two neighbours one is no smaller than a quarter of a chunk, but for the powers of two at the end.
    assert!(state.chunks.len() <= 4 * state.len / MOST + 2 + MOST.ilog2() as usize, "{} chunks", state.chunks.len());
    let (entries, capacity) = state.table.load();
    assert!(entries <= capacity && capacity <= (LOOSE * state.len).max(SMALL));
}

/// Rows in chunks whose numbers `old` does not have.
fn written(old: &State, new: &State) -> usize {
    let known = |chunk: &&Chunk| !old.chunks.iter().any(|old| old.has_columns_of(chunk));
    new.chunks.iter().filter(known).map(Chunk::len).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn chunks_hold_what_was_added_and_stay_few(layout in 0..4_usize, steps in prop::collection::vec(step(), 1..40)) {
        let storage = [Storage::Float32, Storage::Float16, Storage::Int8, Storage::Float32][layout];
        let mut state = empty(storage, layout == 3);
        let mut model = Model::new();
        let mut before = Vec::new();
        for step in steps {
            before.push((state.clone(), model.clone()));
            match step {
                Step::Add(rows) => {
                    let rows: BTreeMap<String, i16> = rows.into_iter().map(|(id, seed)| (id.to_string(), seed)).collect();
                    let new = added(&state, &rows);
                    let touched = |chunk: &&Chunk| (0..chunk.len()).any(|row| rows.contains_key(chunk.id(row)));
                    let replaced: usize = state.chunks.iter().filter(touched).map(Chunk::len).sum();
                    prop_assert!(written(&state, &new) <= replaced + rows.len() + MOST);
                    state = new;
                    let mut end = before.last().unwrap().0.end;
                    for (id, seed) in rows {
                        match model.values_mut().find(|(known, _)| *known == id) {
                            Some((_, known)) => *known = seed,
                            None => {
                                model.insert(end, (id, seed));
                                end += 1;
                            }
                        }
                    }
                    prop_assert_eq!(state.end, end);
                }
                Step::Remove(ids) => {
                    let ids: Vec<String> = ids.iter().map(u8::to_string).collect();
                    state = state.without(&ids).unwrap();
                    model.retain(|_, (id, _)| !ids.contains(id));
                }
            }
            check(&state, &model);
        }
        // What was read before is what it was.
        for (state, model) in before {
            prop_assert!(state.entries(0).eq(model.iter().map(|(position, (id, _))| (id.as_str(), *position))));
            prop_assert!(model.iter().all(|(position, (id, _))| state.position(id) == Some(*position)));
        }
    }
}

#[test]
fn rows_added_one_by_one_are_copied_a_few_times_each() {
    let (mut state, mut copies) = (empty(Storage::Float32, false), 0);
    let rows = 50 * MOST;
    for i in 0..rows {
        let new = added(&state, &BTreeMap::from([(i.to_string(), 1)]));
        let copied = written(&state, &new);
        assert!(copied <= MOST);
        copies += copied;
        state = new;
    }
    assert_eq!(state.len, rows);
    // Each time a row is copied its chunk has grown by half at least: log₁.₅ 16 < 7 times.
    assert!(copies <= 8 * rows, "{copies} copies of {rows} rows");
}

#[test]
fn positions_end() {
    let state = State { end: u32::MAX - 2, ..empty(Storage::Float32, false) };
    let rows = |n: i16| (0..n).map(|i| (format!("row {i}"), 1)).collect::<BTreeMap<_, _>>();
    let ids: Vec<String> = rows(3).into_keys().collect();
    let error = state.with_added(&ids, gaussians([1; 3].into_iter()).rows()).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidArgument);
    assert!(error.message.contains("save it and open it again"));
    let full = added(&state, &rows(2));
    assert_eq!((full.len, full.end, full.position("row 1")), (2, u32::MAX, Some(u32::MAX - 1)));
    assert_eq!(added(&full, &rows(2)).len, 2);
    assert!(full.with_added(&["new"], gaussians([1].into_iter()).rows()).is_err());
}

#[test]
fn an_add_that_failed_half_way_leaves_no_trace() {
    let state = added(&empty(Storage::Int8, false), &BTreeMap::from([("known".into(), 7)]));
    let tiny = f32::MIN_POSITIVE / 4.0;
    for mean in [[tiny, 0.0, 0.0], [0.0, -f32::MAX, 0.0]] {
        let mean = [[1.0, 2.0, 3.0], mean].concat();
        let rows = Gaussians { mean, variance: vec![0.0; 2 * D], dimension: D };
        for ids in [["known", "new"], ["new", "known"]] {
            let error = state.with_added(&ids, rows.rows()).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidArgument);
            assert!(error.message.contains("row 1") && error.message.contains(ids[1]), "{error}");
        }
    }
    // Ids that were inserted, but whose state was never published, are not there; nor do they hide the next ones.
    let lost = added(&state, &BTreeMap::from([("lost".into(), 1)]));
    assert_eq!((state.position("lost"), lost.position("lost")), (None, Some(1)));
    let next = added(&state, &BTreeMap::from([("next".into(), 1)]));
    assert_eq!((next.position("lost"), next.position("next")), (None, Some(1)));
    check(&state, &Model::from([(0, ("known".into(), 7))]));
}
