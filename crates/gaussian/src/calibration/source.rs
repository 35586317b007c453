//! The uncertainties that a calibration may look at (method §4).

use std::str::FromStr;

use crate::{Error, Result};

/// What a calibration may look at: one non-negative uncertainty per text and encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// Total variance of the embedding.
    Trace,
    /// 1/‖z‖², z before normalisation.
    InverseNorm,
    /// Tokens per word: how badly the vocabulary fits the text.
    TokensPerWord,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 3] = [Self::Trace, Self::InverseNorm, Self::TokensPerWord];

    /// The name in the public contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::InverseNorm => "inverse-norm",
            Self::TokensPerWord => "tokens-per-word",
        }
    }
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name).ok_or_else(|| {
            Error::invalid(format!("unknown source \"{name}\": use trace, inverse-norm or tokens-per-word"))
        })
    }
}

/// log u with u clamped to [1e-6, 1e6].
pub(super) fn log_uncertainty(u: f64) -> f64 {
    u.clamp(1e-6, 1e6).ln()
}
