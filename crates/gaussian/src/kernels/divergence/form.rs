//! The terms and factors of each score.

use crate::simd::Simd;

/// The terms of one score.
pub(crate) trait Form {
    /// The variance of a query coordinate that adds nothing, against w = 1 and Δ = 0.
    const NEUTRAL: f32;
    /// Whether the logarithms of the factors are wanted.
    const LOG: bool;
    /// Whether every v must be within [`super::RANGE`], as every factor must.
    const QUERY: bool;
    /// Roundings of a factor.
    const ROUNDINGS: usize;

    /// The term, at most 8 roundings from exact, and the factor. `#[inline(always)]`.
    ///
    /// # Safety
    /// The CPU has the instructions of `S`.
    unsafe fn terms<S: Simd>(delta: S::F32, v: S::F32, w: S::F32) -> (S::F32, S::F32);
}

pub(crate) struct Jeffreys;

impl Form for Jeffreys {
    const NEUTRAL: f32 = 1.0;
    const LOG: bool = false;
    const QUERY: bool = true;
    const ROUNDINGS: usize = 0;

    #[inline(always)]
    unsafe fn terms<S: Simd>(delta: S::F32, v: S::F32, w: S::F32) -> (S::F32, S::F32) {
        // SAFETY: the caller's promise.
        unsafe {
            let difference = S::sub(v, w);
            let spread = S::mul(difference, difference);
            (S::div(S::fma(S::mul(delta, delta), S::add(v, w), spread), S::mul(v, w)), w)
        }
    }
}

pub(crate) struct Kl;

impl Form for Kl {
    const NEUTRAL: f32 = 0.0;
    const LOG: bool = true;
    const QUERY: bool = true;
    const ROUNDINGS: usize = 0;

    #[inline(always)]
    unsafe fn terms<S: Simd>(delta: S::F32, v: S::F32, w: S::F32) -> (S::F32, S::F32) {
        // SAFETY: the caller's promise.
        unsafe { (S::div(S::fma(delta, delta, v), w), w) }
    }
}

pub(crate) struct Bhattacharyya;

impl Form for Bhattacharyya {
    const NEUTRAL: f32 = 1.0;
    const LOG: bool = true;
    const QUERY: bool = true;
    // y and 2/y twice, three products.
    const ROUNDINGS: usize = 7;

    #[inline(always)]
    unsafe fn terms<S: Simd>(delta: S::F32, v: S::F32, w: S::F32) -> (S::F32, S::F32) {
        // SAFETY: the caller's promise.
        unsafe {
            let q = S::div(S::splat(2.0), S::add(v, w));
            (S::mul(S::mul(delta, delta), q), S::mul(S::mul(v, q), S::mul(w, q)))
        }
    }
}

pub(crate) struct ExpectedLikelihood;

impl Form for ExpectedLikelihood {
    const NEUTRAL: f32 = 0.0;
    const LOG: bool = true;
    const QUERY: bool = false;
    const ROUNDINGS: usize = 1;

    #[inline(always)]
    unsafe fn terms<S: Simd>(delta: S::F32, v: S::F32, w: S::F32) -> (S::F32, S::F32) {
        // SAFETY: the caller's promise.
        unsafe {
            let y = S::add(v, w);
            (S::div(S::mul(delta, delta), y), y)
        }
    }
}
