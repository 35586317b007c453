//! Linear layers after the pooling that are not in the graph: the `Dense` modules of a sentence-transformers directory
//! (method §1).
//!
//! ```text
//! z = f(W a + b)        a: the pooled vector, or the result of the layer before
//! ```

use std::str::FromStr;

use uec_gaussian::{Error, ErrorCode, Result};

use crate::norm::NormKind;
use crate::tail::{Stage, Tail};

/// What a linear layer after the pooling applies to its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// f(u) = u.
    Identity,
    /// f(u) = tanh u.
    Tanh,
    /// f(u) = max(u, 0).
    Relu,
    /// f(u) = 1/(1 + e⁻ᵘ).
    Sigmoid,
}

impl FromStr for Activation {
    type Err = Error;

    /// Reads the name of a torch module, alone or with its path: `Tanh`, `torch.nn.modules.activation.Tanh`.
    fn from_str(name: &str) -> Result<Self> {
        match name.rsplit('.').next() {
            Some("Identity") => Ok(Self::Identity),
            Some("Tanh") => Ok(Self::Tanh),
            Some("ReLU") => Ok(Self::Relu),
            Some("Sigmoid") => Ok(Self::Sigmoid),
            _ => Err(Error::new(
                ErrorCode::ModelUnsupported,
                format!("the activation `{name}` is not supported: Identity, Tanh, ReLU and Sigmoid are"),
            )),
        }
    }
}

/// One linear layer and its activation.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// W, D×I row-major.
    pub weight: Vec<f32>,
    /// b, length D; zeros for a layer without bias.
    pub bias: Vec<f32>,
    /// D, the width of the output.
    pub dimension: usize,
    /// I, the width of the input.
    pub features: usize,
    /// f.
    pub activation: Activation,
}

impl Dense {
    fn check(&self, at: usize, width: usize) -> Result<()> {
        let invalid =
            |what: String| Err(Error::new(ErrorCode::ModelInvalid, format!("dense layer {}: {what}", at + 1)));
        let (rows, columns) = (self.dimension, self.features);
        if rows == 0 || columns == 0 || rows.checked_mul(columns) != Some(self.weight.len()) || self.bias.len() != rows
        {
            let (weights, biases) = (self.weight.len(), self.bias.len());
            return invalid(format!("{weights} weights and {biases} biases do not make a layer of {rows}×{columns}"));
        }
        if !self.weight.iter().chain(&self.bias).all(|value| value.is_finite()) {
            return invalid("a weight or bias is not finite".to_owned());
        }
        if columns != width {
            return invalid(format!("it takes vectors of length {columns}, the layer before gives {width}"));
        }
        Ok(())
    }
}

impl Tail {
    /// The same encoder with further layers behind its pooling. The last of them becomes the last linear layer: W, D, I
    /// and the activation are its own, there is no norm, and a and u are no tensors of the graph. Without any layer
    /// nothing changes.
    ///
    /// # Errors
    /// [`ErrorCode::ModelInvalid`] for sizes that do not fit together or values that are not finite;
    /// [`ErrorCode::InvalidArgument`] if the last linear layer already lies behind the pooling, in the graph or by an
    /// earlier call: the layers would be applied twice.
    pub fn with_heads(mut self, heads: Vec<Dense>) -> Result<Self> {
        let Some(last) = heads.last() else { return Ok(self) };
        if self.stage == Stage::Pooled {
            return Err(Error::invalid(format!(
                "the last linear layer `{}` lies behind the pooling already: a dense layer would be applied twice",
                self.linear
            )));
        }
        let mut width = self.dimension;
        for (at, head) in heads.iter().enumerate() {
            head.check(at, width)?;
            width = head.dimension;
        }
        (self.features, self.dimension, self.activation) = (last.features, last.dimension, last.activation);
        self.weight.clone_from(&last.weight);
        self.stage = Stage::Pooled;
        self.norm = NormKind::None;
        self.gamma = vec![1.0; last.dimension];
        self.beta = vec![0.0; last.dimension];
        self.epsilon = 0.0;
        self.linear = format!("dense layer {}", heads.len());
        self.activations.terms.clear();
        self.preactivations.terms.clear();
        self.heads = heads;
        Ok(self)
    }
}
