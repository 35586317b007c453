//! Which sources a calibration should look at: the subset with the lowest held-out loss.
//!
//! The pairs are cut into F = 5 contiguous folds of equal size, up to rounding. Every subset S of the allowed sources,
//! the empty one included, is fitted on four of them (objective and ridge as for all pairs), and its loss ℓ_f(S) is the
//! symmetric InfoNCE of the fifth, without the ridge, whose pairs compete among themselves alone. With
//!
//!   ℓ(S) = mean_f ℓ_f(S),   B = argmin ℓ(S),   Δ_f(S) = ℓ_f(S) − ℓ_f(B)
//!   se(S) = sqrt( Σ_f (Δ_f − mean Δ)² / (F − 1) / F )
//!
//! the choice is the smallest S with mean_f Δ_f(S) ≤ max(se(S), 1e-5 nats); of equally small ones that with the lowest ℓ.
//! This is the one-standard-error rule on paired differences: folds differ in difficulty for all subsets alike, so that
//! the standard error of ℓ(B) itself would hide every difference between subsets.

use rayon::prelude::*;

use super::contrast::Contrast;
use super::{Calibration, CalibrationPairs, STARTS, TOLERANCE, calibration, fit};
use crate::{Cancel, Error, Result};

/// Most sources: every subset of them is fitted in every fold.
pub const MAX_SOURCES: usize = 6;

const FOLDS: usize = 5;
/// Within 1e-4 in a and p, by the ridge's curvature.
const FOLD_TOLERANCE: f64 = 1e-7;
/// A gain in nats below this is the optimiser's, not the source's.
const NEGLIGIBLE: f64 = 1e-5;
/// Folds start from inverse uncertainty alone: they are compared, not kept.
const FOLD_STARTS: [f64; 1] = [1.0];

/// Fits every subset of `pairs.sources`, chooses by cross-validation and refits the chosen one on all pairs. The
/// result's `loss` is the mean held-out loss of the chosen subset.
///
/// # Errors
/// As [`super::fit_calibration`], and [`crate::ErrorCode::InvalidArgument`] for more than [`MAX_SOURCES`] sources.
pub fn choose_calibration(pairs: &CalibrationPairs<'_>, cancel: &Cancel) -> Result<Calibration> {
    if pairs.sources.len() > MAX_SOURCES {
        return Err(Error::invalid(format!(
            "{} sources ({}): every subset is tried, so that at most {MAX_SOURCES} may compete; name fewer",
            pairs.sources.len(),
            pairs.sources.join(", ")
        )));
    }
    let contrast = Contrast::new(pairs, cancel)?;
    let n = contrast.pairs();
    let subsets = subsets(pairs.sources.len());
    let mut losses = vec![Vec::with_capacity(FOLDS); subsets.len()];
    for fold in 0..FOLDS {
        let fold = fold * n / FOLDS..(fold + 1) * n / FOLDS;
        let (held_out, rest): (Vec<_>, Vec<_>) = (0..n).partition(|row| fold.contains(row));
        let (training, test) = (contrast.select(&rest, cancel)?, contrast.select(&held_out, cancel)?);
        let of_fold = subsets
            .par_iter()
            .map(|columns| {
                let theta = fit(&training, columns, &FOLD_STARTS, FOLD_TOLERANCE, cancel)?;
                test.loss(&theta, columns, cancel).map(|(loss, _)| loss)
            })
            .collect::<Result<Vec<_>>>()?;
        losses.iter_mut().zip(of_fold).for_each(|(losses, loss)| losses.push(loss));
    }
    let chosen = choose(&subsets, &losses);
    let columns = &subsets[chosen];
    let theta = fit(&contrast, columns, &STARTS, TOLERANCE, cancel)?;
    let fitted = calibration(&contrast, pairs.sources, columns, theta, cancel)?;
    Ok(Calibration { loss: mean(&losses[chosen]), ..fitted })
}

/// All subsets of 0..count, smaller ones first.
fn subsets(count: usize) -> Vec<Vec<usize>> {
    let mut subsets: Vec<Vec<usize>> =
        (0..1_usize << count).map(|bits| (0..count).filter(|j| bits >> j & 1 == 1).collect()).collect();
    subsets.sort_by_key(Vec::len);
    subsets
}

/// The smallest subset within one standard error of the best, the better of equally small ones.
fn choose(subsets: &[Vec<usize>], losses: &[Vec<f64>]) -> usize {
    let means: Vec<f64> = losses.iter().map(|losses| mean(losses)).collect();
    let order = |x: &usize, y: &usize| means[*x].total_cmp(&means[*y]);
    let Some(best) = (0..subsets.len()).min_by(order) else { return 0 };
    let close = |subset: &usize| {
        let differences: Vec<f64> = losses[*subset].iter().zip(&losses[best]).map(|(own, best)| own - best).collect();
        mean(&differences) <= standard_error(&differences).max(NEGLIGIBLE)
    };
    let by_size = |x: &usize, y: &usize| subsets[*x].len().cmp(&subsets[*y].len()).then(order(x, y));
    (0..subsets.len()).filter(close).min_by(by_size).unwrap_or(best)
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn standard_error(x: &[f64]) -> f64 {
    let centre = mean(x);
    let m2: f64 = x.iter().map(|x| (x - centre) * (x - centre)).sum();
    (m2 / (x.len() as f64 - 1.0) / x.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_sources_have_seven_subsets_and_none() {
        let subsets = subsets(3);
        assert_eq!(subsets.len(), 8);
        assert!(subsets[0].is_empty() && subsets[7] == [0, 1, 2]);
    }

    #[test]
    fn fewer_sources_win_within_one_standard_error_only() {
        let subsets = vec![vec![], vec![0], vec![1], vec![0, 1]];
        let base = [1.0, 2.0, 3.0, 4.0, 5.0];
        let plus = |noise: [f64; 5]| base.iter().zip(noise).map(|(x, e)| x + e).collect::<Vec<_>>();
        // {0, 1} is best; {1} is worse by 0.01 ± 0.02, {0} and {} by 0.5 in every fold, though folds differ by far more.
        let losses = vec![plus([0.5; 5]), plus([0.5; 5]), plus([0.06, -0.04, 0.06, -0.04, 0.01]), plus([0.0; 5])];
        assert_eq!(choose(&subsets, &losses), 2);
        let clear = vec![losses[0].clone(), losses[1].clone(), plus([0.2; 5]), plus([0.0; 5])];
        assert_eq!(choose(&subsets, &clear), 3);
    }
}
