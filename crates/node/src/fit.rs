//! A fit under way: chunks of pairs come in, a posterior comes out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;
use uec_encoder::{CheckpointOptions, Encoder, FitOptions, FitPair, Fitter};
use uec_gaussian::Error;
use uec_laplace::Scale;

use crate::job::{Job, promise};
use crate::posterior::{NativePosterior, prior};
use crate::threads::pool;
use crate::worker::Worker;

/// Settings of a fit; what is missing keeps its default.
#[napi(object, object_to_js = false)]
pub struct NativeFitOptions {
    /// ef or ggn.
    pub curvature: Option<String>,
    /// both or query.
    pub sides: Option<String>,
    /// cosine or dot.
    pub similarity: Option<String>,
    /// τ.
    pub temperature: Option<f64>,
    /// B.
    pub batch_size: Option<u32>,
    /// λ as a number.
    pub prior_precision: Option<f64>,
    /// λ by a rule.
    pub prior_rule: Option<String>,
    /// T_l.
    pub laplace_temperature: Option<f64>,
    /// plain or first-order.
    pub tail: Option<String>,
    /// Share of dropped words.
    pub word_dropout: Option<f64>,
    /// Seed of the dropout.
    pub seed: Option<f64>,
    /// c as a number.
    pub scale: Option<f64>,
    /// c by a rule.
    pub scale_rule: Option<String>,
    /// Where the fit is saved.
    pub checkpoint: Option<String>,
    /// Seconds between two saves.
    pub checkpoint_seconds: Option<f64>,
}

impl NativeFitOptions {
    fn parse(self) -> uec_gaussian::Result<FitOptions> {
        let mut options = FitOptions::default();
        if let Some(name) = self.curvature {
            options.curvature.estimator = name.parse()?;
        }
        if let Some(name) = self.sides {
            options.curvature.sides = name.parse()?;
        }
        if let Some(name) = self.similarity {
            options.curvature.similarity = name.parse()?;
        }
        if let Some(name) = self.tail {
            options.tail = name.parse()?;
        }
        if let Some(prior) = prior(self.prior_precision, self.prior_rule.as_deref())? {
            options.prior = prior;
        }
        match (self.scale, self.scale_rule.as_deref()) {
            (Some(scale), _) => options.scale = Scale::Value(scale),
            (None, Some("none")) => options.scale = Scale::None,
            (None, Some("trace") | None) => {}
            (None, Some(other)) => return Err(Error::invalid(format!("unknown scale '{other}'"))),
        }
        options.curvature.temperature = self.temperature.unwrap_or(options.curvature.temperature);
        options.laplace_temperature = self.laplace_temperature.unwrap_or(options.laplace_temperature);
        options.word_dropout = self.word_dropout.unwrap_or(options.word_dropout);
        options.batch_size = self.batch_size.map_or(options.batch_size, |size| size as usize);
        let interval = Duration::try_from_secs_f64(self.checkpoint_seconds.unwrap_or(30.0));
        let interval = interval.map_err(|error| Error::invalid(format!("checkpointSeconds: {error}")))?;
        options.checkpoint = self.checkpoint.map(|file| CheckpointOptions { file: file.into(), interval });
        options.seed = self.seed.map_or(options.seed, |seed| seed as u64);
        Ok(options)
    }
}

/// A query and what answers it.
#[napi(object, object_to_js = false)]
pub struct NativePair {
    /// Query.
    pub query: String,
    /// Answer.
    pub positive: String,
    /// Texts that do not answer it.
    pub negatives: Vec<String>,
}

/// A fit under way. Pushes take effect in the order of the calls.
#[napi]
pub struct NativeFitter {
    fitter: Arc<Mutex<Option<Fitter>>>,
    worker: Arc<Worker>,
    resumed: usize,
}

impl NativeFitter {
    pub(crate) fn begin(
        encoder: &Encoder,
        options: NativeFitOptions,
        worker: Arc<Worker>,
    ) -> uec_gaussian::Result<Self> {
        let fitter = Fitter::new(encoder, options.parse()?, pool()?)?;
        let resumed = fitter.resumed();
        Ok(Self { fitter: Arc::new(Mutex::new(Some(fitter))), worker, resumed })
    }

    fn push<'env>(
        &self,
        env: &'env Env,
        job: &Job,
        add: impl FnOnce(&mut Fitter, &Job) -> uec_gaussian::Result<()> + Send + 'static,
    ) -> Result<Object<'env>> {
        let fitter = Arc::clone(&self.fitter);
        let work = move |job: &Job| {
            let mut fitter = fitter.lock().unwrap_or_else(PoisonError::into_inner);
            let fitter = fitter.as_mut().ok_or_else(finished)?;
            add(fitter, job)
        };
        promise(env, job, |work| self.worker.run(work), work, |_, ()| Ok(()))
    }
}

fn finished() -> Error {
    Error::invalid("this fit is finished; begin another one")
}

#[napi]
impl NativeFitter {
    /// Adds pairs.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn push_pairs<'env>(&self, env: &'env Env, job: &Job, pairs: Vec<NativePair>) -> Result<Object<'env>> {
        let pairs: Vec<FitPair> = pairs
            .into_iter()
            .map(|pair| FitPair { query: pair.query, positive: pair.positive, negatives: pair.negatives })
            .collect();
        self.push(env, job, |fitter, job| fitter.push(pairs, &job.cancel, &job.progress))
    }

    /// Adds plain texts.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn push_texts<'env>(&self, env: &'env Env, job: &Job, texts: Vec<String>) -> Result<Object<'env>> {
        self.push(env, job, |fitter, job| fitter.push_texts(texts, &job.cancel, &job.progress))
    }

    /// Items that the checkpoint had.
    #[napi(getter, catch_unwind)]
    pub fn resumed(&self) -> f64 {
        self.resumed as f64
    }

    /// Saves what was added to the checkpoint.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn save<'env>(&self, env: &'env Env, job: &Job) -> Result<Object<'env>> {
        self.push(env, job, |fitter, _| fitter.save())
    }

    /// The posterior of all that was added.
    #[napi(catch_unwind, ts_return_type = "Promise<NativePosterior>")]
    pub fn finish<'env>(&self, env: &'env Env, job: &Job) -> Result<Object<'env>> {
        let fitter = Arc::clone(&self.fitter);
        let work = move |job: &Job| {
            let fitter = fitter.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(finished)?;
            fitter.finish(&job.cancel, &job.progress)
        };
        promise(env, job, |work| self.worker.run(work), work, |_, posterior| Ok(NativePosterior::from(posterior)))
    }
}
