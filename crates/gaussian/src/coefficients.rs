//! How much each encoder counts for each text: n×K coefficients (method §4).
//!
//!   softmax-trace      π_k = softmax_k( −tr(Σ_k)/T )
//!   inverse-variance   π_k ∝ 1/tr(Σ_k)
//!   softmax-precision  π_k = softmax_k( Σ_d 1/Σ_kd / T )
//!   power              π_k ∝ tr(Σ_k)^(−p)
//!   calibrated         π_k = softmax_k( a_k − Σ_j p_j log u_kj )
//!
//! Limits: encoders with trace 0 (or with a zero variance, for softmax-precision) are certain and share the weight
//! equally, as the formulas do when those variances go to 0 together. An invalid member (a row of zeros, method §3)
//! gets 0 and the others are renormalised; where no member remains, every coefficient of the row is 0.

use rayon::prelude::*;

use crate::lanes::reciprocals;
use crate::{Calibration, Cancel, Error, Result, Row, Rows, TRACE};

/// A coefficient rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Coefficients<'a> {
    /// softmax of −trace/T, the paper's rule.
    SoftmaxTrace,
    /// 1/trace, the best linear unbiased combination.
    InverseVariance,
    /// softmax of Σ 1/v over T.
    SoftmaxPrecision,
    /// 1/K each.
    Uniform,
    /// trace^(−p), p > 0.
    Power(f64),
    /// K weights, finite, at least 0, with a positive sum; normalised here.
    Fixed(&'a [f64]),
    /// Learned from pairs, see [`Calibration`].
    Calibrated(&'a Calibration),
}

/// The n×K coefficients of K members with n rows each, row-major; each row sums to 1 (to 0 where no member is valid).
/// `temperature` is used by the two softmax rules. `uncertainties` (n×K×J, J the number of the calibration's sources) is
/// used by [`Coefficients::Calibrated`] and may be left out if the trace is its only source. A row's coefficients depend
/// on that row alone. Members may differ in dimension: what counts is each encoder's own variance, before any alignment.
///
/// # Errors
/// [`crate::ErrorCode::InvalidArgument`] for a bad parameter, no member, different numbers of rows or missing
/// uncertainties; [`crate::ErrorCode::Aborted`].
pub fn coefficients(
    rule: Coefficients<'_>,
    temperature: f64,
    members: &[Rows<'_>],
    uncertainties: Option<&[f32]>,
    cancel: &Cancel,
) -> Result<Vec<f64>> {
    let rows = check_members(members)?;
    let k = members.len();
    let width = check_rule(rule, temperature, k, rows, uncertainties)?;
    let mut out = vec![0.0; rows * k];
    out.par_chunks_mut(k).with_min_len(64).enumerate().try_for_each(|(index, out)| {
        cancel.check()?;
        let texts: Vec<_> = members.iter().map(|member| member.row(index)).collect();
        let own = uncertainties.filter(|_| width > 0).map(|u| &u[index * k * width..(index + 1) * k * width]);
        fill(rule, temperature, &texts, own, out)
            .map_err(|error| Error { message: format!("row {index}: {}", error.message), ..error })
    })?;
    Ok(out)
}

/// The common number of rows.
pub(crate) fn check_members(members: &[Rows<'_>]) -> Result<usize> {
    let Some(first) = members.first() else {
        return Err(Error::invalid("no members: at least one batch of Gaussians is needed"));
    };
    for (index, member) in members.iter().enumerate() {
        if member.len() != first.len() {
            return Err(Error::invalid(format!(
                "member {index} has {} rows and member 0 has {}: every member embeds the same texts",
                member.len(),
                first.len()
            )));
        }
    }
    Ok(first.len())
}

/// Checks the parameters and returns J, 0 if no uncertainties are read.
fn check_rule(
    rule: Coefficients<'_>,
    temperature: f64,
    k: usize,
    rows: usize,
    uncertainties: Option<&[f32]>,
) -> Result<usize> {
    match rule {
        Coefficients::SoftmaxTrace | Coefficients::SoftmaxPrecision
            if !(temperature.is_finite() && temperature > 0.0) =>
        {
            Err(Error::invalid(format!("temperature is {temperature}: must be finite and above 0")))
        }
        Coefficients::Power(p) if !(p.is_finite() && p > 0.0) => {
            Err(Error::invalid(format!("power is {p}: must be finite and above 0")))
        }
        Coefficients::Fixed(weights) => check_weights(weights, k).map(|()| 0),
        Coefficients::Calibrated(calibration) => {
            calibration.validate(k)?;
            let width = calibration.sources.len();
            match uncertainties {
                None if calibration.sources.iter().all(|source| source == TRACE) => Ok(0),
                None => Err(Error::invalid("this calibration needs uncertainties (rows × members × sources)")),
                Some(values) if values.len() == rows * k * width => Ok(width),
                Some(values) => Err(Error::invalid(format!(
                    "{} uncertainties given, {rows} rows × {k} members × {width} sources needed",
                    values.len()
                ))),
            }
        }
        _ => Ok(0),
    }
}

fn check_weights(weights: &[f64], k: usize) -> Result<()> {
    if weights.len() != k {
        return Err(Error::invalid(format!("{} weights for {k} members", weights.len())));
    }
    if let Some(bad) = weights.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
        return Err(Error::invalid(format!("weight {bad}: must be finite and at least 0")));
    }
    if weights.iter().all(|w| *w == 0.0) {
        return Err(Error::invalid("all weights are 0: at least one must be positive"));
    }
    Ok(())
}

/// One text: π of its valid members.
fn fill(
    rule: Coefficients<'_>,
    temperature: f64,
    texts: &[Row<'_>],
    uncertainties: Option<&[f32]>,
    out: &mut [f64],
) -> Result<()> {
    let valid: Vec<usize> = (0..texts.len()).filter(|k| !texts[*k].is_zero()).collect();
    let traces = || valid.iter().map(|k| texts[*k].trace());
    let weights: Vec<f64> = match rule {
        Coefficients::SoftmaxTrace => softmax(traces().map(|trace| -trace).collect(), temperature),
        Coefficients::SoftmaxPrecision => {
            softmax(valid.iter().map(|k| reciprocals(texts[*k].variance)).collect(), temperature)
        }
        Coefficients::InverseVariance => inverse(traces().collect(), |ratio| ratio),
        Coefficients::Power(p) => inverse(traces().collect(), |ratio| ratio.powf(p)),
        Coefficients::Uniform => vec![1.0; valid.len()],
        Coefficients::Fixed(weights) => {
            let largest = valid.iter().map(|k| weights[*k]).fold(0.0, f64::max);
            valid.iter().map(|k| if largest > 0.0 { weights[*k] / largest } else { 0.0 }).collect()
        }
        Coefficients::Calibrated(calibration) => {
            let width = calibration.sources.len();
            let mut exponents = Vec::with_capacity(valid.len());
            for k in &valid {
                let exponent = match uncertainties {
                    Some(u) => calibration.exponent(*k, u[k * width..(k + 1) * width].iter().copied().map(f64::from)),
                    None => calibration.exponent(*k, calibration.sources.iter().map(|_| texts[*k].trace())),
                };
                if exponent.is_nan() {
                    return Err(Error::invalid(format!("an uncertainty of member {k} is not a number")));
                }
                exponents.push(exponent);
            }
            softmax(exponents, 1.0)
        }
    };
    let total: f64 = weights.iter().sum();
    if total > 0.0 {
        for (k, weight) in valid.into_iter().zip(weights) {
            out[k] = weight / total;
        }
    }
    Ok(())
}

/// exp((x − max)/T), not normalised. Infinite entries (a certain encoder) share the weight.
fn softmax(mut x: Vec<f64>, temperature: f64) -> Vec<f64> {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for x in &mut x {
        *x = if *x == max { 1.0 } else { ((*x - max) / temperature).exp() };
    }
    x
}

/// shape(smallest/x), not normalised: the smallest counts 1, and where it is 0 the others count 0.
fn inverse(mut x: Vec<f64>, shape: impl Fn(f64) -> f64) -> Vec<f64> {
    let min = x.iter().copied().fold(f64::INFINITY, f64::min);
    for x in &mut x {
        *x = if *x == min { 1.0 } else { shape(min / *x) };
    }
    x
}
