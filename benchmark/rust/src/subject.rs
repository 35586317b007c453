//! The index under measure.

use std::path::Path;

use serde::Deserialize;
use uec_gaussian::{Cancel, Rows, Score};
use uec_index::{GaussianIndex, IndexOptions, SearchOptions};

use crate::dataset::{self, Part};
use crate::error::Result;

/// Rows added in one call.
const BLOCK: usize = 16_384;

/// How rows are stored.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Storage {
    Float32,
    Float16,
    Int8,
}

/// How a search finds its rows.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Plan {
    /// Means first, variances of those that can still win.
    Certified,
    /// Every mean and every variance.
    Fused,
}

/// One search.
pub(crate) struct Search<'a> {
    pub(crate) queries: Rows<'a>,
    pub(crate) k: usize,
    pub(crate) score: Score,
    pub(crate) plan: Plan,
}

/// A loaded index.
pub(crate) struct Subject(GaussianIndex);

impl Subject {
    pub(crate) fn load(
        folder: &Path,
        rows: usize,
        dimension: usize,
        storage: Storage,
        prefilter: bool,
    ) -> Result<Self> {
        let storage = match storage {
            Storage::Float32 => uec_index::Storage::Float32,
            Storage::Float16 => uec_index::Storage::Float16,
            Storage::Int8 => uec_index::Storage::Int8,
        };
        let index = GaussianIndex::new(IndexOptions { dimension, storage, prefilter, fingerprint: None })?;
        for start in (0..rows).step_by(BLOCK) {
            let count = BLOCK.min(rows - start);
            let block = dataset::read(folder, Part::Rows, start, count, dimension)?;
            let ids: Vec<String> = (start..start + count).map(|row| row.to_string()).collect();
            index.add(&ids, Rows::new(&block.mean, &block.variance, dimension)?)?;
        }
        Ok(Self(index))
    }

    pub(crate) fn dimension(&self) -> usize {
        self.0.dimension()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// The positions of the hits of the first query.
    pub(crate) fn search(&self, search: &Search<'_>) -> Result<Vec<u32>> {
        let plan = match search.plan {
            Plan::Certified => uec_index::Plan::Certified,
            Plan::Fused => uec_index::Plan::Fused,
        };
        let options = SearchOptions { score: search.score, k: search.k, plan, ..SearchOptions::default() };
        let hits = self.0.snapshot().search(search.queries, &options, &Cancel::default())?;
        Ok(hits.positions.into_iter().take(hits.k.min(10)).collect())
    }
}
