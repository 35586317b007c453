//! Every row scored: for searches whose hits are a large part of the rows.

use rayon::prelude::*;
use uec_gaussian::{Cancel, Candidate, Result, Row, Rows, score_pair};

use super::SearchOptions;
use super::scratch;
use super::tile::{Tile, row};

/// The hits of each query, best first.
pub(super) fn search(
    queries: Rows<'_>,
    tiles: &[Tile<'_>],
    k: usize,
    options: &SearchOptions<'_>,
    cancel: &Cancel,
) -> Result<Vec<Vec<Candidate>>> {
    queries.iter().map(|query| of_query(query, tiles, k, options, cancel)).collect()
}

fn of_query(
    query: Row<'_>,
    tiles: &[Tile<'_>],
    k: usize,
    options: &SearchOptions<'_>,
    cancel: &Cancel,
) -> Result<Vec<Candidate>> {
    let min_score = options.min_score.unwrap_or(f64::NEG_INFINITY);
    let parts = tiles
        .par_iter()
        .map_init(scratch::borrow, |scratch, tile| {
            cancel.check()?;
            let mut part = Vec::new();
            for at in tile.wanted() {
                let candidate = row(tile.chunk, at, &mut scratch.rest.rows)?;
                let scored = score_pair(options.score, options.beta, query, candidate);
                if scored.score >= min_score {
                    part.push(Candidate { position: tile.chunk.position(at), scored });
                }
            }
            Ok(part)
        })
        .collect::<Result<Vec<_>>>()?;
    let mut hits = parts.concat();
    if k < hits.len() {
        hits.select_nth_unstable_by(k, Candidate::rank);
        hits.truncate(k);
    }
    hits.par_sort_unstable_by(Candidate::rank);
    Ok(hits)
}
