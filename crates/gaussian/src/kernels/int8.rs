//! Integer dot products of one query in int16 codes k and rows of int8 codes c: ⟨k, c⟩ and ‖c‖², exactly.

use std::array::from_fn;

use crate::simd::{CODES_MAX, Kernel, Level, Simd, dispatch};

/// Rows side by side, as far apart as in [`super::stream`].
const ROWS: usize = 4;

/// Codes in a cache line.
const LINE: usize = 64;

/// Bytes ahead of each stream to ask for.
const AHEAD: usize = 512;

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

    /// Hands ⟨k, c⟩ and, if `SQUARES`, ‖c‖² (otherwise 0) of every row c to `out`, in any order.
    ///
    /// # Panics
    /// Unless `rows` has whole rows of the query's dimension.
    pub(crate) fn stream<const SQUARES: bool>(&self, level: Level, rows: &[i8], out: impl FnMut(usize, i32, i32)) {
        assert!(rows.len().is_multiple_of(self.dimension), "whole rows");
        let kernel = Stream::<_, SQUARES> { query: &self.codes, rows, dimension: self.dimension, out };
        // SAFETY: whole rows, and a query padded beyond them.
        unsafe { dispatch(level, kernel) }
    }
}

struct Stream<'a, F, const SQUARES: bool> {
    /// Padded to [`CODES_MAX`].
    query: &'a [i16],
    /// Whole rows.
    rows: &'a [i8],
    dimension: usize,
    out: F,
}

impl<F: FnMut(usize, i32, i32), const SQUARES: bool> Kernel for Stream<'_, F, SQUARES> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let rows = self.rows.len().checked_div(self.dimension).unwrap_or(0);
        let part = rows / ROWS;
        for first in 0..part {
            let group: [usize; ROWS] = from_fn(|stream| stream * part + first);
            // SAFETY: the caller's instructions; these rows lie within.
            let sums = unsafe { self.group_sums::<S, ROWS>(group) };
            for (row, [dot, square]) in group.into_iter().zip(sums) {
                (self.out)(row, dot, square);
            }
        }
        for row in part * ROWS..rows {
            // SAFETY: as above.
            let [[dot, square]] = unsafe { self.group_sums::<S, 1>([row]) };
            (self.out)(row, dot, square);
        }
    }
}

impl<F, const SQUARES: bool> Stream<'_, F, SQUARES> {
    /// # Safety
    /// The CPU has the instructions of `S`; the rows lie within.
    #[inline(always)]
    unsafe fn group_sums<S: Simd, const K: usize>(&self, rows: [usize; K]) -> [[i32; 2]; K] {
        let (dimension, whole) = (self.dimension, self.dimension - self.dimension % S::CODES);
        // SAFETY: the caller's promise; `d` steps to `whole` ≤ `dimension`, and a whole step more lies in the padding of
        // the query.
        unsafe {
            let starts = rows.map(|row| self.rows.as_ptr().add(row * dimension));
            let mut sums = [[S::zero_i32(); 2]; K];
            let mut d = 0;
            while d + LINE <= dimension {
                for start in starts {
                    S::prefetch(start.cast::<u8>().wrapping_add(d + AHEAD));
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
            let mut totals = [[0; 2]; K];
            for (total, [dot, square]) in totals.iter_mut().zip(sums) {
                *total = [S::reduce_add_i32(dot), if SQUARES { S::reduce_add_i32(square) } else { 0 }];
            }
            totals
        }
    }

    /// # Safety
    /// The CPU has the instructions of `S`; rows of whole vectors begin at `starts + d`.
    #[inline(always)]
    unsafe fn step<S: Simd, const K: usize>(&self, starts: [*const i8; K], d: usize, sums: &mut [[S::I32; 2]; K]) {
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
    unsafe fn add<S: Simd>([dot, square]: &mut [S::I32; 2], k: S::I16, c: S::I16) {
        // SAFETY: the caller's promise.
        unsafe {
            *dot = S::dot_i16(*dot, k, c);
            if SQUARES {
                *square = S::dot_i16(*square, c, c);
            }
        }
    }
}
