//! Constant operands: weights, biases, scales, behind the operators that exporters put between them and their use.

use std::borrow::Cow;

use uec_gaussian::Result;

use crate::dequantize::Quantised;
use crate::graph::Graph;
use crate::proto::{DataType, NodeProto, TensorProto};
use crate::walk::{CHAIN, attribute, operator, quantisation};
use crate::weights;

/// A constant operand, behind any `Identity`, `Cast`, `Transpose` or `DequantizeLinear`.
pub(crate) struct Constant<'a> {
    pub(crate) tensor: Cow<'a, TensorProto>,
    /// Whether an odd number of matrix transpositions lies between the stored tensor and its use.
    pub(crate) transposed: bool,
    /// Element type where it is used.
    pub(crate) element: i32,
    /// How the stored integers become numbers.
    quantised: Option<Quantised<'a>>,
}

impl Constant<'_> {
    /// Shape of the stored tensor.
    pub(crate) fn dims(&self) -> &[i64] {
        &self.tensor.dims
    }

    /// Number of elements.
    pub(crate) fn elements(&self, graph: &Graph) -> Result<u64> {
        weights::elements(&self.tensor, &graph.path)
    }

    /// Values in stored order.
    pub(crate) fn decode(&self, graph: &Graph) -> Result<Vec<f32>> {
        match &self.quantised {
            None => weights::decode(&self.tensor, &graph.path),
            Some(quantised) => quantised.decode(graph, &self.tensor),
        }
    }

    /// Values of a quantised operand in stored order, without scale and zero point.
    pub(crate) fn integers(&self, graph: &Graph) -> Result<Vec<i32>> {
        weights::integers(&self.tensor, &graph.path)
    }
}

impl Graph {
    /// The constant behind `tensor`: an initializer or a `Constant` node, perhaps behind `Identity`, a `Cast` to a
    /// floating-point type, a matrix `Transpose` or one `DequantizeLinear`. `None` for everything computed at run time.
    pub(crate) fn constant<'a>(&'a self, tensor: &'a str) -> Option<Constant<'a>> {
        let (mut tensor, mut transposed, mut element) = (tensor, false, None);
        let mut quantised: Option<Quantised<'a>> = None;
        let mut found = None;
        for _ in 0..CHAIN {
            if let Some(initializer) = self.initializer(tensor) {
                found = Some(Cow::Borrowed(initializer));
                break;
            }
            let node = self.producer(tensor)?;
            match operator(node) {
                Some("Identity") => {}
                Some("Cast") => {
                    let to = attribute(node, "to").map(|to| to.i() as i32).filter(|&to| weights::floating(to))?;
                    element.get_or_insert(to);
                }
                Some("Transpose") => {
                    let perm = attribute(node, "perm").map_or(&[][..], |perm| &perm.ints);
                    if !perm.is_empty() && perm != [1, 0] {
                        return None;
                    }
                    transposed = !transposed;
                }
                Some("Constant") => {
                    found = constant_node(node);
                    break;
                }
                _ if quantisation(node) == Some("DequantizeLinear") && quantised.is_none() => {
                    let scale = node.input.get(1)?;
                    element.get_or_insert(self.stored(scale)?.data_type());
                    quantised = Some(Quantised { node, transposed });
                }
                _ => return None,
            }
            tensor = node.input.first()?;
        }
        let found = found?;
        // What was counted from the use to the operator is wanted from the storage to it.
        let quantised = quantised.map(|found| Quantised { transposed: transposed != found.transposed, ..found });
        let element = element.unwrap_or(found.data_type());
        Some(Constant { tensor: found, transposed, element, quantised })
    }

    /// An initializer or the value of a `Constant` node, perhaps behind `Identity`.
    pub(crate) fn stored<'a>(&'a self, mut tensor: &'a str) -> Option<Cow<'a, TensorProto>> {
        for _ in 0..CHAIN {
            if let Some(found) = self.initializer(tensor) {
                return Some(Cow::Borrowed(found));
            }
            let node = self.producer(tensor)?;
            match operator(node)? {
                "Identity" => tensor = node.input.first()?,
                "Constant" => return constant_node(node),
                _ => return None,
            }
        }
        None
    }

    /// The values of a short list of indices: axes, a shape, a position.
    pub(crate) fn indices(&self, tensor: &str) -> Option<Vec<i64>> {
        let found = self.stored(tensor)?;
        if weights::elements(&found, &self.path).ok()? > 8 {
            return None;
        }
        match DataType::try_from(found.data_type()).ok()? {
            DataType::Int32 => Some(weights::integers(&found, &self.path).ok()?.into_iter().map(i64::from).collect()),
            DataType::Int64 => match &found.raw_data {
                Some(raw) => Some(raw.as_chunks::<8>().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect()),
                None => Some(found.int64_data.clone()),
            },
            _ => None,
        }
    }

    /// The single value of a constant with one element.
    pub(crate) fn scalar(&self, tensor: &str) -> Option<f32> {
        let constant = self.constant(tensor)?;
        if constant.elements(self) != Ok(1) {
            return None;
        }
        constant.decode(self).ok()?.first().copied()
    }
}

fn constant_node(node: &NodeProto) -> Option<Cow<'_, TensorProto>> {
    let tensor = |kind: DataType, dims| TensorProto { dims, data_type: Some(kind as i32), ..TensorProto::default() };
    let attribute = node.attribute.first()?;
    match attribute.name() {
        "value" => attribute.t.as_ref().map(Cow::Borrowed),
        "value_float" => {
            Some(Cow::Owned(TensorProto { float_data: vec![attribute.f()], ..tensor(DataType::Float, vec![]) }))
        }
        "value_floats" => {
            let dims = vec![attribute.floats.len() as i64];
            Some(Cow::Owned(TensorProto { float_data: attribute.floats.clone(), ..tensor(DataType::Float, dims) }))
        }
        "value_int" => {
            Some(Cow::Owned(TensorProto { int64_data: vec![attribute.i()], ..tensor(DataType::Int64, vec![]) }))
        }
        "value_ints" => {
            let dims = vec![attribute.ints.len() as i64];
            Some(Cow::Owned(TensorProto { int64_data: attribute.ints.clone(), ..tensor(DataType::Int64, dims) }))
        }
        _ => None,
    }
}
