//! Eight float64 lanes, for the sums whose bits are a promise: every operation is one correctly rounded operation per
//! lane, so that no result depends on the instruction set.
//!
//! The compiler does not find these vectors by itself: a loop over eight lanes stays scalar as often as not.

use std::array::from_fn;
use std::ops::{Add, Div, Mul, Sub};

/// Lanes of a [`Wide`].
pub(crate) const WIDE: usize = 8;

/// Eight float64. Only unsafe functions make one from nothing: whoever holds one was promised the instructions, and all
/// else is safe.
pub(crate) trait Wide:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
{
    /// # Safety
    /// The CPU has the instructions.
    unsafe fn splat(x: f64) -> Self;
    /// Eight float32, widened exactly.
    ///
    /// # Safety
    /// The CPU has the instructions.
    unsafe fn load(from: &[f32; WIDE]) -> Self;
    /// # Safety
    /// The CPU has the instructions.
    unsafe fn from_array(lanes: [f64; WIDE]) -> Self;
    fn to_array(self) -> [f64; WIDE];
    fn sqrt(self) -> Self;
    /// 1/x.
    fn recip(self) -> Self;
    /// Lane by lane by the standard library.
    fn ln(self) -> Self;
}

/// One register of float64. Everything is `#[inline(always)]`, into the function that turned the instructions on.
///
/// # Safety
/// Every function: the CPU has the instructions, and a pointer is good for `LANES` elements.
pub(super) trait Register: Copy {
    const LANES: usize;
    unsafe fn splat(x: f64) -> Self;
    unsafe fn load(from: *const f64) -> Self;
    /// Widened exactly.
    unsafe fn widen(from: *const f32) -> Self;
    unsafe fn store(to: *mut f64, x: Self);
    unsafe fn add(x: Self, y: Self) -> Self;
    unsafe fn sub(x: Self, y: Self) -> Self;
    unsafe fn mul(x: Self, y: Self) -> Self;
    unsafe fn div(x: Self, y: Self) -> Self;
    unsafe fn sqrt(x: Self) -> Self;
}

/// The `N` registers of eight lanes.
#[derive(Clone, Copy)]
pub(crate) struct Eight<R, const N: usize>([R; N]);

macro_rules! operators {
    ($($operator:ident $method:ident;)+) => {$(
        impl<R: Register, const N: usize> $operator for Eight<R, N> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: a value exists, hence the instructions.
                Self(from_fn(|i| unsafe { R::$method(self.0[i], other.0[i]) }))
            }
        }

        impl<R: Register, const N: usize> $operator<f64> for Eight<R, N> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: f64) -> Self {
                // SAFETY: a value exists, hence the instructions.
                $operator::$method(self, unsafe { Self::splat(other) })
            }
        }
    )+};
}

operators! { Add add; Sub sub; Mul mul; Div div; }

impl<R: Register, const N: usize> Wide for Eight<R, N> {
    #[inline(always)]
    unsafe fn splat(x: f64) -> Self {
        // SAFETY: the caller's promise.
        Self([unsafe { R::splat(x) }; N])
    }
    #[inline(always)]
    unsafe fn load(from: &[f32; WIDE]) -> Self {
        const { assert!(N * R::LANES == WIDE) };
        // SAFETY: the caller's promise; N registers take eight elements.
        Self(from_fn(|i| unsafe { R::widen(from.as_ptr().add(i * R::LANES)) }))
    }
    #[inline(always)]
    unsafe fn from_array(lanes: [f64; WIDE]) -> Self {
        const { assert!(N * R::LANES == WIDE) };
        // SAFETY: the caller's promise; N registers take eight elements.
        Self(from_fn(|i| unsafe { R::load(lanes.as_ptr().add(i * R::LANES)) }))
    }
    #[inline(always)]
    fn to_array(self) -> [f64; WIDE] {
        const { assert!(N * R::LANES == WIDE) };
        let mut lanes = [0.0; WIDE];
        for (i, x) in self.0.into_iter().enumerate() {
            // SAFETY: a value exists, hence the instructions; N registers fill eight elements.
            unsafe { R::store(lanes.as_mut_ptr().add(i * R::LANES), x) };
        }
        lanes
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: a value exists, hence the instructions.
        Self(self.0.map(|x| unsafe { R::sqrt(x) }))
    }
    #[inline(always)]
    fn recip(self) -> Self {
        // SAFETY: a value exists, hence the instructions.
        unsafe { Self::splat(1.0) / self }
    }
    #[inline(always)]
    fn ln(self) -> Self {
        // SAFETY: a value exists, hence the instructions.
        unsafe { Self::from_array(self.to_array().map(f64::ln)) }
    }
}

/// A [`Register`] from the instructions of one type.
macro_rules! register {
    (
        $register:ty, $lanes:literal, $splat:path, $load:path, |$from:ident| $widen:expr, $store:path,
        $add:path, $sub:path, $mul:path, $div:path, $sqrt:path
    ) => {
        #[allow(unsafe_op_in_unsafe_fn, reason = "each function is one step under the contract of the trait")]
        impl Register for $register {
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn splat(x: f64) -> Self {
                $splat(x)
            }
            #[inline(always)]
            unsafe fn load(from: *const f64) -> Self {
                $load(from)
            }
            #[inline(always)]
            unsafe fn widen($from: *const f32) -> Self {
                $widen
            }
            #[inline(always)]
            unsafe fn store(to: *mut f64, x: Self) {
                $store(to, x);
            }
            #[inline(always)]
            unsafe fn add(x: Self, y: Self) -> Self {
                $add(x, y)
            }
            #[inline(always)]
            unsafe fn sub(x: Self, y: Self) -> Self {
                $sub(x, y)
            }
            #[inline(always)]
            unsafe fn mul(x: Self, y: Self) -> Self {
                $mul(x, y)
            }
            #[inline(always)]
            unsafe fn div(x: Self, y: Self) -> Self {
                $div(x, y)
            }
            #[inline(always)]
            unsafe fn sqrt(x: Self) -> Self {
                $sqrt(x)
            }
        }
    };
}

register! {
    f64, 1, f64::from, std::ptr::read, |from| f64::from(*from), std::ptr::write,
    Add::add, Sub::sub, Mul::mul, Div::div, f64::sqrt
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Register;
    use std::arch::x86_64::*;

    register! {
        __m256d, 4, _mm256_set1_pd, _mm256_loadu_pd, |from| _mm256_cvtps_pd(_mm_loadu_ps(from)), _mm256_storeu_pd,
        _mm256_add_pd, _mm256_sub_pd, _mm256_mul_pd, _mm256_div_pd, _mm256_sqrt_pd
    }

    register! {
        __m512d, 8, _mm512_set1_pd, _mm512_loadu_pd, |from| _mm512_cvtps_pd(_mm256_loadu_ps(from)), _mm512_storeu_pd,
        _mm512_add_pd, _mm512_sub_pd, _mm512_mul_pd, _mm512_div_pd, _mm512_sqrt_pd
    }
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use super::Register;
    use std::arch::aarch64::*;

    register! {
        float64x2_t, 2, vdupq_n_f64, vld1q_f64, |from| vcvt_f64_f32(vld1_f32(from)), vst1q_f64,
        vaddq_f64, vsubq_f64, vmulq_f64, vdivq_f64, vsqrtq_f64
    }
}
