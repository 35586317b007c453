//! The vector operations that kernels are written in.

use super::Wide;

/// One instruction set. Everything is `#[inline(always)]`: it becomes instructions within the function that turned
/// them on.
///
/// # Safety
/// Every function: the CPU has the instructions. Those with a pointer: it is good for the stated number of elements; no
/// alignment is needed.
pub(crate) trait Simd: Copy {
    /// `LANES` float32.
    type F32: Copy;
    /// `CODES` int16.
    type I16: Copy;
    /// Sums of int16 products, int32.
    type I32: Copy;
    /// Eight float64.
    type Wide: Wide;
    /// Float32 per vector.
    const LANES: usize;
    /// int8 codes per step of an integer dot product; divides [`CODES_MAX`].
    const CODES: usize;
    /// Vector registers of the CPU.
    const REGISTERS: usize;

    unsafe fn zero() -> Self::F32;
    unsafe fn splat(x: f32) -> Self::F32;
    /// `LANES` elements.
    unsafe fn load(from: *const f32) -> Self::F32;
    /// The first `n` < `LANES` elements, then zeros.
    unsafe fn load_partial(from: *const f32, n: usize) -> Self::F32;
    /// `LANES` elements.
    unsafe fn store(to: *mut f32, x: Self::F32);
    /// The first `n` < `LANES` elements.
    unsafe fn store_partial(to: *mut f32, x: Self::F32, n: usize);
    unsafe fn add(x: Self::F32, y: Self::F32) -> Self::F32;
    unsafe fn sub(x: Self::F32, y: Self::F32) -> Self::F32;
    unsafe fn mul(x: Self::F32, y: Self::F32) -> Self::F32;
    unsafe fn div(x: Self::F32, y: Self::F32) -> Self::F32;
    /// x·y + z, rounded once, or twice where the CPU has no such instruction.
    unsafe fn fma(x: Self::F32, y: Self::F32, z: Self::F32) -> Self::F32;
    /// The smaller of each lane; which one where a lane is NaN depends on the instruction set.
    unsafe fn min(x: Self::F32, y: Self::F32) -> Self::F32;
    /// The larger of each lane; which one where a lane is NaN depends on the instruction set.
    unsafe fn max(x: Self::F32, y: Self::F32) -> Self::F32;
    unsafe fn sqrt(x: Self::F32) -> Self::F32;
    /// The sum of all lanes, in log2(`LANES`) additions one after another.
    unsafe fn reduce_add(x: Self::F32) -> f32;
    /// The mantissa in [1, 2) of each lane; of normal numbers above 0.
    unsafe fn mantissa(x: Self::F32) -> Self::F32;
    /// The binary exponent of each lane, as a number; of normal numbers above 0.
    unsafe fn exponent(x: Self::F32) -> Self::F32;

    /// `LANES` binary16, widened exactly.
    unsafe fn load_f16(from: *const u16) -> Self::F32;
    /// The first `n` < `LANES` binary16, then zeros.
    unsafe fn load_f16_partial(from: *const u16, n: usize) -> Self::F32;

    unsafe fn zero_i32() -> Self::I32;
    /// `CODES` elements.
    unsafe fn load_i16(from: *const i16) -> Self::I16;
    /// `CODES` elements, widened.
    unsafe fn load_i8(from: *const i8) -> Self::I16;
    /// The first `n` < `CODES` elements, widened, then zeros.
    unsafe fn load_i8_partial(from: *const i8, n: usize) -> Self::I16;
    /// sum + x·y, added up in some order; wraps on overflow.
    unsafe fn dot_i16(sum: Self::I32, x: Self::I16, y: Self::I16) -> Self::I32;
    /// The sum of all lanes; wraps on overflow.
    unsafe fn reduce_add_i32(x: Self::I32) -> i32;

    /// Asks for the cache line at `at`, which may lie outside every object: a hint, which reads no value and faults at
    /// no address.
    unsafe fn prefetch(at: *const u8);
}

/// A multiple of every [`Simd::CODES`]: what is padded to it needs no partial load.
pub(crate) const CODES_MAX: usize = 32;
