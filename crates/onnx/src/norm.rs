//! Recognises the norm at the end of an encoder (method §1), as one operator or written out in arithmetic.
//!
//! ```text
//! LayerNorm: y = γ∘(u − mean u)/sqrt(mean (u − mean u)² + ε) + β       RMSNorm: y = γ∘u/sqrt(mean u² + ε)
//! ```
//!
//! In ONNX Runtime's fused `Skip…` norms u = input + skip + bias exists only inside the node, unless it is asked for as
//! the fourth result.

use uec_gaussian::Result;

use crate::graph::{Graph, describe};
use crate::proto::NodeProto;
use crate::walk::{attribute, contributed, operand, operator};

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
    /// The tensors whose sum is u.
    pub(crate) terms: Vec<&'a str>,
    /// The `Reshape` between the norm and its result, where u has rows of (batch·tokens).
    pub(crate) reshapes: Vec<&'a NodeProto>,
}

/// Result of a `Skip…` norm that holds the sum u.
const SUM: usize = 3;
/// The ε of a `Skip…` norm that names none.
const SKIP_EPSILON: f32 = 1e-12;

impl Graph {
    /// The norm whose result is `tensor`, `None` if something else made it.
    ///
    /// # Errors
    /// Model unsupported: a norm over other axes than the last.
    pub(crate) fn norm<'a>(&'a self, tensor: &'a str) -> Result<Option<Norm<'a>>> {
        let (mut tensor, mut reshapes) = (self.through(tensor).0, Vec::new());
        let node = loop {
            let Some(node) = self.producer(tensor) else { return Ok(None) };
            match (operator(node), operand(node, 0)) {
                (Some("Reshape"), Some(before)) => {
                    reshapes.push(node);
                    tensor = self.through(before).0;
                }
                _ => break node,
            }
        };
        let norm = self.norm_operator(node, !reshapes.is_empty())?.or_else(|| self.norm_arithmetic(tensor));
        Ok(norm.map(|norm| Norm { reshapes, ..norm }))
    }

    fn norm_operator<'a>(&self, node: &'a NodeProto, flat: bool) -> Result<Option<Norm<'a>>> {
        if let Some(terms) = self.skip_terms(node) {
            let epsilon = attribute(node, "epsilon").map_or(SKIP_EPSILON, |epsilon| epsilon.f());
            let centred = node.op_type() == "SkipLayerNormalization";
            let (kind, beta) = if centred { (NormKind::Layer, operand(node, 3)) } else { (NormKind::Rms, None) };
            let exposed = node.output.get(SUM).filter(|name| !name.is_empty()).map(String::as_str);
            let terms = exposed.map_or(terms, |sum| vec![sum]);
            return Ok(Some(Norm { kind, gamma: operand(node, 2), beta, epsilon, terms, reshapes: Vec::new() }));
        }
        let kind = match (operator(node), node.op_type()) {
            (Some("LayerNormalization"), _) => NormKind::Layer,
            (Some("RMSNormalization"), _) | (_, "SimplifiedLayerNormalization") => NormKind::Rms,
            _ => return Ok(None),
        };
        let axis = attribute(node, "axis").map_or(-1, |axis| axis.i());
        if axis != -1 && axis != if flat { 1 } else { 2 } {
            let what = format!("{} runs over axis {axis}, not over the last", describe(node));
            return Err(self.unsupported(&what));
        }
        let Some(input) = operand(node, 0) else { return Ok(None) };
        let epsilon = attribute(node, "epsilon").map_or(1e-5, |epsilon| epsilon.f());
        let beta = operand(node, 2).filter(|_| kind == NormKind::Layer);
        Ok(Some(Norm { kind, gamma: operand(node, 1), beta, epsilon, terms: vec![input], reshapes: Vec::new() }))
    }

    /// What a `Skip…` norm adds up: input, skip and, if there is one, the bias.
    fn skip_terms<'a>(&self, node: &'a NodeProto) -> Option<Vec<&'a str>> {
        let bias = match contributed(node).or(operator(node))? {
            "SkipLayerNormalization" => 4,
            "SkipSimplifiedLayerNormalization" => 3,
            _ => return None,
        };
        Some([0, 1, bias].into_iter().filter_map(|at| operand(node, at)).collect())
    }

    /// What is added up in `tensor` if it is the sum that a `Skip…` norm gives out.
    pub(crate) fn skip_sum<'a>(&'a self, tensor: &'a str) -> Option<Vec<&'a str>> {
        let (node, at) = self.result_of(tensor)?;
        self.skip_terms(node).filter(|_| at == SUM)
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
        Some(Norm { kind, gamma, beta, epsilon, terms: vec![input], reshapes: Vec::new() })
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
        operand(node, 0).filter(|_| keeps && matches!(self.axes(node).as_deref(), Some([-1 | 2])))
    }

    /// The axes of a reduction, `Squeeze` or `Unsqueeze`: an attribute, or the second operand since operator set 13 or 18.
    pub(crate) fn axes(&self, node: &NodeProto) -> Option<Vec<i64>> {
        match (attribute(node, "axes"), operand(node, 1)) {
            (Some(axes), None) => Some(axes.ints.clone()),
            (None, Some(axes)) => self.indices(axes),
            _ => None,
        }
    }

    /// The node behind casts and identities.
    fn node<'a>(&'a self, tensor: &'a str) -> Option<&'a NodeProto> {
        self.producer(self.through(tensor).0)
    }
}
