//! Rows, packed: in each block of coordinates row after row, DEPTH numbers each, so that a tile's rows lie beside each
//! other whatever D.

use super::products::ROWS;
use super::{DEPTH, HALF};
use crate::simd::Simd;

/// Numbers of a packed block: [`ROWS`] rows of [`DEPTH`] steps.
pub(super) const BLOCK: usize = ROWS * DEPTH;

/// Packs b of one row. Returns Σ b².
///
/// # Safety
/// `b` has `len` numbers; `to` is that row of the first of `len / DEPTH`, rounded up, blocks.
#[inline(always)]
pub(super) unsafe fn means<S: Simd>(b: *const f32, len: usize, to: *mut f32) -> f32 {
    // SAFETY: a vector that begins within the DEPTH steps of a row ends there, as LANES divides DEPTH.
    unsafe {
        let mut norm = S::zero();
        for d in (0..len).step_by(S::LANES) {
            let b = load::<S>(b.add(d), len - d);
            norm = S::fma(b, b, norm);
            S::store(to.add(d / DEPTH * BLOCK + d % DEPTH), b);
        }
        S::reduce_add(norm)
    }
}

/// Packs w and then b² of one row, in turns of [`HALF`] coordinates. Returns Σ w.
///
/// # Safety
/// `b` and `w` have `len` numbers; `to` is that row of the first of `len / HALF`, rounded up, blocks.
#[inline(always)]
pub(super) unsafe fn variances<S: Simd>(b: *const f32, w: *const f32, len: usize, to: *mut f32) -> f32 {
    // SAFETY: as above. Vectors go past the end of a half that is not full: that of w is written before b², and that of
    // b² ends within the row, as LANES divides HALF.
    unsafe {
        let mut trace = S::zero();
        for start in (0..len).step_by(HALF) {
            let half = HALF.min(len - start);
            let (b, w, to) = (b.add(start), w.add(start), to.add(start / HALF * BLOCK));
            for d in (0..half).step_by(S::LANES) {
                let w = load::<S>(w.add(d), half - d);
                trace = S::add(trace, w);
                S::store(to.add(d), w);
            }
            for d in (0..half).step_by(S::LANES) {
                let b = load::<S>(b.add(d), half - d);
                S::store(to.add(half + d), S::mul(b, b));
            }
        }
        S::reduce_add(trace)
    }
}

/// LANES numbers, zeros beyond the first `n` ≥ 1.
///
/// # Safety
/// `from` has `n` numbers.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(from: *const f32, n: usize) -> S::F32 {
    // SAFETY: the caller's promise.
    unsafe { if n >= S::LANES { S::load(from) } else { S::load_partial(from, n) } }
}
