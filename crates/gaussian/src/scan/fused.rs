//! Bounds from means and variances of float32 rows, in one pass over both.
//!
//! σ_s²: p = a² + v is rounded once, v b once; where v b falls below the normal numbers it is off by 2⁻¹⁵⁰, which then is
//! multiplied by |b|: 2⁻¹⁵⁰ √D ‖b‖ in all, besides 2 D 2⁻¹⁵⁰ of the other products. A p below the normal numbers counts
//! as 0: σ_s² is known from below only.
//!
//! wasserstein2: r = fl(√w), q = fl(√v) are off by 2⁻²⁴ relative, so that
//! ‖√w − √v‖ ≥ ‖r − q‖ − 2⁻²⁴ (‖√w‖ + ‖√v‖); twice that is taken.

use super::Scan;
use super::bounds::Range;
use super::margin::{Margin, known};
use crate::Rows;
use crate::kernels::distance::Distances;
use crate::kernels::moments::{Moments, Query};
use crate::kernels::stream::stream;

impl Scan {
    pub(super) fn uec(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        stream(self.level, &Moments::<4>::new(self.query(), rows), |row, sums| {
            let [dot, rows, query, square] = sums.map(f64::from);
            let means = self.means(dot, square, 1.0);
            let bound = self.bounds.uec(means.similarity, self.variance_range(rows + query, square));
            bounds[row] = known(bound, dot + rows + query + square);
        });
    }

    pub(super) fn prob_cosine(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        stream(self.level, &Moments::<5>::new(self.query(), rows), |row, sums| {
            let [dot, rows, query, square, trace] = sums.map(f64::from);
            let means = self.means(dot, square, 1.0);
            let second = square + trace;
            let second = Range { below: self.margin.below(second), above: self.margin.above(second) };
            let bound = self.bounds.prob_cosine(means.similarity, self.variance_range(rows + query, square), second);
            bounds[row] = known(bound, dot + rows + query + square + trace);
        });
    }

    pub(super) fn csd(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        let kernel = Distances::<2>::new(&self.mean, &self.deviation, rows);
        stream(self.level, &kernel, |row, sums| {
            let [distance, trace] = sums.map(f64::from);
            let square = self.margin.below(distance + trace);
            bounds[row] = known(self.bounds.over_distance(square), distance + trace);
        });
    }

    pub(super) fn wasserstein2(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        let kernel = Distances::<3>::new(&self.mean, &self.deviation, rows);
        stream(self.level, &kernel, |row, sums| {
            let [distance, trace, roots] = sums.map(f64::from);
            let rounding = f64::from(f32::EPSILON) * (self.spread + self.margin.above(trace).sqrt());
            let root = (self.margin.below(roots).sqrt() - rounding).max(0.0);
            let square = self.margin.below(distance) + root * root;
            bounds[row] = known(self.bounds.over_distance(square), distance + trace + roots);
        });
    }

    fn query(&self) -> Query<'_> {
        Query { mean: &self.mean, second: &self.second, variance: &self.variance }
    }

    /// Of σ_s², from its computed value and that of ‖b‖².
    #[inline(always)]
    fn variance_range(&self, variance: f64, square: f64) -> Range {
        let norm = self.margin.above(square).sqrt();
        let margin = Margin { tiny: self.margin.tiny * (2.0 + norm), ..self.margin };
        Range {
            below: margin.below(variance),
            above: if self.flushed { f64::INFINITY } else { margin.above(variance) },
        }
    }
}
