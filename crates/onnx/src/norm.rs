//! Recognises the norm at the end of an encoder (method §1), as one operator or written out in arithmetic.
//!
//! ```text
//! LayerNorm: y = γ∘(u − mean u)/sqrt(mean (u − mean u)² + ε) + β       RMSNorm: y = γ∘u/sqrt(mean u² + ε)
//! ```

use uec_gaussian::Result;

use crate::graph::Graph;
use crate::proto::NodeProto;
use crate::walk::{attribute, operator};

/// The norm after the last linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// Layer normalisation: centred and scaled.
    Layer,
    /// Root-mean-square normalisation: scaled only.
    Rms,
    /// y = u.
    None,
}

/// A norm found in the graph. `gamma` and `beta` are tensor names; absent means ones and zeros.
pub(crate) struct Norm<'a> {
    pub(crate) kind: NormKind,
    pub(crate) gamma: Option<&'a str>,
    pub(crate) beta: Option<&'a str>,
    pub(crate) epsilon: f32,
    /// The tensor u.
    pub(crate) input: &'a str,
}

impl Graph {
    /// The norm whose result is `tensor`, `None` if something else made it.
    ///
    /// # Errors
    /// Model unsupported: a norm over other axes than the last.
    pub(crate) fn norm<'a>(&'a self, tensor: &'a str) -> Result<Option<Norm<'a>>> {
        let (tensor, _) = self.through(tensor);
        let Some(node) = self.producer(tensor) else { return Ok(None) };
        match self.norm_operator(node)? {
            Some(norm) => Ok(Some(norm)),
            None => Ok(self.norm_arithmetic(tensor)),
        }
    }

    fn norm_operator<'a>(&self, node: &'a NodeProto) -> Result<Option<Norm<'a>>> {
        let kind = match (operator(node), node.op_type()) {
            (Some("LayerNormalization"), _) => NormKind::Layer,
            (Some("RMSNormalization"), _) | (_, "SimplifiedLayerNormalization") => NormKind::Rms,
            _ => return Ok(None),
        };
        let axis = attribute(node, "axis").map_or(-1, |axis| axis.i());
        if axis != -1 && axis != 2 {
            let what = format!("{} runs over axis {axis}, not over the last", crate::graph::describe(node));
            return Err(self.unsupported(&what));
        }
        let operand = |at: usize| node.input.get(at).map(String::as_str).filter(|name| !name.is_empty());
        let Some(input) = operand(0) else { return Ok(None) };
        let epsilon = attribute(node, "epsilon").map_or(1e-5, |epsilon| epsilon.f());
        let beta = operand(2).filter(|_| kind == NormKind::Layer);
        Ok(Some(Norm { kind, gamma: operand(1), beta, epsilon, input }))
    }

    /// `Add(Mul(core, γ), β)` with either constant part left out, casts and identities anywhere between.
    fn norm_arithmetic<'a>(&'a self, tensor: &'a str) -> Option<Norm<'a>> {
        let peel = |tensor: &'a str, wanted: &str| {
            let (tensor, _) = self.through(tensor);
            let node = self.producer(tensor).filter(|node| operator(node) == Some(wanted));
            match node.and_then(|node| self.split(node)) {
                Some((rest, constant)) => (rest, Some(constant)),
                None => (tensor, None),
            }
        };
        let (scaled, beta) = peel(tensor, "Add");
        let (core, gamma) = peel(scaled, "Mul");
        let (kind, input, epsilon) = self.standardised(core)?;
        Some(Norm { kind, gamma, beta, epsilon, input })
    }

    /// `c / sqrt(mean(c²) + ε)` or `c · (1 / sqrt(…))`: LayerNorm if c = u − mean(u), RMSNorm if c is anything else.
    fn standardised<'a>(&'a self, tensor: &'a str) -> Option<(NormKind, &'a str, f32)> {
        let node = self.node(tensor)?;
        let [left, right] = node.input.as_slice() else { return None };
        let (centred, squared, epsilon) = match operator(node)? {
            "Div" => {
                let (squared, epsilon) = self.root_mean_square(right)?;
                (left, squared, epsilon)
            }
            "Mul" => [(left, right), (right, left)].into_iter().find_map(|(value, factor)| {
                let (squared, epsilon) = self.root_mean_square(self.reciprocal(factor)?)?;
                Some((value, squared, epsilon))
            })?,
            _ => return None,
        };
        let value = self.through(centred).0;
        let same = self.through(squared).0;
        match (self.centred(value), self.centred(same)) {
            (Some(input), Some(other)) if self.through(input).0 == self.through(other).0 => {
                Some((NormKind::Layer, input, epsilon))
            }
            (None, None) if value == same => Some((NormKind::Rms, centred, epsilon)),
            _ => None,
        }
    }

    /// `sqrt(mean(x²) + ε)` → x and ε.
    fn root_mean_square<'a>(&'a self, tensor: &'a str) -> Option<(&'a str, f32)> {
        let root = self.node(tensor).filter(|node| operator(node) == Some("Sqrt"))?;
        let sum = self.node(root.input.first()?).filter(|node| operator(node) == Some("Add"))?;
        let (mean, epsilon) = self.split(sum)?;
        let square = self.node(self.mean(mean)?)?;
        let [base, other] = square.input.as_slice() else { return None };
        let is_square = match operator(square)? {
            "Pow" => self.scalar(other) == Some(2.0),
            "Mul" => base == other,
            _ => false,
        };
        is_square.then_some((base.as_str(), self.scalar(epsilon)?))
    }

    /// `1 / x` → x.
    fn reciprocal<'a>(&'a self, tensor: &'a str) -> Option<&'a str> {
        let node = self.node(tensor)?;
        match (operator(node)?, node.input.as_slice()) {
            ("Reciprocal", [value]) => Some(value),
            ("Div", [one, value]) if self.scalar(one) == Some(1.0) => Some(value),
            _ => None,
        }
    }

    /// `u − mean(u)` → u.
    fn centred<'a>(&'a self, tensor: &'a str) -> Option<&'a str> {
        let node = self.node(tensor).filter(|node| operator(node) == Some("Sub"))?;
        let [value, mean] = node.input.as_slice() else { return None };
        let averaged = self.mean(mean)?;
        (self.through(averaged).0 == self.through(value).0).then_some(value.as_str())
    }

    /// Mean over the last axis, kept as an axis of length 1 → what it averages.
    fn mean<'a>(&'a self, tensor: &'a str) -> Option<&'a str> {
        let node = self.node(tensor).filter(|node| operator(node) == Some("ReduceMean"))?;
        let keeps = attribute(node, "keepdims").is_none_or(|keep| keep.i() == 1);
        let last = match (attribute(node, "axes"), node.input.get(1)) {
            (Some(axes), None) => matches!(axes.ints.as_slice(), [-1 | 2]),
            (None, Some(axes)) => self.reduces_last(axes),
            _ => false,
        };
        node.input.first().map(String::as_str).filter(|_| keeps && last)
    }

    fn reduces_last(&self, axes: &str) -> bool {
        let Some(constant) = self.constant(axes) else { return false };
        let tensor = &constant.tensor;
        let raw = tensor.raw_data.as_deref().and_then(|raw| raw.try_into().ok()).map(i64::from_le_bytes);
        let typed = (tensor.int64_data.len() == 1).then(|| tensor.int64_data[0]);
        matches!(raw.or(typed), Some(-1 | 2))
    }

    /// The node behind casts and identities.
    fn node<'a>(&'a self, tensor: &'a str) -> Option<&'a NodeProto> {
        self.producer(self.through(tensor).0)
    }
}
