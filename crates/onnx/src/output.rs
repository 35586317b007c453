//! Chooses the tensor y where the walk starts: the output with one vector per token, or the one that is pooled already.

use uec_gaussian::Result;

use crate::graph::{Graph, describe};
use crate::pool::Pooling;
use crate::proto::{NodeProto, ValueInfoProto, dimension, type_proto};
use crate::tail::Stage;
use crate::terms::Terms;
use crate::trail::ADVICE;
use crate::weights;

/// Names that exporters give to the token vectors.
const USUAL: [&str; 2] = ["last_hidden_state", "token_embeddings"];
/// The output of exports that pool inside the graph.
const POOLED: &str = "sentence_embedding";

/// Where the walk starts.
pub(crate) struct Start<'a> {
    /// The output, or the tensor that was named instead.
    pub(crate) output: &'a str,
    /// The tensor y.
    pub(crate) tensor: &'a str,
    pub(crate) stage: Stage,
    /// How the graph pools y, where it has a pooled output that can be read.
    pub(crate) pooling: Option<Pooling>,
}

impl Graph {
    /// The start of the walk without any override.
    ///
    /// An output named `sentence_embedding` is the embedding; so is the only other pooled output if there are no token
    /// vectors, or if it is scaled to length 1. (A BERT pooler is neither.) With a linear layer behind the pooling the walk
    /// starts there, else at the token vectors that were pooled. Without such an output they are the token output.
    ///
    /// # Errors
    /// Model unsupported: no output that can be read, or several that do not depend on each other.
    pub(crate) fn start(&self) -> Result<Start<'_>> {
        let pooled = self.outputs_of_rank(Some(2));
        let mut tokens = self.outputs_of_rank(Some(3));
        if tokens.is_empty() && pooled.is_empty() {
            tokens = self.outputs_of_rank(None);
        }
        let chosen = match pooled.as_slice() {
            _ if pooled.contains(&POOLED) => Some(POOLED),
            &[only] => Some(only).filter(|only| tokens.is_empty() || self.unnormalised(only) != *only),
            _ => None,
        };
        if let Some(found) = chosen.and_then(|output| self.start_pooled(output)) {
            let same = |output: &&&str| self.through(output).0 == self.through(found.tensor).0;
            let shown = tokens.iter().find(same).filter(|_| found.stage == Stage::Tokens);
            return Ok(match shown {
                Some(&output) => Start { output, tensor: output, ..found },
                None => found,
            });
        }
        if tokens.is_empty() {
            return Err(self.no_start(chosen, &pooled));
        }
        let output = self.token_vectors(&tokens)?;
        if let Some(pooled) = chosen.filter(|&pooled| pooled != output) {
            self.nothing_between(output, pooled)?;
        }
        Ok(Start { output, tensor: output, stage: Stage::Tokens, pooling: None })
    }

    /// The start at a tensor that was named.
    pub(crate) fn start_at<'a>(&'a self, tensor: &'a str) -> Start<'a> {
        let pooled = self.outputs_of_rank(Some(2)).contains(&tensor);
        let read = |start: &Start<'_>| pooled || start.pooling.is_some() || self.is_pooled(start);
        let found = self.start_pooled(tensor).filter(read);
        found.unwrap_or(Start { output: tensor, tensor, stage: Stage::Tokens, pooling: None })
    }

    /// Whether the input of the linear layer is pooled token vectors, whatever the rank of a result that nobody declared.
    fn is_pooled(&self, start: &Start<'_>) -> bool {
        let linear = self.pooled_terms(start.tensor).linear;
        start.stage == Stage::Pooled && linear.iter().any(|linear| self.pooled(linear.input).is_some())
    }

    /// y behind a pooled output: before its normalisation with a linear layer after the pooling, else what was pooled.
    fn start_pooled<'a>(&'a self, output: &'a str) -> Option<Start<'a>> {
        let vector = self.unnormalised(output);
        if !self.pooled_terms(vector).linear.is_empty() {
            return Some(Start { output, tensor: vector, stage: Stage::Pooled, pooling: None });
        }
        let (pooling, tensor) = self.pooled(vector)?;
        Some(Start { output, tensor, stage: Stage::Tokens, pooling: Some(pooling) })
    }

    pub(crate) fn pooled_terms<'a>(&'a self, tensor: &'a str) -> Terms<'a> {
        self.terms(&[self.activated(tensor).1], Stage::Pooled)
    }

    /// Of several token-level outputs, the one with a usual name, else the one that depends on all the others.
    fn token_vectors<'a>(&self, candidates: &[&'a str]) -> Result<&'a str> {
        if let Some(usual) = USUAL.iter().find_map(|name| candidates.iter().find(|candidate| *candidate == name)) {
            return Ok(usual);
        }
        let last = candidates.iter().copied().max_by_key(|name| self.place(name));
        let related = |chosen: &&str| {
            let behind = self.ancestors(chosen);
            let related = |name: &&str| self.producer_index(name).is_none_or(|index| behind[index]);
            candidates.iter().all(related)
        };
        last.filter(related).ok_or_else(|| {
            let names = candidates.join("`, `");
            self.unsupported(&format!(
                "the outputs `{names}` all look like token vectors, which is ambiguous. {ADVICE}"
            ))
        })
    }

    fn no_start(&self, chosen: Option<&str>, pooled: &[&str]) -> uec_gaussian::Error {
        if !self.graph.node.iter().any(|node| self.like_linear(node)) {
            return self.unsupported("no linear layer found: no matrix product in the graph has a constant operand");
        }
        match (chosen, pooled) {
            (Some(output), _) => {
                let vector = self.activated(self.unnormalised(output)).1;
                self.stopped("no linear layer found", output, &[self.through(vector).0])
            }
            (None, [_, _, ..]) => {
                let names = pooled.join("`, `");
                self.unsupported(&format!("the outputs `{names}` are all pooled, which is ambiguous. {ADVICE}"))
            }
            _ => {
                let names = self.outputs().join("`, `");
                self.unsupported(&format!("no floating-point output of rank 2 or 3 among `{names}`. {ADVICE}"))
            }
        }
    }

    /// A linear layer, norm or activation between the token vectors and the pooled output would be left out silently.
    fn nothing_between(&self, tokens: &str, pooled: &str) -> Result<()> {
        let (before, behind) = (self.ancestors(tokens), self.ancestors(pooled));
        let changes = |node: &NodeProto| self.like_linear(node) || self.like_norm(node);
        let between = |&index: &usize| behind[index] && !before[index] && changes(&self.graph.node[index]);
        match (0..self.graph.node.len()).find(between) {
            None => Ok(()),
            Some(index) => {
                let node = &self.graph.node[index];
                let what = format!("{} lies between the outputs `{tokens}` and `{pooled}`", describe(node));
                Err(self.stopped(&what, pooled, &[node.output.first().map_or("", String::as_str)]))
            }
        }
    }

    /// Whether a node is a norm or an activation, or the mean of a vector's entries, with which a norm begins.
    fn like_norm(&self, node: &NodeProto) -> bool {
        match node.op_type() {
            "LpNormalization" => false,
            "ReduceMean" => self.axes(node).as_deref() == Some(&[-1]),
            "Tanh" | "Relu" | "Sigmoid" | "Gelu" => true,
            name => name.ends_with("Normalization"),
        }
    }

    fn outputs_of_rank(&self, wanted: Option<usize>) -> Vec<&str> {
        let outputs = self.graph.output.iter().filter(|output| floating(output) && rank(output) == wanted);
        outputs.map(ValueInfoProto::name).collect()
    }

    /// The length of the vectors in an output, where it is declared.
    pub(crate) fn declared_width(&self, output: &str) -> Option<i64> {
        let value = self.graph.output.iter().find(|value| value.name() == output)?;
        match shape(value)?.dim.last()?.value {
            Some(dimension::Value::DimValue(width)) if width > 0 => Some(width),
            _ => None,
        }
    }

    /// Place of a tensor's node in the order of execution.
    pub(crate) fn place(&self, tensor: &str) -> usize {
        self.producer_index(tensor).map_or(0, |index| self.order[index] + 1)
    }
}

fn tensor(value: &ValueInfoProto) -> Option<&type_proto::Tensor> {
    match value.r#type.as_ref()?.value.as_ref()? {
        type_proto::Value::TensorType(tensor) => Some(tensor),
    }
}

fn shape(value: &ValueInfoProto) -> Option<&crate::proto::TensorShapeProto> {
    tensor(value)?.shape.as_ref()
}

fn rank(value: &ValueInfoProto) -> Option<usize> {
    shape(value).map(|shape| shape.dim.len())
}

fn floating(value: &ValueInfoProto) -> bool {
    tensor(value).and_then(|tensor| tensor.elem_type).is_none_or(weights::floating)
}

/// Names of the batch and token dimensions of `value`, where it has them.
pub(crate) fn dimension_names(value: Option<&ValueInfoProto>) -> [String; 2] {
    let dims = value.and_then(shape);
    let name = |at: usize, usual: &str| match dims.and_then(|shape| shape.dim.get(at)?.value.as_ref()) {
        Some(dimension::Value::DimParam(name)) => name.clone(),
        _ => usual.to_owned(),
    };
    [name(0, "batch"), name(1, "sequence")]
}
