//! Steps back from a pooled output: through its normalisation, its activation and the pooling itself (method §1).
//!
//! ```text
//! z/‖z‖ ← z = f(u)        z = Σ m y / Σ m (mean)  or  y of the first token (cls)
//! ```

use crate::dense::Activation;
use crate::graph::Graph;
use crate::pool::{MASK, Pooling};
use crate::proto::NodeProto;
use crate::walk::{attribute, integer, operand, operator};

impl Graph {
    /// The tensor before any scaling to length 1.
    pub(crate) fn unnormalised<'a>(&'a self, tensor: &'a str) -> &'a str {
        let mut tensor = tensor;
        while let Some(before) = self.before_normalisation(tensor) {
            tensor = before;
        }
        tensor
    }

    fn before_normalisation<'a>(&'a self, tensor: &'a str) -> Option<&'a str> {
        let node = self.producer(self.through(tensor).0)?;
        match (operator(node)?, node.input.as_slice()) {
            ("LpNormalization", [value]) => {
                let order = attribute(node, "p").map_or(2, |p| p.i());
                let axis = attribute(node, "axis").map_or(-1, |axis| axis.i());
                (order == 2 && [-1, 1].contains(&axis)).then_some(value)
            }
            ("Div", [value, length]) => self.is_length(length, value).then_some(value),
            ("Mul", [left, right]) => [(left, right), (right, left)].into_iter().find_map(|(value, factor)| {
                let inverse =
                    self.producer(self.through(factor).0).filter(|node| operator(node) == Some("Reciprocal"))?;
                self.is_length(operand(inverse, 0)?, value).then_some(value.as_str())
            }),
            _ => None,
        }
    }

    /// Whether `tensor` is ‖value‖, perhaps with a lower bound.
    fn is_length(&self, tensor: &str, value: &str) -> bool {
        let value = self.through(value).0;
        let same = |tensor: Option<&str>| tensor.is_some_and(|tensor| self.through(tensor).0 == value);
        let Some(node) = self.behind(tensor, &["Expand", "Clip", "Max", "Add", "Unsqueeze"]) else { return false };
        match operator(node) {
            Some("ReduceL2") => same(operand(node, 0)) && self.reduces(node, &[-1, 1]),
            Some("Sqrt") => {
                let Some(sum) = operand(node, 0).and_then(|sum| self.behind(sum, &["Clip", "Max", "Add"])) else {
                    return false;
                };
                match operator(sum) {
                    Some("ReduceSumSquare") => same(operand(sum, 0)) && self.reduces(sum, &[-1, 1]),
                    Some("ReduceSum") if self.reduces(sum, &[-1, 1]) => {
                        let square = operand(sum, 0).and_then(|square| self.producer(self.through(square).0));
                        square.is_some_and(|square| match operator(square) {
                            Some("Mul") => same(operand(square, 0)) && same(operand(square, 1)),
                            Some("Pow") => {
                                let power = operand(square, 1).and_then(|power| self.scalar(power));
                                same(operand(square, 0)) && power == Some(2.0)
                            }
                            _ => false,
                        })
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// The node that makes `tensor`, behind operators of `skipped` that have one computed operand.
    fn behind<'a>(&'a self, tensor: &'a str, skipped: &[&str]) -> Option<&'a NodeProto> {
        let mut node = self.producer(self.through(tensor).0)?;
        while skipped.contains(&operator(node)?) {
            let next = match operator(node)? {
                "Max" | "Add" => self.split(node)?.0,
                _ => operand(node, 0)?,
            };
            node = self.producer(self.through(next).0)?;
        }
        Some(node)
    }

    fn reduces(&self, node: &NodeProto, axes: &[i64]) -> bool {
        matches!(self.axes(node).as_deref(), Some([axis]) if axes.contains(axis))
    }

    /// An activation and what it is applied to.
    pub(crate) fn activated<'a>(&'a self, tensor: &'a str) -> (Activation, &'a str) {
        let node = self.producer(self.through(tensor).0);
        let found = node.and_then(|node| {
            let activation = match operator(node)? {
                "Tanh" => Activation::Tanh,
                "Relu" => Activation::Relu,
                "Sigmoid" => Activation::Sigmoid,
                _ => return None,
            };
            Some((activation, operand(node, 0)?))
        });
        found.unwrap_or((Activation::Identity, tensor))
    }

    /// How `tensor` was pooled, and the token vectors that it was pooled from.
    pub(crate) fn pooled<'a>(&'a self, tensor: &'a str) -> Option<(Pooling, &'a str)> {
        let node = self.behind(tensor, &["Squeeze", "Reshape", "Flatten"])?;
        match operator(node)? {
            "Gather" => {
                let first = self.indices(operand(node, 1)?)? == [0] && integer(node, "axis") == 1;
                first.then_some((Pooling::Cls, operand(node, 0)?))
            }
            "Slice" => {
                let at = |place: usize| self.indices(operand(node, place)?);
                let step = operand(node, 4).is_none() || at(4)? == [1];
                let first = at(1)? == [0] && at(2)? == [1] && at(3)? == [1] && step;
                first.then_some((Pooling::Cls, operand(node, 0)?))
            }
            "ReduceMean" if self.reduces(node, &[1]) => Some((Pooling::Mean, operand(node, 0)?)),
            "Div" => {
                let count = self.behind(operand(node, 1)?, &["Clip", "Max", "Add", "Expand", "Unsqueeze", "Cast"])?;
                let sum = self.behind(operand(node, 0)?, &["Squeeze"])?;
                let sums = |node: &NodeProto| operator(node) == Some("ReduceSum") && self.reduces(node, &[1]);
                if !sums(count) || !sums(sum) {
                    return None;
                }
                let counted = self.kept(operand(count, 0)?) == Some(true);
                let values = self.masked(operand(sum, 0)?).filter(|_| counted)?;
                Some((Pooling::Mean, values))
            }
            _ => None,
        }
    }

    /// The token vectors that `tensor` holds with zeros in the place of padding.
    fn masked<'a>(&'a self, tensor: &'a str) -> Option<&'a str> {
        let node = self.producer(self.through(tensor).0)?;
        match (operator(node)?, node.input.as_slice()) {
            ("Mul", [left, right]) => {
                let ways = [(left, right), (right, left)];
                ways.into_iter().find(|(_, mask)| self.kept(mask) == Some(true)).map(|(values, _)| values.as_str())
            }
            ("Where", [condition, yes, no]) => match self.kept(condition)? {
                true => (self.scalar(no) == Some(0.0)).then_some(yes),
                false => (self.scalar(yes) == Some(0.0)).then_some(no),
            },
            _ => None,
        }
    }

    /// Whether `tensor`, the attention mask in another type or shape, is 1 for tokens (true) or for padding (false);
    /// `None` for anything else.
    fn kept<'a>(&'a self, mut tensor: &'a str) -> Option<bool> {
        let mut kept = true;
        while let Some((node, _)) = self.result_of(tensor) {
            match operator(node)? {
                "Identity" | "Cast" | "Unsqueeze" | "Expand" | "Reshape" | "Squeeze" => {}
                "Not" => kept = !kept,
                "Equal" if self.indices(operand(node, 1)?)? == [0] => kept = !kept,
                _ => return None,
            }
            tensor = operand(node, 0)?;
        }
        (tensor == MASK).then_some(kept)
    }
}
