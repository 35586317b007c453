//! The products with a constant matrix that make up u (method §1), in the forms that exporters and quantisers give them,
//! and their weights as D×I.
//!
//! ```text
//! MatMul, FusedMatMul, Gemm                       W = factor·Bᵀ
//! MatMulInteger and its fusions, QLinearMatMul    W = scale·(B − zero point)ᵀ      (quantised.rs)
//! MatMulNBits                                     W in blocks of few bits          (blocks.rs)
//! ```

use uec_gaussian::Result;

use crate::graph::{Graph, describe};
use crate::proto::NodeProto;
use crate::walk::{attribute, contributed, integer, operand, operator};

/// A linear layer.
pub(crate) struct Linear<'a> {
    /// The product.
    pub(crate) node: &'a NodeProto,
    /// The tensor that holds the product, behind any scales that belong to it.
    pub(crate) result: &'a str,
    /// The tensor a.
    pub(crate) input: &'a str,
    /// Whether rows are (batch·tokens).
    pub(crate) flat: bool,
    pub(crate) matrix: Matrix<'a>,
    /// What the same node adds to the product: a bias, or another term of u.
    pub(crate) added: Option<&'a str>,
}

/// Where W is.
pub(crate) enum Matrix<'a> {
    /// Numbers, D×I if `transposed`, times a factor.
    Numbers { name: &'a str, transposed: bool, factor: f32 },
    /// Integers, I×D, with the product of `scales` and a zero point, for all outputs or one for each.
    Integers { name: &'a str, scales: Vec<&'a str>, zero: Option<&'a str> },
    /// The operands of `MatMulNBits`.
    Blocks,
}

/// W, D×I row-major, finite.
pub(crate) struct Weight {
    pub(crate) values: Vec<f32>,
    pub(crate) dimension: usize,
    pub(crate) features: usize,
    /// Element type of the numbers that it was read from.
    pub(crate) element: i32,
}

impl Graph {
    /// The linear layer whose result is the output of `node`; its input may be of any shape.
    pub(crate) fn linear<'a>(&'a self, node: &'a NodeProto) -> Option<Linear<'a>> {
        let result = node.output.first()?;
        let numbers = |factor: f32, transposed: bool| {
            let (input, name) = (operand(node, 0)?, operand(node, 1)?);
            let usable = self.constant(input).is_none() && self.is_matrix(name);
            let matrix = Matrix::Numbers { name, transposed, factor };
            usable.then_some(Linear { node, result, input, flat: false, matrix, added: None })
        };
        let alpha = || attribute(node, "alpha").map_or(1.0, |alpha| alpha.f());
        let none = |names: &[&str]| names.iter().all(|name| integer(node, name) == 0);
        match (operator(node), contributed(node)) {
            (Some("MatMul"), _) => numbers(1.0, false),
            (Some("Gemm"), _) if none(&["transA"]) => {
                let linear = numbers(alpha(), integer(node, "transB") != 0)?;
                Some(Linear { flat: true, added: operand(node, 2), ..linear })
            }
            (_, Some("FusedMatMul")) if none(&["transA", "transBatchA", "transBatchB"]) => {
                numbers(alpha(), integer(node, "transB") != 0)
            }
            (_, Some("MatMulNBits")) => self.block_product(node),
            _ => self.integer_product(node),
        }
    }

    /// Whether a node could be a linear layer, in a form that this version reads or another.
    pub(crate) fn like_linear(&self, node: &NodeProto) -> bool {
        let product = node.op_type().contains("MatMul") || node.op_type().contains("Gemm");
        let matrix = |name: &String| self.constant(name).is_some_and(|constant| constant.dims().len() >= 2);
        product && node.input.iter().any(matrix)
    }

    pub(crate) fn is_matrix(&self, tensor: &str) -> bool {
        self.constant(tensor).is_some_and(|constant| constant.dims().len() == 2)
    }

    /// # Errors
    /// Model invalid for sizes that contradict each other, no elements, or values that are not finite; model unsupported
    /// for a type that is not known.
    pub(crate) fn weight(&self, linear: &Linear<'_>) -> Result<Weight> {
        let weight = match &linear.matrix {
            Matrix::Numbers { name, transposed, factor } => self.numbers(linear.node, name, *transposed, *factor),
            Matrix::Integers { name, scales, zero } => self.integers(linear.node, name, scales, *zero),
            Matrix::Blocks => self.blocks(linear.node),
        }?;
        match weight.values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(self.invalid(&format!(
                "the weight of {} is damaged: value {at} is {}",
                describe(linear.node),
                weight.values[at]
            ))),
            None => Ok(weight),
        }
    }

    fn numbers(&self, node: &NodeProto, name: &str, transposed: bool, factor: f32) -> Result<Weight> {
        let constant = self.constant(name).ok_or_else(|| self.no_weight(node))?;
        let transposed = constant.transposed != transposed;
        let (dimension, features) = self.shape(node, constant.dims(), transposed)?;
        let mut values = constant.decode(self)?;
        if !transposed {
            values = transpose(&values, features, dimension);
        }
        if factor != 1.0 {
            values.iter_mut().for_each(|value| *value *= factor);
        }
        Ok(Weight { values, dimension, features, element: constant.element })
    }

    /// D and I of a stored matrix, D×I if `transposed`.
    pub(crate) fn shape(&self, node: &NodeProto, dims: &[i64], transposed: bool) -> Result<(usize, usize)> {
        let size = |at: usize| dims.get(at).and_then(|&dim| usize::try_from(dim).ok()).unwrap_or(0);
        let (dimension, features) = if transposed { (size(0), size(1)) } else { (size(1), size(0)) };
        match dims.len() == 2 && dimension > 0 && features > 0 {
            true => Ok((dimension, features)),
            false => Err(self.invalid(&format!("the weight of {} has the shape {dims:?}: no matrix", describe(node)))),
        }
    }

    pub(crate) fn no_weight(&self, node: &NodeProto) -> uec_gaussian::Error {
        self.invalid(&format!("{} has no weight", describe(node)))
    }
}

/// rows×columns → columns×rows.
pub(crate) fn transpose<T: Copy + Default>(matrix: &[T], rows: usize, columns: usize) -> Vec<T> {
    let mut result = vec![T::default(); matrix.len()];
    for (row, values) in matrix.chunks_exact(columns).enumerate() {
        for (column, &value) in values.iter().enumerate() {
            result[column * rows + row] = value;
        }
    }
    result
}
