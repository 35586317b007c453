//! Linear layers on quantised activations: W = scale·(B − zero point)ᵀ, while a is the float tensor before it was
//! quantised.
//!
//! ```text
//! DynamicQuantizeLinear → MatMulInteger → Cast → Mul (scale of a) → Mul (scale of W)      and as fused by ONNX Runtime:
//! DynamicQuantizeLinear → MatMulIntegerToFloat        DynamicQuantizeMatMul        QuantizeLinear → QLinearMatMul
//! ```

use uec_gaussian::Result;

use crate::graph::{Graph, describe};
use crate::linear::{Linear, Matrix, Weight, transpose};
use crate::proto::{DataType, NodeProto};
use crate::walk::{contributed, operand, operator};

/// More factors than any exporter writes: beyond them a product is not followed.
const FACTORS: usize = 16;

impl Graph {
    pub(crate) fn integer_product<'a>(&'a self, node: &'a NodeProto) -> Option<Linear<'a>> {
        match (operator(node), contributed(node)) {
            (Some("Mul"), _) => self.scaled_product(node),
            (Some("QLinearMatMul"), _) => {
                let input = self.before_quantisation(operand(node, 0)?, operand(node, 1)?)?;
                self.integer_linear(node, input, [3, 4, 5], None)
            }
            (_, Some("DynamicQuantizeMatMul")) => {
                self.integer_linear(node, operand(node, 0)?, [1, 2, 3], operand(node, 4))
            }
            (_, Some("MatMulIntegerToFloat")) => {
                let input = self.before_quantisation(operand(node, 0)?, operand(node, 2)?)?;
                self.integer_linear(node, input, [1, 3, 5], operand(node, 6))
            }
            _ => None,
        }
    }

    /// `at`: places of B, its scale and its zero point.
    fn integer_linear<'a>(
        &'a self,
        node: &'a NodeProto,
        input: &'a str,
        at: [usize; 3],
        added: Option<&'a str>,
    ) -> Option<Linear<'a>> {
        let [name, scale] = [operand(node, at[0])?, operand(node, at[1])?];
        let constant = self.constant(input).is_none() && self.is_matrix(name) && self.constant(scale).is_some();
        let matrix = Matrix::Integers { name, scales: vec![scale], zero: operand(node, at[2]) };
        constant.then_some(Linear { node, result: node.output.first()?, input, flat: false, matrix, added })
    }

    /// `Mul` of a `MatMulInteger` with the scales of both its operands, in any order and nesting.
    fn scaled_product<'a>(&'a self, node: &'a NodeProto) -> Option<Linear<'a>> {
        let (mut product, mut dynamic, mut scales) = (None, None, Vec::new());
        let mut open: Vec<&'a str> = node.input.iter().map(String::as_str).collect();
        for _ in 0..FACTORS {
            let Some(factor) = open.pop() else { break };
            if self.constant(factor).is_some() {
                scales.push(factor);
                continue;
            }
            let (factor, _) = self.through(factor);
            let (made, at) = self.result_of(factor)?;
            match (operator(made)?, at) {
                ("Mul", 0) => open.extend(made.input.iter().map(String::as_str)),
                ("MatMulInteger", 0) if product.is_none() => product = Some(made),
                ("DynamicQuantizeLinear", 1) if dynamic.is_none() => dynamic = Some(factor),
                _ => return None,
            }
        }
        let (product, dynamic) = (product.filter(|_| open.is_empty())?, dynamic?);
        let input = self.before_quantisation(operand(product, 0)?, dynamic)?;
        let name = operand(product, 1).filter(|name| self.is_matrix(name))?;
        let matrix = Matrix::Integers { name, scales, zero: operand(product, 3) };
        Some(Linear { node: product, result: node.output.first()?, input, flat: false, matrix, added: None })
    }

    /// The float tensor that was quantised to `tensor` with `scale`.
    fn before_quantisation<'a>(&'a self, tensor: &'a str, scale: &str) -> Option<&'a str> {
        let (tensor, _) = self.through(tensor);
        let node = self.producer(tensor)?;
        let same = match operator(node) {
            Some("DynamicQuantizeLinear") => node.output.get(1).is_some_and(|output| output == scale),
            _ => {
                self.quantised_from(tensor)?;
                let own = operand(node, 1)?;
                own == scale || self.scalar(own).is_some_and(|value| self.scalar(scale) == Some(value))
            }
        };
        operand(node, 0).filter(|_| same)
    }

    pub(crate) fn integers(&self, node: &NodeProto, name: &str, scales: &[&str], zero: Option<&str>) -> Result<Weight> {
        let constant = self.constant(name).ok_or_else(|| self.no_weight(node))?;
        let (dimension, features) = self.shape(node, constant.dims(), constant.transposed)?;
        let misfit = |what: &str, length: usize| {
            self.invalid(&format!("{} has {length} {what}s, where 1 or {dimension} are expected", describe(node)))
        };
        let each = |at: usize, length: usize| if length == 1 { 0 } else { at };
        let mut scale = vec![1.0f32; dimension];
        let mut element = DataType::Float as i32;
        for name in scales {
            let found = self.constant(name).ok_or_else(|| self.no_weight(node))?;
            let values = found.decode(self)?;
            if values.len() != 1 && values.len() != dimension {
                return Err(misfit("scale", values.len()));
            }
            scale.iter_mut().enumerate().for_each(|(at, product)| *product *= values[each(at, values.len())]);
            element = found.element;
        }
        let zeros = match zero {
            None => vec![0],
            Some(name) => match self.constant(name) {
                Some(found) => found.integers(self)?,
                None => return Err(self.unsupported(&format!("the zero point of {} is no constant", describe(node)))),
            },
        };
        if zeros.len() != 1 && zeros.len() != dimension {
            return Err(misfit("zero point", zeros.len()));
        }
        let mut stored = constant.integers(self)?;
        if !constant.transposed {
            stored = transpose(&stored, features, dimension);
        }
        let number = |(at, &value): (usize, &i32)| {
            let row = at / features;
            (i64::from(value) - i64::from(zeros[each(row, zeros.len())])) as f32 * scale[row]
        };
        Ok(Weight { values: stored.iter().enumerate().map(number).collect(), dimension, features, element })
    }
}
