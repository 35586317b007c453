//! Plain Rust over arrays of eight: the compiler uses what every CPU of the target has (SSE2 on x86-64).

use super::Simd;
use super::wide::Eight;

#[derive(Clone, Copy)]
pub(super) struct Portable;

const LANES: usize = 8;

type F32 = [f32; LANES];

#[inline(always)]
fn map(x: F32, f: impl Fn(f32) -> f32) -> F32 {
    x.map(f)
}

#[inline(always)]
fn zip(x: F32, y: F32, f: impl Fn(f32, f32) -> f32) -> F32 {
    std::array::from_fn(|j| f(x[j], y[j]))
}

/// binary16 to float32, exactly, in operations that vectorise: shifted into place, the exponent is 112 short; the
/// product sets it right for subnormals too.
#[inline(always)]
fn widen(code: u16) -> f32 {
    let bits = u32::from(code);
    let magnitude = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits((127 + 112) << 23);
    let infinite = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(magnitude.to_bits() | infinite | (bits & 0x8000) << 16)
}

#[allow(unsafe_op_in_unsafe_fn, reason = "each function is one step under the contract of the trait")]
impl Simd for Portable {
    type F32 = F32;
    type I16 = [i16; LANES];
    type I32 = [i32; LANES];
    type Wide = Eight<f64, 8>;
    const LANES: usize = LANES;
    const CODES: usize = LANES;
    const REGISTERS: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> F32 {
        [0.0; LANES]
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> F32 {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> F32 {
        from.cast::<F32>().read_unaligned()
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const f32, n: usize) -> F32 {
        let mut x = [0.0; LANES];
        from.copy_to_nonoverlapping(x.as_mut_ptr(), n);
        x
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: F32) {
        to.cast::<F32>().write_unaligned(x);
    }
    #[inline(always)]
    unsafe fn store_partial(to: *mut f32, x: F32, n: usize) {
        to.copy_from_nonoverlapping(x.as_ptr(), n);
    }
    #[inline(always)]
    unsafe fn add(x: F32, y: F32) -> F32 {
        zip(x, y, |x, y| x + y)
    }
    #[inline(always)]
    unsafe fn sub(x: F32, y: F32) -> F32 {
        zip(x, y, |x, y| x - y)
    }
    #[inline(always)]
    unsafe fn mul(x: F32, y: F32) -> F32 {
        zip(x, y, |x, y| x * y)
    }
    #[inline(always)]
    unsafe fn div(x: F32, y: F32) -> F32 {
        zip(x, y, |x, y| x / y)
    }
    // f32::mul_add would call a function of the C library for each lane.
    #[inline(always)]
    unsafe fn fma(x: F32, y: F32, z: F32) -> F32 {
        std::array::from_fn(|j| x[j] * y[j] + z[j])
    }
    #[inline(always)]
    unsafe fn min(x: F32, y: F32) -> F32 {
        zip(x, y, |x, y| if x < y { x } else { y })
    }
    #[inline(always)]
    unsafe fn max(x: F32, y: F32) -> F32 {
        zip(x, y, |x, y| if x > y { x } else { y })
    }
    #[inline(always)]
    unsafe fn sqrt(x: F32) -> F32 {
        map(x, f32::sqrt)
    }
    #[inline(always)]
    unsafe fn reduce_add(x: F32) -> f32 {
        ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]))
    }
    #[inline(always)]
    unsafe fn mantissa(x: F32) -> F32 {
        map(x, |x| f32::from_bits(x.to_bits() & 0x007f_ffff | 0x3f80_0000))
    }
    #[inline(always)]
    unsafe fn exponent(x: F32) -> F32 {
        map(x, |x| ((x.to_bits() >> 23) as i32 - 127) as f32)
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> F32 {
        from.cast::<[u16; LANES]>().read_unaligned().map(widen)
    }
    #[inline(always)]
    unsafe fn load_f16_partial(from: *const u16, n: usize) -> F32 {
        let mut x = [0; LANES];
        from.copy_to_nonoverlapping(x.as_mut_ptr(), n);
        x.map(widen)
    }
    #[inline(always)]
    unsafe fn zero_i32() -> [i32; LANES] {
        [0; LANES]
    }
    #[inline(always)]
    unsafe fn load_i16(from: *const i16) -> [i16; LANES] {
        from.cast::<[i16; LANES]>().read_unaligned()
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> [i16; LANES] {
        from.cast::<[i8; LANES]>().read_unaligned().map(i16::from)
    }
    #[inline(always)]
    unsafe fn load_i8_partial(from: *const i8, n: usize) -> [i16; LANES] {
        let mut x = [0; LANES];
        from.copy_to_nonoverlapping(x.as_mut_ptr(), n);
        x.map(i16::from)
    }
    #[inline(always)]
    unsafe fn dot_i16(sum: [i32; LANES], x: [i16; LANES], y: [i16; LANES]) -> [i32; LANES] {
        std::array::from_fn(|j| sum[j].wrapping_add(i32::from(x[j]) * i32::from(y[j])))
    }
    #[inline(always)]
    unsafe fn reduce_add_i32(x: [i32; LANES]) -> i32 {
        x.into_iter().fold(0, i32::wrapping_add)
    }
    #[inline(always)]
    unsafe fn prefetch(_: *const u8) {}
}
