//! Finds the last linear layer and the norm behind it by the structure of the graph (method §1).
//!
//! ```text
//! u = W a + b + r        y = norm(u)
//! ```
//!
//! From the token output back through the norm to u, then through the sum that makes up u. Its terms are the linear
//! layer, its bias and the residual r. In an encoder that normalises before its layers (a residual stream), earlier linear
//! layers are terms as well; the last one is the one whose input depends on every other term.

use uec_gaussian::{Error, Result};

use crate::dense::{Activation, Dense};
use crate::graph::{Graph, describe};
use crate::norm::{Norm, NormKind};
use crate::proto::{DataType, NodeProto};
use crate::walk::operator;
use crate::weights;

/// Names that replace a part of the search, for graphs whose structure is not recognised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// Node of the last linear layer, or its output tensor.
    pub linear: Option<String>,
    /// Last node of the norm, or its output tensor: the walk starts there instead of at a graph output.
    pub norm: Option<String>,
}

/// What the last linear layer runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Every token: a is (batch, tokens, I), and pooling comes after the norm.
    Tokens,
    /// The pooled text: a is (batch, I), T = 1.
    Pooled,
}

/// The tail of an encoder: its last linear layer W (D×I) and the norm or activation that follows.
#[derive(Clone, Debug)]
pub struct Tail {
    /// Whether the last linear layer comes before or after the pooling.
    pub stage: Stage,
    /// I, the width of the layer's input.
    pub features: usize,
    /// D, the width of its output.
    pub dimension: usize,
    /// W, D×I row-major, whichever way the file stores it.
    pub weight: Vec<f32>,
    /// Kind of the norm.
    pub norm: NormKind,
    /// γ, length D; ones without a norm.
    pub gamma: Vec<f32>,
    /// β, length D; zeros without a norm and for RMSNorm.
    pub beta: Vec<f32>,
    /// ε of the norm, 0 without one.
    pub epsilon: f32,
    /// What is applied to u; [`Activation::Identity`] unless the layer lies behind the pooling.
    pub activation: Activation,
    /// Name of the linear layer's node (its output tensor where the node has no name).
    pub linear: String,
    /// Layers behind the pooling that are not in the graph, in order; the last is the last linear layer.
    pub(crate) heads: Vec<Dense>,
    /// Length of the vectors in `output`: D, unless there are heads.
    pub(crate) token_width: usize,
    pub(crate) activations: Source,
    pub(crate) preactivations: Source,
    pub(crate) output: Source,
}

/// Where the graph has a, u or y: the sum of some of its tensors, which it may hold in another type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// Tensors to add up; one, unless u exists only inside a fused norm.
    pub(crate) terms: Vec<String>,
    /// Whether they may have another type than float32.
    pub(crate) cast: bool,
    /// Whether their rows are (batch·tokens): a `Gemm` between two `Reshape`. The sum has to be brought to
    /// (batch, tokens, width), which changes nothing where it has that shape already.
    pub(crate) flat: bool,
}

impl Tail {
    /// The tensors whose sum is a, (batch, tokens, I) or, behind the pooling, (batch, I). Empty with layers that are not
    /// in the graph ([`Tail::with_heads`]).
    pub fn activations(&self) -> &[String] {
        &self.activations.terms
    }

    /// The tensors whose sum is u, with D for I as [`Tail::activations`].
    pub fn preactivations(&self) -> &[String] {
        &self.preactivations.terms
    }

    /// The tensors whose sum is y = norm(u), in the shape of u; with layers that are not in the graph, what they start
    /// from: (batch, tokens, width).
    pub fn output(&self) -> &[String] {
        &self.output.terms
    }

    /// ‖W‖², the squared Frobenius norm.
    pub fn weight_norm2(&self) -> f64 {
        self.weight_norms2().iter().sum()
    }

    /// ‖W_d‖² of every row, length D.
    pub fn weight_norms2(&self) -> Vec<f64> {
        let rows = self.weight.chunks_exact(self.features);
        rows.map(|row| row.iter().map(|&w| f64::from(w) * f64::from(w)).sum()).collect()
    }
}

/// The terms of the sum u.
#[derive(Default)]
struct Terms<'a> {
    linear: Vec<(&'a NodeProto, &'a str)>,
    /// Tensors where the walk stopped.
    others: Vec<&'a str>,
    cast: bool,
}

impl Graph {
    /// Finds the tail.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::ModelUnsupported`], naming the node where the walk stopped;
    /// [`uec_gaussian::ErrorCode::InvalidArgument`] for a name in `over` that the graph does not have;
    /// [`uec_gaussian::ErrorCode::ModelInvalid`] for weights that contradict each other.
    pub fn tail(&self, over: &Override) -> Result<Tail> {
        let output = match &over.norm {
            Some(name) => self.named(name, "norm")?,
            None => self.token_output()?,
        };
        let norm = self.norm(output)?;
        let through_norm = self.through(output).1;
        let start = norm.as_ref().map_or(output, |norm| norm.input);
        let terms = self.terms(start);
        let linear = match &over.linear {
            Some(name) => {
                let wanted = self.named(name, "linear")?;
                let found = terms.linear.iter().find(|(node, _)| node.output[0] == wanted);
                found.copied().ok_or_else(|| self.not_a_term(wanted, start))?
            }
            None => self.last(&terms, start)?,
        };
        let cast = terms.cast || through_norm || norm.as_ref().is_some_and(|_| self.through(start).1);
        self.build(linear, norm, [start, output], cast)
    }

    /// The output tensor that `name` stands for: of the node of that name, or the tensor itself.
    fn named(&self, name: &str, option: &str) -> Result<&str> {
        let by_node = self.graph.node.iter().find(|node| node.name() == name && !name.is_empty());
        let index = self.producer_index(name);
        let by_tensor = index.and_then(|index| self.graph.node[index].output.iter().find(|output| *output == name));
        by_node.and_then(|node| node.output.first()).or(by_tensor).map(String::as_str).ok_or_else(|| {
            Error::invalid(format!(
                "tail.{option}: {} has no node and no computed tensor named `{name}`",
                self.path.display()
            ))
        })
    }

    fn terms<'a>(&'a self, start: &'a str) -> Terms<'a> {
        let mut terms = Terms::default();
        let mut open = vec![start];
        let mut seen = std::collections::HashSet::new();
        while let Some(tensor) = open.pop() {
            if self.constant(tensor).is_some() {
                continue;
            }
            let (tensor, cast) = self.through(tensor);
            terms.cast |= cast;
            if !seen.insert(tensor) {
                continue;
            }
            let Some(node) = self.producer(tensor) else { continue };
            match (operator(node), node.input.as_slice()) {
                (Some("Add" | "Sum"), inputs) => open.extend(inputs.iter().map(String::as_str)),
                (Some("MatMul"), [input, weight]) if self.is_matrix(weight) && self.constant(input).is_none() => {
                    terms.linear.push((node, input));
                }
                _ => terms.others.push(tensor),
            }
        }
        terms
    }

    fn is_matrix(&self, tensor: &str) -> bool {
        self.constant(tensor).is_some_and(|constant| constant.dims().len() == 2)
    }

    /// The linear term whose input depends on all other terms.
    fn last<'a>(&'a self, terms: &Terms<'a>, start: &str) -> Result<(&'a NodeProto, &'a str)> {
        let candidate = terms.linear.iter().max_by_key(|(node, _)| self.place(&node.output[0])).copied();
        let Some((node, input)) = candidate else { return Err(self.stopped(terms, start)) };
        let behind = self.ancestors(input);
        let outputs =
            terms.linear.iter().filter(|(other, _)| *other != node).map(|(other, _)| other.output[0].as_str());
        for tensor in outputs.chain(terms.others.iter().copied()) {
            if let Some(index) = self.producer_index(tensor).filter(|&index| !behind[index]) {
                return Err(self.unsupported(&format!(
                    "the last linear layer is ambiguous: {} and {} are added, neither depends on the other; name it with \
                     `tail: {{ linear }}`",
                    describe(node),
                    self.origin(index)
                )));
            }
        }
        Ok((node, input))
    }

    fn stopped(&self, terms: &Terms<'_>, start: &str) -> Error {
        let stops: Vec<_> = terms.others.iter().filter_map(|tensor| self.producer_index(tensor)).collect();
        if stops.is_empty() {
            return self.unsupported(&format!("no linear layer found behind `{start}`"));
        }
        let names: Vec<_> = stops.into_iter().map(|index| self.origin(index)).collect();
        self.unsupported(&format!(
            "no linear layer found: the walk back from `{start}` stopped at {}, which this version cannot read; name the \
             parts with `tail: {{ linear, norm }}`, or export the model without quantisation and fused operators",
            names.join(" and at ")
        ))
    }

    /// A node where the walk stopped, with the product behind it where this node only rescales or reshapes one.
    fn origin(&self, index: usize) -> String {
        const MINOR: [&str; 7] = ["Mul", "Div", "Cast", "Reshape", "Squeeze", "QuantizeLinear", "DequantizeLinear"];
        let first = &self.graph.node[index];
        let mut open = std::collections::VecDeque::from([first]);
        for _ in 0..16 {
            let Some(node) = open.pop_front() else { break };
            if node.op_type().contains("MatMul") || node.op_type() == "Gemm" {
                return match node.output == first.output {
                    true => describe(node),
                    false => format!("{}, the result of {}", describe(first), describe(node)),
                };
            }
            if MINOR.contains(&node.op_type()) {
                open.extend(node.input.iter().filter_map(|input| self.producer(input)));
            }
        }
        describe(first)
    }

    fn not_a_term(&self, wanted: &str, start: &str) -> Error {
        let node = self.producer(wanted).map_or_else(|| wanted.to_owned(), describe);
        self.unsupported(&format!(
            "{node} is no product with a constant matrix that is added up in `{start}`; check `tail: {{ linear }}`"
        ))
    }

    fn build(
        &self,
        (node, input): (&NodeProto, &str),
        norm: Option<Norm<'_>>,
        [start, output]: [&str; 2],
        cast: bool,
    ) -> Result<Tail> {
        let missing = || self.invalid(&format!("{} has no weight", describe(node)));
        let constant = node.input.get(1).and_then(|weight| self.constant(weight)).ok_or_else(missing)?;
        let shape = |at: usize| constant.dims().get(at).and_then(|&dim| usize::try_from(dim).ok()).unwrap_or(0);
        let (mut features, mut dimension) = (shape(0), shape(1));
        if constant.transposed {
            std::mem::swap(&mut features, &mut dimension);
        }
        if features == 0 || dimension == 0 {
            return Err(self.invalid(&format!("the weight of {} has no elements", describe(node))));
        }
        let stored = constant.decode(self)?;
        let weight = if constant.transposed { stored } else { transpose(&stored, features, dimension) };
        let vector = |name: Option<&str>, missing: f32| match name {
            None => Ok(vec![missing; dimension]),
            Some(name) => self.vector(name, dimension),
        };
        let (gamma, beta) = (norm.as_ref().and_then(|norm| norm.gamma), norm.as_ref().and_then(|norm| norm.beta));
        let epsilon = norm.as_ref().map_or(0.0, |norm| norm.epsilon);
        if !epsilon.is_finite() || epsilon < 0.0 {
            return Err(self.invalid(&format!("the norm behind `{start}` has an epsilon of {epsilon}")));
        }
        let unnamed = || node.output.first().cloned().unwrap_or_default();
        let cast = cast || constant.element != DataType::Float as i32;
        let source = |tensor: &str| Source { terms: vec![tensor.to_owned()], cast, flat: false };
        Ok(Tail {
            stage: Stage::Tokens,
            activation: Activation::Identity,
            heads: Vec::new(),
            token_width: dimension,
            features,
            dimension,
            weight,
            norm: norm.as_ref().map_or(NormKind::None, |norm| norm.kind),
            gamma: vector(gamma, 1.0)?,
            beta: vector(beta, 0.0)?,
            epsilon,
            linear: node.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(unnamed),
            activations: source(input),
            preactivations: source(start),
            output: source(output),
        })
    }

    fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        let constant = self
            .constant(name)
            .ok_or_else(|| self.unsupported(&format!("`{name}`, a parameter of the norm, is no constant")))?;
        if weights::elements(&constant.tensor, &self.path)? != length as u64 {
            let what = format!("`{name}`, a parameter of the norm, has the shape {:?}, not {length}", constant.dims());
            return Err(self.invalid(&what));
        }
        constant.decode(self)
    }
}

/// rows×columns → columns×rows.
pub(crate) fn transpose(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut result = vec![0.0; matrix.len()];
    for (row, values) in matrix.chunks_exact(columns).enumerate() {
        for (column, &value) in values.iter().enumerate() {
            result[column * rows + row] = value;
        }
    }
    result
}
