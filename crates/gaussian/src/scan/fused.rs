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
use super::margin::{Margin, round_up};
use crate::Rows;
use crate::kernels::distance::Distances;
use crate::kernels::moments::{Moments, Query};
use crate::kernels::stream::stream;

impl Scan {
    pub(super) fn uec(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        stream(self.level, &Moments::<3>::new(self.query(), rows), |row, [dot, variance, square]| {
            let means = self.means(dot, square, 1.0);
            bounds[row] = round_up(self.bounds.uec(means.similarity, self.variance_range(variance, square)));
        });
    }

    pub(super) fn prob_cosine(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        stream(self.level, &Moments::<4>::new(self.query(), rows), |row, [dot, variance, square, trace]| {
            let means = self.means(dot, square, 1.0);
            let second = f64::from(square) + f64::from(trace);
            let second = Range { below: self.margin.below(second), above: self.margin.above(second) };
            let variance = self.variance_range(variance, square);
            bounds[row] = round_up(self.bounds.prob_cosine(means.similarity, variance, second));
        });
    }

    pub(super) fn csd(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        let kernel = Distances::<2>::new(&self.mean, &self.deviation, rows);
        stream(self.level, &kernel, |row, [distance, trace]| {
            let square = self.margin.below(f64::from(distance) + f64::from(trace));
            bounds[row] = round_up(self.bounds.from_square_distance(square));
        });
    }

    pub(super) fn wasserstein2(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        let kernel = Distances::<3>::new(&self.mean, &self.deviation, rows);
        stream(self.level, &kernel, |row, [distance, trace, roots]| {
            let rounding = (-23.0_f64).exp2() * (self.spread + self.margin.above(f64::from(trace)).sqrt());
            let roots = (self.margin.below(f64::from(roots)).sqrt() - rounding).max(0.0);
            let square = self.margin.below(f64::from(distance)) + roots * roots;
            bounds[row] = round_up(self.bounds.from_square_distance(square));
        });
    }

    fn query(&self) -> Query<'_> {
        Query { mean: &self.mean, second: &self.second, variance: &self.variance }
    }

    /// Of σ_s², from its computed value and that of ‖b‖².
    #[inline(always)]
    fn variance_range(&self, variance: f32, square: f32) -> Range {
        let variance = f64::from(variance);
        let norm = self.margin.above(f64::from(square)).sqrt();
        let margin = Margin { tiny: self.margin.tiny * (2.0 + norm), ..self.wide };
        Range {
            below: margin.below(variance),
            above: if self.flushed { f64::INFINITY } else { margin.above(variance) },
        }
    }
}
