//! ⟨a, x⟩ and ‖x‖² of one query and each of many rows, in one pass over the rows.

use super::stream::{Part, Sums, ask};
use crate::simd::Simd;

/// A number of a row as it is stored, read as float32.
pub(crate) trait Code: Copy {
    /// How many numbers ahead to ask for a row's, 0 where the CPU does by itself.
    const AHEAD: usize;

    /// # Safety
    /// The CPU has the instructions of `S`; the pointer is good for what `part` reads.
    unsafe fn load<S: Simd, P: Part>(part: P, from: *const Self) -> S::F32;
}

impl Code for f32 {
    const AHEAD: usize = 0;

    #[inline(always)]
    unsafe fn load<S: Simd, P: Part>(part: P, from: *const Self) -> S::F32 {
        // SAFETY: the caller's promise.
        unsafe { part.load::<S>(from) }
    }
}

/// ⟨a, x⟩ of each row x, and ‖x‖² if `N` is 2. On the longest chain lie ⌈D/lanes⌉ + 5 roundings.
pub(crate) struct Dots<'a, C, const N: usize> {
    query: &'a [f32],
    rows: &'a [C],
}

impl<'a, C: Code, const N: usize> Dots<'a, C, N> {
    /// # Panics
    /// Unless `rows` has whole rows of the query's dimension.
    pub(crate) fn new(query: &'a [f32], rows: &'a [C]) -> Self {
        const { assert!(N == 1 || N == 2) };
        assert!(rows.len().is_multiple_of(query.len()), "whole rows");
        Self { query, rows }
    }
}

// SAFETY: `new` checked that there are whole rows.
unsafe impl<C: Code, const N: usize> Sums<N, 4> for Dots<'_, C, N> {
    // For two sums half a line of binary16: a whole one, unrolled, does not fit the registers of AVX2.
    const LINE: usize = if N == 2 { 16 } else { 64 / size_of::<C>() };

    fn rows(&self) -> usize {
        self.rows.len().checked_div(self.query.len()).unwrap_or(0)
    }

    fn dimension(&self) -> usize {
        self.query.len()
    }

    #[inline(always)]
    fn begin<S: Simd>(&self, row: usize) {
        ask::<S, _>(self.rows.as_ptr().wrapping_add(row * self.query.len()), C::AHEAD);
    }

    #[inline(always)]
    fn ahead<S: Simd>(&self, row: usize, d: usize) {
        if C::AHEAD > 0 {
            ask::<S, _>(self.rows.as_ptr().wrapping_add(row * self.query.len() + d + C::AHEAD), 1);
        }
    }

    #[inline(always)]
    unsafe fn block<S: Simd, P: Part, const K: usize>(
        &self,
        rows: [usize; K],
        d: usize,
        part: P,
        sums: &mut [[S::F32; N]; K],
    ) {
        // SAFETY: the caller's promise: row and coordinate are within.
        unsafe {
            let a = part.load::<S>(self.query.as_ptr().add(d));
            for (row, sums) in rows.into_iter().zip(sums) {
                let at = self.rows.as_ptr().add(row * self.query.len() + d);
                let x = C::load::<S, P>(part, at);
                sums[0] = S::fma(a, x, sums[0]);
                if N == 2 {
                    sums[1] = S::fma(x, x, sums[1]);
                }
            }
        }
    }
}
