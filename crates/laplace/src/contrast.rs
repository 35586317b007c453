//! InfoNCE of one query against its candidates, without cancellation  (method §2).
//!
//! ```text
//! s_ij = sim(z_i, z'_j)/τ     p_ij = softmax_j s_ij     ℓ_i = −log p_ii     c_ij = p_ij − δ_ij
//! ```
//! c_ii is −Σ_{j≠i} p_ij, because p_ii − 1 has no digits left where the positive has won; ℓ_i is a log-sum-exp.

use std::str::FromStr;

use uec_gaussian::Error;

use crate::head::Forward;

/// How two pooled vectors are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Similarity {
    /// ⟨z/‖z‖, z'/‖z'‖⟩.
    Cosine,
    /// ⟨z, z'⟩.
    Dot,
}

impl Similarity {
    /// `cosine` or `dot`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Dot => "dot",
        }
    }

    /// The vector that the inner product is taken of: μ for the cosine, z for the dot product.
    pub(crate) fn vector(self, text: &Forward) -> &[f64] {
        match self {
            Self::Cosine => &text.unit,
            Self::Dot => &text.pooled,
        }
    }
}

impl FromStr for Similarity {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "cosine" => Ok(Self::Cosine),
            "dot" => Ok(Self::Dot),
            _ => Err(Error::invalid(format!("unknown similarity '{name}'; use 'cosine' or 'dot'"))),
        }
    }
}

/// The softmax of one query over its candidates.
#[derive(Clone, Debug)]
pub struct Contrast {
    /// p_ij.
    pub probabilities: Vec<f64>,
    /// c_ij = p_ij − δ_ij = ∂ℓ_i/∂s_ij.
    pub coefficients: Vec<f64>,
    /// ℓ_i ≥ 0.
    pub loss: f64,
    /// The most probable candidate, the first of equals.
    pub best: usize,
    /// Whether the positive beats every other candidate.
    pub correct: bool,
}

impl Contrast {
    /// From s_ij (already divided by τ, all finite) and the position of the positive among them.
    pub fn new(scores: &[f64], positive: usize) -> Self {
        let mut best = 0;
        for (j, &score) in scores.iter().enumerate() {
            if score > scores[best] {
                best = j;
            }
        }
        let exponentials: Vec<f64> = scores.iter().map(|s| (s - scores[best]).exp()).collect();
        // The sum without its largest term, which is 1.
        let rest: f64 = exponentials.iter().enumerate().filter(|(j, _)| *j != best).map(|(_, e)| e).sum();
        let probabilities: Vec<f64> = exponentials.iter().map(|e| e / (1.0 + rest)).collect();
        let mut coefficients = probabilities.clone();
        coefficients[positive] =
            -probabilities.iter().enumerate().filter(|(j, _)| *j != positive).map(|(_, p)| p).sum::<f64>();
        let correct = scores.iter().enumerate().all(|(j, &s)| j == positive || s < scores[positive]);
        let loss = (scores[best] - scores[positive]) + rest.ln_1p();
        Self { probabilities, coefficients, loss, best, correct }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decided_query_keeps_its_digits() {
        let contrast = Contrast::new(&[60.0, 0.0], 0);
        let exact = (-60.0_f64).exp();
        assert!((contrast.loss / exact - 1.0).abs() < 1e-12);
        assert!((contrast.coefficients[0] / -exact - 1.0).abs() < 1e-12);
        assert!(contrast.correct);
    }

    #[test]
    fn a_lost_query_has_the_gap_as_loss() {
        let contrast = Contrast::new(&[0.0, 1000.0], 0);
        assert_eq!(contrast.loss, 1000.0);
        assert_eq!(contrast.coefficients, [-1.0, 1.0]);
        assert!(!contrast.correct);
    }

    #[test]
    fn a_tie_is_not_correct() {
        assert!(!Contrast::new(&[1.0, 1.0], 0).correct);
    }

    #[test]
    fn one_candidate_has_no_loss_and_no_gradient() {
        let contrast = Contrast::new(&[3.0], 0);
        assert_eq!((contrast.loss, contrast.coefficients[0]), (0.0, 0.0));
    }
}
