//! The variance that the posterior gives a text  (method §3).
//!
//! ```text
//! plain:        h = Σ_t w_t a_t          v_d = Σ_i V_di h_i²
//! first-order:  h = Σ_t (w_t/s_t) a_t    v_d = γ_d² Σ_i V_di h_i²
//! dense head:   z = f(u)                 v_d ← f′(u_d)² v_d          (either tail)
//! normalised:   v^μ_d = [ v_d (1 − 2μ_d²) + μ_d² Σ_e μ_e² v_e ] / ‖z‖²
//! ```

use std::str::FromStr;

use uec_gaussian::Error;

use crate::gradient::dot;
use crate::head::{Forward, Head, Text};

/// How V reaches the pooled vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailKind {
    /// The paper's bare formula.
    Plain,
    /// Linearised through the norm: 1/s_t in h and γ² in v.
    FirstOrder,
}

impl TailKind {
    /// `plain` or `first-order`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::FirstOrder => "first-order",
        }
    }
}

impl FromStr for TailKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "plain" => Ok(Self::Plain),
            "first-order" => Ok(Self::FirstOrder),
            _ => Err(Error::invalid(format!("unknown tail '{name}'; use 'plain' or 'first-order'"))),
        }
    }
}

/// h of a text, length I.
pub fn features(head: &Head, text: &Text, forward: &Forward, tail: TailKind) -> Vec<f64> {
    let mut h = vec![0.0; head.features];
    for (index, &t) in forward.tokens.iter().enumerate() {
        let weight = match tail {
            TailKind::Plain => text.weights[t],
            TailKind::FirstOrder => forward.weights[index],
        };
        for (h, &a) in h.iter_mut().zip(&text.a[t * head.features..(t + 1) * head.features]) {
            *h += weight * f64::from(a);
        }
    }
    h
}

/// v_d = γ_d² Σ_i V_di h_i², length D. `variance` is V, D×I row-major; `gamma` is given for the first-order tail of an
/// encoder with a norm, and `None` stands for ones.
pub fn propagate(variance: &[f64], h: &[f64], gamma: Option<&[f32]>) -> Vec<f64> {
    let squares: Vec<f64> = h.iter().map(|h| h * h).collect();
    let rows = variance.chunks_exact(h.len().max(1));
    rows.enumerate()
        .map(|(d, row)| gamma.map_or(1.0, |gamma| f64::from(gamma[d]).powi(2)) * dot(row, &squares))
        .collect()
}

/// v^μ, the variance of μ = z/‖z‖, length D; zeros where ‖z‖ = 0.
///
/// Evaluated as v_d (1 − μ_d²)² + μ_d² Σ_{e≠d} μ_e² v_e, which has no negative term: where one component holds nearly
/// all of the length, the formula as written cancels.
pub fn normalized_variance(variance: &[f64], unit: &[f64], norm: f64) -> Vec<f64> {
    if norm == 0.0 {
        return vec![0.0; variance.len()];
    }
    let norm2 = norm * norm;
    let weighted: f64 = variance.iter().zip(unit).map(|(v, m)| m * m * v).sum();
    let others = |d: usize, term: &dyn Fn(usize) -> f64| (0..unit.len()).filter(|&e| e != d).map(term).sum::<f64>();
    (0..variance.len())
        .map(|d| {
            let square = unit[d] * unit[d];
            // At most one component is this large, so that the explicit sums cost O(D) once.
            let (rest, weighted) = if square > 0.5 {
                (others(d, &|e| unit[e] * unit[e]), others(d, &|e| unit[e] * unit[e] * variance[e]))
            } else {
                (1.0 - square, (weighted - square * variance[d]).max(0.0))
            };
            (variance[d] * rest * rest + square * weighted) / norm2
        })
        .collect()
}

/// tr(v^μ) = Σ_d v_d (1 − μ_d²)/‖z‖², without v^μ; 0 where ‖z‖ = 0.
pub fn normalized_trace(variance: &[f64], unit: &[f64], norm: f64) -> f64 {
    if norm == 0.0 {
        return 0.0;
    }
    variance.iter().zip(unit).map(|(v, m)| v * (1.0 - m * m).max(0.0)).sum::<f64>() / (norm * norm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_is_the_sum_of_the_variance() {
        let (variance, z) = ([0.5, 2.0, 0.25, 8.0], [0.3_f64, -1.2, 2.0, 0.1]);
        let norm = z.iter().map(|z| z * z).sum::<f64>().sqrt();
        let unit = z.map(|z| z / norm);
        let total: f64 = normalized_variance(&variance, &unit, norm).iter().sum();
        assert!((total / normalized_trace(&variance, &unit, norm) - 1.0).abs() < 1e-14);
    }

    #[test]
    fn one_dimension_has_no_direction_to_vary_in() {
        assert_eq!(normalized_variance(&[3.0], &[1.0], 2.0), [0.0]);
    }

    #[test]
    fn a_dominating_component_keeps_its_digits() {
        let tiny = 1e-9_f64;
        let norm = (1.0 + tiny * tiny).sqrt();
        let variance = normalized_variance(&[1.0, 1.0], &[1.0 / norm, tiny / norm], norm);
        assert!((variance[0] / (tiny * tiny) - 1.0).abs() < 1e-12, "{variance:?}");
    }

    #[test]
    fn no_length_gives_no_variance() {
        assert_eq!(normalized_variance(&[1.0, 2.0], &[0.0, 0.0], 0.0), [0.0, 0.0]);
        assert_eq!(normalized_trace(&[1.0, 2.0], &[0.0, 0.0], 0.0), 0.0);
    }
}
