//! Exposes the tensors a and u of the tail as outputs, which fitting reads (method §2).

use uec_gaussian::Result;

use crate::delta::{Delta, Dim};
use crate::graph::Graph;
use crate::output::dimension_names;
use crate::proto::DataType;
use crate::tail::{Source, Tail};

/// A model with two more outputs, both float32.
#[derive(Clone, Debug)]
pub struct Tapped {
    /// The file.
    pub bytes: Vec<u8>,
    /// Output a, (batch, tokens, I).
    pub activations: String,
    /// Output u, (batch, tokens, D).
    pub preactivations: String,
}

impl Graph {
    /// The same model with a and u as outputs.
    ///
    /// # Errors
    /// Model unsupported if the result would exceed 2 GiB, or if the file was baked.
    pub fn tapped(&self, tail: &Tail) -> Result<Tapped> {
        let mut delta = Delta::new(self)?;
        let [activations, preactivations, _] = float_tensors(&mut delta, tail);
        let token = |width| self.token_dims().into_iter().chain([Dim::Fixed(width)]).collect::<Vec<_>>();
        delta.expose(&activations, &token(tail.features));
        delta.expose(&preactivations, &token(tail.dimension));
        Ok(Tapped { bytes: delta.append()?, activations, preactivations })
    }

    /// (batch, tokens), named as in the graph.
    pub(crate) fn token_dims(&self) -> [Dim; 2] {
        let tokens = self.token_output().ok();
        let output = self.graph.output.iter().find(|output| Some(output.name()) == tokens);
        dimension_names(output).map(Dim::Named)
    }
}

/// The tensors a, u and y in float32.
pub(crate) fn float_tensors(delta: &mut Delta<'_>, tail: &Tail) -> [String; 3] {
    [("a", &tail.activations), ("u", &tail.preactivations), ("y", &tail.output)]
        .map(|(name, source)| float_tensor(delta, name, source))
}

fn float_tensor(delta: &mut Delta<'_>, name: &str, source: &Source) -> String {
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
    sum.unwrap_or_default()
}
