//! Fitting: pairs of texts → curvature of the last linear layer → posterior  (method §2).
//!
//! Pairs are pushed in portions of any size and leave in contrastive batches of a fixed size, so that the memory does not
//! depend on their number and the result does not depend on the portions. A batch is one or more runs of the original graph
//! with the last layer's input a and output u tapped; of these only the unpadded rows are kept, for this batch alone.
//!
//! Texts are cut into tokens, the curvature is added and the posterior computed in the pool that the fit is given; ONNX
//! Runtime, which blocks and has threads of its own, stays on the caller's thread. The two never run at once.
//!
//! With a checkpoint the sum is saved between batches, and a later fit of the same data goes on from there.
//!
//! A last batch of a single pair would have no candidate to tell it from, so it joins the batch before.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::ThreadPool;
use uec_gaussian::{Cancel, Error, ErrorCode, Result};
use uec_laplace::{Head, Posterior, PosteriorOptions, RunningSum};
use uec_onnx::Graph;

use crate::checkpoint::{Chain, Checkpoint};
use crate::dropout::word_dropped;
use crate::encoder::Encoder;
use crate::fit_options::{FitOptions, FitPair};
use crate::head::head;
use crate::progress::{Phase, Progress};
use crate::taps::Taps;

/// A pair that waits for its batch, and the chain of the items up to it.
struct Pending {
    pair: FitPair,
    chain: Chain,
}

/// A fit under way.
pub struct Fitter {
    encoder: Encoder,
    taps: Taps,
    head: Head,
    weight_norm2: Vec<f64>,
    sum: RunningSum,
    options: FitOptions,
    pool: Arc<ThreadPool>,
    checkpoint: Option<Checkpoint>,
    /// Pairs of the checkpoint, which are passed over in the data.
    resumed: usize,
    pending: Vec<Pending>,
    /// Items taken from the data.
    taken: usize,
    /// Of all items taken.
    chain: Chain,
    /// Of the items in the sum.
    summed: Chain,
    from_texts: bool,
    /// Whether sum and sample are of the same whole batches.
    whole: bool,
    /// After an error: what was pending is lost.
    failed: bool,
}

impl Fitter {
    /// Opens the original graph of `encoder` with its last layer tapped. `pool` computes; its size changes no result.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for options out of range and for baked encoders, whose original must be fitted;
    /// [`ErrorCode::ModelInvalid`] if the model has changed on disk; and those of a checkpoint that cannot be used.
    pub fn new(encoder: &Encoder, options: FitOptions, pool: Arc<ThreadPool>) -> Result<Self> {
        options.validate()?;
        let inner = &encoder.0;
        if inner.source.baked {
            return Err(Error::invalid("this encoder has its posterior baked in; fit the original encoder instead"));
        }
        let graph = Graph::read(&inner.source.model)?;
        let tail = encoder.reread_tail(&graph)?;
        let head = head(&tail, encoder.dimension());
        let sum = RunningSum::new(&head, options.curvature, options.tail)?;
        let (checkpoint, sum) = match options.checkpoint.clone() {
            None => (None, sum),
            Some(wanted) => {
                let (checkpoint, sum) = Checkpoint::open(wanted, encoder, &options, sum)?;
                (Some(checkpoint), sum)
            }
        };
        let taps = Taps::open(inner, &graph, &tail)?;
        Ok(Self {
            encoder: encoder.clone(),
            taps,
            head,
            weight_norm2: tail.weight_norms2(),
            resumed: sum.curvature.pairs(),
            sum,
            options,
            pool,
            checkpoint,
            pending: Vec::new(),
            taken: 0,
            chain: Chain::default(),
            summed: Chain::default(),
            from_texts: false,
            whole: true,
            failed: false,
        })
    }

    /// Pairs that the checkpoint had: so many items of the data are passed over.
    pub fn resumed(&self) -> usize {
        self.resumed
    }

    /// Adds pairs; runs as many full batches as there are. Call it outside the pool.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for a text without tokens or with ‖z‖ = 0, naming it, and for other data than the
    /// checkpoint's; [`ErrorCode::Aborted`]; [`ErrorCode::FileWrite`]. After an error the fit cannot go on; the
    /// checkpoint has the batches before.
    pub fn push(&mut self, pairs: Vec<FitPair>, cancel: &Cancel, progress: &Progress) -> Result<()> {
        self.go_on(|fit| {
            for pair in pairs {
                fit.take(fit.chain.then_pair(&pair), |_| pair)?;
            }
            fit.add_full_batches(cancel, progress)
        })
    }

    /// Adds plain texts: a pair is two word-dropped copies of a text.
    ///
    /// # Errors
    /// As [`Fitter::push`].
    pub fn push_texts(&mut self, texts: Vec<String>, cancel: &Cancel, progress: &Progress) -> Result<()> {
        self.from_texts |= !texts.is_empty();
        self.go_on(|fit| {
            for text in texts {
                fit.take(fit.chain.then_text(&text), |options| {
                    let copy = |number| word_dropped(&text, options.word_dropout, options.seed, number);
                    FitPair { query: copy(0), positive: copy(1), negatives: Vec::new() }
                })?;
            }
            fit.add_full_batches(cancel, progress)
        })
    }

    fn go_on(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.check()?;
        // Also where the work panics.
        self.failed = true;
        work(self)?;
        self.failed = false;
        Ok(())
    }

    /// One item of the data, with the chain up to it.
    fn take(&mut self, chain: Chain, pair: impl FnOnce(&FitOptions) -> FitPair) -> Result<()> {
        self.chain = chain;
        self.taken += 1;
        if self.taken > self.resumed {
            self.pending.push(Pending { pair: pair(&self.options), chain });
        } else if self.taken == self.resumed {
            self.summed = chain;
            self.checkpoint.as_ref().map_or(Ok(()), |checkpoint| checkpoint.same_data(chain))?;
        }
        Ok(())
    }

    fn add_full_batches(&mut self, cancel: &Cancel, progress: &Progress) -> Result<()> {
        // What stays behind is never a single pair without a batch to join.
        while self.pending.len() >= self.options.batch_size.saturating_add(2) {
            let batch = self.pending.drain(..self.options.batch_size).collect();
            self.add(batch, cancel, progress)?;
            if let Some(checkpoint) = &mut self.checkpoint {
                checkpoint.after_batch(&self.sum, self.summed)?;
            }
        }
        Ok(())
    }

    /// Saves the batches so far to the checkpoint, if there is one; for the end of data that broke off.
    ///
    /// # Errors
    /// [`ErrorCode::FileWrite`].
    pub fn save(&mut self) -> Result<()> {
        match &mut self.checkpoint {
            Some(checkpoint) if self.whole && self.taken >= self.resumed => checkpoint.save(&self.sum, self.summed),
            _ => Ok(()),
        }
    }

    /// Runs what is left and computes the posterior. The checkpoint keeps all but the last batch, so that the same data
    /// with more behind may go on from it.
    ///
    /// # Errors
    /// As [`Fitter::push`]; [`ErrorCode::InvalidArgument`] for fewer than two pairs in all, and as [`Posterior::fit`].
    pub fn finish(mut self, cancel: &Cancel, progress: &Progress) -> Result<Posterior> {
        self.check()?;
        if let Some(checkpoint) = &self.checkpoint {
            if self.taken < self.resumed {
                return Err(checkpoint.other_data(&format!("they end after {} items", self.taken)));
            }
            if self.resumed > 0 && self.pending.len() == 1 {
                return Err(checkpoint.other_data("they end one item later, which belongs into the batch before"));
            }
        }
        let pairs = self.sum.curvature.pairs() + self.pending.len();
        if pairs < 2 {
            return Err(Error::invalid(format!(
                "fitting needs at least 2 pairs (or texts), got {pairs}: each is told from the others"
            )));
        }
        self.save()?;
        let last = std::mem::take(&mut self.pending);
        if !last.is_empty() {
            self.add(last, cancel, progress)?;
        }
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
        let RunningSum { curvature, sample } = self.sum;
        let (pool, head) = (self.pool, &self.head);
        let posterior =
            pool.install(|| Posterior::fit(curvature, head, &self.weight_norm2, sample, options, fingerprint))?;
        cancel.check()?;
        Ok(posterior)
    }

    fn check(&self) -> Result<()> {
        if self.failed {
            return Err(Error::invalid("this fit was aborted or failed in an earlier batch; begin a new one"));
        }
        Ok(())
    }

    /// Adds one contrastive batch. Where that fails, the checkpoint gets the batches before.
    fn add(&mut self, batch: Vec<Pending>, cancel: &Cancel, progress: &Progress) -> Result<()> {
        let chain = batch.last().map_or(self.summed, |last| last.chain);
        let pairs: Vec<FitPair> = batch.into_iter().map(|pending| pending.pair).collect();
        let added = self.add_pairs(&pairs, cancel, progress);
        if added.is_err() {
            // The first error is the one to tell.
            let _ = self.save();
            return added;
        }
        self.summed = chain;
        Ok(())
    }

    fn add_pairs(&mut self, batch: &[FitPair], cancel: &Cancel, progress: &Progress) -> Result<()> {
        progress.resume(Phase::Fit);
        let texts: Vec<&str> = batch
            .iter()
            .map(|pair| pair.query.as_str())
            .chain(batch.iter().map(|pair| pair.positive.as_str()))
            .chain(batch.iter().flat_map(|pair| pair.negatives.iter().map(String::as_str)))
            .collect();
        let encoder = &self.encoder.0;
        let prefix = encoder.settings.prefix(None)?;
        let tapped = self.taps.run(&encoder.tokenizer, prefix, &texts, &self.pool, cancel)?;
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
        let (curvature, head) = (&mut self.sum.curvature, &self.head);
        // An abort within the sum would spoil it: with a checkpoint, the batch that has come so far is finished.
        let never = Cancel::default();
        let cancel = if self.checkpoint.is_some() { &never } else { cancel };
        let added = self.pool.install(|| curvature.add_batch(head, queries, positives, &negatives, cancel));
        self.whole = added.is_err() && curvature.check().is_ok();
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
            if self.sum.sample.wants(hash) {
                self.sum.sample.add(hash, &self.head, tapped)?;
            }
        }
        progress.advance(batch.len());
        self.whole = true;
        Ok(())
    }
}
