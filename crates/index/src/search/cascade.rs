//! The stages that rows of a tile go through, for a block of queries. Each proves an upper bound of the score, tighter and
//! dearer than the one before, and drops the rows whose bound is strictly below the score to reach; what is left is scored
//! by the canonical routine.
//!
//! 1. From the means of all rows: for few queries from their int8 copy or their codes, for many from float32.
//! 2. From the float32 means of the rows left, if an int8 copy was used.
//! 3. From means and variances of the rows left.
//! 4. The score itself, by falling bound, so that the score to reach rises fast.
//!
//! Where 1 says nothing or leaves most rows, 3 takes the whole tile.

use uec_gaussian::{Candidate, Result, Row, Rows, Scan, ScanBlock, score_pair};

use super::scratch::{Rest, Scratch};
use super::survivors::{Survivor, bound_again, count, keep, select, split_best};
use super::threshold::Best;
use super::tile::{Tile, row};
use super::{Plan, SearchOptions};
use crate::storage::{Layout, Storage};

/// From so many queries on, products of blocks in float32 are faster than one query after the other: over float32,
/// binary16 and int8.
const BLOCKS: [usize; 3] = [8, 12, 32];
/// Tiles that go without their means after one whose means left most rows.
const SKIP: usize = 8;
/// Rows scored before the others are looked at again, at least.
const ROUND: usize = 32;

struct Query<'a> {
    row: Row<'a>,
    scan: Scan,
    best: Best,
}

/// A search for the hits of a block of queries, shared by threads.
pub(super) struct Cascade<'a> {
    queries: Vec<Query<'a>>,
    /// Where it is faster than one query after the other.
    block: Option<ScanBlock>,
    options: &'a SearchOptions<'a>,
    k: usize,
}

/// What the bounds of a tile came from.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    /// An int8 copy of the means.
    Copy,
    Means,
    Fused,
}

impl<'a> Cascade<'a> {
    /// At most [`ScanBlock::MAX`] queries.
    pub(super) fn new(queries: Rows<'a>, k: usize, options: &'a SearchOptions<'a>, layout: Layout) -> Self {
        let SearchOptions { score, beta, .. } = *options;
        let min_score = options.min_score.unwrap_or(f64::NEG_INFINITY);
        let [float32, float16, int8] = BLOCKS;
        let from = match layout.storage {
            _ if options.plan == Plan::Fused => float32,
            Storage::Float32 if !layout.prefilter => float32,
            Storage::Float16 => float16,
            Storage::Float32 | Storage::Int8 => int8,
        };
        let block = if queries.len() >= from { ScanBlock::new(queries, score, beta) } else { None };
        let query = |row| Query { row, scan: Scan::new(row, score, beta), best: Best::new(k, min_score) };
        Self { queries: queries.iter().map(query).collect(), block, options, k }
    }

    /// Best first.
    pub(super) fn into_hits(self) -> Vec<Vec<Candidate>> {
        self.queries.into_iter().map(|query| query.best.into_sorted()).collect()
    }

    /// Offers the rows of a tile to every query.
    pub(super) fn visit(&self, tile: &Tile<'_>, scratch: &mut Scratch) -> Result<()> {
        if tile.is_sparse() {
            for query in &self.queries {
                let rows = tile.wanted().map(|row| Survivor { row: row as u32, bound: f32::INFINITY });
                scratch.rest.survivors.clear();
                scratch.rest.survivors.extend(rows);
                self.finish(query, tile, Source::Means, &mut scratch.rest)?;
            }
            return Ok(());
        }
        let height = tile.rows.len();
        scratch.bounds.resize(self.queries.len() * height, 0.0);
        let source = self.bound(tile, scratch)?;
        let mask = tile.mask(&mut scratch.mask);
        for (query, bounds) in self.queries.iter().zip(scratch.bounds.chunks_exact(height)) {
            select(bounds, query.best.threshold(), tile.rows.start, mask, &mut scratch.rest.survivors);
            self.finish(query, tile, source, &mut scratch.rest)?;
        }
        Ok(())
    }

    /// Bounds of all rows: from the means, unless these leave most rows.
    fn bound(&self, tile: &Tile<'_>, scratch: &mut Scratch) -> Result<Source> {
        if self.options.plan == Plan::Fused {
            return self.bound_fused(tile, scratch);
        }
        if scratch.skip > 0 {
            scratch.skip -= 1;
            return self.bound_fused(tile, scratch);
        }
        let Some(source) = self.bound_means(tile, scratch)? else {
            scratch.skip = usize::MAX;
            return self.bound_fused(tile, scratch);
        };
        let left = |(query, line): (&Query<'_>, _)| match query.best.threshold() {
            // The first rows decide what is to be reached.
            f64::NEG_INFINITY => 0,
            threshold => count(line, threshold),
        };
        let left: usize = self.queries.iter().zip(scratch.bounds.chunks_exact(tile.rows.len())).map(left).sum();
        if left * 2 > scratch.bounds.len() {
            scratch.skip = SKIP;
            return self.bound_fused(tile, scratch);
        }
        Ok(source)
    }

    fn bound_fused(&self, tile: &Tile<'_>, scratch: &mut Scratch) -> Result<Source> {
        let rows = tile.chunk.rows(tile.rows.clone(), &mut scratch.tile)?;
        let bounds = &mut scratch.bounds;
        if !self.block.as_ref().is_some_and(|block| block.bounds(rows, bounds)) {
            for (query, line) in self.queries.iter().zip(bounds.chunks_exact_mut(rows.len())) {
                query.scan.bounds(rows, line);
            }
        }
        Ok(Source::Fused)
    }

    /// None: the score has no such bound.
    fn bound_means(&self, tile: &Tile<'_>, scratch: &mut Scratch) -> Result<Option<Source>> {
        let rows = tile.rows.clone();
        let bounds = &mut scratch.bounds;
        if let Some(block) = &self.block {
            block.bounds_from_means(tile.chunk.decoded_means(rows, &mut scratch.tile.mean)?, bounds);
            return Ok(Some(Source::Means));
        }
        let (means, source) = match tile.chunk.prefilter(rows.clone())? {
            Some(copy) => (copy, Source::Copy),
            None => (tile.chunk.means(rows)?, Source::Means),
        };
        let mut lines = self.queries.iter().zip(bounds.chunks_exact_mut(tile.rows.len()));
        Ok(lines.all(|(query, line)| query.scan.bounds_from_means(means, line)).then_some(source))
    }

    /// The stages after the one that the survivors' bounds come from: for the most promising rows first, so that the score
    /// to reach rules the others out.
    fn finish(&self, query: &Query<'_>, tile: &Tile<'_>, source: Source, rest: &mut Rest) -> Result<()> {
        let Rest { survivors, bounds, rows } = rest;
        let mut others = &mut survivors[..];
        while !others.is_empty() {
            let (mut best, after) = split_best(others, self.k.max(ROUND));
            if source == Source::Copy {
                bound_again(best, bounds, |range, bounds| {
                    query.scan.bounds_from_means(tile.chunk.means(range)?, bounds);
                    Ok(())
                })?;
                best = keep(best, query.best.threshold());
            }
            if source != Source::Fused {
                bound_again(best, bounds, |range, bounds| {
                    query.scan.bounds(tile.chunk.rows(range, rows)?, bounds);
                    Ok(())
                })?;
            }
            best.sort_unstable_by(Survivor::rank);
            for survivor in best {
                if f64::from(survivor.bound) < query.best.threshold() {
                    // So are those that follow.
                    break;
                }
                let at = survivor.row as usize;
                let candidate = row(tile.chunk, at, rows)?;
                let scored = score_pair(self.options.score, self.options.beta, query.row, candidate);
                query.best.offer(Candidate { position: tile.chunk.position(at), scored });
            }
            others = keep(after, query.best.threshold());
        }
        Ok(())
    }
}
