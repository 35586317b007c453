//! Integer dot products of one query in int16 codes k and rows of int8 codes c: ⟨k, c⟩ and ‖c‖², exactly.

use super::stream::{Groups, ask};
use crate::simd::{CODES_MAX, Simd};

/// Rows side by side, as far apart as in [`super::stream`].
const ROWS: usize = 4;

/// Codes in a cache line.
const LINE: usize = 64;

/// Codes ahead to ask for a row's.
const AHEAD: usize = 1024;

/// A query as integers: a = scale × k + residual. Padded with zeros.
#[derive(Clone, Debug)]
pub(crate) struct Codes {
    codes: Vec<i16>,
    dimension: usize,
    /// Positive.
    pub(crate) scale: f64,
    /// ‖k‖².
    pub(crate) square: f64,
    /// ‖a − scale × k‖, rounded up.
    pub(crate) residual: f64,
}

impl Codes {
    /// The largest ‖c‖² is 2¹⁴ D, and Σ |k| is kept at 2²⁴ − 1, so that no sum over rows of any int8 leaves int32. None
    /// where that is impossible: D above 2¹⁷ − 1.
    pub(crate) fn new(query: &[f32]) -> Option<Self> {
        const LARGEST_SUM: f64 = 16_777_215.0;
        let dimension = query.len();
        if dimension >= 1 << 17 {
            return None;
        }
        let max = query.iter().fold(0.0_f32, |max, x| max.max(x.abs()));
        let sum: f64 = query.iter().map(|x| f64::from(x.abs())).sum();
        // Each code rounds by at most a half: D of them stay below D.
        let scale = (f64::from(max) / f64::from(i16::MAX)).max(sum / (LARGEST_SUM - dimension as f64));
        let scale = if scale > 0.0 { scale } else { 1.0 };
        let mut codes: Vec<i16> = query.iter().map(|x| (f64::from(*x) / scale).round() as i16).collect();
        let square: f64 = codes.iter().map(|k| f64::from(*k) * f64::from(*k)).sum();
        let rest = |(x, k): (&f32, &i16)| (f64::from(*x) - scale * f64::from(*k)).powi(2);
        // float64 is off by far less than this factor allows, but for the rounding of scale × k.
        let rounding = f64::EPSILON * scale * square.sqrt();
        let residual = (query.iter().zip(&codes).map(rest).sum::<f64>().sqrt() + rounding) * (1.0 + 1e-9);
        codes.resize(dimension.next_multiple_of(CODES_MAX), 0);
        Some(Self { codes, dimension, scale, square, residual })
    }

    /// ⟨k, c⟩ of every row c, and ‖c‖² if `N` is 2.
    ///
    /// # Panics
    /// Unless `rows` has whole rows of the query's dimension.
    pub(crate) fn dots<'a, const N: usize>(&'a self, rows: &'a [i8]) -> Dots<'a, N> {
        const { assert!(N == 1 || N == 2) };
        assert!(rows.len().is_multiple_of(self.dimension), "whole rows");
        Dots { query: &self.codes, rows, dimension: self.dimension }
    }
}

/// See [`Codes::dots`].
pub(crate) struct Dots<'a, const N: usize> {
    /// Padded to [`CODES_MAX`].
    query: &'a [i16],
    /// Whole rows.
    rows: &'a [i8],
    dimension: usize,
}

// SAFETY: `Codes::dots` checked that there are whole rows, and a query is padded beyond them.
unsafe impl<const N: usize> Groups<i32, N, ROWS> for Dots<'_, N> {
    fn rows(&self) -> usize {
        self.rows.len().checked_div(self.dimension).unwrap_or(0)
    }

    #[inline(always)]
    fn begin<S: Simd>(&self, row: usize) {
        ask::<S, _>(self.rows.as_ptr().wrapping_add(row * self.dimension), AHEAD);
    }

    #[inline(always)]
    unsafe fn group<S: Simd, const K: usize>(&self, rows: [usize; K]) -> [[i32; N]; K] {
        let (dimension, whole) = (self.dimension, self.dimension - self.dimension % S::CODES);
        // SAFETY: the caller's promise; `d` steps to `whole` ≤ `dimension`, and a whole step more lies in the padding of
        // the query.
        unsafe {
            let starts = rows.map(|row| self.rows.as_ptr().add(row * dimension));
            let mut sums = [[S::zero_i32(); N]; K];
            let mut d = 0;
            while d + LINE <= dimension {
                for start in starts {
                    ask::<S, _>(start.wrapping_add(d + AHEAD), 1);
                }
                for d in (d..d + LINE).step_by(S::CODES) {
                    self.step::<S, K>(starts, d, &mut sums);
                }
                d += LINE;
            }
            for d in (d..whole).step_by(S::CODES) {
                self.step::<S, K>(starts, d, &mut sums);
            }
            if whole < dimension {
                let k = S::load_i16(self.query.as_ptr().add(whole));
                for (sums, start) in sums.iter_mut().zip(starts) {
                    Self::add::<S>(sums, k, S::load_i8_partial(start.add(whole), dimension - whole));
                }
            }
            // Not `map`: a closure inside a function that is not inlined would lose the instructions.
            let mut totals = [[0; N]; K];
            for (totals, sums) in totals.iter_mut().zip(sums) {
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total = S::reduce_add_i32(sum);
                }
            }
            totals
        }
    }
}

impl<const N: usize> Dots<'_, N> {
    /// # Safety
    /// The CPU has the instructions of `S`; rows of whole vectors begin at `starts + d`.
    #[inline(always)]
    unsafe fn step<S: Simd, const K: usize>(&self, starts: [*const i8; K], d: usize, sums: &mut [[S::I32; N]; K]) {
        // SAFETY: the caller's promise.
        unsafe {
            let k = S::load_i16(self.query.as_ptr().add(d));
            for (sums, start) in sums.iter_mut().zip(starts) {
                Self::add::<S>(sums, k, S::load_i8(start.add(d)));
            }
        }
    }

    /// # Safety
    /// The CPU has the instructions of `S`.
    #[inline(always)]
    unsafe fn add<S: Simd>(sums: &mut [S::I32; N], k: S::I16, c: S::I16) {
        // SAFETY: the caller's promise.
        unsafe {
            sums[0] = S::dot_i16(sums[0], k, c);
            if N == 2 {
                sums[1] = S::dot_i16(sums[1], c, c);
            }
        }
    }
}
