//! Writing an encoder as one ordinary `.onnx` file.

use std::borrow::Cow;
use std::io::Write;
use std::path::{Path, PathBuf};

use rayon::ThreadPool;
use uec_gaussian::{Error, ErrorCode, Result};
use uec_laplace::Posterior;
use uec_onnx::{Graph, Tail};

use crate::belonging::Owner;
use crate::description::{Description, baked_weights, posterior_metadata};
use crate::encoder::{Encoder, bake, baked_posterior, not_fitted};
use crate::options::Weights;
use crate::weights::check_beside;
use crate::{Phase, Progress, dense, fingerprint, head};

impl Encoder {
    /// Writes an ordinary `.onnx` file: the original outputs, and `mean`, `variance`, `norm` (prefixed `uec_` where a name
    /// is taken). Without `posterior`, the encoder's own is baked; without `weights`, as float32. The tokenizer is not part
    /// of the file: whoever loads it as an encoder needs the same `tokenizer.json` beside it. The write is atomic. `pool`
    /// computes the moments of the posterior; the files are read and written on the caller's thread.
    ///
    /// # Errors
    /// [`ErrorCode::NotFitted`] if there is no posterior at all, [`ErrorCode::PosteriorMismatch`] for one of another
    /// encoder, [`ErrorCode::ModelInvalid`] if the model has changed on disk since it was loaded,
    /// [`ErrorCode::InvalidArgument`] for a target that would replace a file of the model or stand without its external
    /// weights, [`ErrorCode::FileWrite`].
    pub fn bake(
        &self,
        file: &Path,
        posterior: Option<&Posterior>,
        weights: Option<Weights>,
        pool: &ThreadPool,
        progress: &Progress,
    ) -> Result<()> {
        let inner = &self.0;
        progress.start(Phase::Write, None);
        let model = &inner.source.model;
        let graph = Graph::read(model)?;
        let own = [model, &inner.source.tokenizer].into_iter().chain(graph.external_files()).map(Cow::Borrowed);
        let modules =
            inner.source.dense.iter().flat_map(|folder| [dense::CONFIG, dense::WEIGHTS].map(|name| folder.join(name)));
        check_target(file, own.chain(modules.map(Cow::Owned)))?;
        check_beside(&graph, model, file)?;
        if inner.source.baked {
            return self.copy_baked(&graph, file, posterior.is_some(), weights);
        }
        let posterior =
            posterior.or(inner.posterior.as_deref()).ok_or_else(|| not_fitted("there is nothing to bake"))?;
        let tail = self.reread_tail(&graph)?;
        let dimension = self.dimension();
        let owner = Owner {
            tail: &tail,
            dimension,
            fingerprint: self.fingerprint(),
            normalize: inner.settings.normalize,
            fitted_on: inner.source.fitted_on,
        };
        let posterior = owner.take(posterior)?;
        let weights = weights.unwrap_or_default();
        let inside = baked_posterior(&posterior, weights);
        let description = Description::of(&tail, dimension, self.fingerprint().to_owned(), Some(&inside));
        let mut metadata = description.to_metadata(fingerprint::of_file(&inner.source.tokenizer)?);
        metadata.extend(inner.settings.to_metadata());
        metadata.extend(pool.install(|| posterior_metadata(&posterior, weights))?);
        let baked = graph.bake(&tail, &bake(&inner.settings, &description, Some(inside), metadata))?;
        drop(graph);
        uec_files::replace(file, |out| out.write_all(&baked.bytes))
    }

    /// The tail of the model read again, which must still be the one that was loaded.
    pub(crate) fn reread_tail(&self, graph: &Graph) -> Result<Tail> {
        let source = &self.0.source;
        if fingerprint::of(graph, source, &self.0.settings)? != self.fingerprint() {
            return Err(Error::new(
                ErrorCode::ModelInvalid,
                format!("{} or its tokenizer has changed since it was loaded; load it again", source.model.display()),
            ));
        }
        head::tail(graph, &source.tail, &source.dense).map(|(tail, _)| tail)
    }

    fn copy_baked(&self, graph: &Graph, file: &Path, another: bool, weights: Option<Weights>) -> Result<()> {
        if another {
            return Err(Error::invalid("this encoder has its posterior baked in; bake another one from the original"));
        }
        if !self.fitted() {
            return Err(not_fitted("there is nothing to bake"));
        }
        let has = graph.baked().map(|info| baked_weights(&info)).unwrap_or_default();
        if let Some(weights) = weights.filter(|weights| *weights != has) {
            return Err(Error::invalid(format!(
                "this encoder has its posterior baked in as {}; bake it as {} from the original",
                has.as_str(),
                weights.as_str()
            )));
        }
        uec_files::replace(file, |out| out.write_all(graph.bytes()))
    }
}

/// A baked file must not replace a part of the model that it is made of.
fn check_target<'a>(file: &Path, mut own: impl Iterator<Item = Cow<'a, PathBuf>>) -> Result<()> {
    let Ok(target) = file.canonicalize() else { return Ok(()) };
    if own.any(|part| part.canonicalize().is_ok_and(|part| part == target)) {
        return Err(Error::invalid(format!("{} is a file of the model itself; bake to another one", file.display())));
    }
    Ok(())
}
