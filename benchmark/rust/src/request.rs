//! What can be asked for.

use std::path::PathBuf;

use serde::Deserialize;

use crate::curvature::Shape;
use crate::dataset::Kind;
use crate::error::Result;
use crate::subject::{Plan, Storage};

/// One line of input.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// The CPU's features.
    Info,
    /// Writes a data set to `folder`.
    Generate { folder: PathBuf, kind: Kind, rows: usize, dimension: usize, queries: usize },
    /// Memory to read from: `bytes`.
    Reserve { bytes: usize },
    /// Every kernel reads the reserved memory once; the answer is of the fastest.
    Read { threads: usize },
    /// Each thread reads `bytes` of its own again and again, from the cache.
    ReadCached { bytes: usize, threads: usize },
    /// Every register-blocked loop runs once; the answer is of the fastest.
    Fma { threads: usize },
    /// The first `rows` rows of a data set into an index called `name`.
    Load { name: String, folder: PathBuf, rows: usize, dimension: usize, storage: Storage, prefilter: bool },
    /// Forgets an index.
    Drop { name: String },
    /// One search of `queries` queries of the data set at `folder`, from query `first` on.
    Search {
        name: String,
        folder: PathBuf,
        first: usize,
        queries: usize,
        k: usize,
        score: String,
        plan: Plan,
        threads: usize,
    },
    /// The first `rows` rows of a data set against the next `rows`.
    AllPairs { folder: PathBuf, rows: usize, dimension: usize, threads: usize },
    /// The curvature of one batch, which is made at the first request.
    Curvature { shape: Shape, threads: usize },
}

/// Reads one line.
pub(crate) fn parse(line: &str) -> Result<Request> {
    Ok(serde_json::from_str(line)?)
}
