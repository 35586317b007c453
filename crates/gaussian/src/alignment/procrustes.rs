//! Orthogonal Procrustes (Schönemann 1966; method §5): of N anchors seen as x_i by one encoder and as y_i by the reference,
//!
//!   M = Σ_i y_i x_iᵀ + ε J,  M = U S Vᵀ,  A = U Vᵀ
//!
//! is the orthogonal A with the largest Σ_i ⟨A x_i, y_i⟩, which for AᵀA = I is the smallest Σ_i ‖A x_i − y_i‖². Where
//! D_out < D_in only AAᵀ = I can hold, and A is a projection: that maximum still, but not the least squares. Nothing is
//! centred: embeddings are directions. J is the rectangular identity and ε = 1e-12 ‖M‖: directions of which the anchors say
//! nothing stay where they are, instead of where rounding sends them.

use nalgebra::DMatrix;

use super::Alignment;
use crate::{Cancel, Error, ErrorCode, Result};

/// Fewest anchors that both encoders can embed. As many as D_in or more determine A.
pub const MIN_ANCHORS: usize = 2;

/// Rows that are added up between two looks at the flag.
const PORTION: usize = 512;

/// What of M the identity counts for where nothing else does.
const IDENTITY: f64 = 1e-12;

/// Steps of the singular value decomposition, which needs a few for each of the D.
const MAX_STEPS: usize = 1 << 20;

/// A fitted alignment.
#[derive(Clone, Debug, PartialEq)]
pub struct Procrustes {
    /// A.
    pub alignment: Alignment,
    /// Mean cosine of A x_i and y_i over the anchors, in [−1, 1]: how well the spaces fit.
    pub cosine: f64,
    /// Anchors that count: those that neither encoder gave a row of zeros.
    pub anchors: usize,
}

/// Fits A from rows of dimension `columns` (D_in) to as many of dimension `rows` (D_out), in float64 and always in the same
/// order. An anchor with a row of zeros is left out.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] for other shapes, numbers that are not finite or fewer than [`MIN_ANCHORS`];
/// [`ErrorCode::Aborted`] between two steps of the work.
pub fn procrustes(
    anchors: &[f32],
    columns: usize,
    reference: &[f32],
    rows: usize,
    cancel: &Cancel,
) -> Result<Procrustes> {
    let pairs = anchor_pairs(anchors, columns, reference, rows)?;
    let mut moment = DMatrix::<f64>::zeros(rows, columns);
    for portion in pairs.chunks(PORTION) {
        cancel.check()?;
        let x = matrix(columns, portion.iter().map(|(x, _)| *x));
        let y = matrix(rows, portion.iter().map(|(_, y)| *y));
        moment.gemm(1.0, &y, &x.transpose(), 1.0);
    }
    let size = moment.norm();
    let size = if size > 0.0 { size } else { 1.0 };
    (0..rows.min(columns)).for_each(|d| moment[(d, d)] += IDENTITY * size);
    cancel.check()?;
    let svd = moment.try_svd(true, true, f64::EPSILON, MAX_STEPS);
    let Some((u, v)) = svd.and_then(|svd| svd.u.zip(svd.v_t)) else {
        return Err(Error::new(ErrorCode::Internal, "the singular value decomposition of the anchors did not end"));
    };
    cancel.check()?;
    let a = u * v;
    let cosine = pairs.chunks(PORTION).map(|portion| cosines(&a, portion)).sum::<f64>() / pairs.len() as f64;
    let cosine = cosine.clamp(-1.0, 1.0); // rounding may lead beyond
    let row_major = a.transpose().iter().map(|x| *x as f32).collect();
    Ok(Procrustes { alignment: Alignment::new(row_major, rows, columns)?, cosine, anchors: pairs.len() })
}

type Pair<'a> = (&'a [f32], &'a [f32]);

fn anchor_pairs<'a>(anchors: &'a [f32], columns: usize, reference: &'a [f32], rows: usize) -> Result<Vec<Pair<'a>>> {
    let fits = |values: &[f32], width: usize| width > 0 && values.len().is_multiple_of(width);
    if !fits(anchors, columns) || !fits(reference, rows) || anchors.len() / columns != reference.len() / rows {
        return Err(Error::invalid(format!(
            "{} and {} numbers are no rows of dimension {columns} and {rows} for the same anchors",
            anchors.len(),
            reference.len()
        )));
    }
    if anchors.iter().chain(reference).any(|x| !x.is_finite()) {
        return Err(Error::invalid("the embedding of an anchor is not finite"));
    }
    let is_seen = |row: &[f32]| row.iter().any(|x| *x != 0.0);
    let pairs: Vec<Pair<'_>> = anchors
        .chunks_exact(columns)
        .zip(reference.chunks_exact(rows))
        .filter(|(x, y)| is_seen(x) && is_seen(y))
        .collect();
    if pairs.len() < MIN_ANCHORS {
        return Err(Error::invalid(format!(
            "{} anchors that both encoders can embed: an alignment needs at least {MIN_ANCHORS}, better {} or more",
            pairs.len(),
            2 * columns.max(rows)
        )));
    }
    Ok(pairs)
}

/// The rows as columns of float64.
fn matrix<'a>(dimension: usize, rows: impl ExactSizeIterator<Item = &'a [f32]>) -> DMatrix<f64> {
    let count = rows.len();
    DMatrix::from_iterator(dimension, count, rows.flatten().map(|x| f64::from(*x)))
}

/// Σ cos(A x, y).
fn cosines(a: &DMatrix<f64>, pairs: &[Pair<'_>]) -> f64 {
    let x = a * matrix(a.ncols(), pairs.iter().map(|(x, _)| *x));
    let y = matrix(a.nrows(), pairs.iter().map(|(_, y)| *y));
    let cosine = |(x, y): (nalgebra::DVectorView<'_, f64>, nalgebra::DVectorView<'_, f64>)| {
        let length = x.norm() * y.norm();
        if length > 0.0 { x.dot(&y) / length } else { 0.0 }
    };
    x.column_iter().zip(y.column_iter()).map(cosine).sum()
}
