//! Gaussian convolution (method §5): μ = Σ_k π_k μ_k, Σ = Σ_k π_k² Σ_k, then to length 1 (method §3).
//! Members of other dimensions pass through an [`Alignment`](crate::Alignment) first.

use rayon::prelude::*;

use crate::coefficients::check_members;
use crate::kernels::mixture::add_scaled;
use crate::normalize::{norm2, normalize_by, round_into};
use crate::simd::Level;
use crate::{Cancel, Error, Gaussians, Result, Rows};

/// Mixtures of n texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolved {
    /// The mixtures, n×D; an invalid one is a row of zeros.
    pub gaussians: Gaussians,
    /// ‖Σ_k π_k μ_k‖² before normalisation, length n: 1 minus this is how far the encoders point apart.
    pub norm2: Vec<f64>,
    /// 0 where no member was valid or the means cancelled to zero, else 1. Length n.
    pub valid: Vec<u8>,
}

/// Mixes K members of n rows each under n×K `coefficients`; the sums are float64. `normalize` brings the mean to length
/// 1 and carries the variance along. A member that is a row of zeros contributes nothing; a mixture row depends on that
/// row alone.
///
/// # Errors
/// [`crate::ErrorCode::InvalidArgument`] for no member, different numbers of rows, or coefficients of another number, below
/// 0 or beyond the range of float32; [`crate::ErrorCode::DimensionMismatch`]; [`crate::ErrorCode::Aborted`].
pub fn convolve(members: &[Rows<'_>], coefficients: &[f64], normalize: bool, cancel: &Cancel) -> Result<Convolved> {
    for member in members {
        members[0].same_dimension(member)?;
    }
    let (rows, k) = (check_members(members)?, members.len());
    if coefficients.len() != rows * k {
        return Err(Error::invalid(format!("{} coefficients for {rows} rows × {k} members", coefficients.len())));
    }
    // Beyond float32 the sums could overflow, and their differences be no numbers.
    if let Some(bad) = coefficients.iter().find(|c| !(0.0..=f64::from(f32::MAX)).contains(*c)) {
        return Err(Error::invalid(format!("coefficient {bad}: must be at least 0 and within the range of float32")));
    }
    let dimension = members[0].dimension;
    let mut gaussians = Gaussians::zeros(rows, dimension);
    let lines = gaussians.mean.par_chunks_mut(dimension).zip(gaussians.variance.par_chunks_mut(dimension));
    let norm2 = lines
        .enumerate()
        .map(|(index, (mean, variance))| {
            cancel.check()?;
            let texts: Vec<_> = members.iter().map(|m| m.row(index)).map(|row| (row.mean, row.variance)).collect();
            let (mut m, mut v) = mix_row(&texts, &coefficients[index * k..(index + 1) * k]);
            let norm2 = norm2(&m);
            if normalize {
                normalize_by(norm2, &mut m, &mut v);
            }
            round_into(&m, mean);
            if mean.iter().all(|m| *m == 0.0) {
                return Ok(0.0);
            }
            round_into(&v, variance);
            Ok(norm2)
        })
        .collect::<Result<Vec<_>>>()?;
    let valid = norm2.iter().map(|norm2| u8::from(*norm2 > 0.0)).collect();
    Ok(Convolved { gaussians, norm2, valid })
}

/// Σ π μ and Σ π² v of one text, in float64; `members` are (mean, variance) slices of one dimension.
pub fn mix_row<T: Copy + Into<f64>>(members: &[(&[T], &[T])], coefficients: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let level = Level::detect();
    let dimension = members.first().map_or(0, |(mean, _)| mean.len());
    let (mut mean, mut variance) = (vec![0.0; dimension], vec![0.0; dimension]);
    for ((m, v), c) in members.iter().zip(coefficients) {
        add_scaled(level, &mut mean, *c, m);
        add_scaled(level, &mut variance, c * c, v);
    }
    (mean, variance)
}
