//! Lossy numbers of a row.
//!
//! float16: x ≈ s·c, c binary16, s = 2^(⌊log₂ max|x|⌋ − 14), at least 2⁻¹²⁶; s·c is exact in float32 and never overflows.
//! int8: s = max|x|/127, c = round(x/s) of −127..127 (uint8 for variances: max/255, 0..255), s at least 2⁻¹²⁶; what is
//! stored is float32(s·c). A row of zeros has s = 1. Rounding is to nearest, ties to even, everywhere.
//! Prefilter: int8 codes of means that are kept exactly, too, with e ≥ ‖x − s·c‖.

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

/// Numbers converted at a time.
const BLOCK: usize = 64;
/// 1.5·2²³: adding it to |x| < 2²² rounds x to an integer, ties to even, and leaves that integer in the low bits.
const ROUNDER: f32 = 12_582_912.0;

/// Writes the codes of `x` and returns their scale.
pub(crate) fn encode_float16(x: &[f32], codes: &mut [u16]) -> f32 {
    let max = largest(x);
    // The biased exponent: 0 for denormals, whose scale is the smallest one anyway.
    let scale = if max == 0.0 { 1.0 } else { f32::from_bits((max.to_bits() >> 23).saturating_sub(14).max(1) << 23) };
    let mut block = [0.0; BLOCK];
    for (x, codes) in x.chunks(BLOCK).zip(codes.chunks_mut(BLOCK)) {
        let block = &mut block[..x.len()];
        for (quotient, x) in block.iter_mut().zip(x) {
            *quotient = x / scale;
        }
        codes.reinterpret_cast_mut::<f16>().convert_from_f32_slice(block);
    }
    scale
}

/// Writes s·c.
pub(crate) fn decode_float16(codes: &[u16], scale: f32, x: &mut [f32]) {
    codes.reinterpret_cast::<f16>().convert_to_f32_slice(x);
    x.iter_mut().for_each(|x| *x *= scale);
}

/// Writes the codes of `x` and returns their scale.
pub(crate) fn encode_int8(x: &[f32], codes: &mut [i8]) -> f32 {
    let scale = scale_of(largest(x), 127.0);
    for (code, x) in codes.iter_mut().zip(x) {
        *code = rounded((x / scale).clamp(-127.0, 127.0)) as i8;
    }
    scale
}

/// Writes float32(s·c).
pub(crate) fn decode_int8(codes: &[i8], scale: f32, x: &mut [f32]) {
    for (x, code) in x.iter_mut().zip(codes) {
        *x = scale * f32::from(*code);
    }
}

/// Writes the codes of `v` ≥ 0 and returns their scale.
pub(crate) fn encode_uint8(v: &[f32], codes: &mut [u8]) -> f32 {
    let scale = scale_of(largest(v), 255.0);
    for (code, v) in codes.iter_mut().zip(v) {
        *code = rounded((v / scale).clamp(0.0, 255.0)) as u8;
    }
    scale
}

/// Writes float32(s·c).
pub(crate) fn decode_uint8(codes: &[u8], scale: f32, v: &mut [f32]) {
    for (v, code) in v.iter_mut().zip(codes) {
        *v = scale * f32::from(*code);
    }
}

/// e ≥ ‖x − s·c‖: in float64, then rounded up by more than its own error.
pub(crate) fn error_norm(x: &[f32], codes: &[i8], scale: f32) -> f32 {
    let mut sum = 0.0;
    for (x, code) in x.iter().zip(codes) {
        let error = f64::from(*x) - f64::from(scale) * f64::from(*code);
        sum += error * error;
    }
    (sum.sqrt() as f32).next_up()
}

fn largest(x: &[f32]) -> f32 {
    x.iter().fold(0.0, |max: f32, x| max.max(x.abs()))
}

fn scale_of(max: f32, codes: f32) -> f32 {
    if max == 0.0 { 1.0 } else { (max / codes).max(f32::MIN_POSITIVE) }
}

/// `x` rounded to the nearest integer, ties to even; |x| < 2²².
fn rounded(x: f32) -> i32 {
    (x + ROUNDER).to_bits() as i32 - ROUNDER.to_bits() as i32
}
