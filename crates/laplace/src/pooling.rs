//! Pooling weights w_t of z = Σ_t w_t y_t  (method §1).

use std::str::FromStr;

use uec_gaussian::Error;

/// How the tokens of a text become one vector.
///
/// `uec-onnx` has a pooling (and a tail) of its own: neither crate knows the other, and the diagonal Gaussians below
/// both have no tokens. `uec-encoder`, which knows both, converts; its tests hold the two against one reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// w_t = m_t / Σm.
    Mean,
    /// All weight on the first position with mask 1.
    Cls,
    /// All weight on the last position with mask 1.
    Last,
}

impl FromStr for Pooling {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "mean" => Ok(Self::Mean),
            "cls" => Ok(Self::Cls),
            "last" => Ok(Self::Last),
            _ => Err(Error::invalid(format!("unknown pooling '{name}'; use 'mean', 'cls' or 'last'"))),
        }
    }
}

/// One weight per position; they sum to 1, or are all 0 where the mask has no token.
pub fn pooling_weights(pooling: Pooling, mask: &[bool]) -> Vec<f64> {
    let mut weights = vec![0.0; mask.len()];
    let tokens = || mask.iter().enumerate().filter(|(_, token)| **token).map(|(position, _)| position);
    let (Some(first), Some(last)) = (tokens().next(), tokens().next_back()) else { return weights };
    match pooling {
        Pooling::Mean => {
            let weight = 1.0 / tokens().count() as f64;
            tokens().for_each(|position| weights[position] = weight);
        }
        Pooling::Cls => weights[first] = 1.0,
        Pooling::Last => weights[last] = 1.0,
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_on_either_side_is_passed_over() {
        for (mask, cls, last) in [([true, true, false], 0, 1), ([false, true, true], 1, 2)] {
            let at = |position: usize| (0..3).map(|t| f64::from(u8::from(t == position))).collect::<Vec<_>>();
            assert_eq!(pooling_weights(Pooling::Cls, &mask), at(cls));
            assert_eq!(pooling_weights(Pooling::Last, &mask), at(last));
            let half = mask.map(|token| if token { 0.5 } else { 0.0 });
            assert_eq!(pooling_weights(Pooling::Mean, &mask), half);
        }
    }

    #[test]
    fn a_text_without_tokens_has_no_weights() {
        for pooling in [Pooling::Mean, Pooling::Cls, Pooling::Last] {
            assert_eq!(pooling_weights(pooling, &[false; 2]), [0.0; 2]);
            assert!(pooling_weights(pooling, &[]).is_empty());
        }
    }
}
