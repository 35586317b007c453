//! Checkpoints of a fit: the running sum at the end of a contrastive batch, and how many items of which data gave it.
//!
//! What waits for a full batch is not stored: whoever goes on reads the data from the beginning, and the items that are
//! in the sum are passed over. A chain of hashes over them tells other data.

use std::collections::BTreeMap;
use std::time::Instant;

use sha2::{Digest, Sha256};
use uec_gaussian::{Error, ErrorCode, Result};
use uec_laplace::{CurvatureOptions, RunningSum, TailKind};

use crate::encoder::Encoder;
use crate::fit_options::{CheckpointOptions, FitOptions, FitPair};

/// SHA-256 over the items so far, each with the one before: depends on their contents and order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain([u8; 32]);

impl Chain {
    /// The chain with one more item.
    fn then(self, kind: &str, texts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        for text in std::iter::once(&kind).chain(texts) {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        Self(hash.finalize().into())
    }

    pub(crate) fn then_text(self, text: &str) -> Self {
        self.then("text", &[text])
    }

    pub(crate) fn then_pair(self, pair: &FitPair) -> Self {
        let mut texts = vec![pair.query.as_str(), &pair.positive];
        texts.extend(pair.negatives.iter().map(String::as_str));
        self.then("pair", &texts)
    }

    fn hexadecimal(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Saves a fit from time to time.
pub(crate) struct Checkpoint {
    options: CheckpointOptions,
    /// What the file says beside the sum.
    notes: BTreeMap<String, String>,
    /// The items in the file, and their chain.
    saved: usize,
    chain: String,
    last: Instant,
}

impl Checkpoint {
    /// Opens the file and gives back its sum, if there is one.
    ///
    /// # Errors
    /// `FileCorrupt`, `FileVersion`; `PosteriorMismatch` for one of another encoder; `InvalidArgument` for one of a fit
    /// with other options; `FileWrite` where no file can be made. The file stays as it is.
    pub(crate) fn open(
        options: CheckpointOptions,
        encoder: &Encoder,
        fit: &FitOptions,
        empty: RunningSum,
    ) -> Result<(Self, RunningSum)> {
        let notes = notes(encoder, fit)?;
        let file = options.file.clone();
        let new = Self { options, notes, saved: 0, chain: Chain::default().hexadecimal(), last: Instant::now() };
        let (sum, found) = match RunningSum::load(&file) {
            Ok(found) => found,
            Err(error) if error.code == ErrorCode::FileNotFound => {
                uec_files::Temporary::beside(&file).map_err(|error| uec_files::write_error(&file, &error))?;
                return Ok((new, empty));
            }
            Err(error) if error.code == ErrorCode::FileCorrupt => {
                let remedy = "name another file as checkpoint, or delete this one to begin from the start";
                return Err(Error::new(error.code, format!("{}; {remedy}", error.message)));
            }
            Err(error) => return Err(error),
        };
        let named = |message: String| format!("the checkpoint {} {message}", file.display());
        let noted = |key: &str| found.get(key).cloned().unwrap_or_default();
        if noted(FINGERPRINT) != encoder.fingerprint() {
            let message = named("belongs to another encoder; name another file as checkpoint".to_owned());
            return Err(Error::new(ErrorCode::PosteriorMismatch, message));
        }
        let before = settings(sum.curvature.options(), sum.sample.tail());
        let wanted = settings(&fit.curvature, fit.tail);
        let of_sum =
            before.into_iter().zip(wanted).map(|((key, before), (_, wanted))| (key.to_owned(), before, wanted));
        let of_notes = new.notes.iter().map(|(key, wanted)| (key.clone(), noted(key), wanted.clone()));
        for (key, before, wanted) in of_sum.chain(of_notes) {
            if before != wanted {
                return Err(Error::invalid(named(format!(
                    "was written with {key} {before}, this fit has {wanted}; use the same, or another file as checkpoint"
                ))));
            }
        }
        let (given, found) = (&empty.curvature, &sum.curvature);
        if (given.dimension(), given.features()) != (found.dimension(), found.features()) {
            return Err(Error::new(
                ErrorCode::PosteriorMismatch,
                named(format!(
                    "is of {}×{} weights, the encoder has {}×{}",
                    found.dimension(),
                    found.features(),
                    given.dimension(),
                    given.features()
                )),
            ));
        }
        Ok((Self { saved: sum.curvature.pairs(), chain: noted(CHAIN), ..new }, sum))
    }

    /// Whether the first `saved` items of the data are those of the file.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub(crate) fn same_data(&self, chain: Chain) -> Result<()> {
        if chain.hexadecimal() == self.chain {
            return Ok(());
        }
        Err(self.other_data("the items up to there differ"))
    }

    /// The error of data that are not those of the file.
    pub(crate) fn other_data(&self, why: &str) -> Error {
        Error::invalid(format!(
            "the checkpoint {} belongs to other data, at item {}: {why}; give the data that it was made of, or another \
             file as checkpoint",
            self.options.file.display(),
            self.saved
        ))
    }

    /// Saves the sum, whose items have this chain, where it is time.
    ///
    /// # Errors
    /// `FileWrite`.
    pub(crate) fn after_batch(&mut self, sum: &RunningSum, chain: Chain) -> Result<()> {
        if self.last.elapsed() < self.options.interval {
            return Ok(());
        }
        self.save(sum, chain)
    }

    /// Saves the sum, if it is not that of the file.
    ///
    /// # Errors
    /// `FileWrite`.
    pub(crate) fn save(&mut self, sum: &RunningSum, chain: Chain) -> Result<()> {
        if sum.curvature.pairs() != self.saved {
            let mut notes = self.notes.clone();
            notes.insert(CHAIN.to_owned(), chain.hexadecimal());
            sum.save(&self.options.file, &notes)?;
            self.saved = sum.curvature.pairs();
        }
        self.last = Instant::now();
        Ok(())
    }
}

const FINGERPRINT: &str = "fingerprint";
const CHAIN: &str = "items_sha256";

/// What shapes the sum, by the names that users know. λ, T_l and c are chosen after it.
fn settings(curvature: &CurvatureOptions, tail: TailKind) -> [(&'static str, String); 5] {
    [
        ("curvature", curvature.estimator.as_str().to_owned()),
        ("sides", curvature.sides.as_str().to_owned()),
        ("similarity", curvature.similarity.as_str().to_owned()),
        ("temperature", curvature.temperature.to_string()),
        ("tail", tail.as_str().to_owned()),
    ]
}

/// What shapes the sum and is not in it.
fn notes(encoder: &Encoder, fit: &FitOptions) -> Result<BTreeMap<String, String>> {
    let notes = [
        (FINGERPRINT, encoder.fingerprint().to_owned()),
        // What is put before texts, and where they are cut, is no part of the fingerprint.
        ("prompt", encoder.0.settings.prefix(None)?.to_owned()),
        ("maxTokens", encoder.0.tokenizer.max_tokens().to_string()),
        ("batchSize", fit.batch_size.to_string()),
        ("wordDropout", fit.word_dropout.to_string()),
        ("seed", fit.seed.to_string()),
    ];
    Ok(notes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
