//! Fitting: pairs of texts → curvature of the last linear layer → posterior  (method §2).
//!
//! Pairs are pushed in portions of any size and leave in contrastive batches of a fixed size, so that the memory does not
//! depend on their number and the result does not depend on the portions. A batch is one or more runs of the original graph
//! with the last layer's input a and output u tapped; of these only the unpadded rows are kept, for this batch alone.
//!
//! The curvature is added and the posterior computed in the pool that the fit is given; tokenising and ONNX Runtime, which
//! block and have threads of their own, stay on the caller's thread.
//!
//! A last batch of a single pair would have no candidate to tell it from, so it joins the batch before.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::ThreadPool;
use uec_gaussian::{Cancel, Error, ErrorCode, Result};
use uec_laplace::{
    Curvature, CurvatureOptions, Head, Posterior, PosteriorOptions, Prior, Scale, TailKind, TraceSample,
};
use uec_onnx::Graph;

use crate::dropout::word_dropped;
use crate::encoder::Encoder;
use crate::external::ExternalWeights;
use crate::head::head;
use crate::progress::{Phase, Progress};
use crate::session::TokenSession;
use crate::taps::Taps;

/// A query, a text that answers it, and texts that do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FitPair {
    /// The query.
    pub query: String,
    /// The text that belongs to it.
    pub positive: String,
    /// Hard negatives: candidates of this query only.
    pub negatives: Vec<String>,
}

/// How to fit.
#[derive(Clone, Debug, PartialEq)]
pub struct FitOptions {
    /// Estimator, sides, similarity and τ.
    pub curvature: CurvatureOptions,
    /// Pairs per contrastive batch, at least 2; default 32.
    pub batch_size: usize,
    /// λ.
    pub prior: Prior,
    /// T_l > 0.
    pub laplace_temperature: f64,
    /// How V reaches a text.
    pub tail: TailKind,
    /// The variance scale c.
    pub scale: Scale,
    /// The share of words that a copy of a plain text lacks, in [0, 1); default 0.3.
    pub word_dropout: f64,
    /// Seed of the word dropout.
    pub seed: u64,
}

impl Default for FitOptions {
    fn default() -> Self {
        let posterior = PosteriorOptions::default();
        Self {
            curvature: CurvatureOptions::default(),
            batch_size: 32,
            prior: posterior.prior,
            laplace_temperature: posterior.laplace_temperature,
            tail: posterior.tail,
            scale: posterior.scale,
            word_dropout: 0.3,
            seed: 0,
        }
    }
}

impl FitOptions {
    fn validate(&self) -> Result<()> {
        if self.batch_size < 2 {
            return Err(Error::invalid("batchSize must be at least 2: a pair is told from the others of its batch"));
        }
        if !(0.0..1.0).contains(&self.word_dropout) {
            return Err(Error::invalid(format!(
                "wordDropout must be at least 0 and below 1, got {}",
                self.word_dropout
            )));
        }
        Ok(())
    }
}

/// A fit under way.
pub struct Fitter {
    encoder: Encoder,
    taps: Taps,
    head: Head,
    weight_norm2: Vec<f64>,
    curvature: Curvature,
    sample: TraceSample,
    options: FitOptions,
    pool: Arc<ThreadPool>,
    pending: Vec<FitPair>,
    from_texts: bool,
    /// Set while a batch is added: if it stays, the sum lacks that batch.
    incomplete: bool,
}

impl Fitter {
    /// Opens the original graph of `encoder` with its last layer tapped. `pool` computes; its size changes no result.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for options out of range and for baked encoders, whose original must be fitted;
    /// [`ErrorCode::ModelInvalid`] if the model has changed on disk.
    pub fn new(encoder: &Encoder, options: FitOptions, pool: Arc<ThreadPool>) -> Result<Self> {
        options.validate()?;
        let inner = &encoder.0;
        if inner.source.baked {
            return Err(Error::invalid("this encoder has its posterior baked in; fit the original encoder instead"));
        }
        let graph = Graph::read(&inner.source.model)?;
        let tail = encoder.reread_tail(&graph)?;
        let head = head(&tail);
        let curvature = Curvature::new(&head, options.curvature)?;
        let tapped = graph.tapped(&tail, inner.settings.pooling)?;
        let weights = ExternalWeights::of(&graph, &inner.source.model)?;
        let padding = inner.settings.pad_id.unwrap_or(0);
        let session = TokenSession::open(inner.runtime, &tapped.bytes, weights, inner.threads, padding)?;
        let taps = Taps::new(session, &tapped, &tail, inner.settings.pooling);
        let sample = TraceSample::new(&head, options.tail);
        Ok(Self {
            encoder: encoder.clone(),
            taps,
            head,
            weight_norm2: tail.weight_norms2(),
            curvature,
            sample,
            options,
            pool,
            pending: Vec::new(),
            from_texts: false,
            incomplete: false,
        })
    }

    /// Pairs pushed so far.
    pub fn pairs(&self) -> usize {
        self.curvature.pairs() + self.pending.len()
    }

    /// Adds pairs; runs as many full batches as there are. Call it outside the pool.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for a text without tokens or with ‖z‖ = 0, naming it; [`ErrorCode::Aborted`]. After
    /// an error the fit cannot go on.
    pub fn push(&mut self, pairs: Vec<FitPair>, cancel: &Cancel, progress: &Progress) -> Result<()> {
        self.check()?;
        self.pending.extend(pairs);
        // What stays behind is never a single pair without a batch to join.
        while self.pending.len() >= self.options.batch_size.saturating_add(2) {
            let batch: Vec<FitPair> = self.pending.drain(..self.options.batch_size).collect();
            self.add(&batch, cancel, progress)?;
        }
        Ok(())
    }

    /// Adds plain texts: a pair is two word-dropped copies of a text.
    ///
    /// # Errors
    /// As [`Fitter::push`].
    pub fn push_texts(&mut self, texts: Vec<String>, cancel: &Cancel, progress: &Progress) -> Result<()> {
        self.from_texts |= !texts.is_empty();
        let copy = |text: &str, number| word_dropped(text, self.options.word_dropout, self.options.seed, number);
        let pairs = texts
            .iter()
            .map(|text| FitPair { query: copy(text, 0), positive: copy(text, 1), negatives: Vec::new() })
            .collect();
        self.push(pairs, cancel, progress)
    }

    /// Runs what is left and computes the posterior.
    ///
    /// # Errors
    /// As [`Fitter::push`]; [`ErrorCode::InvalidArgument`] for fewer than two pairs in all, and as [`Posterior::fit`].
    pub fn finish(mut self, cancel: &Cancel, progress: &Progress) -> Result<Posterior> {
        self.check()?;
        if self.pairs() < 2 {
            return Err(Error::invalid(format!(
                "fitting needs at least 2 pairs (or texts), got {}: each is told from the others",
                self.pairs()
            )));
        }
        let last = std::mem::take(&mut self.pending);
        self.add(&last, cancel, progress)?;
        progress.resume(Phase::Posterior);
        let mut record = BTreeMap::from([("batch_size".to_owned(), self.options.batch_size.to_string())]);
        if self.from_texts {
            record.insert("word_dropout".to_owned(), self.options.word_dropout.to_string());
            record.insert("seed".to_owned(), self.options.seed.to_string());
        }
        let options = PosteriorOptions {
            prior: self.options.prior,
            laplace_temperature: self.options.laplace_temperature,
            scale: self.options.scale,
            tail: self.options.tail,
            normalize: self.encoder.0.settings.normalize,
            record,
        };
        let fingerprint = self.encoder.fingerprint().to_owned();
        let (pool, curvature, head, sample) = (self.pool, self.curvature, &self.head, self.sample);
        let posterior =
            pool.install(|| Posterior::fit(curvature, head, &self.weight_norm2, sample, options, fingerprint))?;
        cancel.check()?;
        Ok(posterior)
    }

    fn check(&self) -> Result<()> {
        if self.incomplete {
            return Err(Error::invalid("this fit was aborted or failed in an earlier batch; begin a new one"));
        }
        Ok(())
    }

    /// Adds one contrastive batch.
    fn add(&mut self, batch: &[FitPair], cancel: &Cancel, progress: &Progress) -> Result<()> {
        self.incomplete = true;
        progress.resume(Phase::Fit);
        let texts: Vec<&str> = batch
            .iter()
            .map(|pair| pair.query.as_str())
            .chain(batch.iter().map(|pair| pair.positive.as_str()))
            .chain(batch.iter().flat_map(|pair| pair.negatives.iter().map(String::as_str)))
            .collect();
        let tapped = self.taps.run(&self.encoder.0.tokenizer, &texts, cancel)?;
        let all: Vec<_> = tapped.iter().map(crate::taps::Tapped::text).collect();
        let (queries, rest) = all.split_at(batch.len());
        let (positives, mut rest) = rest.split_at(batch.len());
        let mut negatives = Vec::new();
        if !rest.is_empty() {
            for pair in batch {
                let (own, others) = rest.split_at(pair.negatives.len());
                negatives.push(own.to_vec());
                rest = others;
            }
        }
        let (curvature, head) = (&mut self.curvature, &self.head);
        let added = self.pool.install(|| curvature.add_batch(head, queries, positives, &negatives, cancel));
        added.map_err(|error| {
            let unusable = |text: &uec_laplace::Text<'_>| !self.head.forward(text).is_ok_and(|done| done.norm > 0.0);
            match all.iter().position(unusable) {
                Some(position) if error.code == ErrorCode::InvalidArgument => {
                    crate::taps::unusable(texts[position], &error.message)
                }
                _ => error,
            }
        })?;
        for (text, tapped) in texts.iter().zip(&all) {
            let hash = crate::dropout::content_hash(text);
            if self.sample.wants(hash) {
                self.sample.add(hash, &self.head, tapped)?;
            }
        }
        progress.advance(batch.len());
        self.incomplete = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_out_of_range_are_refused() {
        assert!(FitOptions::default().validate().is_ok());
        for options in [
            FitOptions { batch_size: 1, ..FitOptions::default() },
            FitOptions { word_dropout: 1.0, ..FitOptions::default() },
            FitOptions { word_dropout: f64::NAN, ..FitOptions::default() },
            FitOptions { word_dropout: -0.1, ..FitOptions::default() },
        ] {
            assert_eq!(options.validate().unwrap_err().code, ErrorCode::InvalidArgument);
        }
    }
}
