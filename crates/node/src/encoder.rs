//! The encoder as a native object. Its calls run on its own thread, the curvature of a fit in the compute pool.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::{ClassInstance, Float32Array, Object, Uint8Array, Uint32Array};
use napi::{Env, Result};
use napi_derive::napi;
use uec_encoder::{Encoder, EncoderOptions, Override, RuntimeSearch};

use crate::error::to_js;
use crate::fit::{NativeFitOptions, NativeFitter};
use crate::job::{Job, promise};
use crate::posterior::NativePosterior;
use crate::scoring::NativeMoments;
use crate::threads::{self, on_thread, pool};
use crate::worker::{Worker, disposed};

/// What to load and how.
#[napi(object, object_to_js = false)]
pub struct NativeEncoderOptions {
    /// mean, cls or last.
    pub pooling: Option<String>,
    /// Unit-length means.
    pub normalize: Option<bool>,
    /// Entries of an embedding to keep.
    pub dimensions: Option<u32>,
    /// this or original.
    pub fitted_on: Option<String>,
    /// Longest text.
    pub max_tokens: Option<u32>,
    /// Prefixes by name.
    pub prompts: Option<HashMap<String, String>>,
    /// Which .onnx.
    pub file: Option<String>,
    /// Name of the last linear layer.
    pub linear: Option<String>,
    /// Name of the norm.
    pub norm: Option<String>,
    /// Compute threads.
    pub threads: Option<u32>,
    /// cpu or cuda.
    pub device: Option<String>,
    /// The user's ONNX Runtime library.
    pub runtime: Option<String>,
    /// Where else the library may be.
    pub runtime_candidates: Vec<String>,
}

impl NativeEncoderOptions {
    fn parse(self) -> uec_gaussian::Result<EncoderOptions> {
        Ok(EncoderOptions {
            posterior: None,
            fitted_on: self.fitted_on.map(|name| name.parse()).transpose()?.unwrap_or_default(),
            dimensions: self.dimensions.map(|dimensions| dimensions as usize),
            pooling: self.pooling.map(|name| name.parse()).transpose()?,
            normalize: self.normalize,
            max_tokens: self.max_tokens.map(|tokens| tokens as usize),
            prompts: self.prompts.unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>(),
            file: self.file,
            tail: Override { linear: self.linear, norm: self.norm },
            threads: Some(self.threads.map_or_else(threads::count, |threads| threads as usize)),
            device: self.device.map_or(Ok(uec_encoder::Device::Cpu), |name| name.parse())?,
            runtime: RuntimeSearch {
                path: self.runtime.map(PathBuf::from),
                candidates: self.runtime_candidates.into_iter().map(PathBuf::from).collect(),
            },
        })
    }
}

/// What an encoder is made of.
#[napi(object, object_from_js = false)]
pub struct NativeEncoderInfo {
    /// D.
    pub dimension: u32,
    /// I.
    pub features: u32,
    /// layer, rms or none.
    pub norm: String,
    /// mean, cls or last.
    pub pooling: String,
    /// Unit-length means.
    pub normalize: bool,
    /// Name of the last linear layer.
    pub linear: String,
    /// Longest text.
    pub max_tokens: u32,
    /// cpu.
    pub device: String,
    /// Version and path of ONNX Runtime.
    pub runtime: String,
    /// Compute threads.
    pub threads: u32,
}

/// n embedded texts.
#[napi(object, object_from_js = false)]
pub struct NativeEmbedded {
    /// n×D.
    pub mean: Float32Array,
    /// n×D.
    pub variance: Float32Array,
    /// ‖z‖, n.
    pub norms: Float32Array,
    /// Tokens fed, n.
    pub tokens: Uint32Array,
    /// Tokens per word, n.
    pub tokens_per_word: Float32Array,
    /// 1 where cut, n.
    pub truncated: Uint8Array,
    /// 0 where invalid, n.
    pub valid: Uint8Array,
}

/// A loaded encoder.
#[napi]
pub struct NativeEncoder {
    encoder: Mutex<Option<Encoder>>,
    worker: Arc<Worker>,
    info: uec_encoder::EncoderInfo,
    fitted: bool,
    fingerprint: String,
    identity: String,
    directory: String,
}

impl NativeEncoder {
    fn new(encoder: Encoder) -> uec_gaussian::Result<Self> {
        Ok(Self {
            worker: Arc::new(Worker::start()?),
            info: encoder.info(),
            fitted: encoder.fitted(),
            fingerprint: encoder.fingerprint().to_owned(),
            identity: encoder.identity().to_owned(),
            directory: encoder.directory().display().to_string(),
            encoder: Mutex::new(Some(encoder)),
        })
    }

    fn encoder(&self) -> uec_gaussian::Result<Encoder> {
        self.encoder.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(disposed)
    }

    fn alive(&self, env: &Env) -> Result<Encoder> {
        self.encoder().map_err(|error| to_js(*env, error))
    }
}

#[napi]
impl NativeEncoder {
    /// Loads a directory or a file.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeEncoder>")]
    pub fn load<'env>(
        env: &'env Env,
        job: &Job,
        path: String,
        options: NativeEncoderOptions,
        posterior: Option<ClassInstance<'env, NativePosterior>>,
    ) -> Result<Object<'env>> {
        let posterior = posterior.map(|posterior| Arc::clone(&posterior.inner));
        promise(
            env,
            job,
            on_thread,
            move |_| {
                let options = EncoderOptions { posterior, ..options.parse()? };
                Self::new(Encoder::load(&PathBuf::from(path), &options)?)
            },
            |_, encoder| Ok(encoder),
        )
    }

    /// D.
    #[napi(getter, catch_unwind)]
    pub fn dimension(&self) -> u32 {
        self.info.dimension as u32
    }

    /// Whether variances are available.
    #[napi(getter, catch_unwind)]
    pub fn fitted(&self) -> bool {
        self.fitted
    }

    /// Of model, tokenizer, pooling and normalisation.
    #[napi(getter, catch_unwind)]
    pub fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    /// Of the encoder with its posterior: equal identities give equal Gaussians.
    #[napi(getter, catch_unwind)]
    pub fn identity(&self) -> String {
        self.identity.clone()
    }

    /// Where the model's files lie.
    #[napi(getter, catch_unwind)]
    pub fn directory(&self) -> String {
        self.directory.clone()
    }

    /// What it is made of.
    #[napi(getter, catch_unwind)]
    pub fn info(&self) -> NativeEncoderInfo {
        let info = self.info.clone();
        NativeEncoderInfo {
            dimension: info.dimension as u32,
            features: info.features as u32,
            norm: info.norm,
            pooling: info.pooling,
            normalize: info.normalize,
            linear: info.linear,
            max_tokens: u32::try_from(info.max_tokens).unwrap_or(u32::MAX),
            device: info.device,
            runtime: info.runtime,
            threads: info.threads as u32,
        }
    }

    /// Of the trace over the fitting texts.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeMoments>")]
    pub fn trace_moments<'env>(&self, env: &'env Env, job: &Job) -> Result<Object<'env>> {
        let encoder = self.alive(env)?;
        promise(env, job, threads::on_pool, move |_| encoder.trace_moments(), |_, m| Ok(NativeMoments::from(m)))
    }

    /// Of Σ 1/v over the fitting texts.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeMoments>")]
    pub fn precision_moments<'env>(&self, env: &'env Env, job: &Job) -> Result<Object<'env>> {
        let encoder = self.alive(env)?;
        promise(env, job, threads::on_pool, move |_| encoder.precision_moments(), |_, m| Ok(NativeMoments::from(m)))
    }

    /// Gaussians of texts.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeEmbedded>")]
    pub fn embed<'env>(
        &self,
        env: &'env Env,
        job: &Job,
        texts: Vec<String>,
        prompt: Option<String>,
    ) -> Result<Object<'env>> {
        let encoder = self.alive(env)?;
        promise(
            env,
            job,
            |work| self.worker.run(work),
            move |job| encoder.embed(&texts, prompt.as_deref(), &job.cancel, &job.progress),
            |_, embedded| {
                Ok(NativeEmbedded {
                    mean: embedded.gaussians.mean.into(),
                    variance: embedded.gaussians.variance.into(),
                    norms: embedded.norms.into(),
                    tokens: embedded.tokens.into(),
                    tokens_per_word: embedded.tokens_per_word.into(),
                    truncated: embedded.truncated.into(),
                    valid: embedded.valid.into(),
                })
            },
        )
    }

    /// Writes an ordinary .onnx file.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn bake<'env>(
        &self,
        env: &'env Env,
        job: &Job,
        file: String,
        posterior: Option<ClassInstance<'env, NativePosterior>>,
        weights: Option<String>,
    ) -> Result<Object<'env>> {
        let encoder = self.alive(env)?;
        let posterior = posterior.map(|posterior| Arc::clone(&posterior.inner));
        promise(
            env,
            job,
            on_thread,
            move |job| {
                let weights = weights.map(|name| name.parse()).transpose()?;
                encoder.bake(&PathBuf::from(file), posterior.as_deref(), weights, &*pool()?, &job.progress)
            },
            |_, ()| Ok(()),
        )
    }

    /// Copies the files beside the model that its weights lie in to where a file baked into `folder` looks for them.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn copy_weights<'env>(&self, env: &'env Env, job: &Job, folder: String) -> Result<Object<'env>> {
        let encoder = self.alive(env)?;
        promise(env, job, on_thread, move |_| encoder.copy_weights(&PathBuf::from(folder)), |_, ()| Ok(()))
    }

    /// What a baked file says about itself.
    #[napi(catch_unwind, ts_return_type = "Promise<Record<string, string>>")]
    pub fn baked_metadata<'env>(env: &'env Env, job: &Job, file: String) -> Result<Object<'env>> {
        let read = move |_: &Job| uec_encoder::baked_metadata(&PathBuf::from(file));
        promise(env, job, on_thread, read, |_, entries| Ok(entries.into_iter().collect::<HashMap<_, _>>()))
    }

    /// Begins a fit.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFitter>")]
    pub fn fitter<'env>(&self, env: &'env Env, job: &Job, options: NativeFitOptions) -> Result<Object<'env>> {
        let encoder = self.alive(env)?;
        let worker = Arc::clone(&self.worker);
        promise(env, job, on_thread, move |_| NativeFitter::begin(&encoder, options, worker), |_, fitter| Ok(fitter))
    }

    /// Waits for queued calls and frees the model.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn dispose<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let encoder = self.encoder.lock().unwrap_or_else(PoisonError::into_inner).take();
        promise(
            env,
            &Job::new(),
            |work| self.worker.close(work),
            move |_| {
                drop(encoder);
                Ok(())
            },
            |_, ()| Ok(()),
        )
    }
}
