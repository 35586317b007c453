//! One query against consecutive rows: sums over the coordinates, four rows at a time, in one pass over memory.

use crate::simd::{Kernel, Level, Simd, dispatch};

/// How many rows run side by side: enough independent sums to hide the latency of an addition.
const ROWS: usize = 4;

/// `N` sums over the coordinates of each row.
///
/// # Safety
/// `block` may read what lies below `rows` and `dimension`, and no more: implementors have checked their slices.
pub(crate) unsafe trait Sums<const N: usize> {
    fn rows(&self) -> usize;

    fn dimension(&self) -> usize;

    /// Adds the terms of the coordinates from `d` on, as many as `part` has, of the rows `first..first + R`.
    /// `#[inline(always)]`.
    ///
    /// # Safety
    /// The CPU has the instructions of `S`; rows and coordinates lie below `rows` and `dimension`.
    unsafe fn block<S: Simd, P: Part, const R: usize>(
        &self,
        first: usize,
        d: usize,
        part: P,
        sums: &mut [[S::F32; N]; R],
    );
}

/// A vector of coordinates: all its lanes, or the first few with zeros after them.
///
/// # Safety
/// Every function: the CPU has the instructions of `S`, and the pointer is good for that many elements.
pub(crate) trait Part: Copy {
    unsafe fn load<S: Simd>(self, from: *const f32) -> S::F32;
    unsafe fn load_f16<S: Simd>(self, from: *const u16) -> S::F32;
}

#[derive(Clone, Copy)]
struct Whole;

#[derive(Clone, Copy)]
struct First(usize);

#[allow(unsafe_op_in_unsafe_fn, reason = "each function is one step under the contract of the trait")]
impl Part for Whole {
    #[inline(always)]
    unsafe fn load<S: Simd>(self, from: *const f32) -> S::F32 {
        S::load(from)
    }
    #[inline(always)]
    unsafe fn load_f16<S: Simd>(self, from: *const u16) -> S::F32 {
        S::load_f16(from)
    }
}

#[allow(unsafe_op_in_unsafe_fn, reason = "each function is one step under the contract of the trait")]
impl Part for First {
    #[inline(always)]
    unsafe fn load<S: Simd>(self, from: *const f32) -> S::F32 {
        S::load_partial(from, self.0)
    }
    #[inline(always)]
    unsafe fn load_f16<S: Simd>(self, from: *const u16) -> S::F32 {
        S::load_f16_partial(from, self.0)
    }
}

/// Hands the sums of every row to `out`, in order.
pub(crate) fn stream<const N: usize>(level: Level, sums: &impl Sums<N>, out: impl FnMut(usize, [f32; N])) {
    // SAFETY: nothing asked for beyond the instructions.
    unsafe { dispatch(level, Stream { sums, out }) }
}

struct Stream<'a, T, F, const N: usize> {
    sums: &'a T,
    out: F,
}

impl<T: Sums<N>, F: FnMut(usize, [f32; N]), const N: usize> Kernel for Stream<'_, T, F, N> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let rows = self.sums.rows();
        let mut first = 0;
        while first + ROWS <= rows {
            // SAFETY: the caller's instructions; these rows lie below `rows`.
            let sums = unsafe { group::<S, T, ROWS, N>(self.sums, first) };
            for (row, sums) in sums.into_iter().enumerate() {
                (self.out)(first + row, sums);
            }
            first += ROWS;
        }
        for row in first..rows {
            // SAFETY: as above.
            let [sums] = unsafe { group::<S, T, 1, N>(self.sums, row) };
            (self.out)(row, sums);
        }
    }
}

/// The sums of `R` rows.
///
/// # Safety
/// The CPU has the instructions of `S`; the rows lie below `sums.rows()`.
#[inline(always)]
unsafe fn group<S: Simd, T: Sums<N>, const R: usize, const N: usize>(sums: &T, first: usize) -> [[f32; N]; R] {
    let dimension = sums.dimension();
    // SAFETY: the caller's promise; each block ends at or before `dimension`.
    unsafe {
        let mut total = [[S::zero(); N]; R];
        let mut d = 0;
        while d + S::LANES <= dimension {
            sums.block::<S, Whole, R>(first, d, Whole, &mut total);
            d += S::LANES;
        }
        if d < dimension {
            sums.block::<S, First, R>(first, d, First(dimension - d), &mut total);
        }
        total.map(|row| row.map(|sum| S::reduce_add(sum)))
    }
}
