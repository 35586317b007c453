//! The end of an encoder: what its graph ends in, with the linear layers of its directory that the graph lacks, as the
//! curvature and the variance see it (method §1).

use std::path::PathBuf;

use uec_gaussian::{Error, ErrorCode, Result};
use uec_laplace::{Activation, Head, Norm};
use uec_onnx::{Graph, NormKind, Override, Pooling, Stage, Tail};

use crate::dense;
use crate::options::pooling_name;

/// The tail of a model and the folders of those `Dense` modules of its directory that are applied behind the graph: all of
/// them, or none where the last layer of the graph lies behind the pooling already.
///
/// # Errors
/// Those of [`Graph::tail`], of reading the modules, and [`ErrorCode::ModelUnsupported`] where the layer in the graph is not
/// the one of the last module.
pub(crate) fn tail<'a>(graph: &Graph, over: &Override, dense: &'a [PathBuf]) -> Result<(Tail, &'a [PathBuf])> {
    let tail = graph.tail(over)?;
    if tail.stage == Stage::Tokens {
        let heads = dense.iter().map(|folder| dense::read_dense(folder)).collect::<Result<_>>()?;
        return Ok((tail.with_heads(heads)?, dense));
    }
    if let Some(last) = dense.last()
        && dense::dimension(last)? != tail.dimension
    {
        let what = format!(
            "the graph ends in a layer behind the pooling of {} outputs, but {} has another number of them",
            tail.dimension,
            last.display()
        );
        return Err(Error::new(ErrorCode::ModelUnsupported, what));
    }
    Ok((tail, &[]))
}

/// # Errors
/// [`ErrorCode::InvalidArgument`] for another pooling than the one in front of the last layer, where that is in the graph.
pub(crate) fn check_pooling(tail: &Tail, chosen: Pooling) -> Result<()> {
    let inside = tail.stage == Stage::Pooled && !tail.activations().is_empty();
    match tail.pooling {
        Some(done) if inside && done != chosen => Err(Error::invalid(format!(
            "the option `pooling` is '{}', but the graph pools by '{}' in front of its last layer `{}`; leave it out",
            pooling_name(chosen),
            pooling_name(done),
            tail.linear
        ))),
        _ => Ok(()),
    }
}

/// The last layer of which the first `dimension` outputs are kept, and what follows it.
pub(crate) fn head(tail: &Tail, dimension: usize) -> Head {
    let (gamma, beta, epsilon) = (tail.gamma.clone(), tail.beta.clone(), tail.epsilon);
    let norm = match tail.norm {
        NormKind::Layer => Norm::Layer { gamma, beta, epsilon },
        NormKind::Rms => Norm::Rms { gamma, epsilon },
        NormKind::None => Norm::None,
    };
    Head { width: tail.dimension, dimension, features: tail.features, norm, activation: activation(tail) }
}

/// What follows the layer where no norm does.
pub(crate) fn activation(tail: &Tail) -> Activation {
    match tail.activation {
        uec_onnx::Activation::Identity => Activation::Identity,
        uec_onnx::Activation::Tanh => Activation::Tanh,
        uec_onnx::Activation::Relu => Activation::Relu,
        uec_onnx::Activation::Sigmoid => Activation::Sigmoid,
    }
}
