//! Says how far a search came: the way from an output back to where it stopped, and how to help it.

use std::collections::VecDeque;

use uec_gaussian::Error;

use crate::graph::{Graph, describe};

/// Steps that a message shows at each end of a long way.
const SHOWN: usize = 6;

impl Graph {
    /// The error `what` of a walk back from `output` that could not go on at the nodes of `stops`.
    pub(crate) fn stopped(&self, what: &str, output: &str, stops: &[&str]) -> Error {
        let mut stops: Vec<usize> = stops.iter().filter_map(|tensor| self.producer_index(tensor)).collect();
        stops.sort_unstable_by_key(|&index| self.order[index]);
        let Some(last) = stops.pop() else {
            return self
                .unsupported(&format!("{what}: there are only inputs and constants behind `{output}`. {ADVICE}"));
        };
        let also: Vec<_> = stops.iter().rev().take(SHOWN).map(|&index| describe(&self.graph.node[index])).collect();
        let also = if also.is_empty() { String::new() } else { format!(", as at {}", also.join(" and at ")) };
        self.unsupported(&format!(
            "{what}. The walk back from `{output}` stopped at an operator that cannot be read in this place{also}: {}. {ADVICE}",
            self.trail(output, last)
        ))
    }

    /// The nodes on the shortest way back from `output` to the node `to`, that one included.
    fn trail(&self, output: &str, to: usize) -> String {
        let Some(from) = self.producer_index(output) else { return describe(&self.graph.node[to]) };
        // For every node that was reached, the next one on its way to the output.
        let mut towards = vec![usize::MAX; self.graph.node.len()];
        let mut open = VecDeque::from([from]);
        towards[from] = from;
        while let Some(index) = open.pop_front() {
            for input in self.graph.node[index].input.iter().filter_map(|input| self.producer_index(input)) {
                if towards[input] == usize::MAX {
                    towards[input] = index;
                    open.push_back(input);
                }
            }
        }
        let mut steps = vec![to];
        while let Some(&step) = steps.last().filter(|&&step| step != from && towards[step] != usize::MAX) {
            steps.push(towards[step]);
        }
        let mut steps: Vec<_> = steps.into_iter().rev().map(|index| describe(&self.graph.node[index])).collect();
        if steps.len() > 2 * SHOWN {
            let hidden = steps.len() - 2 * SHOWN + 1;
            steps.splice(SHOWN..SHOWN + hidden, [format!("({hidden} more)")]);
        }
        steps.join(" → ")
    }
}

/// How to help a search.
pub(crate) const ADVICE: &str = "Name the parts with `tail: { norm, linear }` (`norm`: the node or tensor that gives the \
     vectors to be pooled; `linear`: the last product with a constant matrix), or export the model without the operator";
