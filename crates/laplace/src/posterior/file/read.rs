//! Reading: nothing in the file is believed before it is checked, and no claimed size is allocated.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use uec_gaussian::{Error, Result};

use super::metadata::{Strings, corrupt};
use super::{CHECKSUM, TENSORS, checksum};
use crate::activation::Activation;
use crate::posterior::{Evidence, Posterior};
use crate::sample::{SAMPLE_CAPACITY, Sampled, TraceSample};

impl Posterior {
    /// Reads a file written by [`Posterior::save`].
    ///
    /// # Errors
    /// `FileNotFound`; `FileCorrupt` for a file that is cut off, damaged or of another kind; `FileVersion` for one
    /// written by a newer release; `OutOfMemory`.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = uec_files::read(path, "posterior")?;
        Self::from_bytes(&bytes)
            .map_err(|error| Error::new(error.code, format!("{}: {}", path.display(), error.message)))
    }

    /// Reads the content of such a file.
    ///
    /// # Errors
    /// `FileCorrupt` and `FileVersion`, as [`Posterior::load`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let safetensors = |error| corrupt(format!("{error}"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(safetensors)?;
        let strings = header.metadata().as_ref().ok_or_else(|| corrupt("it has no metadata".to_owned()))?;
        let metadata = Strings(strings);
        metadata.check_version()?;
        let file = SafeTensors::deserialize(bytes).map_err(safetensors)?;
        let tensors = tensors(&file)?;
        let sum = checksum(
            strings.iter().map(|(key, value)| (key.as_str(), value.as_str())),
            tensors.iter().map(|tensor| (tensor.shape(), tensor.data())),
        );
        if metadata.text(CHECKSUM)? != sum {
            return Err(corrupt("its checksum does not match its content".to_owned()));
        }
        let options = metadata.options()?;
        let [hashes, norms, weight_norm2, h, gamma, sample_h, sample_mean] = &tensors;
        let (&[dimension, features], &[count]) = (h.shape(), hashes.shape()) else {
            return Err(corrupt("'H' is not a matrix or 'sample_hash' not a list".to_owned()));
        };
        if dimension == 0 || features == 0 || count > SAMPLE_CAPACITY {
            return Err(corrupt(format!("it has the shape {dimension}×{features} and {count} sampled texts")));
        }
        shape("sample_norm", norms, &[count])?;
        shape("weight_norm2", weight_norm2, &[dimension])?;
        shape("gamma", gamma, &[dimension])?;
        shape("sample_h", sample_h, &[count, features])?;
        shape("sample_mean", sample_mean, &[count, dimension])?;

        let norm = metadata.text("norm")?.to_owned();
        if !["layer", "rms", "none"].contains(&norm.as_str()) {
            return Err(corrupt(format!("it names the unknown norm '{norm}'")));
        }
        let mut sample = TraceSample { dimension, features, tail: options.tail, texts: BTreeMap::new() };
        let (sample_h, sample_mean) = (floats("sample_h", sample_h)?, floats("sample_mean", sample_mean)?);
        let rows = sample_h.chunks_exact(features).zip(sample_mean.chunks_exact(dimension));
        for ((hash, norm), (h, mean)) in eight(hashes).zip(doubles(norms)).zip(rows) {
            if !(norm.is_finite() && norm > 0.0) {
                return Err(corrupt("a sampled text has no length".to_owned()));
            }
            sample.texts.insert(u64::from_le_bytes(hash), Sampled { h: h.to_vec(), mean: mean.to_vec(), norm });
        }
        if sample.len() != count {
            return Err(corrupt("a sampled text is there twice".to_owned()));
        }
        let evidence = Evidence {
            dimension,
            features,
            compared: metadata.parse("compared")?,
            norm,
            gamma: floats("gamma", gamma)?,
            fingerprint: metadata.text("fingerprint")?.to_owned(),
            activation: metadata.parse("activation")?,
            weight_norm2: doubles(weight_norm2).collect(),
            curvature: metadata.curvature()?,
            h: floats("H", h)?,
            loss: metadata.number("loss_sum", false)?,
            pairs: metadata.parse("pairs")?,
            correct: metadata.parse("correct")?,
            sample,
        };
        if evidence.pairs == 0 || evidence.h.iter().any(|h| *h < 0.0) {
            return Err(corrupt("it has no pairs, or a negative curvature".to_owned()));
        }
        if evidence.activation != Activation::Identity && evidence.norm != "none" {
            return Err(corrupt("it has an activation behind a norm".to_owned()));
        }
        if evidence.compared < dimension {
            return Err(corrupt(format!("it keeps {dimension} dimensions of {} compared ones", evidence.compared)));
        }
        if evidence.weight_norm2.iter().any(|norm2| !norm2.is_finite() || *norm2 < 0.0) {
            return Err(corrupt("the tensor 'weight_norm2' has a value that is not finite and >= 0".to_owned()));
        }
        let (prior_precision, scale) = (metadata.number("prior_precision", true)?, metadata.number("scale", true)?);
        let posterior = Self::assemble(evidence, options, prior_precision, scale);
        let posterior = posterior.and_then(|posterior| posterior.check_range().map(|()| posterior));
        posterior.map_err(|error| corrupt(error.message))
    }
}

fn tensors<'a>(file: &SafeTensors<'a>) -> Result<[TensorView<'a>; TENSORS.len()]> {
    let mut views = Vec::with_capacity(TENSORS.len());
    for (name, dtype) in TENSORS {
        let view = file.tensor(name).map_err(|_| corrupt(format!("it lacks the tensor '{name}'")))?;
        if view.dtype() != dtype {
            return Err(corrupt(format!("the tensor '{name}' has type {:?}, not {dtype:?}", view.dtype())));
        }
        views.push(view);
    }
    views.try_into().map_err(|_| corrupt("it lacks a tensor".to_owned()))
}

fn shape(name: &str, view: &TensorView, expected: &[usize]) -> Result<()> {
    if view.shape() == expected {
        return Ok(());
    }
    Err(corrupt(format!("the tensor '{name}' has shape {:?}, not {expected:?}", view.shape())))
}

fn floats(name: &str, view: &TensorView) -> Result<Vec<f32>> {
    let (words, _) = view.data().as_chunks::<4>();
    let values: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
    if values.iter().all(|value| value.is_finite()) {
        return Ok(values);
    }
    Err(corrupt(format!("the tensor '{name}' has a value that is not finite")))
}

fn doubles<'a>(view: &'a TensorView) -> impl Iterator<Item = f64> + 'a {
    eight(view).map(f64::from_le_bytes)
}

fn eight<'a>(view: &'a TensorView) -> impl Iterator<Item = [u8; 8]> + 'a {
    view.data().as_chunks::<8>().0.iter().copied()
}
