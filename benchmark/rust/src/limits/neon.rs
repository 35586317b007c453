//! NEON: 4 lanes.
#![allow(unsafe_code, reason = "the limit is what the widest instructions reach")]

use std::arch::aarch64::{
    float32x4_t, vaddq_f32 as add, vaddvq_f32 as reduce, vdupq_n_f32 as splat, vfmaq_f32, vld1q_f32 as load,
};
use std::arch::asm;

const LANES: usize = 4;

super::kernels::kernels!(
    "neon",
    feature: "neon",
    available: std::arch::is_aarch64_feature_detected!("neon"),
    most_chains: 16
);

#[target_feature(enable = "neon")]
fn zero() -> float32x4_t {
    splat(0.0)
}

#[target_feature(enable = "neon")]
fn multiply_add(x: float32x4_t, factor: float32x4_t, term: float32x4_t) -> float32x4_t {
    vfmaq_f32(term, x, factor)
}

#[target_feature(enable = "neon")]
fn prefetch(place: *const f32) {
    // SAFETY: a prefetch never faults, whatever the address.
    unsafe { asm!("prfm pldl1keep, [{0}]", in(reg) place, options(nostack, preserves_flags, readonly)) };
}
