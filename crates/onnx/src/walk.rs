//! Steps of the walk back from an output: through operators that change nothing, to constants, to ancestors.

use std::borrow::Cow;

use uec_gaussian::Result;

use crate::graph::Graph;
use crate::proto::{AttributeProto, DataType, NodeProto, TensorProto};
use crate::weights;

/// A constant operand, behind any `Identity`, `Cast` or `Transpose`.
pub(crate) struct Constant<'a> {
    pub(crate) tensor: Cow<'a, TensorProto>,
    /// Whether an odd number of matrix transpositions lies between the stored tensor and its use.
    pub(crate) transposed: bool,
    /// Element type where it is used.
    pub(crate) element: i32,
}

impl Constant<'_> {
    /// Shape of the stored tensor.
    pub(crate) fn dims(&self) -> &[i64] {
        &self.tensor.dims
    }

    /// Values in stored order.
    pub(crate) fn decode(&self, graph: &Graph) -> Result<Vec<f32>> {
        weights::decode(&self.tensor, &graph.path)
    }
}

impl Graph {
    /// The constant behind `tensor`: an initializer or a `Constant` node, perhaps behind `Identity`, a `Cast` to a
    /// floating-point type or a matrix `Transpose`. `None` for everything computed at run time.
    pub(crate) fn constant<'a>(&'a self, tensor: &'a str) -> Option<Constant<'a>> {
        let (mut tensor, mut transposed, mut element) = (tensor, false, None);
        loop {
            if let Some(found) = self.initializer(tensor) {
                let element = element.unwrap_or(found.data_type());
                return Some(Constant { tensor: Cow::Borrowed(found), transposed, element });
            }
            let node = self.producer(tensor)?;
            match operator(node)? {
                "Identity" => {}
                "Cast" => {
                    let to = attribute(node, "to").map(|to| to.i() as i32).filter(|&to| weights::floating(to))?;
                    element.get_or_insert(to);
                }
                "Transpose" => {
                    let perm = attribute(node, "perm").map_or(&[][..], |perm| &perm.ints);
                    if !perm.is_empty() && perm != [1, 0] {
                        return None;
                    }
                    transposed = !transposed;
                }
                "Constant" => {
                    let found = constant_node(node)?;
                    let element = element.unwrap_or(found.data_type());
                    return Some(Constant { tensor: found, transposed, element });
                }
                _ => return None,
            }
            tensor = node.input.first()?;
        }
    }

    /// The single value of a constant with one element.
    pub(crate) fn scalar(&self, tensor: &str) -> Option<f32> {
        let constant = self.constant(tensor)?;
        if weights::elements(&constant.tensor, &self.path) != Ok(1) {
            return None;
        }
        constant.decode(self).ok()?.first().copied()
    }

    /// The tensor before any `Identity` and `Cast` between floating-point types, and whether there was a `Cast`.
    pub(crate) fn through<'a>(&'a self, mut tensor: &'a str) -> (&'a str, bool) {
        let mut cast = false;
        while let Some(node) = self.producer(tensor) {
            let passes = match operator(node) {
                Some("Identity") => true,
                Some("Cast") => {
                    let floating = attribute(node, "to").is_some_and(|to| weights::floating(to.i() as i32));
                    cast |= floating;
                    floating
                }
                _ => false,
            };
            match node.input.first() {
                Some(input) if passes => tensor = input,
                _ => break,
            }
        }
        (tensor, cast)
    }

    /// Marks every node that `tensor` depends on.
    pub(crate) fn ancestors(&self, tensor: &str) -> Vec<bool> {
        let mut seen = vec![false; self.graph.node.len()];
        let mut open: Vec<usize> = self.producer_index(tensor).into_iter().collect();
        while let Some(index) = open.pop() {
            if !std::mem::replace(&mut seen[index], true) {
                open.extend(self.graph.node[index].input.iter().filter_map(|input| self.producer_index(input)));
            }
        }
        seen
    }

    /// Operands of a two-operand node, the constant one second; `None` unless exactly one is constant.
    pub(crate) fn split<'a>(&'a self, node: &'a NodeProto) -> Option<(&'a str, &'a str)> {
        let [left, right] = node.input.as_slice() else { return None };
        match (self.constant(left).is_some(), self.constant(right).is_some()) {
            (false, true) => Some((left, right)),
            (true, false) => Some((right, left)),
            _ => None,
        }
    }
}

/// The operator's name if it is one of the default operator set.
pub(crate) fn operator(node: &NodeProto) -> Option<&str> {
    matches!(node.domain(), "" | "ai.onnx").then(|| node.op_type())
}

pub(crate) fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name() == name)
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
