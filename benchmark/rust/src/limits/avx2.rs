//! AVX2 and FMA: 8 lanes.
#![allow(unsafe_code, reason = "the limit is what the widest instructions reach")]

use std::arch::x86_64::{
    __m256, _MM_HINT_T0, _mm_prefetch, _mm256_add_ps as add, _mm256_fmadd_ps as multiply_add, _mm256_loadu_ps as load,
    _mm256_set1_ps as splat, _mm256_setzero_ps as zero, _mm256_storeu_ps,
};

const LANES: usize = 8;

super::kernels::kernels!(
    "avx2",
    feature: "avx2,fma",
    available: (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")),
    most_chains: 14
);

#[target_feature(enable = "avx2")]
#[allow(unused_unsafe, reason = "safe in later compilers than the oldest supported")]
fn prefetch(place: *const f32) {
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
}

#[target_feature(enable = "avx2")]
fn reduce(vector: __m256) -> f32 {
    let mut lanes = [0.0; LANES];
    // SAFETY: the array has room for the vector.
    unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), vector) };
    lanes.into_iter().sum()
}
