//! The end of a graph as the curvature and the variance see it.

use uec_laplace::{Activation, Head, Norm};
use uec_onnx::{NormKind, Tail};

/// The layer, its norm and its sizes (method §1).
pub(crate) fn head(tail: &Tail) -> Head {
    let (gamma, beta, epsilon) = (tail.gamma.clone(), tail.beta.clone(), tail.epsilon);
    let norm = match tail.norm {
        NormKind::Layer => Norm::Layer { gamma, beta, epsilon },
        NormKind::Rms => Norm::Rms { gamma, epsilon },
        NormKind::None => Norm::None,
    };
    let activation = match tail.activation {
        uec_onnx::Activation::Identity => Activation::Identity,
        uec_onnx::Activation::Tanh => Activation::Tanh,
        uec_onnx::Activation::Relu => Activation::Relu,
        uec_onnx::Activation::Sigmoid => Activation::Sigmoid,
    };
    Head { width: tail.dimension, dimension: tail.dimension, features: tail.features, norm, activation }
}
