//! Queries, packed.

use super::{DEPTH, HALF, Line, PANEL};
use crate::{Row, Rows};

/// Queries packed for products: per block of coordinates, per panel of [`PANEL`] queries, per coordinate a [`Line`].
/// The lines of the last panel are filled up with zeros.
pub(crate) struct Queries {
    len: usize,
    dimension: usize,
    /// a
    means: Vec<Line>,
    /// For each [`HALF`] coordinates first a² + v, then v. Empty where only means are asked for.
    variances: Vec<Line>,
}

impl Queries {
    pub(crate) fn new(rows: Rows<'_>, with_variances: bool) -> Self {
        let panels: Vec<Vec<Row<'_>>> = rows
            .mean
            .chunks(PANEL * rows.dimension)
            .zip(rows.variance.chunks(PANEL * rows.dimension))
            .map(|(mean, variance)| Rows { mean, variance, dimension: rows.dimension }.iter().collect())
            .collect();
        let size = panels.len() * rows.dimension;
        let mut means = Vec::with_capacity(size);
        let mut variances = Vec::with_capacity(if with_variances { 2 * size } else { 0 });
        for start in (0..rows.dimension).step_by(DEPTH) {
            let range = start..rows.dimension.min(start + DEPTH);
            for panel in &panels {
                means.extend(range.clone().map(|d| line(panel, |row| row.mean[d])));
            }
        }
        for start in (0..rows.dimension).step_by(HALF).filter(|_| with_variances) {
            let range = start..rows.dimension.min(start + HALF);
            for panel in &panels {
                variances.extend(range.clone().map(|d| line(panel, |row| row.mean[d] * row.mean[d] + row.variance[d])));
                variances.extend(range.clone().map(|d| line(panel, |row| row.variance[d])));
            }
        }
        Self { len: rows.len(), dimension: rows.dimension, means, variances }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    pub(crate) fn panels(&self) -> usize {
        self.len.div_ceil(PANEL)
    }

    pub(super) fn means(&self) -> &[Line] {
        &self.means
    }

    pub(super) fn variances(&self) -> &[Line] {
        &self.variances
    }
}

#[inline(always)]
fn line(panel: &[Row<'_>], of: impl Fn(&Row<'_>) -> f32) -> Line {
    let mut line = Line::default();
    for (x, row) in line.0.iter_mut().zip(panel) {
        *x = of(row);
    }
    line
}
