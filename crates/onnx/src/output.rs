//! Chooses the output that holds one vector per token: the start of the walk.

use uec_gaussian::Result;

use crate::graph::{Graph, describe};
use crate::proto::{ValueInfoProto, dimension, type_proto};
use crate::walk::operator;

/// Names that exporters give to the token vectors.
const USUAL: [&str; 2] = ["last_hidden_state", "token_embeddings"];
/// The output of exports that pool inside the graph.
const POOLED: &str = "sentence_embedding";
const ADVICE: &str = "name the tensor to start from with `tail: { norm }`";

impl Graph {
    /// The output of shape (batch, tokens, D). Of several, the one with a usual name, else the one that depends on all
    /// the others.
    ///
    /// # Errors
    /// Model unsupported: no such output, several that do not depend on each other, or a linear layer after pooling.
    pub(crate) fn token_output(&self) -> Result<&str> {
        let of_rank = |wanted: Option<usize>| -> Vec<&str> {
            let outputs = self.graph.output.iter().filter(|output| rank(output) == wanted);
            outputs.map(ValueInfoProto::name).collect()
        };
        let mut candidates = of_rank(Some(3));
        if candidates.is_empty() {
            candidates = of_rank(None);
        }
        let usual = USUAL.iter().find_map(|name| candidates.iter().find(|candidate| *candidate == name).copied());
        let last = || candidates.iter().copied().max_by_key(|name| self.place(name));
        let Some(chosen) = usual.or_else(last) else { return Err(self.no_token_output()) };
        if usual.is_none() {
            let behind = self.ancestors(chosen);
            let related = |name: &str| self.producer_index(name).is_none_or(|index| behind[index]);
            if !candidates.iter().all(|name| related(name)) {
                let names = candidates.join("`, `");
                let what = format!("the outputs `{names}` all look like token vectors, which is ambiguous: {ADVICE}");
                return Err(self.unsupported(&what));
            }
        }
        self.check_pooled(chosen)?;
        Ok(chosen)
    }

    fn no_token_output(&self) -> uec_gaussian::Error {
        let has_linear = self.graph.node.iter().any(|node| self.is_linear(node));
        if !has_linear {
            return self.unsupported("no linear layer found: no matrix product in the graph has a constant operand");
        }
        let names = self.outputs().join("`, `");
        let what = format!("no output with one vector per token (rank 3) among `{names}`: {ADVICE}, or export one");
        self.unsupported(&what)
    }

    /// A linear layer between the token vectors and the pooled output would be left out silently.
    fn check_pooled(&self, tokens: &str) -> Result<()> {
        if tokens == POOLED || !self.graph.output.iter().any(|output| output.name() == POOLED) {
            return Ok(());
        }
        let (before, behind) = (self.ancestors(tokens), self.ancestors(POOLED));
        let between = |&index: &usize| behind[index] && !before[index] && self.is_linear(&self.graph.node[index]);
        match (0..self.graph.node.len()).find(between) {
            None => Ok(()),
            Some(index) => {
                let node = describe(&self.graph.node[index]);
                Err(self.unsupported(&format!(
                    "the walk back from `{POOLED}` stopped at {node}: a linear layer after pooling is not supported yet"
                )))
            }
        }
    }

    /// A product with a constant matrix.
    fn is_linear(&self, node: &crate::proto::NodeProto) -> bool {
        matches!(operator(node), Some("MatMul" | "Gemm"))
            && node.input.iter().take(2).any(|input| self.constant(input).is_some())
    }

    /// Place of a tensor's node in the order of execution.
    pub(crate) fn place(&self, tensor: &str) -> usize {
        self.producer_index(tensor).map_or(0, |index| self.order[index] + 1)
    }
}

fn rank(value: &ValueInfoProto) -> Option<usize> {
    let type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
    tensor.shape.as_ref().map(|shape| shape.dim.len())
}

/// Names of the batch and token dimensions of `value`, where it has them.
pub(crate) fn dimension_names(value: Option<&ValueInfoProto>) -> [String; 2] {
    let dims = value.and_then(|value| {
        let type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
        tensor.shape.as_ref()
    });
    let name = |at: usize, usual: &str| match dims.and_then(|shape| shape.dim.get(at)?.value.as_ref()) {
        Some(dimension::Value::DimParam(name)) => name.clone(),
        _ => usual.to_owned(),
    };
    [name(0, "batch"), name(1, "sequence")]
}
