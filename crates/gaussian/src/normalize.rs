//! A Gaussian carried through z ↦ z/‖z‖ to first order (method §3):
//!
//!   μ = z/‖z‖,  v^μ_d = [ v_d (1 − 2μ_d²) + μ_d² Σ_e μ_e² v_e ] / ‖z‖²
//!
//! computed as [ v_d (1 − μ_d²)² + μ_d² Σ_{e≠d} μ_e² v_e ] / ‖z‖² with 1 − μ_d² = Σ_{e≠d} z_e²/‖z‖², the same number
//! from positive terms only: nothing cancels where one component dominates, and no result is negative.

use rayon::prelude::*;

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
    let norm2: f64 = mean.iter().map(|z| z * z).sum();
    let norm = norm2.sqrt();
    if norm == 0.0 {
        mean.fill(0.0);
        variance.fill(0.0);
        return 0.0;
    }
    // Sums over e ≠ d without subtraction: what lies after d, then what lies before it.
    let mut after = vec![(0.0, 0.0); mean.len()];
    let (mut lengths, mut spread) = (0.0, 0.0);
    for (d, (z, v)) in mean.iter().zip(variance.iter()).enumerate().rev() {
        after[d] = (lengths, spread);
        lengths += z * z / norm2;
        spread += z * z / norm2 * v;
    }
    (lengths, spread) = (0.0, 0.0);
    for ((z, v), (lengths_after, spread_after)) in mean.iter_mut().zip(variance).zip(after) {
        let square = *z * *z / norm2;
        let (others, own) = (lengths + lengths_after, *v);
        *v = (own * others * others + square * (spread + spread_after)) / norm2;
        lengths += square;
        spread += square * own;
        *z /= norm;
    }
    norm
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
    fn extreme_rows_stay_finite_and_a_zero_row_is_zero() {
        let (mean, variance) =
            ([1e-45, 0.0, f32::MAX, -f32::MAX, 0.0, 0.0], [f32::MAX, 1e-45, f32::MAX, 0.0, 1.0, 1.0]);
        let out = normalize(Rows::new(&mean, &variance, 2).unwrap(), &Cancel::default()).unwrap();
        out.gaussians.rows().validate().unwrap();
        assert!(out.gaussians.rows().row(2).is_zero());
        assert_eq!(out.norms[2], 0.0);
    }
}
