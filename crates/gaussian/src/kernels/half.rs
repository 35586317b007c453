//! binary16 codes, widened exactly as they are read.

use super::dot::Code;
use super::stream::Part;
use crate::simd::Simd;

impl Code for u16 {
    // 1 KiB: a tenth faster.
    const AHEAD: usize = 512;

    #[inline(always)]
    unsafe fn load<S: Simd, P: Part>(part: P, from: *const Self) -> S::F32 {
        // SAFETY: the caller's promise.
        unsafe { part.load_f16::<S>(from) }
    }
}
