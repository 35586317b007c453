//! Queries, packed.

use super::{DEPTH, HALF, Line, PANEL};
use crate::Rows;

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
        let Rows { mean, variance, dimension } = rows;
        let size = rows.len().div_ceil(PANEL) * dimension;
        let mut means = vec![Line::default(); size];
        let mut variances = vec![Line::default(); if with_variances { 2 * size } else { 0 }];
        let panels = || mean.chunks(PANEL * dimension).zip(variance.chunks(PANEL * dimension));
        let mut left = &mut means[..];
        for start in (0..dimension).step_by(DEPTH) {
            let range = start..dimension.min(start + DEPTH);
            for (mean, _) in panels() {
                let lines;
                (lines, left) = left.split_at_mut(range.len());
                for (lane, mean) in mean.chunks_exact(dimension).enumerate() {
                    for (line, a) in lines.iter_mut().zip(&mean[range.clone()]) {
                        line.0[lane] = *a;
                    }
                }
            }
        }
        let mut left = &mut variances[..];
        for start in (0..dimension).step_by(HALF).filter(|_| with_variances) {
            let range = start..dimension.min(start + HALF);
            for (mean, variance) in panels() {
                let (first, second);
                (first, left) = left.split_at_mut(range.len());
                (second, left) = left.split_at_mut(range.len());
                let rows = mean.chunks_exact(dimension).zip(variance.chunks_exact(dimension));
                for (lane, (mean, variance)) in rows.enumerate() {
                    let values = mean[range.clone()].iter().zip(&variance[range.clone()]);
                    for ((first, second), (a, v)) in first.iter_mut().zip(&mut *second).zip(values) {
                        (first.0[lane], second.0[lane]) = (a * a + v, *v);
                    }
                }
            }
        }
        Self { len: rows.len(), dimension, means, variances }
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
