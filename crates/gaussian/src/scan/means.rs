//! Bounds from the means alone, in each encoding.
//!
//! float32 and float16: the sums of `kernels::dot` with the margins of [`super::margin`], times the scale of the row. For
//! the error of ⟨a, c⟩ over binary16 codes, ‖c‖ ≤ 65504 √D takes the place of a second sum, for which there is
//! little time: stored rows, unless tiny, have a code of 2¹⁴ or more, so that the error is counted as if every number
//! of a row were at most four times its largest.
//!
//! int8: a = t k + r with the query's codes k, a row x = s c + e with ‖e‖ its error, or |e_i| ≤ 2⁻²⁴ |s c_i| where the
//! decoded rows are the rows. ⟨k, c⟩ and ‖c‖² are exact, ‖c‖ ≤ 128 √D, and
//!
//!   ⟨a, x⟩ = s t ⟨k, c⟩ + s ⟨r, c⟩ + ⟨a, e⟩ ≤ s t ⟨k, c⟩ + s ‖r‖ ‖c‖ + ‖a‖ ‖e‖
//!   ‖x‖ ≥ s ‖c‖ − ‖e‖,  ‖a − x‖ ≥ ‖t k − s c‖ − ‖r‖ − ‖e‖

use super::Scan;
use super::bounds::Means;
use super::finish::{ToBound, Write};
use super::margin::{known, round_up};
use crate::Score;
use crate::kernels::dot::{Code, Dots};
use crate::kernels::int8::Codes;
use crate::kernels::stream::stream;

impl Scan {
    pub(super) fn float32(&self, means: &[f32], bounds: &mut [f32]) {
        match self.bounds.score {
            Score::Cosine | Score::Uec => self.floats::<f32, 2>(means, None, Linear(self), bounds),
            Score::ProbCosine => self.floats::<f32, 2>(means, None, Quotient(self), bounds),
            _ => self.floats::<f32, 2>(means, None, Distance(self), bounds),
        }
    }

    pub(super) fn float16(&self, codes: &[u16], scales: &[f32], bounds: &mut [f32]) {
        assert_eq!(scales.len(), bounds.len(), "a scale for each row");
        match self.bounds.score {
            Score::Cosine | Score::Uec => {
                let error = self.similarity(0.0, self.mean.len() as f64 * LARGEST_BINARY16.powi(2));
                self.floats::<u16, 1>(codes, Some(scales), Halves { floor: self.bounds.floor(), error }, bounds);
            }
            Score::ProbCosine => self.floats::<u16, 2>(codes, Some(scales), Quotient(self), bounds),
            _ => self.floats::<u16, 2>(codes, Some(scales), Distance(self), bounds),
        }
    }

    fn floats<C: Code, const N: usize>(
        &self,
        rows: &[C],
        scales: Option<&[f32]>,
        to_bound: impl ToBound<f32, N>,
        bounds: &mut [f32],
    ) {
        assert_eq!(rows.len(), bounds.len() * self.mean.len(), "a bound for each row");
        let dots = Dots::<C, N>::new(&self.mean, rows);
        stream(self.level, &dots, Write { to_bound, scales, errors: None, bounds });
    }

    /// At least ⟨a, x⟩, from its computed value and that of ‖x‖².
    #[inline(always)]
    pub(super) fn similarity(&self, dot: f64, square: f64) -> f64 {
        let margin = self.margin;
        dot + (margin.gamma * self.norm * margin.above(square).sqrt() + margin.tiny)
    }

    /// What sums over codes say of a row that is `scale` times them.
    #[inline(always)]
    fn means(&self, dot: f64, square: f64, scale: f64) -> Means {
        Means { similarity: scale * self.similarity(dot, square), square: scale * scale * self.margin.below(square) }
    }

    pub(super) fn int8(&self, codes: &[i8], scales: &[f32], errors: Option<&[f32]>, bounds: &mut [f32]) {
        assert_eq!(codes.len(), bounds.len() * self.mean.len(), "a bound for each row");
        assert_eq!(scales.len(), bounds.len(), "a scale for each row");
        assert!(errors.is_none_or(|errors| errors.len() == bounds.len()), "an error for each row");
        let Some(query) = self.codes.get_or_init(|| Codes::new(&self.mean)) else {
            bounds.fill(f32::INFINITY);
            return;
        };
        // Of each decoded number, relative; where the errors say it, only what float64 rounds in the canonical routine
        // and here.
        let loss = if errors.is_some() { 1e-9 } else { (-23.0_f64).exp2() };
        let largest = 128.0 * (self.mean.len() as f64).sqrt();
        let slack = largest * (query.residual + loss * self.norm);
        let integers = Integers { scan: self, query, loss, slack, floor: self.bounds.floor() };
        let scales = Some(scales);
        match self.bounds.score {
            Score::Cosine | Score::Uec => {
                stream(self.level, &query.dots::<1>(codes), Write { to_bound: integers, scales, errors, bounds });
            }
            Score::ProbCosine => {
                let to_bound = Quotient(integers);
                stream(self.level, &query.dots::<2>(codes), Write { to_bound, scales, errors, bounds });
            }
            _ => {
                let to_bound = Distance(integers);
                stream(self.level, &query.dots::<2>(codes), Write { to_bound, scales, errors, bounds });
            }
        }
    }
}

/// The largest finite one; over an infinite one no sum is finite.
const LARGEST_BINARY16: f64 = 65504.0;

/// cosine and uec.
struct Linear<T>(T);
/// prob-cosine.
struct Quotient<T>(T);
/// wasserstein2 and csd.
struct Distance<T>(T);

impl ToBound<f32, 2> for Linear<&Scan> {
    #[inline(always)]
    fn bound(&self, sums: [f32; 2], scale: f64, _: f64) -> f32 {
        let [dot, square] = sums.map(f64::from);
        known(at_least(self.0.bounds.floor(), self.0.means(dot, square, scale).similarity), dot + square)
    }
}

impl ToBound<f32, 2> for Quotient<&Scan> {
    #[inline(always)]
    fn bound(&self, sums: [f32; 2], scale: f64, _: f64) -> f32 {
        let [dot, square] = sums.map(f64::from);
        known(self.0.bounds.quotient(self.0.means(dot, square, scale)), dot + square)
    }
}

impl ToBound<f32, 2> for Distance<&Scan> {
    #[inline(always)]
    fn bound(&self, sums: [f32; 2], scale: f64, _: f64) -> f32 {
        let [dot, square] = sums.map(f64::from);
        known(self.0.bounds.distance(self.0.means(dot, square, scale)), dot + square)
    }
}

/// cosine and uec of binary16 rows without their lengths.
struct Halves {
    floor: f64,
    /// Of ⟨a, c⟩.
    error: f64,
}

impl ToBound<f32, 1> for Halves {
    #[inline(always)]
    fn bound(&self, [dot]: [f32; 1], scale: f64, _: f64) -> f32 {
        let dot = f64::from(dot);
        known(at_least(self.floor, scale * (dot + self.error)), dot)
    }
}

/// cosine and uec of integers.
struct Integers<'a> {
    scan: &'a Scan,
    query: &'a Codes,
    loss: f64,
    /// Of ⟨a, c⟩.
    slack: f64,
    floor: f64,
}

impl Integers<'_> {
    #[inline(always)]
    fn similarity(&self, dot: i32, scale: f64, error: f64) -> f64 {
        scale * (self.query.scale * f64::from(dot) + self.slack) + self.scan.norm * (error * (1.0 + 1e-9))
    }
}

impl ToBound<i32, 1> for Integers<'_> {
    #[inline(always)]
    fn bound(&self, [dot]: [i32; 1], scale: f64, error: f64) -> f32 {
        round_up(at_least(self.floor, self.similarity(dot, scale, error)))
    }
}

impl ToBound<i32, 2> for Quotient<Integers<'_>> {
    #[inline(always)]
    fn bound(&self, [dot, square]: [i32; 2], scale: f64, error: f64) -> f32 {
        let Self(integers) = self;
        let norm = scale * f64::from(square).sqrt() * (1.0 - integers.loss) - error * (1.0 + 1e-9);
        let norm = norm.max(0.0);
        let means = Means { similarity: integers.similarity(dot, scale, error), square: norm * norm };
        round_up(integers.scan.bounds.quotient(means))
    }
}

impl ToBound<i32, 2> for Distance<Integers<'_>> {
    #[inline(always)]
    fn bound(&self, [dot, square]: [i32; 2], scale: f64, error: f64) -> f32 {
        let Self(Integers { scan, query, loss, .. }) = self;
        let square = f64::from(square);
        let distance = code_distance(query, scale, f64::from(dot), square);
        let distance = distance - query.residual - loss * scale * square.sqrt() - error * (1.0 + 1e-9);
        let distance = distance.max(0.0);
        round_up(scan.bounds.over_distance(distance * distance))
    }
}

/// The larger one; not a number if `x` is none.
#[inline(always)]
fn at_least(floor: f64, x: f64) -> f64 {
    if x < floor { floor } else { x }
}

/// At most ‖t k − s c‖, from ⟨k, c⟩ and ‖c‖².
#[inline(always)]
fn code_distance(query: &Codes, scale: f64, dot: f64, square: f64) -> f64 {
    let squares = query.scale * query.scale * query.square + scale * scale * square;
    let rounding = 16.0 * f64::EPSILON * squares;
    (squares - 2.0 * query.scale * scale * dot - rounding).max(0.0).sqrt()
}
