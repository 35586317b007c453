//! One query against consecutive rows: sums over the coordinates, in one pass over memory.
//!
//! A few rows run side by side, which hides the latency of additions. They are not neighbours but lie a part of all rows
//! apart, so that each is a stream of its own that runs on into its next row: the CPU fetches long streams ahead, and
//! several at once faster than one. (Four neighbouring rows: half of the speed; asking for lines ahead by
//! instructions: no more of it.)

use std::array::from_fn;

use crate::simd::{Kernel, Level, Simd, dispatch};

/// `N` sums over the coordinates of each row, `R` rows side by side: as many as the registers hold.
///
/// # Safety
/// `block` may read what lies below `rows` and `dimension`, and no more: implementors have checked their slices.
pub(crate) unsafe trait Sums<const N: usize, const R: usize> {
    /// Coordinates in a cache line: a multiple of every [`Simd::LANES`].
    const LINE: usize;

    fn rows(&self) -> usize;

    fn dimension(&self) -> usize;

    /// Asks for what the row at `d` will soon come to, where the CPU does not by itself.
    #[inline(always)]
    fn ahead<S: Simd>(&self, _row: usize, _d: usize) {}

    /// Adds the terms of the coordinates from `d` on, as many as `part` has, of `K` rows. `#[inline(always)]`.
    ///
    /// # Safety
    /// The CPU has the instructions of `S`; rows and coordinates lie below `rows` and `dimension`.
    unsafe fn block<S: Simd, P: Part, const K: usize>(
        &self,
        rows: [usize; K],
        d: usize,
        part: P,
        sums: &mut [[S::F32; N]; K],
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

/// Hands the sums of every row to `out`, in any order.
pub(crate) fn stream<const N: usize, const R: usize>(
    level: Level,
    sums: &impl Sums<N, R>,
    out: impl FnMut(usize, [f32; N]),
) {
    // SAFETY: nothing asked for beyond the instructions.
    unsafe { dispatch(level, Stream { sums, out }) }
}

struct Stream<'a, T, F, const N: usize, const R: usize> {
    sums: &'a T,
    out: F,
}

impl<T: Sums<N, R>, F: FnMut(usize, [f32; N]), const N: usize, const R: usize> Kernel for Stream<'_, T, F, N, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let rows = self.sums.rows();
        let part = rows / R;
        for first in 0..part {
            let group: [usize; R] = from_fn(|stream| stream * part + first);
            // SAFETY: the caller's instructions; R parts lie below `rows`.
            let sums = unsafe { group_sums::<S, T, N, R, R>(self.sums, group) };
            for (row, sums) in group.into_iter().zip(sums) {
                (self.out)(row, sums);
            }
        }
        for row in part * R..rows {
            // SAFETY: as above.
            let [sums] = unsafe { group_sums::<S, T, N, R, 1>(self.sums, [row]) };
            (self.out)(row, sums);
        }
    }
}

/// The sums of `K` rows.
///
/// # Safety
/// The CPU has the instructions of `S`; the rows lie below `sums.rows()`.
#[inline(always)]
unsafe fn group_sums<S: Simd, T: Sums<N, R>, const N: usize, const R: usize, const K: usize>(
    sums: &T,
    rows: [usize; K],
) -> [[f32; N]; K] {
    let dimension = sums.dimension();
    // SAFETY: the caller's promise; each block ends at or before `dimension`.
    unsafe {
        let mut total = [[S::zero(); N]; K];
        let mut d = 0;
        while d + T::LINE <= dimension {
            for row in rows {
                sums.ahead::<S>(row, d);
            }
            for d in (d..d + T::LINE).step_by(S::LANES) {
                sums.block::<S, Whole, K>(rows, d, Whole, &mut total);
            }
            d += T::LINE;
        }
        while d + S::LANES <= dimension {
            sums.block::<S, Whole, K>(rows, d, Whole, &mut total);
            d += S::LANES;
        }
        if d < dimension {
            sums.block::<S, First, K>(rows, d, First(dimension - d), &mut total);
        }
        // Not `map`: a closure inside a function that is not inlined would lose the instructions.
        let mut sums = [[0.0; N]; K];
        for row in 0..K {
            for sum in 0..N {
                sums[row][sum] = S::reduce_add(total[row][sum]);
            }
        }
        sums
    }
}
