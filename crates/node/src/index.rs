//! `GaussianIndex` as a native object: searches and reads work on the rows of the moment of their call.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use napi::bindgen_prelude::{ClassInstance, Float32Array, Float64Array, Object, Uint8Array, Uint32Array};
use napi::{Env, Result};
use napi_derive::napi;
use parking_lot::RwLock;
use uec_gaussian::{Error, ErrorCode, Rows};
use uec_index::{GaussianIndex, IndexOptions, OpenOptions, Plan, SearchOptions, Snapshot};

use crate::error::to_js;
use crate::ids::{IdPortions, Ids};
use crate::job::{Job, promise};
use crate::scoring::{Batch, NativeRows};
use crate::threads::{on_pool, on_thread};

/// The index, until it is disposed and an empty one takes its place.
#[derive(Clone)]
struct Shared(Arc<RwLock<Arc<GaussianIndex>>>);

impl Shared {
    fn new(index: GaussianIndex) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(index))))
    }

    fn index(&self) -> Arc<GaussianIndex> {
        self.0.read().clone()
    }
}

/// An index in memory.
#[napi]
pub struct NativeIndex {
    shared: Shared,
}

/// One row.
#[napi(object, object_from_js = false)]
pub struct NativeRow {
    /// D.
    pub mean: Float32Array,
    /// D.
    pub variance: Float32Array,
}

/// What to search for.
#[napi(object, object_to_js = false)]
pub struct NativeSearch {
    /// Name of the score.
    pub score: String,
    /// β.
    pub beta: f64,
    /// Hits per query.
    pub k: u32,
    /// Smallest score.
    pub min_score: Option<f64>,
}

/// Ids that a search may return: handed over once, in portions, and used by many searches.
#[napi]
#[derive(Clone, Default)]
pub struct NativeFilter {
    ids: Arc<RwLock<HashSet<Arc<str>>>>,
}

#[napi]
impl NativeFilter {
    /// An empty filter.
    #[napi(constructor, catch_unwind)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds ids.
    #[napi(catch_unwind)]
    pub fn add(&self, ids: Vec<String>) {
        self.ids.write().extend(ids.into_iter().map(Arc::from));
    }
}

/// The best k rows of each query; unused cells are 0xFFFFFFFF and -Infinity.
#[napi(object, object_from_js = false)]
pub struct NativeHits {
    /// Each id that occurs, once.
    pub ids: Vec<String>,
    /// Used cells of each query.
    pub counts: Uint32Array,
    /// Into `ids`, queries×k.
    pub indices: Uint32Array,
    /// queries×k.
    pub scores: Float64Array,
    /// μ_s, queries×k.
    pub similarities: Float64Array,
    /// σ_s, queries×k.
    pub deviations: Float64Array,
}

/// What an index keeps for life.
#[napi(object, object_to_js = false)]
pub struct NativeIndexOptions {
    /// D.
    pub dimension: u32,
    /// `float32`, `float16` or `int8`.
    pub storage: String,
    /// Whether to keep an int8 copy of float32 means.
    pub prefilter: bool,
    /// Of the ensemble that makes the rows.
    pub fingerprint: Option<String>,
}

#[napi]
impl NativeIndex {
    /// An empty index.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, options: NativeIndexOptions) -> Result<Self> {
        let NativeIndexOptions { dimension, storage, prefilter, fingerprint } = options;
        let made = storage.parse().and_then(|storage| {
            GaussianIndex::new(IndexOptions { dimension: dimension as usize, storage, prefilter, fingerprint })
        });
        Ok(Self { shared: Shared::new(made.map_err(|error| to_js(env, error))?) })
    }

    /// Opens a file with what its journal adds.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeIndex>")]
    pub fn open<'env>(env: &'env Env, job: &Job, file: String, mmap: bool, readonly: bool) -> Result<Object<'env>> {
        promise(
            env,
            job,
            on_thread,
            move |job| GaussianIndex::open_unless(&PathBuf::from(file), OpenOptions { mmap, readonly }, &job.cancel),
            |_, index| Ok(Self { shared: Shared::new(index) }),
        )
    }

    /// How rows are kept.
    #[napi(getter, catch_unwind)]
    pub fn storage(&self) -> &'static str {
        self.shared.index().storage().name()
    }

    /// Whether there is an int8 copy of the means.
    #[napi(getter, catch_unwind)]
    pub fn prefilter(&self) -> bool {
        self.shared.index().prefilter()
    }

    /// D.
    #[napi(getter, catch_unwind)]
    pub fn dimension(&self) -> u32 {
        self.shared.index().dimension() as u32
    }

    /// Of the ensemble that made the rows.
    #[napi(getter, catch_unwind)]
    pub fn fingerprint(&self) -> Option<String> {
        self.shared.index().fingerprint()
    }

    /// Rows.
    #[napi(catch_unwind)]
    pub fn size(&self) -> u32 {
        self.shared.index().len() as u32
    }

    /// Bytes of the rows and ids.
    #[napi(catch_unwind)]
    pub fn bytes(&self) -> f64 {
        self.shared.index().bytes() as f64
    }

    /// Adds rows or replaces known ones, all or nothing.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn add<'env>(
        &self,
        env: &'env Env,
        job: &Job,
        id_bytes: Uint8Array,
        id_lengths: Uint32Array,
        rows: NativeRows,
    ) -> Result<Object<'env>> {
        let (shared, ids, batch) = (self.shared.clone(), Ids::new(id_bytes, id_lengths), Batch::from(rows));
        let add = move |_: &Job| {
            let index = shared.index();
            let rows = batch.rows()?;
            if !index.is_durable() {
                return index.add(&ids.texts()?, rows);
            }
            // What goes to the disk must be what was checked, whoever writes to the caller's arrays meanwhile.
            let (mean, variance) = (copied(rows.mean)?, copied(rows.variance)?);
            index.add(&ids.texts()?, Rows { mean: &mean, variance: &variance, dimension: rows.dimension })
        };
        promise(env, job, on_thread, add, |_, ()| Ok(()))
    }

    /// Removes rows; how many were there.
    #[napi(catch_unwind, ts_return_type = "Promise<number>")]
    pub fn remove<'env>(
        &self,
        env: &'env Env,
        job: &Job,
        id_bytes: Uint8Array,
        id_lengths: Uint32Array,
    ) -> Result<Object<'env>> {
        let (shared, ids) = (self.shared.clone(), Ids::new(id_bytes, id_lengths));
        promise(env, job, on_thread, move |_| shared.index().remove(&ids.texts()?), |_, removed| Ok(removed as u32))
    }

    /// A copy of one row.
    #[napi(catch_unwind)]
    pub fn get(&self, env: Env, id: String) -> Result<Option<NativeRow>> {
        let row = self.shared.index().snapshot().get(&id).map_err(|error| to_js(env, error))?;
        Ok(row.map(|row| NativeRow { mean: row.mean.into(), variance: row.variance.into() }))
    }

    /// Whether the id is there.
    #[napi(catch_unwind)]
    pub fn has(&self, id: String) -> bool {
        self.shared.index().snapshot().has(&id)
    }

    /// All ids of this moment by position, in portions.
    #[napi(catch_unwind)]
    pub fn ids(&self) -> IdPortions {
        IdPortions::new(self.shared.index().snapshot())
    }

    /// The exact top k.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeHits>")]
    pub fn search<'env>(
        &self,
        env: &'env Env,
        job: &Job,
        queries: NativeRows,
        search: NativeSearch,
        filter: Option<ClassInstance<'env, NativeFilter>>,
    ) -> Result<Object<'env>> {
        let (rows, queries) = (self.shared.index().snapshot(), Batch::from(queries));
        let filter = filter.map(|filter| NativeFilter::clone(&filter));
        promise(
            env,
            job,
            on_pool,
            move |job| {
                let filter = filter.as_ref().map(|filter| filter.ids.read_recursive());
                let options = SearchOptions {
                    score: search.score.parse()?,
                    beta: search.beta,
                    k: search.k as usize,
                    min_score: search.min_score,
                    filter: filter.as_deref(),
                    plan: Plan::Certified,
                };
                let hits = rows.search(queries.rows()?, &options, &job.cancel)?;
                let (ids, indices) = name(&rows, &hits.positions);
                Ok((ids, indices, hits))
            },
            |_, (ids, indices, hits)| {
                Ok(NativeHits {
                    ids,
                    counts: hits.counts.into(),
                    indices: indices.into(),
                    scores: hits.scores.into(),
                    similarities: hits.similarities.into(),
                    deviations: hits.deviations.into(),
                })
            },
        )
    }

    /// Writes one file, atomically.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn save<'env>(&self, env: &'env Env, job: &Job, file: String) -> Result<Object<'env>> {
        let shared = self.shared.clone();
        promise(env, job, on_thread, move |_| shared.index().save(&PathBuf::from(file)), |_, ()| Ok(()))
    }

    /// Reads and checks every row.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn verify<'env>(&self, env: &'env Env, job: &Job) -> Result<Object<'env>> {
        let shared = self.shared.clone();
        promise(env, job, on_thread, move |job| shared.index().verify(&job.cancel), |_, ()| Ok(()))
    }

    /// Gives the file back and frees the rows.
    #[napi(catch_unwind)]
    pub fn dispose(&self, env: Env) -> Result<()> {
        let empty = GaussianIndex::new(IndexOptions { dimension: 1, ..IndexOptions::default() });
        let empty = Arc::new(empty.map_err(|error| to_js(env, error))?);
        let disposed = std::mem::replace(&mut *self.shared.0.write(), empty);
        disposed.close();
        // To give gigabytes back takes the system a while.
        on_thread(Box::new(move || drop(disposed))).map_err(|error| to_js(env, error))
    }
}

fn copied(numbers: &[f32]) -> uec_gaussian::Result<Vec<f32>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(numbers.len()).map_err(|_| {
        Error::new(ErrorCode::OutOfMemory, format!("no memory for a copy of {} numbers", numbers.len()))
    })?;
    copy.extend_from_slice(numbers);
    Ok(copy)
}

/// The ids at `positions`, each once, and the positions as indices into them.
fn name(index: &Snapshot, positions: &[u32]) -> (Vec<String>, Vec<u32>) {
    let mut places = std::collections::HashMap::new();
    let mut ids = Vec::new();
    let indices = positions
        .iter()
        .map(|&position| {
            let Some(id) = index.id(position) else { return u32::MAX };
            *places.entry(position).or_insert_with(|| {
                ids.push(id.to_string());
                ids.len() as u32 - 1
            })
        })
        .collect();
    (ids, indices)
}
