//! Which curvature of which loss.

use std::str::FromStr;

use uec_gaussian::{Error, Result};

use crate::contrast::Similarity;

/// Which curvature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// Empirical Fisher, `ef`.
    Ef,
    /// Generalised Gauss-Newton, `ggn`.
    Ggn,
}

/// Through which texts the gradient runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    /// Through the query and every candidate.
    Both,
    /// Through the query; candidates are constants.
    Query,
}

impl Estimator {
    /// `ef` or `ggn`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ef => "ef",
            Self::Ggn => "ggn",
        }
    }
}

impl FromStr for Estimator {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "ef" => Ok(Self::Ef),
            "ggn" => Ok(Self::Ggn),
            _ => Err(Error::invalid(format!("unknown curvature '{name}'; use 'ef' or 'ggn'"))),
        }
    }
}

impl Sides {
    /// `both` or `query`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Query => "query",
        }
    }
}

impl FromStr for Sides {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "both" => Ok(Self::Both),
            "query" => Ok(Self::Query),
            _ => Err(Error::invalid(format!("unknown sides '{name}'; use 'both' or 'query'"))),
        }
    }
}

/// The loss and the estimator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvatureOptions {
    /// Default `ef`.
    pub estimator: Estimator,
    /// Default `both`.
    pub sides: Sides,
    /// Default cosine.
    pub similarity: Similarity,
    /// τ of InfoNCE, > 0; default 0.05.
    pub temperature: f64,
}

impl Default for CurvatureOptions {
    fn default() -> Self {
        Self { estimator: Estimator::Ef, sides: Sides::Both, similarity: Similarity::Cosine, temperature: 0.05 }
    }
}
