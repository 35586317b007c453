//! AVX2 with FMA and F16C: 8 lanes in 16 registers.

use std::arch::x86_64::*;

use super::wide::Eight;
use super::{Kernel, Simd};

#[derive(Clone, Copy)]
pub(super) struct Avx2;

/// # Safety
/// The CPU has AVX2, FMA and F16C, and what the kernel asks for.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller's promise.
    unsafe { kernel.run::<Avx2>() }
}

/// The first `n` ≤ 8 lanes.
#[inline(always)]
#[allow(unsafe_op_in_unsafe_fn, reason = "one step of the functions below")]
unsafe fn mask(n: usize) -> __m256i {
    _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
}

#[allow(unsafe_op_in_unsafe_fn, reason = "each function is one step under the contract of the trait")]
impl Simd for Avx2 {
    type F32 = __m256;
    type I16 = __m256i;
    type I32 = __m256i;
    type Wide = Eight<__m256d, 2>;
    const LANES: usize = 8;
    const CODES: usize = 16;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        _mm256_setzero_ps()
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        _mm256_set1_ps(x)
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        _mm256_loadu_ps(from)
    }
    #[inline(always)]
    unsafe fn load_partial(from: *const f32, n: usize) -> __m256 {
        _mm256_maskload_ps(from, mask(n))
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: __m256) {
        _mm256_storeu_ps(to, x);
    }
    #[inline(always)]
    unsafe fn store_partial(to: *mut f32, x: __m256, n: usize) {
        _mm256_maskstore_ps(to, mask(n), x);
    }
    #[inline(always)]
    unsafe fn add(x: __m256, y: __m256) -> __m256 {
        _mm256_add_ps(x, y)
    }
    #[inline(always)]
    unsafe fn sub(x: __m256, y: __m256) -> __m256 {
        _mm256_sub_ps(x, y)
    }
    #[inline(always)]
    unsafe fn mul(x: __m256, y: __m256) -> __m256 {
        _mm256_mul_ps(x, y)
    }
    #[inline(always)]
    unsafe fn div(x: __m256, y: __m256) -> __m256 {
        _mm256_div_ps(x, y)
    }
    #[inline(always)]
    unsafe fn fma(x: __m256, y: __m256, z: __m256) -> __m256 {
        _mm256_fmadd_ps(x, y, z)
    }
    #[inline(always)]
    unsafe fn min(x: __m256, y: __m256) -> __m256 {
        _mm256_min_ps(x, y)
    }
    #[inline(always)]
    unsafe fn max(x: __m256, y: __m256) -> __m256 {
        _mm256_max_ps(x, y)
    }
    #[inline(always)]
    unsafe fn sqrt(x: __m256) -> __m256 {
        _mm256_sqrt_ps(x)
    }
    #[inline(always)]
    unsafe fn reduce_add(x: __m256) -> f32 {
        let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
        let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
    }
    #[inline(always)]
    unsafe fn mantissa(x: __m256) -> __m256 {
        let bits = _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x007f_ffff));
        _mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_set1_epi32(0x3f80_0000)))
    }
    #[inline(always)]
    unsafe fn exponent(x: __m256) -> __m256 {
        let biased = _mm256_srli_epi32(_mm256_castps_si256(x), 23);
        _mm256_cvtepi32_ps(_mm256_sub_epi32(biased, _mm256_set1_epi32(127)))
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> __m256 {
        _mm256_cvtph_ps(_mm_loadu_si128(from.cast()))
    }
    #[inline(always)]
    unsafe fn load_f16_partial(from: *const u16, n: usize) -> __m256 {
        let mut codes = [0_u16; 8];
        from.copy_to_nonoverlapping(codes.as_mut_ptr(), n);
        Self::load_f16(codes.as_ptr())
    }
    #[inline(always)]
    unsafe fn zero_i32() -> __m256i {
        _mm256_setzero_si256()
    }
    #[inline(always)]
    unsafe fn load_i16(from: *const i16) -> __m256i {
        _mm256_loadu_si256(from.cast())
    }
    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> __m256i {
        _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast()))
    }
    #[inline(always)]
    unsafe fn load_i8_partial(from: *const i8, n: usize) -> __m256i {
        let mut codes = [0_i8; 16];
        from.copy_to_nonoverlapping(codes.as_mut_ptr(), n);
        Self::load_i8(codes.as_ptr())
    }
    #[inline(always)]
    unsafe fn dot_i16(sum: __m256i, x: __m256i, y: __m256i) -> __m256i {
        _mm256_add_epi32(sum, _mm256_madd_epi16(x, y))
    }
    #[inline(always)]
    unsafe fn reduce_add_i32(x: __m256i) -> i32 {
        let x = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
        let x = _mm_add_epi32(x, _mm_unpackhi_epi64(x, x));
        _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 1)))
    }
    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        _mm_prefetch(at.cast(), _MM_HINT_T0);
    }
}
