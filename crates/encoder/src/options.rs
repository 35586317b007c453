//! What a caller may set, and what an encoder says about itself.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use uec_gaussian::{Error, ErrorCode, Result};
use uec_laplace::Posterior;
use uec_onnx::Pooling;

use crate::runtime::RuntimeSearch;

/// ONNX Runtime starts as many threads as it is told, one after the other.
const MOST_THREADS: usize = 1024;

/// Where an encoder runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
}

impl Device {
    /// `cpu` or `cuda`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }

    /// # Errors
    /// [`ErrorCode::DeviceUnavailable`] for every device but the processor: never a silent fallback.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::Cpu => Ok(()),
            Self::Cuda => Err(Error::new(
                ErrorCode::DeviceUnavailable,
                "this version runs encoders on the CPU only; leave the option `device` out",
            )),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda),
            other => Err(Error::invalid(format!("unknown device '{other}'; use 'cpu' or 'cuda'"))),
        }
    }
}

/// Which encoder a posterior was fitted on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FittedOn {
    /// This one: fingerprints must be equal.
    #[default]
    This,
    /// The one of which this is a copy with int8, 4-bit or float16 weights: the last layers must be alike.
    Original,
}

impl FromStr for FittedOn {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "this" => Ok(Self::This),
            "original" => Ok(Self::Original),
            other => Err(Error::invalid(format!("fittedOn must be 'this' or 'original', not '{other}'"))),
        }
    }
}

/// How a baked file stores the posterior.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weights {
    /// As it is.
    #[default]
    Float32,
    /// In half the size, with a relative error of 2⁻¹¹.
    Float16,
}

impl Weights {
    /// `float32` or `float16`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float16 => "float16",
        }
    }
}

impl FromStr for Weights {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        [Self::Float32, Self::Float16]
            .into_iter()
            .find(|weights| weights.as_str() == name)
            .ok_or_else(|| Error::invalid(format!("weights must be 'float32' or 'float16', not '{name}'")))
    }
}

/// The options of [`crate::Encoder::load`]. What is `None` or empty is taken from the model directory.
#[derive(Clone, Debug, Default)]
pub struct EncoderOptions {
    /// A fitted posterior. Without one the variance is 0.
    pub posterior: Option<Arc<Posterior>>,
    /// Which encoder it was fitted on.
    pub fitted_on: FittedOn,
    /// How many entries of an embedding to keep, the first ones (Matryoshka), from 1 to D; a longer posterior is cut.
    pub dimensions: Option<usize>,
    /// Mean, first token or last token.
    pub pooling: Option<Pooling>,
    /// Whether the mean is brought to length 1.
    pub normalize: Option<bool>,
    /// The longest text in tokens, special ones included.
    pub max_tokens: Option<usize>,
    /// Prefixes of texts by name; added to those of the directory, or replacing them.
    pub prompts: BTreeMap<String, String>,
    /// Which `.onnx` file inside the directory.
    pub file: Option<String>,
    /// Node or tensor names of the last linear layer and the norm, where the structure is not recognised.
    pub tail: uec_onnx::Override,
    /// Compute threads, 1 to 1024; by default as many as the machine runs at once.
    pub threads: Option<usize>,
    /// Where to run.
    pub device: Device,
    /// Where the ONNX Runtime library may be.
    pub runtime: RuntimeSearch,
}

impl EncoderOptions {
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for no threads or more than any machine has.
    pub(crate) fn thread_count(&self) -> Result<usize> {
        match self.threads {
            Some(threads) if !(1..=MOST_THREADS).contains(&threads) => {
                Err(Error::invalid(format!("threads must be between 1 and {MOST_THREADS}, got {threads}")))
            }
            Some(threads) => Ok(threads),
            None => Ok(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
        }
    }
}

/// What an encoder is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderInfo {
    /// D, the length of an embedding.
    pub dimension: usize,
    /// I, the width of the last linear layer's input.
    pub features: usize,
    /// `layer`, `rms` or `none`.
    pub norm: String,
    /// `mean`, `cls` or `last`.
    pub pooling: String,
    /// Whether means have length 1.
    pub normalize: bool,
    /// The name of the last linear layer.
    pub linear: String,
    /// The longest text in tokens, special ones included.
    pub max_tokens: usize,
    /// `cpu`.
    pub device: String,
    /// Version and path of ONNX Runtime.
    pub runtime: String,
    /// Compute threads.
    pub threads: usize,
}

/// The name of a pooling, as options and metadata spell it.
pub(crate) const fn pooling_name(pooling: Pooling) -> &'static str {
    match pooling {
        Pooling::Mean => "mean",
        Pooling::Cls => "cls",
        Pooling::Last => "last",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_is_an_error() {
        assert_eq!("cuda".parse::<Device>().unwrap().check().unwrap_err().code, ErrorCode::DeviceUnavailable);
        assert_eq!("tpu".parse::<Device>().unwrap_err().code, ErrorCode::InvalidArgument);
        assert!("cpu".parse::<Device>().unwrap().check().is_ok());
    }

    #[test]
    fn no_threads_and_absurdly_many_are_an_error() {
        let options = |threads| EncoderOptions { threads, ..EncoderOptions::default() };
        for threads in [0, 1025, usize::MAX] {
            assert_eq!(options(Some(threads)).thread_count().unwrap_err().code, ErrorCode::InvalidArgument);
        }
        assert_eq!(options(Some(3)).thread_count(), Ok(3));
        assert!(options(None).thread_count().unwrap() >= 1);
    }

    #[test]
    fn a_pooling_is_named_as_it_is_parsed() {
        for pooling in [Pooling::Mean, Pooling::Cls, Pooling::Last] {
            assert_eq!(pooling_name(pooling).parse::<Pooling>().unwrap(), pooling);
        }
    }
}
