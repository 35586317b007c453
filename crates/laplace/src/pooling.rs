//! Pooling weights w_t of z = Σ_t w_t y_t  (method §1).

use std::str::FromStr;

use uec_gaussian::Error;

/// How the tokens of a text become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// w_t = m_t / Σm.
    Mean,
    /// All weight on position 0, whatever the padding.
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
    let Some(last) = mask.iter().rposition(|&token| token) else { return weights };
    match pooling {
        Pooling::Mean => {
            let weight = 1.0 / mask.iter().filter(|&&token| token).count() as f64;
            for (w, _) in weights.iter_mut().zip(mask).filter(|(_, token)| **token) {
                *w = weight;
            }
        }
        Pooling::Cls => weights[0] = 1.0,
        Pooling::Last => weights[last] = 1.0,
    }
    weights
}
