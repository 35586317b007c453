//! Lossy numbers of a row.
//!
//! float16: x ≈ s·c, c binary16, s = 2^(⌊log₂ max|x|⌋ − 14), at least 2⁻¹²⁶; s·c is exact in float32, unless the largest number of
//! the row is so near the largest float32 that it rounds up to 2¹²⁸.
//! int8: s = max|x|/127, c = round(x/s) of −127..127 (uint8 for variances: max/255, 0..255), s at least 2⁻¹²⁶; what is
//! stored is float32(s·c), which overflows where max|x| is the largest float32 or next to it. A row of zeros has s = 1. Rounding is to nearest, ties to even, everywhere.
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

/// Whether every s·c is finite: false for numbers next to the largest float32 alone.
pub(crate) fn is_finite_float16(codes: &[u16], scale: f32) -> bool {
    scale < 2f32.powi(113) || codes.iter().all(|code| (scale * f16::from_bits(*code).to_f32()).is_finite())
}

/// Writes s·c.
pub(crate) fn decode_float16(codes: &[u16], scale: f32, x: &mut [f32]) {
    codes.reinterpret_cast::<f16>().convert_to_f32_slice(x);
    x.iter_mut().for_each(|x| *x *= scale);
}

/// Decodes rows of `dimension` codes, each with its scale, into `numbers`, which becomes as long.
pub(crate) fn decode_rows<'a, C>(
    (codes, scales): (&[C], &[f32]),
    dimension: usize,
    decode: impl Fn(&[C], f32, &mut [f32]),
    numbers: &'a mut Vec<f32>,
) -> &'a [f32] {
    numbers.resize(codes.len(), 0.0);
    let rows = numbers.chunks_exact_mut(dimension).zip(codes.chunks_exact(dimension));
    rows.zip(scales).for_each(|((numbers, codes), scale)| decode(codes, *scale, numbers));
    numbers
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of every magnitude, with zeros and denormals among them.
    fn rows() -> impl Iterator<Item = Vec<f32>> {
        (1..=254_u32).map(|exponent| {
            let number = |i: u32| {
                let bits = i.wrapping_mul(2_654_435_761).wrapping_add(exponent);
                let smaller = (exponent - 1).saturating_sub(bits % 17);
                f32::from_bits((bits & 0x807f_ffff) | smaller << 23)
            };
            (0..130).map(|i| if i % 10 == 9 { 0.0 } else { number(i) }).collect()
        })
    }

    fn float16(x: &[f32]) -> (f32, Vec<f32>) {
        let (mut codes, mut decoded) = (vec![0; x.len()], vec![0.0; x.len()]);
        let scale = encode_float16(x, &mut codes);
        decode_float16(&codes, scale, &mut decoded);
        (scale, decoded)
    }

    fn int8(x: &[f32]) -> (f32, Vec<i8>, Vec<f32>) {
        let (mut codes, mut decoded) = (vec![0; x.len()], vec![0.0; x.len()]);
        let scale = encode_int8(x, &mut codes);
        decode_int8(&codes, scale, &mut decoded);
        (scale, codes, decoded)
    }

    fn uint8(v: &[f32]) -> (f32, Vec<f32>) {
        let (mut codes, mut decoded) = (vec![0; v.len()], vec![0.0; v.len()]);
        let scale = encode_uint8(v, &mut codes);
        decode_uint8(&codes, scale, &mut decoded);
        (scale, decoded)
    }

    #[test]
    fn float16_keeps_eleven_bits_of_what_is_not_tiny_beside_the_largest() {
        for x in rows() {
            let (scale, decoded) = float16(&x);
            assert_eq!(scale.to_bits() & 0x007f_ffff, 0, "{scale} is no power of two");
            for (x, decoded) in x.iter().zip(decoded) {
                let error = (f64::from(*x) - f64::from(decoded)).abs();
                // Half a unit in the last place; of binary16's denormals, 2⁻²⁴ apart.
                let most = f64::max(f64::from(x.abs()) * 2f64.powi(-11), f64::from(scale) * 2f64.powi(-25));
                assert!(error <= most, "{x} became {decoded}, scale {scale}");
            }
        }
        assert_eq!(float16(&[f32::MAX, 0.0]).0, 2f32.powi(113));
        for (x, finite) in [(f32::MAX, false), (-f32::MAX, false), (f32::MAX * (1.0 - 2f32.powi(-11)), true)] {
            let mut codes = [0];
            let scale = encode_float16(&[x], &mut codes);
            assert_eq!(is_finite_float16(&codes, scale), finite, "{x}");
            assert_eq!(float16(&[x]).1[0].is_finite(), finite, "{x}");
        }
        assert_eq!(float16(&[f32::from_bits(1)]), (f32::MIN_POSITIVE, vec![f32::from_bits(1)]));
        assert_eq!(float16(&[0.0, -0.0]), (1.0, vec![0.0, -0.0]));
    }

    #[test]
    fn int8_is_off_by_half_a_step_at_most() {
        for x in rows() {
            let v: Vec<f32> = x.iter().map(|x| x.abs()).collect();
            let ((scale, _, decoded), (variance_scale, variances)) = (int8(&x), uint8(&v));
            let near = |x: f32, decoded: f32, scale: f32| {
                // Half a step, and the roundings of quotient and product.
                let most = f64::from(scale) * 0.5 + f64::from(x.abs()) * 2f64.powi(-22);
                (f64::from(x) - f64::from(decoded)).abs() <= most
            };
            assert!(x.iter().zip(&decoded).all(|(x, decoded)| near(*x, *decoded, scale)));
            assert!(v.iter().zip(&variances).all(|(v, decoded)| near(*v, *decoded, variance_scale)));
        }
        assert_eq!(int8(&[127.0, 0.5, 1.5, -2.5, -0.5]).1, [127, 0, 2, -2, 0]);
        assert_eq!(int8(&[0.0, -0.0]), (1.0, vec![0, 0], vec![0.0, 0.0]));
        assert_eq!(int8(&[f32::MIN_POSITIVE / 4.0]).0, f32::MIN_POSITIVE);
    }

    #[test]
    fn int8_overflows_only_at_the_very_largest_numbers() {
        let most = f32::MAX * (1.0 - 2f32.powi(-22));
        assert!(int8(&[-most]).2[0].is_finite() && uint8(&[most]).1[0].is_finite());
        assert_eq!(int8(&[-f32::MAX]).2, [f32::NEG_INFINITY]);
    }

    #[test]
    fn the_error_of_a_prefilter_is_no_less_than_the_distance() {
        for x in rows() {
            let (scale, codes, _) = int8(&x);
            let difference = |(x, code): (&f32, &i8)| f64::from(*x) - f64::from(scale) * f64::from(*code);
            // Backwards: another order of the same sum.
            let distance = x.iter().zip(&codes).rev().map(difference).map(|x| x * x).sum::<f64>().sqrt();
            let error = f64::from(error_norm(&x, &codes, scale));
            assert!(error >= distance && error <= distance * (1.0 + 2f64.powi(-22)) + 2f64.powi(-148));
        }
    }
}
