//! One query against consecutive rows: sums over the coordinates, in one pass over memory.
//!
//! A few rows run side by side, which hides the latency of additions. They are not neighbours but lie a part of all rows
//! apart, so that each is a stream of its own that runs on into its next row: the CPU fetches long streams ahead, and
//! several at once faster than one. (Four neighbouring rows: half of the speed; asking for lines ahead by
//! instructions: no more of it.)

use std::array::from_fn;
use std::marker::PhantomData;
use std::ops::Range;

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

    /// As [`Groups::begin`], where the CPU does not by itself.
    #[inline(always)]
    fn begin<S: Simd>(&self, _row: usize) {}

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

/// Rows whose sums are handed on together: enough for vectors of every width, and so few that memory hardly waits
/// meanwhile.
pub(crate) const BLOCK: usize = 8;

/// The sums of `K` rows at a time.
///
/// # Safety
/// `group` may read the rows below `rows`, and no more: implementors have checked their slices.
pub(crate) unsafe trait Groups<T, const N: usize, const R: usize> {
    fn rows(&self) -> usize;

    /// Asks for the beginning of a row that begins a stream: the CPU cannot foresee it, and its first lines would come one
    /// after the other.
    fn begin<S: Simd>(&self, row: usize);

    /// `#[inline(always)]`.
    ///
    /// # Safety
    /// The CPU has the instructions of `S`; the rows lie below `rows`.
    unsafe fn group<S: Simd, const K: usize>(&self, rows: [usize; K]) -> [[T; N]; K];
}

// SAFETY: the promise of `Sums`.
unsafe impl<T: Sums<N, R>, const N: usize, const R: usize> Groups<f32, N, R> for T {
    fn rows(&self) -> usize {
        Sums::rows(self)
    }

    #[inline(always)]
    fn begin<S: Simd>(&self, row: usize) {
        Sums::begin::<S>(self, row);
    }

    #[inline(always)]
    unsafe fn group<S: Simd, const K: usize>(&self, rows: [usize; K]) -> [[f32; N]; K] {
        // SAFETY: the caller's promise.
        unsafe { group_sums::<S, T, N, R, K>(self, rows) }
    }
}

/// Asks for the cache lines of `count` numbers at `at`, which may lie outside every object.
#[inline(always)]
pub(crate) fn ask<S: Simd, T>(at: *const T, count: usize) {
    for line in (0..count * size_of::<T>()).step_by(64) {
        // SAFETY: asking is allowed anywhere, and every CPU of the target can.
        unsafe { S::prefetch(at.cast::<u8>().wrapping_add(line)) };
    }
}

/// What becomes of the sums.
pub(crate) trait Finish<T, const N: usize> {
    /// Asks for what the rows from this one on need besides their sums.
    fn begin<S: Simd>(&self, row: usize);

    /// Takes the sums of consecutive rows, at most [`BLOCK`]; what lies behind them in the arrays is anything.
    /// `#[inline(always)]`, so that its loops become vectors of the level.
    fn finish<S: Simd>(&mut self, rows: Range<usize>, sums: &[[T; BLOCK]; N]);
}

/// Hands the sums of every row to `finish`, once, in any order.
pub(crate) fn stream<T: Copy + Default, const N: usize, const R: usize>(
    level: Level,
    groups: &impl Groups<T, N, R>,
    finish: impl Finish<T, N>,
) {
    // SAFETY: nothing asked for beyond the instructions.
    unsafe { dispatch(level, Stream { groups, finish, sums: PhantomData }) }
}

struct Stream<'a, G, F, T, const N: usize, const R: usize> {
    groups: &'a G,
    finish: F,
    sums: PhantomData<[[T; N]; R]>,
}

impl<G: Groups<T, N, R>, F: Finish<T, N>, T: Copy + Default, const N: usize, const R: usize> Kernel
    for Stream<'_, G, F, T, N, R>
{
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        const { assert!(R <= BLOCK) };
        let rows = self.groups.rows();
        let part = rows / R;
        for first in (0..part * R).step_by(part.max(1)) {
            self.groups.begin::<S>(first);
            self.finish.begin::<S>(first);
        }
        let mut sums = [[[T::default(); BLOCK]; N]; R];
        for first in (0..part).step_by(BLOCK) {
            let count = BLOCK.min(part - first);
            for i in 0..count {
                // SAFETY: the caller's instructions; R parts lie below `rows`.
                let group = unsafe { self.groups.group::<S, R>(from_fn(|stream| stream * part + first + i)) };
                for (sums, row) in sums.iter_mut().zip(group) {
                    for (sums, sum) in sums.iter_mut().zip(row) {
                        sums[i] = sum;
                    }
                }
            }
            for (stream, sums) in sums.iter().enumerate() {
                let row = stream * part + first;
                self.finish.finish::<S>(row..row + count, sums);
            }
        }
        let rest = part * R..rows;
        for (i, row) in rest.clone().enumerate() {
            // SAFETY: as above.
            let [row] = unsafe { self.groups.group::<S, 1>([row]) };
            for (sums, sum) in sums[0].iter_mut().zip(row) {
                sums[i] = sum;
            }
        }
        if !rest.is_empty() {
            self.finish.finish::<S>(rest, &sums[0]);
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
