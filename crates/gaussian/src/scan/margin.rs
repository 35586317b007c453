//! How far the sums of the fast kernels may lie from the exact ones.
//!
//! With u = 2⁻²⁴ and m roundings on the longest chain from a term to the sum, a sum of float32 products computed in any
//! order, with or without fused multiply-add, is off by at most γ Σ|terms|, γ = m u/(1 − m u) (Higham, Accuracy and
//! Stability of Numerical Algorithms, §3.1), where nothing overflows. A product below the normal numbers is off by at
//! most 2⁻¹⁵⁰ besides; additions there are exact. Hence, for D coordinates,
//!
//!   |⟨a, b⟩ − computed| ≤ γ ‖a‖ ‖b‖ + D 2⁻¹⁴⁹           (Cauchy–Schwarz)
//!   s ≤ (computed + D 2⁻¹⁴⁹)(1 + 2γ),  s ≥ (computed − D 2⁻¹⁴⁹)(1 − γ)   for sums s of positive terms, γ ≤ ½
//!
//! m is taken 4 or more above what the kernels state. That part, at least 2⁻²² relative, covers the float64 in which the
//! canonical routine sums (off by at most (D/8 + 8) 2⁻⁵³ of the same Σ|terms|) and in which the bounds are put together
//! (a few 2⁻⁵³).

/// Bounds of the sums over one dimension. What overflowed stays infinite or not a number: [`known`] takes it out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Margin {
    /// γ: relative.
    pub(super) gamma: f64,
    /// D 2⁻¹⁴⁹: what underflow may add.
    pub(super) tiny: f64,
}

impl Margin {
    /// Of a chain of ⌈D/lanes⌉ roundings and at most 8 more.
    pub(super) fn new(dimension: usize, lanes: usize) -> Self {
        let roundings = (dimension.div_ceil(lanes) + 12) as f64 / f64::from(1 << 24);
        let gamma = if roundings < 0.25 { roundings / (1.0 - roundings) } else { f64::INFINITY };
        Self { gamma, tiny: dimension as f64 * (-149.0_f64).exp2() }
    }

    /// The largest positive sum that may have been computed as `sum`.
    #[inline(always)]
    pub(super) fn above(self, sum: f64) -> f64 {
        (sum + self.tiny) * (1.0 + 2.0 * self.gamma)
    }

    /// The smallest positive sum that may have been computed as `sum`.
    #[inline(always)]
    pub(super) fn below(self, sum: f64) -> f64 {
        // Where γ is infinite, 0 times it: that maximum is 0 too.
        ((sum - self.tiny).max(0.0) * (1.0 - self.gamma)).max(0.0)
    }
}

/// The bound, rounded up; +∞ where one of the kernel's sums (`sums` is all of them together) left float32: then nothing
/// is known.
#[inline(always)]
pub(super) fn known(bound: f64, sums: f64) -> f32 {
    // 0, or not a number.
    round_up(bound + sums * 0.0)
}

/// A float32 above `x`. +∞ where `x` is not a number: then nothing is known.
///
/// A step up of 2⁻²³ before rounding to nearest, which moves by 2⁻²⁴ at most: the rest covers the float64 roundings
/// behind `x`.
#[inline(always)]
pub(super) fn round_up(x: f64) -> f32 {
    const STEP: f64 = f32::EPSILON as f64;
    const TINY: f64 = 4.0 * 1e-45_f32 as f64;
    let above = (x + (x.abs() * STEP + TINY)).max(f64::from(-f32::MAX)) as f32;
    if x.is_nan() { f32::INFINITY } else { above }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_up() {
        for x in [0.0, -0.0, 1.0, -1.0, 1e-60, -1e-60, 0.1, -0.1, 1e38, 1e60, -1e60, 1e-45, f64::INFINITY] {
            assert!(f64::from(round_up(x)) >= x, "{x}");
            assert!(f64::from(round_up(x)) <= x + x.abs() * 2.5e-7 + 2e-44 || x.abs() > 3e38, "{x}");
        }
        assert_eq!(round_up(f64::NAN), f32::INFINITY);
        assert_eq!(round_up(f64::NEG_INFINITY), -f32::MAX);
        for overflow in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            assert_eq!(known(-1.0, overflow), f32::INFINITY);
        }
        assert!(known(-1.0, 1e38) < -0.9999);
    }

    #[test]
    fn sums_lie_between_their_bounds() {
        let margin = Margin::new(384, 8);
        assert!(margin.gamma > 48.0 * 2.0_f64.powi(-24) && margin.gamma < 1e-5);
        assert!(margin.below(1.0) < 1.0 && margin.above(1.0) > 1.0 && margin.above(1.0) - margin.below(1.0) < 3e-5);
        assert_eq!(margin.below(0.0), 0.0);
        let unknown = Margin::new(1 << 40, 4);
        for sum in [0.0, 1e-45, 1.0, f64::from(f32::MAX)] {
            assert_eq!((unknown.below(sum), unknown.above(sum)), (0.0, f64::INFINITY));
        }
    }
}
