//! AVX-512: 16 lanes.
#![allow(unsafe_code, reason = "the limit is what the widest instructions reach")]

use std::arch::x86_64::{
    _MM_HINT_T0, _mm_prefetch, _mm512_add_ps as add, _mm512_fmadd_ps as multiply_add, _mm512_loadu_ps as load,
    _mm512_reduce_add_ps as reduce, _mm512_set1_ps as splat, _mm512_setzero_ps as zero,
};

const LANES: usize = 16;

super::kernels::kernels!(
    "avx512",
    feature: "avx512f",
    available: is_x86_feature_detected!("avx512f"),
    most_chains: 24
);

#[target_feature(enable = "avx512f")]
#[allow(unused_unsafe, reason = "safe in later compilers than the oldest supported")]
fn prefetch(place: *const f32) {
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
}
