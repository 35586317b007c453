//! NEON: 4 lanes in 32 registers.

use std::arch::aarch64::*;
use std::arch::asm;

use super::wide::Eight;
use super::{Kernel, Simd};

#[derive(Clone, Copy)]
pub(super) struct Neon;

/// # Safety
/// The CPU has NEON, and what the kernel asks for.
#[target_feature(enable = "neon")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller's promise.
    unsafe { kernel.run::<Neon>() }
}

#[allow(unsafe_op_in_unsafe_fn, reason = "each function is one step under the contract of the trait")]
impl Simd for Neon {
    type F32 = float32x4_t;
    type I16 = (int16x8_t, int16x8_t);
    type I32 = (int32x4_t, int32x4_t);
    type Wide = Eight<float64x2_t, 4>;
    const LANES: usize = 4;
    const CODES: usize = 16;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn zero() -> float32x4_t {
        vdupq_n_f32(0.0)
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> float32x4_t {
        vdupq_n_f32(x)
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> float32x4_t {
        vld1q_f32(from)
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const f32, n: usize) -> float32x4_t {
        let mut x = [0.0_f32; 4];
        from.copy_to_nonoverlapping(x.as_mut_ptr(), n);
        Self::load(x.as_ptr())
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: float32x4_t) {
        vst1q_f32(to, x);
    }
    #[inline(always)]
    unsafe fn store_partial(to: *mut f32, x: float32x4_t, n: usize) {
        let mut all = [0.0_f32; 4];
        Self::store(all.as_mut_ptr(), x);
        to.copy_from_nonoverlapping(all.as_ptr(), n);
    }
    #[inline(always)]
    unsafe fn add(x: float32x4_t, y: float32x4_t) -> float32x4_t {
        vaddq_f32(x, y)
    }
    #[inline(always)]
    unsafe fn sub(x: float32x4_t, y: float32x4_t) -> float32x4_t {
        vsubq_f32(x, y)
    }
    #[inline(always)]
    unsafe fn mul(x: float32x4_t, y: float32x4_t) -> float32x4_t {
        vmulq_f32(x, y)
    }
    #[inline(always)]
    unsafe fn div(x: float32x4_t, y: float32x4_t) -> float32x4_t {
        vdivq_f32(x, y)
    }
    #[inline(always)]
    unsafe fn fma(x: float32x4_t, y: float32x4_t, z: float32x4_t) -> float32x4_t {
        vfmaq_f32(z, x, y)
    }
    #[inline(always)]
    unsafe fn min(x: float32x4_t, y: float32x4_t) -> float32x4_t {
        vminq_f32(x, y)
    }
    #[inline(always)]
    unsafe fn max(x: float32x4_t, y: float32x4_t) -> float32x4_t {
        vmaxq_f32(x, y)
    }
    #[inline(always)]
    unsafe fn sqrt(x: float32x4_t) -> float32x4_t {
        vsqrtq_f32(x)
    }
    #[inline(always)]
    unsafe fn reduce_add(x: float32x4_t) -> f32 {
        vaddvq_f32(x)
    }
    #[inline(always)]
    unsafe fn mantissa(x: float32x4_t) -> float32x4_t {
        let bits = vandq_u32(vreinterpretq_u32_f32(x), vdupq_n_u32(0x007f_ffff));
        vreinterpretq_f32_u32(vorrq_u32(bits, vdupq_n_u32(0x3f80_0000)))
    }
    #[inline(always)]
    unsafe fn exponent(x: float32x4_t) -> float32x4_t {
        let biased = vreinterpretq_s32_u32(vshrq_n_u32::<23>(vreinterpretq_u32_f32(x)));
        vcvtq_f32_s32(vsubq_s32(biased, vdupq_n_s32(127)))
    }
    // The intrinsic for this is not yet stable in the oldest Rust that builds this crate.
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> float32x4_t {
        let codes = vld1_u16(from);
        let x: float32x4_t;
        asm!("fcvtl {x:v}.4s, {codes:v}.4h", x = out(vreg) x, codes = in(vreg) codes, options(pure, nomem, nostack));
        x
    }
    #[inline(always)]
    unsafe fn load_f16_partial(from: *const u16, n: usize) -> float32x4_t {
        let mut codes = [0_u16; 4];
        from.copy_to_nonoverlapping(codes.as_mut_ptr(), n);
        Self::load_f16(codes.as_ptr())
    }
    #[inline(always)]
    unsafe fn zero_i32() -> (int32x4_t, int32x4_t) {
        (vdupq_n_s32(0), vdupq_n_s32(0))
    }
    #[inline(always)]
    unsafe fn load_i16(from: *const i16) -> (int16x8_t, int16x8_t) {
        (vld1q_s16(from), vld1q_s16(from.add(8)))
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> (int16x8_t, int16x8_t) {
        let codes = vld1q_s8(from);
        (vmovl_s8(vget_low_s8(codes)), vmovl_high_s8(codes))
    }
    #[inline(always)]
    unsafe fn load_i8_partial(from: *const i8, n: usize) -> (int16x8_t, int16x8_t) {
        let mut codes = [0_i8; 16];
        from.copy_to_nonoverlapping(codes.as_mut_ptr(), n);
        Self::load_i8(codes.as_ptr())
    }
    #[inline(always)]
    unsafe fn dot_i16(
        sum: (int32x4_t, int32x4_t),
        x: (int16x8_t, int16x8_t),
        y: (int16x8_t, int16x8_t),
    ) -> (int32x4_t, int32x4_t) {
        let low = vmlal_s16(sum.0, vget_low_s16(x.0), vget_low_s16(y.0));
        let high = vmlal_high_s16(sum.1, x.0, y.0);
        (vmlal_s16(low, vget_low_s16(x.1), vget_low_s16(y.1)), vmlal_high_s16(high, x.1, y.1))
    }
    #[inline(always)]
    unsafe fn reduce_add_i32(x: (int32x4_t, int32x4_t)) -> i32 {
        vaddvq_s32(vaddq_s32(x.0, x.1))
    }
    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        asm!("prfm pldl1keep, [{at}]", at = in(reg) at, options(readonly, nostack, preserves_flags));
    }
}
