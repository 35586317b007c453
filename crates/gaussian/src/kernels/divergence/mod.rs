//! The sums of the scores with logarithms or quotients of variances, of one query (a, v) and each of many rows (b, w),
//! in one pass over b and w (method §6). With Δ = a − b and y = v + w:
//!
//!   jeffreys             Σ [ Δ² y + (v − w)² ]/(v w)     the same as Σ (v + Δ²)/w + (w + Δ²)/v − 2, but nothing cancels
//!   kl                   Σ (v + Δ²)/w                     and Σ log w
//!   bhattacharyya        Σ 2Δ²/y                          and Σ log h,  h = (2v/y)(2w/y) = 4 v w/y²
//!   expected-likelihood  Σ Δ²/y                           and Σ log y
//!
//! Σ log x is the logarithm of a product, whose mantissa and exponent are kept apart: a multiplication a coordinate, one
//! logarithm a row.

mod form;

use std::f64::consts::LN_2;
use std::marker::PhantomData;

use crate::Rows;
use crate::simd::{Kernel, Level, Simd, dispatch};
pub(crate) use form::{Bhattacharyya, ExpectedLikelihood, Form, Jeffreys, Kl};

/// The factors, and where [`Form::QUERY`] the v, of which all products and quotients formed here are normal numbers. For
/// bhattacharyya w and y then lie within 2^±102.
const RANGE: (f32, f32) = (1.0 / (1_u64 << 50) as f32, (1_u64 << 50) as f32);
/// Twice the lanes of the widest level.
const STEP_MAX: usize = 32;
/// Coordinates per float32 sum; their sums are added in float64.
const RUN: usize = 512;
/// Sums of more exponents might not be exact.
const MOST: usize = 1 << 18;

/// A query, filled up with coordinates that add nothing.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    mean: Vec<f32>,
    variance: Vec<f32>,
    dimension: usize,
}

impl Query {
    /// None for a query of which the sums could be anything.
    pub(crate) fn new<F: Form>(mean: &[f32], variance: &[f32]) -> Option<Self> {
        let dimension = mean.len();
        let within = |v: &f32| (RANGE.0..=RANGE.1).contains(v);
        if dimension > MOST || (F::QUERY && !variance.iter().all(within)) {
            return None;
        }
        let fill = |x: &[f32], neutral| {
            let mut x = x.to_vec();
            x.resize(dimension.next_multiple_of(STEP_MAX), neutral);
            x
        };
        Some(Self { mean: fill(mean, 0.0), variance: fill(variance, F::NEUTRAL), dimension })
    }
}

/// What was computed of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums {
    /// Σ of the terms: [`roundings`] on the longest chain. Not finite where something overflowed.
    pub(crate) sum: f64,
    /// Σ of the logarithms of the factors, of a product with a rounding a coordinate besides those of the factors; 0
    /// where the form has none.
    pub(crate) log: f64,
}

/// Of [`Sums::sum`].
pub(crate) fn roundings(dimension: usize, level: Level) -> usize {
    dimension.min(RUN).div_ceil(2 * level.lanes()) + 13
}

/// Hands the sums of every row to `out`, in order; none where a factor is out of range.
///
/// # Panics
/// Unless query and rows have one dimension.
pub(crate) fn divergences<F: Form>(level: Level, query: &Query, rows: Rows<'_>, out: impl FnMut(usize, Option<Sums>)) {
    assert_eq!(rows.dimension, query.dimension, "one dimension");
    // SAFETY: `Divergences` reads whole rows and a query that is filled up.
    unsafe { dispatch(level, Divergences::<F, _> { query, rows, out, form: PhantomData }) }
}

struct Divergences<'a, F, O> {
    query: &'a Query,
    rows: Rows<'a>,
    out: O,
    form: PhantomData<F>,
}

impl<F: Form, O: FnMut(usize, Option<Sums>)> Kernel for Divergences<'_, F, O> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        const { assert!(STEP_MAX.is_multiple_of(2 * S::LANES)) };
        let dimension = self.query.dimension;
        let whole = dimension - dimension % (2 * S::LANES);
        for (index, row) in self.rows.iter().enumerate() {
            // SAFETY: the caller's instructions; a step reads 2 × LANES coordinates, which lie below `whole` or, in the
            // query, in what it was filled up with.
            let sums = unsafe {
                let mut state = State::<S>::new();
                let (a, v) = (self.query.mean.as_ptr(), self.query.variance.as_ptr());
                for start in (0..whole).step_by(RUN) {
                    for d in (start..whole.min(start + RUN)).step_by(2 * S::LANES) {
                        state.step::<F>(a.add(d), v.add(d), row.mean.as_ptr().add(d), row.variance.as_ptr().add(d));
                    }
                    state.empty();
                }
                if whole < dimension {
                    let (mut mean, mut variance) = ([0.0; STEP_MAX], [1.0; STEP_MAX]);
                    mean[..dimension - whole].copy_from_slice(&row.mean[whole..]);
                    variance[..dimension - whole].copy_from_slice(&row.variance[whole..]);
                    state.step::<F>(a.add(whole), v.add(whole), mean.as_ptr(), variance.as_ptr());
                    state.empty();
                }
                state.finish::<F>()
            };
            (self.out)(index, sums);
        }
    }
}

struct State<S: Simd> {
    total: f64,
    sums: [S::F32; 2],
    mantissa: S::F32,
    exponent: S::F32,
    lowest: S::F32,
    highest: S::F32,
}

/// # Safety
/// Every function: the CPU has the instructions of `S`.
impl<S: Simd> State<S> {
    #[inline(always)]
    unsafe fn new() -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let (zero, one) = (S::zero(), S::splat(1.0));
            Self { total: 0.0, sums: [zero; 2], mantissa: one, exponent: zero, lowest: one, highest: one }
        }
    }

    /// Adds 2 × LANES coordinates, to which the pointers are good.
    #[inline(always)]
    unsafe fn step<F: Form>(&mut self, a: *const f32, v: *const f32, b: *const f32, w: *const f32) {
        // SAFETY: the caller's promise.
        unsafe {
            let terms = |at: usize| {
                let delta = S::sub(S::load(a.add(at)), S::load(b.add(at)));
                F::terms::<S>(delta, S::load(v.add(at)), S::load(w.add(at)))
            };
            let ((x, f), (y, g)) = (terms(0), terms(S::LANES));
            self.sums = [S::add(self.sums[0], x), S::add(self.sums[1], y)];
            self.lowest = S::min(self.lowest, S::min(f, g));
            self.highest = S::max(self.highest, S::max(f, g));
            if F::LOG {
                // Within 2^±100, and 2^±101 with the mantissa so far.
                let product = S::mul(self.mantissa, S::mul(f, g));
                self.exponent = S::add(self.exponent, S::exponent(product));
                self.mantissa = S::mantissa(product);
            }
        }
    }

    /// Empties the float32 sums into the total.
    #[inline(always)]
    unsafe fn empty(&mut self) {
        // SAFETY: the caller's promise.
        unsafe {
            self.total += f64::from(S::reduce_add(S::add(self.sums[0], self.sums[1])));
            self.sums = [S::zero(); 2];
        }
    }

    #[inline(always)]
    unsafe fn finish<F: Form>(self) -> Option<Sums> {
        // SAFETY: the caller's promise.
        unsafe {
            let lowest = lanes::<S>(self.lowest).into_iter().fold(1.0, f32::min);
            let highest = lanes::<S>(self.highest).into_iter().fold(1.0, f32::max);
            if lowest < RANGE.0 || highest > RANGE.1 {
                return None;
            }
            let log = if F::LOG {
                // Below 2^16.
                let mantissa: f64 = lanes::<S>(self.mantissa).into_iter().map(f64::from).product();
                mantissa.ln() + f64::from(S::reduce_add(self.exponent)) * LN_2
            } else {
                0.0
            };
            Some(Sums { sum: self.total, log })
        }
    }
}

/// The lanes of a vector, then ones.
///
/// # Safety
/// The CPU has the instructions of `S`.
#[inline(always)]
unsafe fn lanes<S: Simd>(x: S::F32) -> [f32; STEP_MAX / 2] {
    let mut lanes = [1.0; STEP_MAX / 2];
    // SAFETY: the caller's promise; there is room for the widest vector.
    unsafe { S::store(lanes.as_mut_ptr(), x) };
    lanes
}

#[cfg(test)]
mod tests;
