//! Writing an encoder as one ordinary `.onnx` file.

use std::io::Write;
use std::path::Path;

use rayon::ThreadPool;
use uec_gaussian::{Error, ErrorCode, Result};
use uec_laplace::Posterior;
use uec_onnx::{Bake, Graph, Tail};

use crate::description::{IDENTITY, posterior_metadata};
use crate::encoder::{Encoder, baked_posterior, check_posterior, not_fitted};
use crate::fingerprint;
use crate::{Phase, Progress};

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
        let bake = Bake { pooling, normalize, dimensions: None, posterior: Some(baked), metadata };
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
