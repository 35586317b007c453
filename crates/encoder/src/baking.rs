//! Writing an encoder as one ordinary `.onnx` file, and what such a file says about itself (metadata keys `uec.*`).

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use rayon::ThreadPool;
use uec_gaussian::{Error, ErrorCode, Moments, Result};
use uec_laplace::Posterior;
use uec_onnx::{Bake, BakedInfo, BakedPosterior, Graph, NormKind, Tail, TailKind};

use crate::encoder::{Encoder, check_posterior, not_fitted};
use crate::fingerprint;
use crate::settings::entry;
use crate::{Phase, Progress};

/// The newest layout of outputs and metadata that this code reads.
const VERSION: u32 = 1;

/// No encoder is wider; a file that says so is damaged.
const MOST_DIMENSIONS: usize = 1 << 20;

const FINGERPRINT: &str = "uec.fingerprint";
const IDENTITY: &str = "uec.identity";
const TOKENIZER: &str = "uec.tokenizer_sha256";
const DIMENSION: &str = "uec.dimension";
const FEATURES: &str = "uec.features";
const NORM: &str = "uec.norm_kind";
const LINEAR: &str = "uec.linear";
const TAIL: &str = "uec.tail";
const PRIOR: &str = "uec.prior_precision";
const SCALE: &str = "uec.scale";
const TRACE: &str = "uec.trace_moments";
const PRECISION: &str = "uec.precision_moments";

/// What is known of an encoder beyond its graph.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) fingerprint: String,
    /// Of the encoder with its posterior; the fingerprint without one.
    pub(crate) identity: String,
    pub(crate) dimension: usize,
    pub(crate) features: usize,
    pub(crate) norm: String,
    pub(crate) linear: String,
    /// Of a baked file: SHA-256 of the tokenizer that it belongs to.
    tokenizer: Option<String>,
    /// Of a baked file.
    pub(crate) trace_moments: Option<Moments>,
    pub(crate) precision_moments: Option<Moments>,
}

impl Description {
    pub(crate) fn of(tail: &Tail, fingerprint: String, posterior: Option<&BakedPosterior>) -> Self {
        let norm = match tail.norm {
            NormKind::Layer => "layer",
            NormKind::Rms => "rms",
            NormKind::None => "none",
        };
        let identity = posterior.map_or_else(|| fingerprint.clone(), |p| fingerprint::with_posterior(&fingerprint, p));
        Self {
            identity,
            fingerprint,
            dimension: tail.dimension,
            features: tail.features,
            norm: norm.to_owned(),
            linear: tail.linear.clone(),
            tokenizer: None,
            trace_moments: None,
            precision_moments: None,
        }
    }

    /// # Errors
    /// [`ErrorCode::ModelInvalid`] for metadata that is incomplete or out of range.
    pub(crate) fn from_metadata(metadata: &BTreeMap<String, String>) -> Result<Self> {
        let described = Self {
            fingerprint: entry(metadata, FINGERPRINT)?,
            identity: entry(metadata, IDENTITY)?,
            dimension: entry(metadata, DIMENSION)?,
            features: entry(metadata, FEATURES)?,
            norm: entry(metadata, NORM)?,
            linear: entry(metadata, LINEAR)?,
            tokenizer: Some(entry(metadata, TOKENIZER)?),
            trace_moments: metadata.get(TRACE).and_then(|text| moments(text)),
            precision_moments: metadata.get(PRECISION).and_then(|text| moments(text)),
        };
        if !(1..=MOST_DIMENSIONS).contains(&described.dimension) {
            let what = format!("the metadata entry {DIMENSION} is {}; bake it again", described.dimension);
            return Err(Error::new(ErrorCode::ModelInvalid, what));
        }
        Ok(described)
    }

    fn to_metadata(&self, tokenizer: String) -> Vec<(String, String)> {
        let entries = [
            (FINGERPRINT, self.fingerprint.clone()),
            (TOKENIZER, tokenizer),
            (DIMENSION, self.dimension.to_string()),
            (FEATURES, self.features.to_string()),
            (NORM, self.norm.clone()),
            (LINEAR, self.linear.clone()),
        ];
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// # Errors
    /// [`ErrorCode::TokenizerInvalid`] if a baked file lies beside another tokenizer than its own.
    pub(crate) fn check_tokenizer(&self, file: &Path) -> Result<()> {
        if self.tokenizer.as_ref().is_some_and(|expected| fingerprint::of_file(file).as_ref() != Ok(expected)) {
            return Err(Error::new(
                ErrorCode::TokenizerInvalid,
                format!("{} is not the tokenizer that this baked encoder was made with; copy that one", file.display()),
            ));
        }
        Ok(())
    }
}

/// # Errors
/// [`ErrorCode::FileVersion`] for a file of a newer release.
pub(crate) fn check_version(info: &BakedInfo, model: &Path) -> Result<()> {
    if info.version <= VERSION {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::FileVersion,
        format!("{} was baked by a newer release (version {}); update uec", model.display(), info.version),
    ))
}

/// The part of a posterior that becomes a piece of the graph.
pub(crate) fn baked_posterior(posterior: &Posterior) -> BakedPosterior {
    let kind = match posterior.tail() {
        uec_laplace::TailKind::Plain => TailKind::Plain,
        uec_laplace::TailKind::FirstOrder => TailKind::FirstOrder,
    };
    BakedPosterior { variance: posterior.variance(), kind }
}

impl Encoder {
    /// Writes an ordinary `.onnx` file: the original outputs, and `mean`, `variance`, `norm` (prefixed `uec_` where a name
    /// is taken). Without `posterior`, the encoder's own is baked. The tokenizer is not part of the file: whoever loads
    /// it as an encoder needs the same `tokenizer.json` beside it. The write is atomic. `pool` computes the moments of the
    /// posterior; the files are read and written on the caller's thread.
    ///
    /// # Errors
    /// [`ErrorCode::NotFitted`] if there is no posterior at all, [`ErrorCode::PosteriorMismatch`] for one of another
    /// encoder, [`ErrorCode::ModelInvalid`] if the model has changed on disk since it was loaded,
    /// [`ErrorCode::InvalidArgument`] for a target that would replace a file of the model or leave its external weights
    /// behind, [`ErrorCode::FileWrite`].
    pub fn bake(
        &self,
        file: &Path,
        posterior: Option<&Posterior>,
        pool: &ThreadPool,
        progress: &Progress,
    ) -> Result<()> {
        let inner = &self.0;
        progress.start(Phase::Write, None);
        let model = &inner.source.model;
        let graph = Graph::read(model)?;
        let own = [model.as_path(), &inner.source.tokenizer];
        check_target(file, own.into_iter().chain(graph.external_files().iter().map(|weights| weights.as_path())))?;
        check_folder(&graph, model, file)?;
        if inner.source.baked {
            return self.copy_baked(&graph, file, posterior);
        }
        let posterior =
            posterior.or(inner.posterior.as_deref()).ok_or_else(|| not_fitted("there is nothing to bake"))?;
        let tail = self.reread_tail(&graph)?;
        check_posterior(posterior, &tail, self.fingerprint())?;
        let mut metadata = inner.description.to_metadata(fingerprint::of_file(&inner.source.tokenizer)?);
        metadata.extend(inner.settings.to_metadata());
        metadata.extend(pool.install(|| posterior_metadata(posterior))?);
        let baked = baked_posterior(posterior);
        metadata.push((IDENTITY.to_owned(), fingerprint::with_posterior(self.fingerprint(), &baked)));
        let (pooling, normalize) = (inner.settings.pooling, inner.settings.normalize);
        let bake = Bake { pooling, normalize, posterior: Some(baked), metadata };
        let baked = graph.bake(&tail, &bake)?;
        uec_files::replace(file, |out| out.write_all(&baked.bytes))
    }

    /// The tail of the model read again, which must still be the one that was loaded.
    pub(crate) fn reread_tail(&self, graph: &Graph) -> Result<Tail> {
        let inner = &self.0;
        let now = fingerprint::of(graph, &inner.source.tokenizer, &inner.settings, &inner.source.tail)?;
        if now != self.fingerprint() {
            return Err(Error::new(
                ErrorCode::ModelInvalid,
                format!(
                    "{} or its tokenizer has changed since it was loaded; load it again",
                    inner.source.model.display()
                ),
            ));
        }
        graph.tail(&inner.source.tail)
    }

    fn copy_baked(&self, graph: &Graph, file: &Path, posterior: Option<&Posterior>) -> Result<()> {
        if posterior.is_some() {
            return Err(Error::invalid("this encoder has its posterior baked in; bake another one from the original"));
        }
        if !self.fitted() {
            return Err(not_fitted("there is nothing to bake"));
        }
        uec_files::replace(file, |out| out.write_all(graph.bytes()))
    }
}

/// A baked file must not replace a part of the model that it is made of.
fn check_target<'a>(file: &Path, mut own: impl Iterator<Item = &'a Path>) -> Result<()> {
    let Ok(target) = file.canonicalize() else { return Ok(()) };
    if own.any(|part| part.canonicalize().is_ok_and(|part| part == target)) {
        return Err(Error::invalid(format!("{} is a file of the model itself; bake to another one", file.display())));
    }
    Ok(())
}

/// External weights are found beside the file alone.
fn check_folder(graph: &Graph, model: &Path, file: &Path) -> Result<()> {
    if graph.external_files().is_empty() {
        return Ok(());
    }
    let folder = |path: &Path| std::path::absolute(path).ok()?.parent()?.canonicalize().ok();
    if folder(model) == folder(file) {
        return Ok(());
    }
    Err(Error::invalid(format!("the weights of {} lie in files beside it: bake into the same folder", model.display())))
}

fn posterior_metadata(posterior: &Posterior) -> Result<Vec<(String, String)>> {
    let text = |moments: Moments| format!("{} {} {}", moments.count, moments.mean, moments.m2);
    let mut entries = vec![
        (TAIL, posterior.tail().as_str().to_owned()),
        (PRIOR, posterior.prior_precision().to_string()),
        (SCALE, posterior.scale().to_string()),
        (TRACE, text(posterior.trace_moments()?)),
    ];
    // Without a value where a variance is 0.
    entries.extend(posterior.precision_moments().ok().map(|moments| (PRECISION, text(moments))));
    Ok(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Count, mean and sum of squared deviations.
fn moments(text: &str) -> Option<Moments> {
    let mut words = text.split(' ');
    let moments = Moments {
        count: words.next()?.parse().ok()?,
        mean: words.next()?.parse().ok()?,
        m2: words.next()?.parse().ok()?,
    };
    (words.next().is_none() && moments.mean.is_finite() && moments.m2.is_finite()).then_some(moments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_survive_as_text() {
        let exact = Moments { count: 1024, mean: 1.0 / 3.0, m2: 1e-300 };
        assert_eq!(moments(&format!("{} {} {}", exact.count, exact.mean, exact.m2)), Some(exact));
        assert_eq!(moments("1 2"), None);
        assert_eq!(moments("1 2 NaN"), None);
        assert_eq!(moments("1 2 3 4"), None);
    }
}
