//! Answers requests; keeps what they share: memory, indexes, thread pools, queries.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};
use serde_json::{Value, json};
use uec_gaussian::{Cancel, Gaussians, Rows, Score, all_pairs};

use crate::curvature::{Batch, Shape};
use crate::dataset::{self, Part};
use crate::error::{Error, Result};
use crate::limits::{self, Memory};
use crate::request::Request;
use crate::subject::{Search, Subject};

/// See [`Program::run`].
#[derive(Default)]
pub(crate) struct Program {
    memory: Option<Memory>,
    indexes: HashMap<String, Subject>,
    pools: HashMap<usize, ThreadPool>,
    parts: HashMap<(PathBuf, Part, usize, usize), Gaussians>,
    batches: HashMap<Shape, Batch>,
}

impl Program {
    /// Does what is asked and returns the answer; `ms` is the time that the work took.
    pub(crate) fn run(&mut self, request: Request) -> Result<Value> {
        match request {
            Request::Info => Ok(json!({ "features": limits::features(), "kernels": limits::set().name })),
            Request::Generate { folder, kind, rows, dimension, queries } => {
                dataset::generate(&folder, kind, rows, dimension, queries)?;
                Ok(json!({}))
            }
            Request::Reserve { bytes } => {
                self.memory = Some(Memory::new(bytes)?);
                Ok(json!({}))
            }
            Request::Read { threads } => {
                let memory = self.memory.as_ref().ok_or_else(|| Error::new("no memory reserved"))?;
                let best = limits::read(memory, threads);
                Ok(json!({ "ms": ms(best.time), "bytes": memory.bytes(), "kernel": best.kernel }))
            }
            Request::ReadCached { bytes, threads } => {
                let best = limits::read_cached(&Memory::new(bytes * threads)?, threads);
                Ok(json!({ "ms": ms(best.time), "bytes": best.work, "kernel": best.kernel }))
            }
            Request::Fma { threads } => {
                let best = limits::fma(threads);
                Ok(json!({ "ms": ms(best.time), "flops": best.work, "kernel": best.kernel }))
            }
            Request::Load { name, folder, rows, dimension, storage, prefilter } => {
                let subject = Subject::load(&folder, rows, dimension, storage, prefilter)?;
                let answer = json!({ "bytes": subject.bytes() });
                self.indexes.insert(name, subject);
                Ok(answer)
            }
            Request::Drop { name } => {
                self.indexes.remove(&name);
                Ok(json!({}))
            }
            Request::Search { name, folder, first, queries, k, score, plan, threads } => {
                let index = self.indexes.get(&name).ok_or_else(|| Error::new(format!("no index is called {name}")))?;
                let asked = part(&mut self.parts, &folder, Part::Queries, first + queries, index.dimension())?;
                let dimension = asked.dimension;
                let from = first * dimension;
                let queries = Rows::new(&asked.mean[from..], &asked.variance[from..], dimension)?;
                let search = Search { queries, k, score: score.parse::<Score>()?, plan };
                let pool = pool(&mut self.pools, threads)?;
                let (time, best) = timed(|| pool.install(|| index.search(&search)));
                Ok(json!({ "ms": ms(time), "best": best? }))
            }
            Request::AllPairs { folder, rows, dimension, threads } => {
                let asked = part(&mut self.parts, &folder, Part::Rows, 2 * rows, dimension)?;
                let (left, right) = (rows * dimension, 2 * rows * dimension);
                let queries = Rows::new(&asked.mean[..left], &asked.variance[..left], dimension)?;
                let candidates = Rows::new(&asked.mean[left..right], &asked.variance[left..right], dimension)?;
                let pool = pool(&mut self.pools, threads)?;
                let work = || pool.install(|| all_pairs(queries, candidates, Score::Uec, 1.0, &Cancel::default()));
                let (time, scores) = timed(work);
                Ok(json!({ "ms": ms(time), "pairs": scores?.scores.len() }))
            }
            Request::Curvature { shape, threads } => {
                let batch = match self.batches.entry(shape) {
                    Entry::Occupied(batch) => batch.into_mut(),
                    Entry::Vacant(place) => {
                        let batch = Batch::new(place.key())?;
                        place.insert(batch)
                    }
                };
                let pool = pool(&mut self.pools, threads)?;
                let (time, added) = timed(|| batch.add(pool));
                added?;
                Ok(json!({ "ms": ms(time), "flops": batch.operations() }))
            }
        }
    }
}

fn pool(pools: &mut HashMap<usize, ThreadPool>, threads: usize) -> Result<&ThreadPool> {
    Ok(match pools.entry(threads) {
        Entry::Occupied(pool) => pool.into_mut(),
        Entry::Vacant(place) => place.insert(ThreadPoolBuilder::new().num_threads(threads).build()?),
    })
}

/// Rows or queries from the disk, kept for the next request.
fn part<'a>(
    parts: &'a mut HashMap<(PathBuf, Part, usize, usize), Gaussians>,
    folder: &Path,
    part: Part,
    rows: usize,
    dimension: usize,
) -> Result<&'a Gaussians> {
    Ok(match parts.entry((folder.to_owned(), part, rows, dimension)) {
        Entry::Occupied(rows) => rows.into_mut(),
        Entry::Vacant(place) => place.insert(dataset::read(folder, part, 0, rows, dimension)?),
    })
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let outcome = work();
    (start.elapsed(), outcome)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
