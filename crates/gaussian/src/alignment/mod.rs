//! Encoders of other dimension or space, brought into one (method §5): μ ↦ A μ, v ↦ (A∘A) v.
//!
//! A diag(v) Aᵀ is diagonal no more; (A∘A) v is its diagonal, and keeps the trace where AᵀA = I.

mod procrustes;

use nalgebra::DMatrix;
use rayon::prelude::*;

pub use procrustes::{MIN_ANCHORS, Procrustes, procrustes};

use crate::kernels::mixture::{add_scaled, add_scaled_squares};
use crate::normalize::round_into;
use crate::simd::Level;
use crate::{Cancel, Error, ErrorCode, Gaussians, Result, Row, Rows};

/// A linear map A of D_out×D_in: mean ↦ A μ, variance ↦ (A∘A) v.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    /// Aᵀ: a row is mapped by adding up scaled columns of A, coordinates side by side.
    transposed: Vec<f32>,
    columns: usize,
}

impl Alignment {
    /// A map from its row-major D_out×D_in matrix.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] if the shape is wrong or an entry is not finite.
    pub fn new(matrix: Vec<f32>, rows: usize, columns: usize) -> Result<Self> {
        if rows == 0 || columns == 0 || rows.checked_mul(columns) != Some(matrix.len()) {
            return Err(Error::invalid(format!(
                "an alignment of {rows}×{columns} cannot have {} entries",
                matrix.len()
            )));
        }
        if matrix.iter().any(|x| !x.is_finite()) {
            return Err(Error::invalid("an alignment has entries that are not finite"));
        }
        let transposed = (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns)).copied().collect();
        Ok(Self { transposed, columns })
    }

    /// The row-major D_out×D_in matrix.
    pub fn matrix(&self) -> Vec<f32> {
        let rows = self.rows();
        (0..rows).flat_map(|row| self.transposed.iter().skip(row).step_by(rows)).copied().collect()
    }

    /// How far A is from orthogonal: the largest entry of |AᵀA − I|, or of |AAᵀ − I| where D_out < D_in. Takes as long as a
    /// product of matrices.
    pub fn deviation(&self) -> f64 {
        let (rows, columns) = (self.rows(), self.columns);
        let a = DMatrix::from_iterator(rows, columns, self.transposed.iter().map(|x| f64::from(*x)));
        let gram = if columns <= rows { a.tr_mul(&a) } else { &a * a.transpose() };
        (gram - DMatrix::identity(rows.min(columns), rows.min(columns))).amax()
    }

    /// D_out.
    pub fn rows(&self) -> usize {
        self.transposed.len() / self.columns
    }

    /// D_in.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Maps one row of dimension D_in, in float64.
    pub fn map_row(&self, row: Row<'_>) -> (Vec<f64>, Vec<f64>) {
        let level = Level::detect();
        let (mut mean, mut variance) = (vec![0.0; self.rows()], vec![0.0; self.rows()]);
        for ((column, m), v) in self.transposed.chunks_exact(self.rows()).zip(row.mean).zip(row.variance) {
            add_scaled(level, &mut mean, f64::from(*m), column);
            add_scaled_squares(level, &mut variance, f64::from(*v), column);
        }
        (mean, variance)
    }

    /// Maps every row.
    ///
    /// # Errors
    /// [`ErrorCode::DimensionMismatch`] if the rows have not D_in columns; [`ErrorCode::Aborted`].
    pub fn map(&self, rows: Rows<'_>, cancel: &Cancel) -> Result<Gaussians> {
        if rows.dimension != self.columns {
            let message = format!("rows of dimension {} under an alignment from {}", rows.dimension, self.columns);
            return Err(Error::new(ErrorCode::DimensionMismatch, message));
        }
        let dimension = self.rows();
        let mut out = Gaussians::zeros(rows.len(), dimension);
        let lines = out.mean.par_chunks_mut(dimension).zip(out.variance.par_chunks_mut(dimension));
        lines.enumerate().try_for_each(|(index, (mean, variance))| {
            cancel.check()?;
            let (m, v) = self.map_row(rows.row(index));
            round_into(&m, mean);
            round_into(&v, variance);
            Ok(())
        })?;
        Ok(out)
    }
}
