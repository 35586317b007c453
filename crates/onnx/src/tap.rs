//! Exposes the tensors a and u of the tail as outputs, which fitting reads (method §2), and continues the graph with what
//! lies behind it: pooling and `Dense` modules.

use uec_gaussian::Result;

use crate::delta::{Delta, Dim, int};
use crate::dense::{Activation, Dense};
use crate::graph::Graph;
use crate::output::dimension_names;
use crate::pool::{self, Pooling};
use crate::proto::DataType;
use crate::tail::{Source, Stage, Tail};

/// A model with two more outputs, both float32.
#[derive(Clone, Debug)]
pub struct Tapped {
    /// The file.
    pub bytes: Vec<u8>,
    /// Output a, (batch, tokens, I); (batch, I) for [`Stage::Pooled`].
    pub activations: String,
    /// Output u, (batch, tokens, D); (batch, D) for [`Stage::Pooled`].
    pub preactivations: String,
}

impl Graph {
    /// The same model with a and u as outputs. `pooling` counts only where `Dense` modules lie behind the graph.
    ///
    /// # Errors
    /// Model unsupported if the result would exceed 2 GiB, or if the file was baked.
    pub fn tapped(&self, tail: &Tail, pooling: Pooling) -> Result<Tapped> {
        let mut delta = Delta::new(self)?;
        let ends = Ends::new(&mut delta, self, tail, pooling);
        let leading = match tail.stage {
            Stage::Tokens => self.token_dims().to_vec(),
            Stage::Pooled => self.token_dims()[..1].to_vec(),
        };
        let shape = |width| [leading.clone(), vec![Dim::Fixed(width)]].concat();
        delta.expose(&ends.activations, &shape(tail.features));
        delta.expose(&ends.preactivations, &shape(tail.dimension));
        Ok(Tapped { bytes: delta.append()?, activations: ends.activations, preactivations: ends.preactivations })
    }

    /// (batch, tokens), named as in the graph.
    pub(crate) fn token_dims(&self) -> [Dim; 2] {
        let tokens = self.start().ok().map(|start| start.output);
        let output = self.graph.output.iter().find(|output| Some(output.name()) == tokens);
        dimension_names(output).map(Dim::Named)
    }
}

/// a, u and y of the last linear layer in float32: of tokens, (batch, tokens, n), or of pooled texts, (batch, n).
pub(crate) struct Ends {
    pub(crate) activations: String,
    pub(crate) preactivations: String,
    pub(crate) output: String,
    /// w, (batch, tokens), once there are any.
    pub(crate) weights: Option<String>,
}

impl Ends {
    pub(crate) fn new(delta: &mut Delta<'_>, graph: &Graph, tail: &Tail, pooling: Pooling) -> Self {
        let output = float_tensor(delta, "y", &tail.output, "");
        let Some((last, others)) = tail.heads.split_last() else {
            let activations = float_tensor(delta, "a", &tail.activations, &output);
            let preactivations = float_tensor(delta, "u", &tail.preactivations, &output);
            return Self { activations, preactivations, output, weights: None };
        };
        let weights = pool::weights(delta, graph, pooling, &output);
        let mut text = pool::pooled(delta, "head/input", Some(&weights), &output);
        for (at, head) in others.iter().enumerate() {
            let name = format!("head{at}");
            let sum = linear(delta, &name, head, &text);
            text = activated(delta, &format!("{name}/activated"), head.activation, &sum);
        }
        let preactivations = linear(delta, "u", last, &text);
        let output = activated(delta, "head", last.activation, &preactivations);
        Self { activations: text, preactivations, output, weights: None }
    }
}

/// W x + b of rows x.
fn linear(delta: &mut Delta<'_>, name: &str, head: &Dense, rows: &str) -> String {
    let weight = delta.floats(&format!("{name}/weight"), &[head.dimension, head.features], &head.weight);
    let bias = delta.floats(&format!("{name}/bias"), &[head.dimension], &head.bias);
    delta.node_with("Gemm", name, &[rows, &weight, &bias], vec![int("transB", 1)])
}

fn activated(delta: &mut Delta<'_>, name: &str, activation: Activation, values: &str) -> String {
    match activation {
        Activation::Identity => values.to_owned(),
        Activation::Tanh => delta.node("Tanh", name, &[values]),
        Activation::Relu => delta.node("Relu", name, &[values]),
        Activation::Sigmoid => delta.node("Sigmoid", name, &[values]),
    }
}

/// The tensor of a source; rows of all tokens in one axis get the two leading axes of `tokens`.
fn float_tensor(delta: &mut Delta<'_>, name: &str, source: &Source, tokens: &str) -> String {
    let mut sum: Option<String> = None;
    for (at, term) in source.terms.iter().enumerate() {
        let term = match source.cast {
            true => delta.cast(&format!("{name}/term{at}"), term, DataType::Float),
            false => term.clone(),
        };
        sum = Some(match sum {
            None => term,
            Some(sum) => delta.node("Add", &format!("{name}/sum{at}"), &[&sum, &term]),
        });
    }
    let sum = sum.unwrap_or_default();
    if !source.flat {
        return sum;
    }
    let (leading, width) =
        (delta.integers(&format!("{name}/axes"), &[0, 1]), delta.integers(&format!("{name}/width"), &[-1]));
    let shape = delta.node("Shape", &format!("{name}/tokens/shape"), &[tokens]);
    let shape = delta.node_with("Gather", &format!("{name}/tokens"), &[&shape, &leading], vec![int("axis", 0)]);
    let shape = delta.node_with("Concat", &format!("{name}/shape"), &[&shape, &width], vec![int("axis", 0)]);
    delta.node("Reshape", name, &[&sum, &shape])
}
