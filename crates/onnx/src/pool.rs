//! The pooling weights as ONNX nodes (method §1): w_t over the positions that the attention mask keeps.
//!
//! ```text
//! mean: m_t / Σ m        cls: first position with m_t = 1        last: last position with m_t = 1
//! ```
//!
//! A row without tokens gets weights of zero. Padding may be on either side.

use std::str::FromStr;

use uec_gaussian::{Error, Result};

use crate::delta::{Delta, int};
use crate::graph::Graph;
use crate::proto::DataType;

/// The graph input that is 1 for tokens and 0 for padding.
pub(crate) const MASK: &str = "attention_mask";

/// How token vectors become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Mean over the tokens.
    Mean,
    /// The first token.
    Cls,
    /// The last token.
    Last,
}

impl FromStr for Pooling {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "mean" => Ok(Self::Mean),
            "cls" => Ok(Self::Cls),
            "last" => Ok(Self::Last),
            _ => Err(Error::invalid(format!("pooling is 'mean', 'cls' or 'last', not '{name}'"))),
        }
    }
}

/// Adds the nodes; returns the tensor w, (batch, tokens), float32. Without a mask input every position is a token, as
/// counted from `tokens`, a tensor of shape (batch, tokens, …).
pub(crate) fn weights(delta: &mut Delta<'_>, graph: &Graph, pooling: Pooling, tokens: &str) -> String {
    let mask = mask(delta, graph, tokens);
    if pooling == Pooling::Mean {
        let one = delta.scalar("one/count", 1.0);
        let count = delta.over_axis("ReduceSum", "tokens", &mask, 1);
        let count = delta.node("Max", "tokens/safe", &[&count, &one]);
        return delta.node("Div", "weights", &[&mask, &count]);
    }
    // Counted from the wanted end, the wanted position is the token at which the count becomes 1.
    let axis = delta.integers("axis/tokens", &[1]);
    let reverse = i64::from(pooling == Pooling::Last);
    let count = delta.node_with("CumSum", "position", &[&mask, &axis], vec![int("reverse", reverse)]);
    let one = delta.scalar("one/position", 1.0);
    let chosen = delta.node("Equal", "position/chosen", &[&count, &one]);
    let chosen = delta.cast("position/chosen/float", &chosen, DataType::Float);
    delta.node("Mul", "weights", &[&chosen, &mask])
}

/// The mask as zeros and ones in float32.
fn mask(delta: &mut Delta<'_>, graph: &Graph, tokens: &str) -> String {
    if masked(graph) {
        let kept = delta.cast("mask/kept", MASK, DataType::Bool);
        return delta.cast("mask", &kept, DataType::Float);
    }
    let shape = delta.node("Shape", "shape", &[tokens]);
    let leading = delta.integers("leading", &[0, 1]);
    let shape = delta.node_with("Gather", "shape/tokens", &[&shape, &leading], vec![int("axis", 0)]);
    let one = delta.scalar("one/mask", 1.0);
    delta.node("Expand", "mask", &[&one, &shape])
}

fn masked(graph: &Graph) -> bool {
    graph.inputs().iter().any(|input| input == MASK)
}

/// Whether a row has any token, (batch, 1); `None` where the graph is not told.
pub(crate) fn present(delta: &mut Delta<'_>, graph: &Graph) -> Option<String> {
    masked(graph).then(|| {
        let kept = delta.cast("present/kept", MASK, DataType::Bool);
        let kept = delta.cast("present/mask", &kept, DataType::Float);
        let count = delta.over_axis("ReduceSum", "present/count", &kept, 1);
        delta.cast("present", &count, DataType::Bool)
    })
}

/// Σ_t w_t x_t: (batch, tokens), (batch, tokens, n) → (batch, n). Without weights the values are pooled already.
pub(crate) fn pooled(delta: &mut Delta<'_>, name: &str, weights: Option<&str>, values: &str) -> String {
    let Some(weights) = weights else { return values.to_owned() };
    let row = delta.over_axis("Unsqueeze", &format!("{name}/weights"), weights, 1);
    let product = delta.node("MatMul", &format!("{name}/row"), &[&row, values]);
    delta.over_axis("Squeeze", name, &product, 1)
}
