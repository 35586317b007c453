//! A Gaussian carried through z ↦ z/‖z‖ to first order (method §3):
//!
//!   μ = z/‖z‖,  v^μ_d = [ v_d (1 − 2μ_d²) + μ_d² Σ_e μ_e² v_e ] / ‖z‖²
//!
//! computed as [ v_d (1 − μ_d²)² + μ_d² Σ_{e≠d} μ_e² v_e ] / ‖z‖² with 1 − μ_d² = Σ_{e≠d} z_e²/‖z‖², the same number
//! from positive terms only: nothing cancels where one component dominates, and no result is negative.

use rayon::prelude::*;

use crate::kernels::mixture::{Normalize, squares};
use crate::simd::Level;
use crate::{Cancel, Gaussians, Result, Rows};

/// Normalised rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalized {
    /// Means of length 1 with their variances; zero where the norm was 0.
    pub gaussians: Gaussians,
    /// ‖z‖ before, length n.
    pub norms: Vec<f64>,
}

/// Normalises every row, in float64 inside.
///
/// # Errors
/// [`crate::ErrorCode::Aborted`].
pub fn normalize(rows: Rows<'_>, cancel: &Cancel) -> Result<Normalized> {
    let dimension = rows.dimension;
    let mut gaussians = Gaussians::zeros(rows.len(), dimension);
    let out = gaussians.mean.par_chunks_mut(dimension).zip(gaussians.variance.par_chunks_mut(dimension));
    let norms = out
        .enumerate()
        .map(|(index, (mean, variance))| {
            cancel.check()?;
            let row = rows.row(index);
            let mut z: Vec<f64> = row.mean.iter().copied().map(f64::from).collect();
            let mut v: Vec<f64> = row.variance.iter().copied().map(f64::from).collect();
            let norm = normalize_row(&mut z, &mut v);
            round_into(&z, mean);
            round_into(&v, variance);
            Ok(norm)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Normalized { gaussians, norms })
}

/// Normalises one row in place and returns ‖z‖. A zero mean zeroes the variance too (an invalid row).
pub fn normalize_row(mean: &mut [f64], variance: &mut [f64]) -> f64 {
    let norm2 = norm2(mean);
    normalize_by(norm2, mean, variance);
    norm2.sqrt()
}

/// ‖z‖².
pub(crate) fn norm2(mean: &[f64]) -> f64 {
    mean.iter().map(|z| z * z).sum()
}

/// [`normalize_row`] where ‖z‖² is known.
pub(crate) fn normalize_by(norm2: f64, mean: &mut [f64], variance: &mut [f64]) {
    if norm2 == 0.0 {
        mean.fill(0.0);
        variance.fill(0.0);
        return;
    }
    let level = Level::detect();
    let squares = squares(level, mean, norm2);
    let (lengths, spreads) = others(&squares, variance);
    Normalize { norm2, mean, variance, squares: &squares, lengths: &lengths, spreads: &spreads }.apply(level);
}

/// Σ_{e≠d} μ_e² and Σ_{e≠d} μ_e² v_e of each d, without subtraction: what lies before d and what lies after it. The
/// four sums run side by side.
fn others(squares: &[f64], variance: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let n = squares.len();
    let [mut lengths, mut spreads, mut lengths_after, mut spreads_after] = [(); 4].map(|()| vec![0.0; n]);
    let [mut length, mut spread, mut length_after, mut spread_after] = [0.0; 4];
    for d in 0..n {
        (lengths[d], spreads[d]) = (length, spread);
        length += squares[d];
        spread += squares[d] * variance[d];
        let e = n - 1 - d;
        (lengths_after[e], spreads_after[e]) = (length_after, spread_after);
        length_after += squares[e];
        spread_after += squares[e] * variance[e];
    }
    for d in 0..n {
        lengths[d] += lengths_after[d];
        spreads[d] += spreads_after[d];
    }
    (lengths, spreads)
}

/// Rounds to float32; what does not fit becomes the largest finite number, so that rows stay valid.
pub(crate) fn round_into(from: &[f64], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = (*from as f32).clamp(-f32::MAX, f32::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_the_formula_and_is_idempotent_in_the_mean(z in prop::collection::vec(-1.0f64..1.0, 1..20), seed in 0.0f64..1.0) {
            prop_assume!(z.iter().map(|x| x * x).sum::<f64>() > 1e-3);
            let v: Vec<f64> = z.iter().enumerate().map(|(i, _)| (seed * (i as f64 + 1.3)).fract()).collect();
            let (mut m, mut out) = (z.clone(), v.clone());
            let norm = normalize_row(&mut m, &mut out);
            let total: f64 = m.iter().zip(&v).map(|(m, v)| m * m * v).sum();
            for d in 0..z.len() {
                let expected = (v[d] * (1.0 - 2.0 * m[d] * m[d]) + m[d] * m[d] * total) / (norm * norm);
                prop_assert!((out[d] - expected).abs() <= 1e-12 / (norm * norm), "{} {}", out[d], expected);
                prop_assert!(out[d] >= 0.0);
            }
            prop_assert!((m.iter().map(|m| m * m).sum::<f64>() - 1.0).abs() < 1e-14);
            prop_assert!((out.iter().sum::<f64>() * norm * norm - v.iter().zip(&m).map(|(v, m)| v * (1.0 - m * m)).sum::<f64>()).abs() < 1e-12);
        }
    }

    #[test]
    fn the_sums_side_by_side_are_those_one_after_another() {
        for n in 1..40 {
            let x = |seed: f64| -> Vec<f64> { (0..n).map(|d| ((d as f64 + seed) * 12.9898).sin().abs()).collect() };
            let (squares, variance) = (x(0.1), x(0.2));
            let (lengths, spreads) = others(&squares, &variance);
            for d in 0..n {
                let (mut before, mut after) = ([0.0; 2], [0.0; 2]);
                (0..d).for_each(|e| before = [before[0] + squares[e], before[1] + squares[e] * variance[e]]);
                (d + 1..n).rev().for_each(|e| after = [after[0] + squares[e], after[1] + squares[e] * variance[e]]);
                assert_eq!([lengths[d], spreads[d]], [before[0] + after[0], before[1] + after[1]]);
            }
        }
    }

    #[test]
    fn every_length_with_zeros_and_extremes_has_length_one() {
        let numbers = [1.0, 0.0, 1e-45, -1e-39, -0.5, -0.0, 1e10, 3e-38, 1e19];
        for n in (0..=130).chain([384, 768, 1024, 1536, 4096]) {
            let number = |d: usize| if d == 0 { 1.0 } else { numbers[d * 7 % numbers.len()] };
            let mut mean: Vec<f64> = (0..n).map(number).collect();
            let mut variance: Vec<f64> = (0..n).map(|d| number(d + 3).abs()).collect();
            let squares: f64 = mean.iter().map(|z| z * z).sum();
            assert_eq!(normalize_row(&mut mean, &mut variance), squares.sqrt());
            let length: f64 = mean.iter().map(|z| z * z).sum();
            assert!((length - if n == 0 { 0.0 } else { 1.0 }).abs() < 1e-12, "{n}: {length}");
            assert!(variance.iter().all(|v| v.is_finite() && *v >= 0.0), "{n}");
        }
    }

    #[test]
    fn extreme_rows_stay_finite_and_a_zero_row_is_zero() {
        let (mean, variance) =
            ([1e-45, 0.0, f32::MAX, -f32::MAX, 0.0, 0.0], [f32::MAX, 1e-45, f32::MAX, 0.0, 1.0, 1.0]);
        let out = normalize(Rows::new(&mean, &variance, 2).unwrap(), &Cancel::default()).unwrap();
        out.gaussians.rows().validate().unwrap();
        assert!(out.gaussians.rows().row(2).is_zero());
        assert_eq!(out.norms[2], 0.0);
    }
}
