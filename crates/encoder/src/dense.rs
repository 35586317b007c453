//! A `Dense` module: a folder with `config.json` (sizes and activation) and `model.safetensors` (`linear.weight`, D×I, and
//! `linear.bias`, D). Nothing is read before the sizes that the files claim agree with each other.

use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use uec_gaussian::{Error, Result};
use uec_onnx::Dense;

use crate::config_file::{invalid, read, unsupported};

/// Weights of a layer that is no longer believed: 1 GiB of float32.
const MOST_WEIGHTS: usize = 1 << 28;

/// What a file of weights may hold beside them: its header.
const MOST_HEADER: usize = 1 << 20;

/// The two files.
pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";

const WEIGHT: &str = "linear.weight";
const BIAS: &str = "linear.bias";

/// The features that a module reads and writes unless it says otherwise.
const EMBEDDING: &str = "sentence_embedding";

#[derive(serde::Deserialize)]
struct Config {
    in_features: usize,
    out_features: usize,
    #[serde(default = "yes")]
    bias: bool,
    #[serde(default = "tanh")]
    activation_function: String,
    module_input_name: Option<String>,
    module_output_name: Option<String>,
    #[serde(default)]
    use_residual: bool,
}

fn yes() -> bool {
    true
}

/// What sentence-transformers applies where nothing is said.
fn tanh() -> String {
    "torch.nn.modules.activation.Tanh".to_owned()
}

/// Reads the module in `folder`.
///
/// # Errors
/// `ModelInvalid` for missing or damaged files, sizes that contradict each other and weights that are not finite;
/// `ModelUnsupported` for settings that cannot be honoured and weights in another format than safetensors.
pub(crate) fn read_dense(folder: &Path) -> Result<Dense> {
    let (file, config) = configuration(folder)?;
    let activation = &config.activation_function;
    if !activation.starts_with("torch.") {
        return Err(unsupported(&file, &format!("the activation {activation} is code of the model's own")));
    }
    let activation = activation.parse().map_err(|error: Error| unsupported(&file, &error.message))?;
    let elsewhere = |name: &Option<String>| name.as_ref().is_some_and(|name| name != EMBEDDING);
    if elsewhere(&config.module_input_name) || elsewhere(&config.module_output_name) {
        return Err(unsupported(&file, "the module works on something other than the sentence embedding"));
    }
    if config.use_residual {
        return Err(unsupported(&file, "the module adds its input to its output (use_residual)"));
    }
    let (dimension, features) = (config.out_features, config.in_features);
    let size = dimension.checked_mul(features).filter(|size| (1..=MOST_WEIGHTS).contains(size));
    let Some(size) = size else {
        return Err(invalid(&file, &format!("a layer of {dimension}×{features} weights makes no sense")));
    };
    let file = folder.join(WEIGHTS);
    let bytes = weights(folder, &file, (size + dimension) * size_of::<f32>() + MOST_HEADER)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| invalid(&file, &error.to_string()))?;
    let expected = [(WEIGHT, vec![dimension, features]), (BIAS, vec![dimension])];
    let expected = &expected[..1 + usize::from(config.bias)];
    if let Some(other) = tensors.names().iter().find(|name| expected.iter().all(|(known, _)| known != *name)) {
        return Err(unsupported(&file, &format!("it has a tensor {other}, which {CONFIG} does not speak of")));
    }
    let mut values = expected.iter().map(|(name, shape)| floats(&tensors, name, shape, &file));
    let weight = values.next().transpose()?.unwrap_or_default();
    let bias = values.next().transpose()?.unwrap_or_else(|| vec![0.0; dimension]);
    Ok(Dense { weight, bias, dimension, features, activation })
}

/// D of the module in `folder`, without its weights.
///
/// # Errors
/// `ModelInvalid` for a missing or damaged configuration.
pub(crate) fn dimension(folder: &Path) -> Result<usize> {
    configuration(folder).map(|(_, config)| config.out_features)
}

fn configuration(folder: &Path) -> Result<(PathBuf, Config)> {
    let file = folder.join(CONFIG);
    let config = read(&file)?.ok_or_else(|| invalid(&file, "modules.json names this file, but it is missing"))?;
    Ok((file, config))
}

/// The bytes of the weights, at most `most`.
fn weights(folder: &Path, file: &Path, most: usize) -> Result<Vec<u8>> {
    let metadata = match file.metadata() {
        Ok(metadata) if metadata.is_file() => metadata,
        Ok(_) => return Err(invalid(file, "it is not a file")),
        Err(_) if folder.join("pytorch_model.bin").exists() => {
            let what = "its weights are in pytorch_model.bin, a format that can carry code; save the model again as safetensors";
            return Err(unsupported(folder, what));
        }
        Err(error) => return Err(invalid(file, &error.to_string())),
    };
    if metadata.len() > most as u64 {
        return Err(invalid(
            file,
            &format!("it has {} bytes, more than the sizes in {CONFIG} explain", metadata.len()),
        ));
    }
    let bytes = std::fs::read(file).map_err(|error| invalid(file, &error.to_string()))?;
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(invalid(file, "it is a Git LFS pointer, not the weights: run `git lfs pull`"));
    }
    Ok(bytes)
}

/// A tensor of this shape, finite, as float32.
fn floats(tensors: &SafeTensors<'_>, name: &str, shape: &[usize], file: &Path) -> Result<Vec<f32>> {
    let tensor = tensors.tensor(name).map_err(|_| invalid(file, &format!("it has no tensor {name}")))?;
    if tensor.shape() != shape {
        let what = format!("{name} has the shape {:?} where {CONFIG} says {shape:?}", tensor.shape());
        return Err(invalid(file, &what));
    }
    let data = tensor.data();
    let values: Vec<f32> = match tensor.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32()).collect(),
        Dtype::BF16 => data.as_chunks().0.iter().map(|&bytes| bf16::from_le_bytes(bytes).to_f32()).collect(),
        other => return Err(unsupported(file, &format!("{name} is {other:?}; F32, F16 and BF16 are read"))),
    };
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(invalid(file, &format!("{name} is damaged: value {at} is {}", values[at]))),
        None => Ok(values),
    }
}

#[cfg(test)]
#[path = "dense_tests.rs"]
mod tests;
