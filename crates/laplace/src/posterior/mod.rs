//! The fitted posterior over W: mean Ŵ, variance V = 1/(H/T_l + λ), scale c  (method §2, §3).
//!
//! H is stored in float32; λ, V, c and the likelihood are computed from the stored H in float64, so that a posterior
//! that was saved and loaded is the same posterior.

mod file;
mod fit;
mod merge;
mod moments;
mod options;
mod truncate;

use uec_gaussian::{Error, Result};

pub use options::{Changes, PosteriorOptions, Scale};

use crate::activation::Activation;
use crate::curvature::CurvatureOptions;
use crate::prior::{MIN_PRIOR_PRECISION, effective_parameters, log_marginal_likelihood};
use crate::sample::TraceSample;
use crate::variance::TailKind;

/// Above this share of won pairs, the pairs are too easy to say much about the layer.
const EASY_ACCURACY: f64 = 0.99;
/// Below this share of determined parameters, 'marglik' has returned little but the prior.
const PRIOR_DOMINATED: f64 = 0.05;
/// Below this share of winning positives something is wrong with the pairs.
const HOPELESS_ACCURACY: f64 = 0.1;
/// Below this number the posterior is a guess.
const FEW_PAIRS: usize = 32;

/// A fitted posterior. Immutable: [`Posterior::with`], [`Posterior::truncate`] and [`Posterior::merge`] make new ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Posterior {
    evidence: Evidence,
    options: PosteriorOptions,
    prior_precision: f64,
    scale: f64,
    log_marginal_likelihood: f64,
    effective_parameters: f64,
}

/// What the data gave: everything that adds up over shards, and what it belongs to.
#[derive(Clone, Debug, PartialEq)]
struct Evidence {
    dimension: usize,
    features: usize,
    /// How many entries of an embedding the loss compared: D, or more where the posterior was truncated.
    compared: usize,
    /// `layer`, `rms` or `none`.
    norm: String,
    /// γ, length D; ones without a norm.
    gamma: Vec<f32>,
    activation: Activation,
    fingerprint: String,
    /// ‖Ŵ_d‖² of each row, length D.
    weight_norm2: Vec<f64>,
    curvature: CurvatureOptions,
    /// H, D×I.
    h: Vec<f32>,
    /// Σ_i ℓ_i.
    loss: f64,
    pairs: usize,
    correct: usize,
    sample: TraceSample,
}

impl Evidence {
    /// ‖Ŵ‖².
    fn weight_norm2(&self) -> f64 {
        self.weight_norm2.iter().sum()
    }
}

impl Posterior {
    /// With λ and c as given.
    fn assemble(evidence: Evidence, options: PosteriorOptions, prior_precision: f64, scale: f64) -> Result<Self> {
        if evidence.sample.tail != options.tail {
            return Err(Error::invalid("the trace sample was kept for another tail than the posterior's"));
        }
        let Evidence { h, loss, pairs, correct, .. } = &evidence;
        let weight_norm2 = evidence.weight_norm2();
        if !h.iter().all(|h| h.is_finite() && *h >= 0.0) {
            return Err(Error::invalid("the curvature is beyond the range of float32; raise the temperature"));
        }
        if !(loss.is_finite() && weight_norm2.is_finite() && weight_norm2 >= 0.0 && correct <= pairs) {
            return Err(Error::invalid("loss and squared norm of the weights must be finite and >= 0"));
        }
        let t_l = options.laplace_temperature;
        let log_marginal_likelihood = log_marginal_likelihood(h, t_l, prior_precision, *loss, weight_norm2);
        let effective_parameters = effective_parameters(h, t_l, prior_precision);
        if !log_marginal_likelihood.is_finite() || !effective_parameters.is_finite() {
            return Err(Error::invalid(
                "the marginal likelihood is beyond the range of numbers; use a larger priorPrecision",
            ));
        }
        Ok(Self { evidence, options, prior_precision, scale, log_marginal_likelihood, effective_parameters })
    }

    /// V·c must fit float32, in which it is baked.
    fn check_range(&self) -> Result<()> {
        let smallest = self.evidence.h.iter().copied().fold(f32::INFINITY, f32::min);
        if self.scale.is_finite() && self.scale > 0.0 && (self.entry(smallest) * self.scale) < f64::from(f32::MAX) {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "priorPrecision {} and scale {} give variances beyond the range of float32",
            self.prior_precision, self.scale
        )))
    }

    /// One entry of V, unscaled.
    fn entry(&self, h: f32) -> f64 {
        1.0 / (f64::from(h) / self.options.laplace_temperature + self.prior_precision)
    }

    /// V·c, D×I row-major: what gets baked into a graph. γ² is NOT folded in: the first-order tail multiplies by it.
    pub fn variance(&self) -> Vec<f32> {
        self.evidence.h.iter().map(|&h| (self.entry(h) * self.scale) as f32).collect()
    }

    /// What the user should know about this fit; empty where all is well.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.accuracy() > EASY_ACCURACY {
            warnings.push(format!(
                "the pairs are too easy: the positive wins in {:.1} % of them, so that the gradients say little; \
                 use harder pairs, hard negatives, or word-dropped copies of plain texts",
                100.0 * self.accuracy()
            ));
        }
        if self.prior_precision <= MIN_PRIOR_PRECISION {
            warnings.push(
                "the texts gave almost no gradient: priorPrecision is at its floor, and the variances tell texts apart \
                 by chance; use more, longer and different texts"
                    .to_owned(),
            );
        } else if self.accuracy() < HOPELESS_ACCURACY {
            warnings.push(format!(
                "the positive wins in only {:.1} % of the pairs: are queries and positives mixed up, or many texts \
                 the same?",
                100.0 * self.accuracy()
            ));
        }
        if self.evidence.pairs < FEW_PAIRS {
            warnings
                .push(format!("{} pairs are few for a posterior: use some hundred, better 1000", self.evidence.pairs));
        }
        let share = self.effective_parameters / self.evidence.h.len() as f64;
        if self.options.prior == crate::Prior::Marglik && share < PRIOR_DOMINATED {
            warnings.push(format!(
                "'marglik' returned little but the prior: the data determine {:.2} % of the parameters, and the \
                 variance is nearly the same for all weights; priorPrecision 'relative' tells texts apart better",
                100.0 * share
            ));
        }
        warnings
    }

    /// D.
    pub fn dimension(&self) -> usize {
        self.evidence.dimension
    }

    /// I.
    pub fn features(&self) -> usize {
        self.evidence.features
    }

    /// H, D×I row-major, finite and ≥ 0.
    pub fn curvature(&self) -> &[f32] {
        &self.evidence.h
    }

    /// How H was made.
    pub fn curvature_options(&self) -> &CurvatureOptions {
        &self.evidence.curvature
    }

    /// γ of the norm, length D; ones without a norm.
    pub fn gamma(&self) -> &[f32] {
        &self.evidence.gamma
    }

    /// The norm behind the layer: `layer`, `rms` or `none`.
    pub fn norm(&self) -> &str {
        &self.evidence.norm
    }

    /// The activation of a dense head; identity elsewhere.
    pub fn activation(&self) -> Activation {
        self.evidence.activation
    }

    /// ‖Ŵ‖² of the D rows.
    pub fn weight_norm2(&self) -> f64 {
        self.evidence.weight_norm2()
    }

    /// The number of pairs N.
    pub fn pairs(&self) -> usize {
        self.evidence.pairs
    }

    /// Mean InfoNCE loss per pair.
    pub fn loss(&self) -> f64 {
        self.evidence.loss / self.evidence.pairs.max(1) as f64
    }

    /// Share of pairs whose positive beat every other candidate.
    pub fn accuracy(&self) -> f64 {
        self.evidence.correct as f64 / self.evidence.pairs.max(1) as f64
    }

    /// λ.
    pub fn prior_precision(&self) -> f64 {
        self.prior_precision
    }

    /// log p(D|λ).
    pub fn log_marginal_likelihood(&self) -> f64 {
        self.log_marginal_likelihood
    }

    /// γ_eff, between 0 and D·I.
    pub fn effective_parameters(&self) -> f64 {
        self.effective_parameters
    }

    /// The variance scale c.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The encoder that it belongs to.
    pub fn fingerprint(&self) -> &str {
        &self.evidence.fingerprint
    }

    /// How V reaches a text.
    pub fn tail(&self) -> TailKind {
        self.options.tail
    }

    /// The options in force.
    pub fn options(&self) -> &PosteriorOptions {
        &self.options
    }

    /// The stored trace sample.
    pub fn sample(&self) -> &TraceSample {
        &self.evidence.sample
    }
}
