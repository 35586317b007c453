//! Row i of the queries against row i of the candidates, through the canonical routine (method §6).

use rayon::prelude::*;

use crate::{Cancel, Error, Result, Rows, Score, score_pair, validate_beta};

/// Scores of many pairs, rounded to float32. Overflow is ±∞, an undefined score −∞, NaN never occurs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// The chosen score of each pair.
    pub scores: Vec<f32>,
    /// μ_s of each pair.
    pub similarities: Vec<f32>,
    /// σ_s of each pair.
    pub deviations: Vec<f32>,
}

/// Scores row i of `queries` against row i of `candidates`, each by [`score_pair`]. Length n each. The rows must be
/// valid ([`Rows::validate`]).
///
/// # Errors
/// [`crate::ErrorCode::DimensionMismatch`], [`crate::ErrorCode::InvalidArgument`] for different numbers of rows or a bad
/// `beta`, [`crate::ErrorCode::Aborted`].
pub fn pairwise(queries: Rows<'_>, candidates: Rows<'_>, score: Score, beta: f64, cancel: &Cancel) -> Result<Scores> {
    validate_beta(beta)?;
    cancel.check()?;
    queries.same_dimension(&candidates)?;
    if queries.len() != candidates.len() {
        return Err(Error::invalid(format!(
            "{} queries against {} candidates: pairs need the same number of rows",
            queries.len(),
            candidates.len()
        )));
    }
    let scored = (0..queries.len())
        .into_par_iter()
        .with_min_len(64)
        .map(|row| {
            cancel.check()?;
            Ok(score_pair(score, beta, queries.row(row), candidates.row(row)))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Scores {
        scores: scored.iter().map(|pair| pair.score as f32).collect(),
        similarities: scored.iter().map(|pair| pair.similarity as f32).collect(),
        deviations: scored.iter().map(|pair| pair.deviation as f32).collect(),
    })
}
