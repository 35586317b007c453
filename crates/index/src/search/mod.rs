//! Exact top-k search (method §6).
//!
//! Every hit is scored by the canonical routine over the decoded row, and hits are ordered by (score falling, position
//! rising): a total order, so that the outcome does not depend on how rows are spread over the threads of the rayon pool.
//! Rows are left out in stages, each of which proves an upper bound of the score and drops a row only if that is strictly
//! below a score to reach: [`cascade`].

mod cascade;
mod exhaustive;
mod filter;
mod hits;
mod scratch;
mod survivors;
mod threshold;
mod tile;

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;
use uec_gaussian::{Cancel, Candidate, Error, Result, Rows, ScanBlock, Score, validate_beta};

use crate::Snapshot;
use cascade::Cascade;
pub use hits::{Hits, UNUSED};
use tile::{Tile, height, tiles};

/// From so many hits of so many rows on, a search scores every row: few could be left out.
const EXHAUSTIVE: usize = 8;

/// How a search finds its hits, which are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plan {
    /// Means first, variances of those rows only that can still be hits.
    #[default]
    Certified,
    /// Mean and variance of every row: the yardstick.
    Fused,
}

/// What to search for.
#[derive(Clone, Copy, Debug)]
pub struct SearchOptions<'a> {
    /// The score that ranks.
    pub score: Score,
    /// β, finite and at least 0.
    pub beta: f64,
    /// Hits per query, at least 1.
    pub k: usize,
    /// Only hits with score ≥ this.
    pub min_score: Option<f64>,
    /// Only rows of these ids; unknown ids are ignored.
    pub filter: Option<&'a HashSet<Arc<str>>>,
    /// How; not what.
    pub plan: Plan,
}

impl Default for SearchOptions<'_> {
    fn default() -> Self {
        Self { score: Score::Uec, beta: 1.0, k: 10, min_score: None, filter: None, plan: Plan::Certified }
    }
}

impl Snapshot {
    /// The exact top k of each query by the chosen score; equal scores by lower position. An undefined score is −∞ and
    /// ranks last.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::DimensionMismatch`]; [`uec_gaussian::ErrorCode::InvalidArgument`] for queries that are
    /// not finite or have negative variances, k = 0, a bad β or a minimum score that is NaN;
    /// [`uec_gaussian::ErrorCode::OutOfMemory`] for more hits than fit; [`uec_gaussian::ErrorCode::FileCorrupt`] if the
    /// file that rows lie in is damaged there; [`uec_gaussian::ErrorCode::Aborted`].
    pub fn search(&self, queries: Rows<'_>, options: &SearchOptions<'_>, cancel: &Cancel) -> Result<Hits> {
        let dimension = self.dimension();
        self.0.settings.layout.check_dimension("queries", &queries)?;
        queries.validate()?;
        validate_beta(options.beta)?;
        if options.k == 0 {
            return Err(Error::invalid("k is 0: must be an integer of at least 1"));
        }
        if options.min_score.is_some_and(f64::is_nan) {
            return Err(Error::invalid("the minimum score is not a number"));
        }
        cancel.check()?;
        let k = options.k.min(self.len());
        // Before the work: a search for everything may ask for more than there is.
        let mut hits = Hits::new(queries.len(), k)?;
        let picked = options.filter.map(|filter| self.picked(filter));
        let height = height(queries.len(), self.len(), dimension);
        let tiles = tiles(&self.0.chunks, height, picked.as_deref());
        let rows = picked.as_ref().map_or(self.len(), Vec::len);
        let search = |block: Rows<'_>| {
            if k >= rows.div_ceil(EXHAUSTIVE) {
                exhaustive::search(block, &tiles, k, options, cancel)
            } else {
                staged(Cascade::new(block, k, options, self.0.settings.layout), &tiles, cancel)
            }
        };
        let numbers = ScanBlock::MAX * dimension;
        let best = queries
            .mean
            .par_chunks(numbers)
            .zip(queries.variance.par_chunks(numbers))
            .map(|(mean, variance)| search(Rows { mean, variance, dimension }))
            .collect::<Result<Vec<_>>>()?;
        hits.fill(best.into_iter().flatten());
        Ok(hits)
    }
}

/// The hits of each query, best first.
fn staged(cascade: Cascade<'_>, tiles: &[Tile<'_>], cancel: &Cancel) -> Result<Vec<Vec<Candidate>>> {
    tiles.par_iter().try_for_each_init(scratch::borrow, |scratch, tile| {
        cancel.check()?;
        cascade.visit(tile, scratch)
    })?;
    Ok(cascade.into_hits())
}
