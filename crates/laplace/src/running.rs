//! What a fit has summed so far, and its file: a checkpoint to go on from  (docs/checkpoint-format.md).
//!
//! H stays in float64, so that going on from the file gives the very sum of a fit that was never interrupted.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::Dtype;
use uec_gaussian::{Error, Result};

use crate::curvature::{Curvature, CurvatureOptions};
use crate::head::Head;
use crate::sample::TraceSample;
use crate::sealed::{Content, Kind, Sealed, Values, curvature_strings};
use crate::variance::TailKind;

/// Prefix of what the fit notes beside.
const NOTE: &str = "fit.";

const CHECKPOINT: Kind = Kind {
    format: "uec-checkpoint",
    version: 1,
    name: "checkpoint",
    tensors: &[
        ("sample_hash", Dtype::U64),
        ("sample_norm", Dtype::F64),
        ("H", Dtype::F64),
        ("sample_h", Dtype::F32),
        ("sample_mean", Dtype::F32),
    ],
};

/// The curvature of the batches so far, and the trace sample of their texts.
#[derive(Clone, Debug)]
pub struct RunningSum {
    /// H, loss and counts.
    pub curvature: Curvature,
    /// A few texts.
    pub sample: TraceSample,
}

impl RunningSum {
    /// Nothing summed yet.
    ///
    /// # Errors
    /// As [`Curvature::new`].
    pub fn new(head: &Head, options: CurvatureOptions, tail: TailKind) -> Result<Self> {
        Ok(Self { curvature: Curvature::new(head, options)?, sample: TraceSample::new(head, tail) })
    }

    /// Writes a checkpoint, atomically, without a second copy of the sum in memory. `notes` are for whoever reads it.
    ///
    /// # Errors
    /// `FileWrite`: an older file then stays as it was. `InvalidArgument` for a sum that lacks a part of a batch.
    pub fn save(&self, path: &Path, notes: &BTreeMap<String, String>) -> Result<()> {
        let Self { curvature, sample } = self;
        curvature.check()?;
        let fixed = [
            ("pairs", curvature.pairs().to_string()),
            ("correct", curvature.correct().to_string()),
            ("loss_sum", curvature.loss().to_string()),
            ("tail", sample.tail.as_str().to_owned()),
        ];
        let fixed = fixed.into_iter().chain(curvature_strings(curvature.options()));
        let notes = notes.iter().map(|(key, value)| (format!("{NOTE}{key}"), value.clone()));
        let strings = fixed.map(|(key, value)| (key.to_owned(), value)).chain(notes).collect();
        let [hashes, norms, h, means] = sample.tensors();
        let shape = vec![curvature.dimension(), curvature.features()];
        let tensors = vec![hashes, norms, (shape, Values::F64(curvature.h().into())), h, means];
        Content { kind: &CHECKPOINT, strings, tensors }.save(path)
    }

    /// Reads a checkpoint and its notes.
    ///
    /// # Errors
    /// `FileNotFound`; `FileCorrupt` for a file that is damaged or no checkpoint; `FileVersion`; `OutOfMemory`.
    pub fn load(path: &Path) -> Result<(Self, BTreeMap<String, String>)> {
        let bytes = uec_files::read(path, CHECKPOINT.name)?;
        let read = Self::from_bytes(&bytes);
        read.map_err(|error| Error::new(error.code, format!("{}: {}", path.display(), error.message)))
    }

    fn from_bytes(bytes: &[u8]) -> Result<(Self, BTreeMap<String, String>)> {
        let file = Sealed::open(bytes, &CHECKPOINT)?;
        let strings = &file.strings;
        let [dimension, features] = file.shape("H")?;
        let sample = file.sample(dimension, features, strings.parse("tail")?)?;
        let h = file.doubles("H", &[dimension, features])?;
        let (pairs, correct): (usize, usize) = (strings.parse("pairs")?, strings.parse("correct")?);
        if correct > pairs || h.iter().any(|h| *h < 0.0) {
            return Err(strings.corrupt("it has more correct pairs than pairs, or a negative curvature"));
        }
        let loss = strings.number("loss_sum", false)?;
        let curvature = Curvature::restored(strings.curvature()?, (dimension, features), h, loss, pairs, correct);
        let note = |(key, value): (&String, &String)| Some((key.strip_prefix(NOTE)?.to_owned(), value.clone()));
        Ok((Self { curvature, sample }, strings.map.iter().filter_map(note).collect()))
    }
}
