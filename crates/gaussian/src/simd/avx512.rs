//! AVX-512 F, BW, VL and DQ: 16 lanes in 32 registers, masks for the tails.

use std::arch::x86_64::*;

use super::wide::Eight;
use super::{Kernel, Simd};

#[derive(Clone, Copy)]
pub(super) struct Avx512;

/// # Safety
/// The CPU has AVX-512 F, BW, VL and DQ (which bring AVX2, FMA and F16C), and what the kernel asks for.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller's promise.
    unsafe { kernel.run::<Avx512>() }
}

#[allow(unsafe_op_in_unsafe_fn, reason = "each function is one step under the contract of the trait")]
impl Simd for Avx512 {
    type F32 = __m512;
    type I16 = __m512i;
    type I32 = __m512i;
    type Wide = Eight<__m512d, 1>;
    const LANES: usize = 16;
    const CODES: usize = 32;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        _mm512_setzero_ps()
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        _mm512_set1_ps(x)
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        _mm512_loadu_ps(from)
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const f32, n: usize) -> __m512 {
        _mm512_maskz_loadu_ps((1 << n) - 1, from)
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: __m512) {
        _mm512_storeu_ps(to, x);
    }
    #[inline(always)]
    unsafe fn store_partial(to: *mut f32, x: __m512, n: usize) {
        _mm512_mask_storeu_ps(to, (1 << n) - 1, x);
    }
    #[inline(always)]
    unsafe fn add(x: __m512, y: __m512) -> __m512 {
        _mm512_add_ps(x, y)
    }
    #[inline(always)]
    unsafe fn sub(x: __m512, y: __m512) -> __m512 {
        _mm512_sub_ps(x, y)
    }
    #[inline(always)]
    unsafe fn mul(x: __m512, y: __m512) -> __m512 {
        _mm512_mul_ps(x, y)
    }
    #[inline(always)]
    unsafe fn div(x: __m512, y: __m512) -> __m512 {
        _mm512_div_ps(x, y)
    }
    #[inline(always)]
    unsafe fn fma(x: __m512, y: __m512, z: __m512) -> __m512 {
        _mm512_fmadd_ps(x, y, z)
    }
    #[inline(always)]
    unsafe fn min(x: __m512, y: __m512) -> __m512 {
        _mm512_min_ps(x, y)
    }
    #[inline(always)]
    unsafe fn max(x: __m512, y: __m512) -> __m512 {
        _mm512_max_ps(x, y)
    }
    #[inline(always)]
    unsafe fn sqrt(x: __m512) -> __m512 {
        _mm512_sqrt_ps(x)
    }
    #[inline(always)]
    unsafe fn reduce_add(x: __m512) -> f32 {
        let x = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
        let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
        let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
    }
    #[inline(always)]
    unsafe fn mantissa(x: __m512) -> __m512 {
        let bits = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x007f_ffff));
        _mm512_castsi512_ps(_mm512_or_si512(bits, _mm512_set1_epi32(0x3f80_0000)))
    }
    #[inline(always)]
    unsafe fn exponent(x: __m512) -> __m512 {
        let biased = _mm512_srli_epi32(_mm512_castps_si512(x), 23);
        _mm512_cvtepi32_ps(_mm512_sub_epi32(biased, _mm512_set1_epi32(127)))
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> __m512 {
        _mm512_cvtph_ps(_mm256_loadu_si256(from.cast()))
    }
    #[inline(always)]
    unsafe fn load_f16_partial(from: *const u16, n: usize) -> __m512 {
        _mm512_cvtph_ps(_mm256_maskz_loadu_epi16((1 << n) - 1, from.cast()))
    }
    #[inline(always)]
    unsafe fn zero_i32() -> __m512i {
        _mm512_setzero_si512()
    }
    #[inline(always)]
    unsafe fn load_i16(from: *const i16) -> __m512i {
        _mm512_loadu_si512(from.cast())
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> __m512i {
        _mm512_cvtepi8_epi16(_mm256_loadu_si256(from.cast()))
    }
    #[inline(always)]
    unsafe fn load_i8_partial(from: *const i8, n: usize) -> __m512i {
        _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8((1 << n) - 1, from))
    }
    #[inline(always)]
    unsafe fn dot_i16(sum: __m512i, x: __m512i, y: __m512i) -> __m512i {
        _mm512_add_epi32(sum, _mm512_madd_epi16(x, y))
    }
    #[inline(always)]
    unsafe fn reduce_add_i32(x: __m512i) -> i32 {
        _mm512_reduce_add_epi32(x)
    }
    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        _mm_prefetch(at.cast(), _MM_HINT_T0);
    }
}
