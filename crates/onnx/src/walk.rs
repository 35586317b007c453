//! Steps of the walk back from an output: through operators that change nothing, to what a tensor depends on.

use crate::graph::Graph;
use crate::proto::{AttributeProto, NodeProto};
use crate::weights;

/// Operators in a row that a step passes. No exporter writes so many; a damaged file could make every step pass them all.
pub(crate) const CHAIN: usize = 64;

impl Graph {
    /// The tensor before any operators that change nothing but the number format, and whether there was a `Cast`:
    /// `Identity`, `Dropout`, `Cast` between floating-point types, `QuantizeLinear` with its `DequantizeLinear`.
    pub(crate) fn through<'a>(&'a self, mut tensor: &'a str) -> (&'a str, bool) {
        let mut cast = false;
        for _ in 0..CHAIN {
            let Some(node) = self.producer(tensor) else { break };
            let passes = match operator(node) {
                Some("Identity") => true,
                Some("Dropout") => node.input.get(2).is_none_or(|training| training.is_empty()),
                Some("Cast") => {
                    let floating = attribute(node, "to").is_some_and(|to| weights::floating(to.i() as i32));
                    cast |= floating;
                    floating
                }
                _ => false,
            };
            let before = match node.input.first() {
                Some(input) if passes => Some(input.as_str()),
                Some(input) if quantisation(node) == Some("DequantizeLinear") => self.quantised_from(input),
                _ => None,
            };
            let Some(before) = before else { break };
            tensor = before;
        }
        (tensor, cast)
    }

    /// The float tensor that `QuantizeLinear` made `tensor` from.
    pub(crate) fn quantised_from<'a>(&'a self, tensor: &'a str) -> Option<&'a str> {
        let node = self.producer(tensor).filter(|node| quantisation(node) == Some("QuantizeLinear"))?;
        node.input.first().map(String::as_str)
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

    /// Marks every node that depends on the node `index`, that one included.
    pub(crate) fn descendants(&self, index: usize) -> Vec<bool> {
        let nodes = &self.graph.node;
        let mut in_order: Vec<usize> = (0..nodes.len()).collect();
        in_order.sort_unstable_by_key(|&index| self.order[index]);
        let mut reached = vec![false; nodes.len()];
        reached[index] = true;
        for at in in_order {
            let mut sources = nodes[at].input.iter().filter_map(|input| self.producer_index(input));
            reached[at] = reached[at] || sources.any(|source| reached[source]);
        }
        reached
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

/// The operator's name if it is one of ONNX Runtime's own.
pub(crate) fn contributed(node: &NodeProto) -> Option<&str> {
    (node.domain() == "com.microsoft").then(|| node.op_type())
}

/// `QuantizeLinear` or `DequantizeLinear`, which ONNX Runtime also has for further types.
pub(crate) fn quantisation(node: &NodeProto) -> Option<&str> {
    let name = operator(node).or(contributed(node))?;
    matches!(name, "QuantizeLinear" | "DequantizeLinear").then_some(name)
}

/// The operand at a place; absent ones have empty names.
pub(crate) fn operand(node: &NodeProto, at: usize) -> Option<&str> {
    node.input.get(at).map(String::as_str).filter(|name| !name.is_empty())
}

/// An integer attribute, 0 where there is none.
pub(crate) fn integer(node: &NodeProto, name: &str) -> i64 {
    attribute(node, name).map_or(0, |attribute| attribute.i())
}

pub(crate) fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name() == name)
}
