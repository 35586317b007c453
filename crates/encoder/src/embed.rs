//! Texts → Gaussians: tokenise, sort into batches of similar length, run, put back in order.

use uec_gaussian::{Cancel, Error, ErrorCode, Gaussians, Result};

use crate::batch::batches;
use crate::encoder::Encoder;
use crate::progress::{Phase, Progress};
use crate::session::Outputs;
use crate::tokenize::Tokens;

/// n embedded texts, in the order of the input.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// Means and variances, n×D. The variance is 0 for an encoder without a posterior.
    pub gaussians: Gaussians,
    /// ‖z‖ before normalisation, n.
    pub norms: Vec<f32>,
    /// Tokens fed, special ones not counted, n.
    pub tokens: Vec<u32>,
    /// (tokens + 4·unknown tokens) / max(1, words), n.
    pub tokens_per_word: Vec<f32>,
    /// 1 where the text was cut at the encoder's limit, n.
    pub truncated: Vec<u8>,
    /// 0 where nothing could be embedded (no tokens, ‖z‖ = 0, or numbers out of range): mean, variance and norm are 0.
    pub valid: Vec<u8>,
}

impl Encoder {
    /// Embeds texts. `prompt` names a prefix; without one the model's default prompt, if it has one, is used.
    /// An empty list gives zero rows; an empty text is a valid text.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for an unknown prompt, [`ErrorCode::Aborted`], [`ErrorCode::ModelInvalid`] if the
    /// graph fails on these texts, [`ErrorCode::OutOfMemory`].
    pub fn embed(
        &self,
        texts: &[impl AsRef<str>],
        prompt: Option<&str>,
        cancel: &Cancel,
        progress: &Progress,
    ) -> Result<Embedded> {
        let prefix = self.0.settings.prefix(prompt)?;
        cancel.check()?;
        progress.start(Phase::Tokenize, Some(texts.len()));
        let mut tokens = Vec::with_capacity(texts.len());
        for text in texts {
            cancel.check()?;
            tokens.push(self.0.tokenizer.encode(prefix, text.as_ref())?);
            progress.advance(1);
        }
        let mut embedded = Embedded::empty(&tokens, self.dimension())?;
        progress.start(Phase::Embed, Some(texts.len()));
        let lengths: Vec<usize> = tokens.iter().map(|tokens| tokens.ids.len()).collect();
        progress.advance(lengths.iter().filter(|length| **length == 0).count());
        for batch in batches(&lengths, self.0.budget) {
            let rows: Vec<&[u32]> = batch.iter().map(|&position| tokens[position].ids.as_slice()).collect();
            self.0.session.run(&rows, cancel, |outputs| self.scatter(outputs, &batch, &mut embedded))?;
            progress.advance(batch.len());
        }
        cancel.check()?;
        Ok(embedded)
    }

    /// Writes the rows of one run to the positions they belong to.
    fn scatter(&self, outputs: &Outputs<'_>, batch: &[usize], embedded: &mut Embedded) -> Result<()> {
        let dimension = self.dimension();
        let names = &self.0.outputs;
        let means = rows(outputs, &names.mean, batch.len() * dimension)?;
        let norms = rows(outputs, &names.norm, batch.len())?;
        let variances = names.variance.as_ref().map(|name| rows(outputs, name, batch.len() * dimension)).transpose()?;
        for (row, &position) in batch.iter().enumerate() {
            let (from, to) = (row * dimension..(row + 1) * dimension, position * dimension..(position + 1) * dimension);
            let (mean, variance) = (&means[from.clone()], variances.map(|variances| &variances[from]));
            let sound = norms[row] > 0.0
                && norms[row].is_finite()
                && mean.iter().all(|m| m.is_finite())
                && variance.unwrap_or_default().iter().all(|v| v.is_finite() && *v >= 0.0);
            if !sound {
                continue;
            }
            embedded.gaussians.mean[to.clone()].copy_from_slice(mean);
            if let Some(variance) = variance {
                embedded.gaussians.variance[to].copy_from_slice(variance);
            }
            embedded.norms[position] = norms[row];
            embedded.valid[position] = 1;
        }
        Ok(())
    }
}

impl Embedded {
    /// The rows of these texts before any is embedded: all invalid.
    fn empty(tokens: &[Tokens], dimension: usize) -> Result<Self> {
        let texts = tokens.len();
        let memory = || {
            Error::new(
                ErrorCode::OutOfMemory,
                format!("no memory for {texts} embeddings of {dimension} numbers: embed fewer"),
            )
        };
        let size = texts.checked_mul(dimension).ok_or_else(memory)?;
        let zeros = || {
            let mut zeros = Vec::new();
            zeros.try_reserve_exact(size).map_err(|_| memory())?;
            zeros.resize(size, 0.0);
            Ok(zeros)
        };
        Ok(Self {
            gaussians: Gaussians { mean: zeros()?, variance: zeros()?, dimension },
            norms: vec![0.0; tokens.len()],
            tokens: tokens.iter().map(|tokens| tokens.count).collect(),
            tokens_per_word: tokens.iter().map(Tokens::per_word).collect(),
            truncated: tokens.iter().map(|tokens| u8::from(tokens.truncated)).collect(),
            valid: vec![0; tokens.len()],
        })
    }
}

/// An output of the expected size.
fn rows<'a>(outputs: &'a Outputs<'_>, name: &str, size: usize) -> Result<&'a [f32]> {
    let (shape, data) = outputs.floats(name)?;
    if data.len() == size {
        return Ok(data);
    }
    Err(Error::new(
        ErrorCode::ModelInvalid,
        format!("the graph's output {name} has shape {shape:?}, but {size} numbers were expected"),
    ))
}
