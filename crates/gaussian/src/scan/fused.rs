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
use super::finish::{ToBound, Write};
use super::margin::{Margin, known};
use crate::Rows;
use crate::kernels::distance::Distances;
use crate::kernels::moments::{Moments, Query};
use crate::kernels::stream::{Groups, stream};

struct Uec<'a>(&'a Scan);

impl ToBound<f32, 4> for Uec<'_> {
    #[inline(always)]
    fn bound(&self, sums: [f32; 4], _: f64, _: f64) -> f32 {
        let Self(scan) = self;
        let [dot, rows, query, square] = sums.map(f64::from);
        let bound = scan.bounds.uec(scan.similarity(dot, square), scan.variance_range(rows + query, square));
        known(bound, dot + rows + query + square)
    }
}

struct ProbCosine<'a>(&'a Scan);

impl ToBound<f32, 5> for ProbCosine<'_> {
    #[inline(always)]
    fn bound(&self, sums: [f32; 5], _: f64, _: f64) -> f32 {
        let Self(scan) = self;
        let [dot, rows, query, square, trace] = sums.map(f64::from);
        let second = square + trace;
        let second = Range { below: scan.margin.below(second), above: scan.margin.above(second) };
        let variance = scan.variance_range(rows + query, square);
        let bound = scan.bounds.prob_cosine(scan.similarity(dot, square), variance, second);
        known(bound, dot + rows + query + square + trace)
    }
}

struct Csd<'a>(&'a Scan);

impl ToBound<f32, 2> for Csd<'_> {
    #[inline(always)]
    fn bound(&self, sums: [f32; 2], _: f64, _: f64) -> f32 {
        let Self(scan) = self;
        let sum = f64::from(sums[0]) + f64::from(sums[1]);
        known(scan.bounds.over_distance(scan.margin.below(sum)), sum)
    }
}

struct Wasserstein2<'a>(&'a Scan);

impl ToBound<f32, 3> for Wasserstein2<'_> {
    #[inline(always)]
    fn bound(&self, sums: [f32; 3], _: f64, _: f64) -> f32 {
        let Self(scan) = self;
        let [distance, trace, roots] = sums.map(f64::from);
        let rounding = f64::from(f32::EPSILON) * (scan.spread + scan.margin.above(trace).sqrt());
        let root = (scan.margin.below(roots).sqrt() - rounding).max(0.0);
        let square = scan.margin.below(distance) + root * root;
        known(scan.bounds.over_distance(square), distance + trace + roots)
    }
}

impl Scan {
    pub(super) fn uec(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        self.fused(&Moments::<4>::new(self.query(), rows), Uec(self), bounds);
    }

    pub(super) fn prob_cosine(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        self.fused(&Moments::<5>::new(self.query(), rows), ProbCosine(self), bounds);
    }

    pub(super) fn csd(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        self.fused(&Distances::<2>::new(&self.mean, &self.deviation, rows), Csd(self), bounds);
    }

    pub(super) fn wasserstein2(&self, rows: Rows<'_>, bounds: &mut [f32]) {
        self.fused(&Distances::<3>::new(&self.mean, &self.deviation, rows), Wasserstein2(self), bounds);
    }

    fn fused<const N: usize, const R: usize>(
        &self,
        sums: &impl Groups<f32, N, R>,
        to_bound: impl ToBound<f32, N>,
        bounds: &mut [f32],
    ) {
        stream(self.level, sums, Write { to_bound, scales: None, errors: None, bounds });
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
