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
use crate::linear::{Linear, Weight};
use crate::norm::{Norm, NormKind};
use crate::output::Start;
use crate::pool::Pooling;
use crate::proto::DataType;
use crate::terms::Terms;

/// Names that replace a part of the search, for graphs whose structure is not recognised.
///
/// They say where, never what: the norm and the layer at those places must be of a form that can be read, because γ, s_t
/// and W are taken from them. Everything behind the named norm is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// Node of the last linear layer, or its output tensor. It must be added up in u, but need not be the last of its
    /// layers that are.
    pub linear: Option<String>,
    /// Node whose result is y, or the tensor y: the last node of the norm, or of the sum u where there is no norm. The walk
    /// starts there instead of at a graph output. Behind the pooling it stands for z, before any scaling to length 1.
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

const NO_NORM: &str = "`tail.norm` names neither a norm that can be read (LayerNormalization, RMSNormalization, their fused \
     forms, or one written out) nor a sum with a linear layer";

/// The tail of an encoder: its last linear layer W (D×I) and the norm or activation that follows.
#[derive(Clone, Debug)]
pub struct Tail {
    /// Whether the last linear layer comes before or after the pooling.
    pub stage: Stage,
    /// How the graph itself pools its token vectors, where it does and that can be read.
    pub pooling: Option<Pooling>,
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

impl Graph {
    /// Finds the tail.
    ///
    /// # Errors
    /// [`uec_gaussian::ErrorCode::ModelUnsupported`], with the walk back to the node where it stopped;
    /// [`uec_gaussian::ErrorCode::InvalidArgument`] for a name in `over` that the graph does not have;
    /// [`uec_gaussian::ErrorCode::ModelInvalid`] for weights that contradict each other.
    pub fn tail(&self, over: &Override) -> Result<Tail> {
        let start = match &over.norm {
            Some(name) => self.start_at(self.named(name, "norm")?),
            None => self.start()?,
        };
        let (activation, norm) = match start.stage {
            Stage::Tokens => (Activation::Identity, self.norm(start.tensor)?),
            Stage::Pooled => (self.activated(start.tensor).0, None),
        };
        let sum = match &norm {
            Some(norm) => norm.terms.clone(),
            None => vec![self.activated_at(&start)],
        };
        let mut terms = self.terms(&sum, start.stage);
        let through = [start.tensor].into_iter().chain(sum.iter().copied()).any(|tensor| self.through(tensor).1);
        terms.cast |= through;
        let linear = match &over.linear {
            Some(name) => {
                let wanted = self.named(name, "linear")?;
                let same = |linear: &&Linear<'_>| linear.result == wanted || linear.node.output[0] == wanted;
                terms.linear.iter().find(same).ok_or_else(|| self.not_a_term(wanted, &start, &terms))?
            }
            None if over.norm.is_some() && norm.is_none() && terms.linear.is_empty() => {
                return Err(self.stopped(NO_NORM, start.output, &terms.others));
            }
            None => self.last(&terms, start.output)?,
        };
        let weight = self.weight(linear)?;
        let start = match start.stage {
            Stage::Tokens => start,
            Stage::Pooled => Start { pooling: self.pooled(linear.input).map(|(pooling, _)| pooling), ..start },
        };
        let widths = terms.reshapes.iter().chain(norm.iter().flat_map(|norm| &norm.reshapes));
        let widths = widths.filter_map(|node| self.reshaped_width(node)).chain(self.declared_width(start.output));
        self.check_widths(linear, &weight, widths)?;
        self.build(&start, activation, norm, linear, weight, (sum, terms.cast))
    }

    /// The tensor u of a tail without norm.
    fn activated_at<'a>(&'a self, start: &Start<'a>) -> &'a str {
        match start.stage {
            Stage::Tokens => start.tensor,
            Stage::Pooled => self.activated(start.tensor).1,
        }
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

    fn not_a_term(&self, wanted: &str, start: &Start<'_>, terms: &Terms<'_>) -> Error {
        let node = self.producer(wanted).map_or_else(|| wanted.to_owned(), describe);
        let what = format!(
            "{node} is no product with a constant matrix that is added up in the vectors of `{}` or in what their norm is \
             taken of",
            start.output
        );
        match terms.others.is_empty() {
            true => self.unsupported(&format!("{what}; check `tail: {{ norm, linear }}`")),
            false => self.stopped(&what, start.output, &terms.others),
        }
    }

    /// Rows of another length than D would mean another layer, or other vectors, than were found.
    fn check_widths(&self, linear: &Linear<'_>, weight: &Weight, mut widths: impl Iterator<Item = i64>) -> Result<()> {
        match widths.find(|&width| usize::try_from(width) != Ok(weight.dimension)) {
            None => Ok(()),
            Some(width) => Err(self.invalid(&format!(
                "{} gives vectors of length {}, the graph declares {width} behind it",
                describe(linear.node),
                weight.dimension
            ))),
        }
    }

    fn build(
        &self,
        start: &Start<'_>,
        activation: Activation,
        norm: Option<Norm<'_>>,
        linear: &Linear<'_>,
        weight: Weight,
        (sum, cast): (Vec<&str>, bool),
    ) -> Result<Tail> {
        let Weight { values, dimension, features, element } = weight;
        let vector = |name: Option<&str>, missing: f32| match name {
            None => Ok(vec![missing; dimension]),
            Some(name) => self.vector(name, dimension),
        };
        let (gamma, beta) = (norm.as_ref().and_then(|norm| norm.gamma), norm.as_ref().and_then(|norm| norm.beta));
        let epsilon = norm.as_ref().map_or(0.0, |norm| norm.epsilon);
        if !epsilon.is_finite() || epsilon < 0.0 {
            return Err(self.invalid(&format!("the norm that gives `{}` has an epsilon of {epsilon}", start.tensor)));
        }
        let unnamed = || linear.node.output.first().cloned().unwrap_or_default();
        let cast = cast || element != DataType::Float as i32;
        let source = |terms: &[&str], flat: bool| Source {
            terms: terms.iter().map(|&term| term.to_owned()).collect(),
            cast,
            flat,
        };
        Ok(Tail {
            stage: start.stage,
            pooling: start.pooling,
            features,
            dimension,
            weight: values,
            norm: norm.as_ref().map_or(NormKind::None, |norm| norm.kind),
            gamma: vector(gamma, 1.0)?,
            beta: vector(beta, 0.0)?,
            epsilon,
            activation,
            linear: linear.node.name.clone().filter(|name| !name.is_empty()).unwrap_or_else(unnamed),
            heads: Vec::new(),
            activations: source(&[linear.input], linear.flat),
            preactivations: source(&sum, norm.is_some_and(|norm| !norm.reshapes.is_empty())),
            output: source(&[start.tensor], false),
        })
    }

    fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        let constant = self
            .constant(name)
            .ok_or_else(|| self.unsupported(&format!("`{name}`, a parameter of the norm, is no constant")))?;
        if constant.elements(self)? != length as u64 {
            let what = format!("`{name}`, a parameter of the norm, has the shape {:?}, not {length}", constant.dims());
            return Err(self.invalid(&what));
        }
        constant.decode(self)
    }
}
