//! The fitted posterior as a native object.

use std::path::PathBuf;
use std::sync::Arc;

use napi::bindgen_prelude::{ClassInstance, Object};
use napi::{Env, Result};
use napi_derive::napi;
use uec_gaussian::Error;
use uec_laplace::{Changes, Posterior, Prior, Scale};

use crate::error::to_js;
use crate::job::{Job, promise};
use crate::threads::on_thread;

/// A fitted posterior; immutable.
#[napi]
pub struct NativePosterior {
    pub(crate) inner: Arc<Posterior>,
}

impl From<Posterior> for NativePosterior {
    fn from(posterior: Posterior) -> Self {
        Self { inner: Arc::new(posterior) }
    }
}

/// Another λ, Laplace temperature or scale.
#[napi(object, object_to_js = false)]
pub struct NativePosteriorChanges {
    /// λ as a number.
    pub prior_precision: Option<f64>,
    /// λ by a rule: `relative` or `marglik`.
    pub prior_rule: Option<String>,
    /// T_l.
    pub laplace_temperature: Option<f64>,
    /// c.
    pub scale: Option<f64>,
}

/// λ from its two native forms.
pub(crate) fn prior(value: Option<f64>, rule: Option<&str>) -> uec_gaussian::Result<Option<Prior>> {
    match (value, rule) {
        (Some(value), _) => Ok(Some(Prior::Value(value))),
        (None, Some("relative")) => Ok(Some(Prior::Relative)),
        (None, Some("marglik")) => Ok(Some(Prior::Marglik)),
        (None, Some(other)) => Err(Error::invalid(format!("unknown prior precision '{other}'"))),
        (None, None) => Ok(None),
    }
}

#[napi]
impl NativePosterior {
    /// Reads a posterior file.
    #[napi(catch_unwind, ts_return_type = "Promise<NativePosterior>")]
    pub fn load<'env>(env: &'env Env, job: &Job, file: String) -> Result<Object<'env>> {
        promise(env, job, on_thread, move |_| Posterior::load(&PathBuf::from(file)), |_, p| Ok(Self::from(p)))
    }

    /// Writes a posterior file.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn save<'env>(&self, env: &'env Env, job: &Job, file: String) -> Result<Object<'env>> {
        let inner = Arc::clone(&self.inner);
        promise(env, job, on_thread, move |_| inner.save(&PathBuf::from(file)), |_, ()| Ok(()))
    }

    /// The same curvature under other settings.
    #[napi(catch_unwind)]
    pub fn with(&self, env: Env, changes: NativePosteriorChanges) -> Result<Self> {
        let changed = || {
            self.inner.with(&Changes {
                prior: prior(changes.prior_precision, changes.prior_rule.as_deref())?,
                laplace_temperature: changes.laplace_temperature,
                scale: changes.scale.map(Scale::Value),
            })
        };
        changed().map(Self::from).map_err(|error| to_js(env, error))
    }

    /// The first dimensions alone.
    #[napi(catch_unwind)]
    pub fn truncate(&self, env: Env, dimension: u32) -> Result<Self> {
        self.inner.truncate(dimension as usize).map(Self::from).map_err(|error| to_js(env, error))
    }

    /// The sum of fits of disjoint shards.
    #[napi(catch_unwind)]
    pub fn merge(env: Env, parts: Vec<ClassInstance<'_, NativePosterior>>) -> Result<Self> {
        let parts: Vec<Posterior> = parts.iter().map(|part| (*part.inner).clone()).collect();
        Posterior::merge(&parts).map(Self::from).map_err(|error| to_js(env, error))
    }

    /// D.
    #[napi(getter, catch_unwind)]
    pub fn dimension(&self) -> u32 {
        self.inner.dimension() as u32
    }

    /// I.
    #[napi(getter, catch_unwind)]
    pub fn features(&self) -> u32 {
        self.inner.features() as u32
    }

    /// Pairs fitted on.
    #[napi(getter, catch_unwind)]
    pub fn pairs(&self) -> f64 {
        self.inner.pairs() as f64
    }

    /// Mean loss of a pair.
    #[napi(getter, catch_unwind)]
    pub fn loss(&self) -> f64 {
        self.inner.loss()
    }

    /// λ.
    #[napi(getter, catch_unwind)]
    pub fn prior_precision(&self) -> f64 {
        self.inner.prior_precision()
    }

    /// log p(D|λ).
    #[napi(getter, catch_unwind)]
    pub fn log_marginal_likelihood(&self) -> f64 {
        self.inner.log_marginal_likelihood()
    }

    /// γ_eff.
    #[napi(getter, catch_unwind)]
    pub fn effective_parameters(&self) -> f64 {
        self.inner.effective_parameters()
    }

    /// c.
    #[napi(getter, catch_unwind)]
    pub fn scale(&self) -> f64 {
        self.inner.scale()
    }

    /// Share of pairs whose positive wins.
    #[napi(getter, catch_unwind)]
    pub fn accuracy(&self) -> f64 {
        self.inner.accuracy()
    }

    /// What a user should know.
    #[napi(getter, catch_unwind)]
    pub fn warnings(&self) -> Vec<String> {
        self.inner.warnings()
    }

    /// The encoder it belongs to.
    #[napi(getter, catch_unwind)]
    pub fn fingerprint(&self) -> String {
        self.inner.fingerprint().to_owned()
    }
}
