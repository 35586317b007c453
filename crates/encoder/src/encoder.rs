//! An encoder: model, tokenizer and session, ready to embed.
//!
//! Fitted or not, there is one path: the graph is given the outputs `mean`, `variance` (with a posterior) and `norm` in
//! memory, exactly as [`Encoder::bake`] writes them to a file. A file that was baked before is run as it is.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use uec_gaussian::{Error, ErrorCode, Moments, Result};
use uec_laplace::Posterior;
use uec_onnx::{Bake, BakedInfo, BakedPosterior, Graph, Tail, TailKind};

use crate::batch::Budget;
use crate::belonging::Owner;
use crate::description::{self, Description};
use crate::directory::{Directory, folder_of};
use crate::external::ExternalWeights;
use crate::fingerprint;
use crate::head;
use crate::options::{EncoderInfo, EncoderOptions, Weights, pooling_name};
use crate::runtime::Runtime;
use crate::session::TokenSession;
use crate::settings::Settings;
use crate::source::Source;
use crate::tokenize::TextTokenizer;

/// A loaded encoder. Clones share everything.
#[derive(Clone)]
pub struct Encoder(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) source: Source,
    pub(crate) settings: Settings,
    pub(crate) tokenizer: TextTokenizer,
    pub(crate) session: TokenSession,
    pub(crate) outputs: OutputNames,
    pub(crate) description: Description,
    pub(crate) posterior: Option<Arc<Posterior>>,
    /// What is run at once.
    pub(crate) budget: Budget,
    pub(crate) runtime: &'static Runtime,
    pub(crate) threads: usize,
    moments: OnceLock<Result<(Moments, Option<Moments>)>>,
}

/// The graph's outputs.
pub(crate) struct OutputNames {
    pub(crate) mean: String,
    pub(crate) variance: Option<String>,
    pub(crate) norm: String,
}

impl Encoder {
    /// Loads a model directory or an `.onnx` file with its `tokenizer.json` beside it.
    ///
    /// # Errors
    /// Those of [`Directory::open`] and of reading tokenizer and graph; [`ErrorCode::PosteriorMismatch`] for a posterior of
    /// another encoder, [`ErrorCode::DeviceUnavailable`], [`ErrorCode::RuntimeNotFound`], [`ErrorCode::RuntimeVersion`],
    /// and [`ErrorCode::InvalidArgument`] for options out of range.
    pub fn load(path: &Path, options: &EncoderOptions) -> Result<Self> {
        options.device.check()?;
        let threads = options.thread_count()?;
        let directory = Directory::open(path, options.file.as_deref())?;
        let graph = Graph::read(&directory.model)?;
        let runtime = Runtime::ensure(&options.runtime)?;
        let parts = match graph.baked() {
            Some(info) => Parts::baked(&graph, &directory, info, options)?,
            None => Parts::original(&graph, &directory, options)?,
        };
        let Parts { source, settings, tokenizer, description, outputs, posterior, bytes } = parts;
        let padding = padding(&settings, &directory, &tokenizer);
        let weights = ExternalWeights::of(&graph, &source.model)?;
        let budget = Budget::of(&graph);
        let bytes = bytes.map_or_else(|| graph.bytes().clone(), Into::into);
        drop(graph);
        let session = TokenSession::open(runtime, &bytes, weights, threads, padding)?;
        let settings = Settings { pad_id: Some(padding), ..settings };
        let moments = OnceLock::new();
        Ok(Self(Arc::new(Inner {
            source,
            settings,
            tokenizer,
            session,
            outputs,
            description,
            posterior,
            budget,
            runtime,
            threads,
            moments,
        })))
    }

    /// D, the length of an embedding: the outputs of the last layer, or as many as are kept of them.
    pub fn dimension(&self) -> usize {
        self.0.description.dimension
    }

    /// I, the width of the last linear layer's input.
    pub fn features(&self) -> usize {
        self.0.description.features
    }

    /// Whether variances are available.
    pub fn fitted(&self) -> bool {
        self.0.outputs.variance.is_some()
    }

    /// What a posterior of this encoder carries: 64 hexadecimal digits. A baked encoder has that of its original.
    pub fn fingerprint(&self) -> &str {
        &self.0.description.fingerprint
    }

    /// The fingerprint together with the posterior: encoders of one identity give the same Gaussians.
    pub fn identity(&self) -> &str {
        &self.0.description.identity
    }

    /// Where the model's files lie: the folder of its `tokenizer.json`.
    pub fn directory(&self) -> &Path {
        folder_of(&self.0.source.tokenizer)
    }

    /// The names of the prompts.
    pub fn prompts(&self) -> impl Iterator<Item = &str> {
        self.0.settings.prompts.keys().map(String::as_str)
    }

    /// What it is made of.
    pub fn info(&self) -> EncoderInfo {
        let inner = &self.0;
        EncoderInfo {
            dimension: inner.description.dimension,
            features: inner.description.features,
            norm: inner.description.norm.clone(),
            pooling: pooling_name(inner.settings.pooling).to_owned(),
            normalize: inner.settings.normalize,
            linear: inner.description.linear.clone(),
            max_tokens: inner.tokenizer.max_tokens(),
            device: crate::Device::Cpu.as_str().to_owned(),
            runtime: format!("ONNX Runtime {} ({})", inner.runtime.version(), inner.runtime.path().display()),
            threads: inner.threads,
        }
    }

    /// Moments of the trace of the variance over the posterior's sample of fitting texts (method §4, T = 'auto').
    /// Computed at the first call, in the current rayon pool.
    ///
    /// # Errors
    /// [`ErrorCode::NotFitted`] without a posterior.
    pub fn trace_moments(&self) -> Result<Moments> {
        Ok(self.moments()?.0)
    }

    /// The same of Σ_d 1/v_d.
    ///
    /// # Errors
    /// [`ErrorCode::NotFitted`] without a posterior, [`ErrorCode::InvalidArgument`] where a variance is 0.
    pub fn precision_moments(&self) -> Result<Moments> {
        self.moments()?
            .1
            .ok_or_else(|| Error::invalid("Σ 1/v has no value: a text of the posterior's sample has a variance of 0"))
    }

    fn moments(&self) -> Result<(Moments, Option<Moments>)> {
        let inner = &self.0;
        if let Some(moments) = inner.moments.get() {
            return moments.clone();
        }
        // Not inside the lock: while it waits for its parts, a thread of the pool takes up other work, and if that asked
        // for the same moments it would wait for itself.
        let moments = match (&inner.posterior, inner.description.trace_moments) {
            (Some(posterior), _) => posterior.trace_moments().map(|trace| (trace, posterior.precision_moments().ok())),
            (None, Some(trace)) => Ok((trace, inner.description.precision_moments)),
            (None, None) => Err(not_fitted("its variances are not known")),
        };
        inner.moments.get_or_init(|| moments).clone()
    }
}

/// The error of everything that needs a posterior.
pub(crate) fn not_fitted(what: &str) -> Error {
    Error::new(
        ErrorCode::NotFitted,
        format!("this encoder has no posterior, so {what}: fit it, or load it with the option `posterior`"),
    )
}

struct Parts {
    source: Source,
    settings: Settings,
    tokenizer: TextTokenizer,
    description: Description,
    outputs: OutputNames,
    posterior: Option<Arc<Posterior>>,
    /// The edited graph; `None` where the file is run as it is.
    bytes: Option<Vec<u8>>,
}

impl Parts {
    fn original(graph: &Graph, directory: &Directory, options: &EncoderOptions) -> Result<Self> {
        let (tail, dense) = head::tail(graph, &options.tail, &directory.dense)?;
        let settings = Settings::from_directory(directory, options, tail.pooling)?;
        head::check_pooling(&tail, settings.pooling)?;
        let tokenizer = TextTokenizer::read(&directory.tokenizer, settings.max_tokens, settings.lower_case)
            .map_err(|error| of_the_model(error, options.max_tokens.is_none()))?;
        let source = Source {
            model: directory.model.clone(),
            tokenizer: directory.tokenizer.clone(),
            tail: options.tail.clone(),
            dense: dense.to_vec(),
            fitted_on: options.fitted_on,
            baked: false,
        };
        let dimension = kept(options.dimensions, &tail)?;
        let fingerprint = fingerprint::of(graph, &source, &settings)?;
        let owner = Owner {
            tail: &tail,
            dimension,
            fingerprint: &fingerprint,
            normalize: settings.normalize,
            fitted_on: options.fitted_on,
        };
        let posterior = match &options.posterior {
            None => None,
            Some(given) => Some(match owner.take(given)? {
                Cow::Borrowed(_) => Arc::clone(given),
                Cow::Owned(cut) => Arc::new(cut),
            }),
        };
        let inside = posterior.as_deref().map(|posterior| baked_posterior(posterior, Weights::Float32));
        let description = Description::of(&tail, dimension, fingerprint, inside.as_ref());
        let bake = bake(&settings, &description, inside, Vec::new());
        let baked = graph.bake(&tail, &bake)?;
        let outputs = OutputNames { mean: baked.mean, variance: baked.variance, norm: baked.norm };
        Ok(Self { source, settings, tokenizer, description, outputs, posterior, bytes: Some(baked.bytes) })
    }

    fn baked(graph: &Graph, directory: &Directory, info: BakedInfo, options: &EncoderOptions) -> Result<Self> {
        if options.posterior.is_some() {
            return Err(Error::invalid(format!(
                "{} has its posterior baked in; give another one to the original encoder",
                directory.model.display()
            )));
        }
        description::check_version(&info, &directory.model)?;
        let settings = Settings::from_metadata(&info.metadata, options)?;
        let tokenizer = TextTokenizer::read(&directory.tokenizer, settings.max_tokens, settings.lower_case)?;
        let description = Description::from_metadata(&info.metadata)?;
        if let Some(wanted) = options.dimensions.filter(|wanted| *wanted != description.dimension) {
            return Err(Error::invalid(format!(
                "the option `dimensions` is {wanted}, but this file was baked with {}; load the original encoder instead",
                description.dimension
            )));
        }
        description.check_tokenizer(&directory.tokenizer)?;
        if graph.inputs().is_empty() {
            return Err(Error::new(ErrorCode::ModelInvalid, "the graph has no inputs"));
        }
        let source = Source {
            model: directory.model.clone(),
            tokenizer: directory.tokenizer.clone(),
            tail: options.tail.clone(),
            dense: Vec::new(),
            fitted_on: options.fitted_on,
            baked: true,
        };
        let outputs = OutputNames { mean: info.mean, variance: info.variance, norm: info.norm };
        Ok(Self { source, settings, tokenizer, description, outputs, posterior: None, bytes: None })
    }
}

/// A limit that the caller did not give stands in the model's files, which are then to blame.
fn of_the_model(error: Error, not_given: bool) -> Error {
    match error.code {
        ErrorCode::InvalidArgument if not_given => {
            Error::new(ErrorCode::ModelInvalid, format!("the settings of the model make no sense: {}", error.message))
        }
        _ => error,
    }
}

/// How many outputs of the last layer an embedding keeps.
fn kept(wanted: Option<usize>, tail: &Tail) -> Result<usize> {
    match wanted {
        None => Ok(tail.dimension),
        Some(wanted) if (1..=tail.dimension).contains(&wanted) => Ok(wanted),
        Some(wanted) => Err(Error::invalid(format!(
            "dimensions is {wanted}; embeddings of this encoder have {} entries, of which 1 to all can be kept",
            tail.dimension
        ))),
    }
}

/// What is added to the graph.
pub(crate) fn bake(
    settings: &Settings,
    description: &Description,
    posterior: Option<BakedPosterior>,
    metadata: Vec<(String, String)>,
) -> Bake {
    let dimensions = Some(description.dimension).filter(|kept| *kept != description.width);
    Bake { pooling: settings.pooling, normalize: settings.normalize, posterior, metadata, dimensions }
}

/// The part of a posterior that becomes a piece of the graph.
pub(crate) fn baked_posterior(posterior: &Posterior, weights: Weights) -> BakedPosterior {
    let kind = match posterior.tail() {
        uec_laplace::TailKind::Plain => TailKind::Plain,
        uec_laplace::TailKind::FirstOrder => TailKind::FirstOrder,
    };
    BakedPosterior { variance: posterior.variance(), kind, half: weights == Weights::Float16 }
}

/// The padding token: as baked, as the tokenizer says, as the configuration says, else 0. It is masked in any case, but
/// some graphs count positions by it.
fn padding(settings: &Settings, directory: &Directory, tokenizer: &TextTokenizer) -> u32 {
    settings
        .pad_id
        .or_else(|| directory.pad_token.as_deref().and_then(|token| tokenizer.id_of(token)))
        .or_else(|| tokenizer.padding())
        .or(directory.pad_id)
        .unwrap_or(0)
}
