//! The terms of the sum u = W a + b + r, and which of its linear layers is the last (method §1).

use std::collections::HashSet;

use uec_gaussian::Result;

use crate::graph::{Graph, describe};
use crate::linear::Linear;
use crate::proto::NodeProto;
use crate::tail::Stage;
use crate::walk::{attribute, contributed, operator, quantisation};

/// The terms of a sum.
#[derive(Default)]
pub(crate) struct Terms<'a> {
    pub(crate) linear: Vec<Linear<'a>>,
    /// Tensors where the walk stopped.
    pub(crate) others: Vec<&'a str>,
    /// Whether a `Cast` was passed.
    pub(crate) cast: bool,
    /// The `Reshape` that were passed.
    pub(crate) reshapes: Vec<&'a NodeProto>,
}

impl Graph {
    /// Follows every sum behind `start`, and in token vectors every `Reshape` too: exporters put a `Gemm` between two.
    pub(crate) fn terms<'a>(&'a self, start: &[&'a str], stage: Stage) -> Terms<'a> {
        let mut terms = Terms::default();
        let mut open: Vec<(&'a str, bool)> = start.iter().map(|&tensor| (tensor, false)).collect();
        let mut seen = HashSet::new();
        while let Some((tensor, flat)) = open.pop() {
            if self.constant(tensor).is_some() {
                continue;
            }
            let (tensor, cast) = self.through(tensor);
            terms.cast |= cast;
            if !seen.insert(tensor) {
                continue;
            }
            if let Some(sum) = self.skip_sum(tensor) {
                open.extend(sum.into_iter().map(|term| (term, flat)));
                continue;
            }
            let Some(node) = self.producer(tensor) else {
                // A further result of a node; without any node it is an input of the graph.
                terms.others.extend(self.producer_index(tensor).map(|_| tensor));
                continue;
            };
            let operands = node.input.iter().map(String::as_str);
            match (operator(node), contributed(node)) {
                (Some("Add" | "Sum"), _) => open.extend(operands.map(|term| (term, flat))),
                (_, Some("QLinearAdd")) => open.extend(operands.step_by(3).take(2).map(|term| (term, flat))),
                (Some("Reshape"), _) if stage == Stage::Tokens => {
                    terms.reshapes.push(node);
                    open.extend(operands.take(1).map(|term| (term, true)));
                }
                _ if quantisation(node).is_some() => open.extend(operands.take(1).map(|term| (term, flat))),
                _ => match self.linear(node) {
                    Some(linear) => {
                        let added = linear.added.filter(|added| self.constant(added).is_none());
                        match attribute(node, "beta").is_none_or(|beta| beta.f() == 1.0) {
                            true => open.extend(added.map(|term| (term, flat || linear.flat))),
                            false => terms.others.extend(added),
                        }
                        let flat = stage == Stage::Tokens && (flat || linear.flat);
                        terms.linear.push(Linear { flat, ..linear });
                    }
                    None => terms.others.push(tensor),
                },
            }
        }
        terms
    }

    /// The linear term whose input depends on all other terms.
    ///
    /// # Errors
    /// Model unsupported: there is none, or several.
    pub(crate) fn last<'t, 'a>(&self, terms: &'t Terms<'a>, output: &str) -> Result<&'t Linear<'a>> {
        let Some(candidate) = terms.linear.iter().max_by_key(|linear| self.place(linear.result)) else {
            return Err(self.stopped("no linear layer found", output, &terms.others));
        };
        let behind = self.ancestors(candidate.input);
        let before = |tensor: &str| self.producer_index(tensor).is_none_or(|index| behind[index]);
        // What depends on it and cannot be read may hide a later layer.
        let after = self.producer_index(candidate.result).map(|index| self.descendants(index)).unwrap_or_default();
        let later = |tensor: &&str| self.producer_index(tensor).is_some_and(|index| after[index]);
        let beyond: Vec<_> = terms.others.iter().copied().filter(later).collect();
        if !beyond.is_empty() {
            let what =
                format!("{} is not the last linear layer, and no later one could be read", describe(candidate.node));
            return Err(self.stopped(&what, output, &beyond));
        }
        let others = terms.linear.iter().filter(|other| !std::ptr::eq(other.node, candidate.node));
        let mut others = others.map(|other| other.result).chain(terms.others.iter().copied());
        if let Some(index) = others.find(|tensor| !before(tensor)).and_then(|tensor| self.producer_index(tensor)) {
            return Err(self.unsupported(&format!(
                "the last linear layer is ambiguous: {} and {} are added, neither depends on the other; name it with \
                 `tail: {{ linear }}`",
                describe(candidate.node),
                describe(&self.graph.node[index])
            )));
        }
        Ok(candidate)
    }

    /// Width of the rows that a `Reshape` makes, where the graph says so.
    pub(crate) fn reshaped_width(&self, node: &NodeProto) -> Option<i64> {
        let shape = node.input.get(1)?;
        let last = match self.indices(shape) {
            Some(shape) => *shape.last()?,
            None => {
                let parts = self.producer(shape).filter(|node| operator(node) == Some("Concat"))?;
                *self.indices(parts.input.last()?)?.last()?
            }
        };
        (last > 0).then_some(last)
    }
}
