//! What a posterior is made with, beside the data.

use std::collections::BTreeMap;

use uec_gaussian::{Error, Result};

use crate::prior::Prior;
use crate::variance::TailKind;

/// The variance scale c.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// 1 / mean trace over the stored sample: mean total variance 1 on the fitting texts.
    Trace,
    /// 1.
    None,
    /// This number, finite and > 0.
    Value(f64),
}

/// Settings of a posterior.
#[derive(Clone, Debug, PartialEq)]
pub struct PosteriorOptions {
    /// λ; default 'relative'.
    pub prior: Prior,
    /// T_l > 0; default 1.
    pub laplace_temperature: f64,
    /// c; default 'trace'.
    pub scale: Scale,
    /// Default 'plain'.
    pub tail: TailKind,
    /// Whether the encoder's embeddings are normalised; the trace is then that of v^μ. Default true.
    pub normalize: bool,
    /// Settings of the fit to record beside (seed, word dropout, batch size …); merging wants them equal.
    pub record: BTreeMap<String, String>,
}

impl Default for PosteriorOptions {
    fn default() -> Self {
        Self {
            prior: Prior::Relative,
            laplace_temperature: 1.0,
            scale: Scale::Trace,
            tail: TailKind::Plain,
            normalize: true,
            record: BTreeMap::new(),
        }
    }
}

impl PosteriorOptions {
    pub(super) fn validate(&self) -> Result<()> {
        if !(self.laplace_temperature.is_finite() && self.laplace_temperature > 0.0) {
            return Err(Error::invalid(format!(
                "laplaceTemperature must be a finite number > 0, got {}",
                self.laplace_temperature
            )));
        }
        match self.scale {
            Scale::Value(value) if !(value.is_finite() && value > 0.0) => {
                Err(Error::invalid(format!("scale must be a finite number > 0, got {value}")))
            }
            Scale::Value(_) | Scale::Trace | Scale::None => Ok(()),
        }
    }
}

/// What [`super::Posterior::with`] may change; `None` keeps the present value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Changes {
    /// Another λ.
    pub prior: Option<Prior>,
    /// Another T_l.
    pub laplace_temperature: Option<f64>,
    /// Another scale.
    pub scale: Option<Scale>,
}
