//! Batches of texts of similar length: the padding of a batch is wasted work, so texts are sorted by their length and cut
//! where the padded size would exceed a budget. The order of the input is restored by the positions kept in each batch.

use uec_onnx::Graph;

/// The limits of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Padded tokens: rows × the longest row. A single longer text still makes a batch of its own.
    pub(crate) tokens: usize,
    /// Rows.
    pub(crate) rows: usize,
}

impl Budget {
    /// One row where a row's result depends on its neighbours.
    pub(crate) fn of(graph: &Graph) -> Self {
        let rows = if graph.runs_alone() { 1 } else { Self::default().rows };
        Self { rows, ..Self::default() }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { tokens: 4096, rows: 64 }
    }
}

/// Positions of the texts with at least one token, cut into batches, the longest first (so that the memory arena grows
/// once). Texts of equal length stay in input order; texts of length 0 are in no batch.
pub(crate) fn batches(lengths: &[usize], budget: Budget) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).filter(|&i| lengths[i] > 0).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(lengths[i]));
    let mut all: Vec<Vec<usize>> = Vec::new();
    let mut longest = 0;
    for position in order {
        match all.last_mut() {
            Some(batch) if batch.len() < budget.rows && (batch.len() + 1) * longest <= budget.tokens => {
                batch.push(position);
            }
            _ => {
                longest = lengths[position];
                all.push(vec![position]);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_with_tokens_is_in_one_batch() {
        let lengths: Vec<usize> = (0..500).map(|i| (i * 7919) % 97).collect();
        let all = batches(&lengths, Budget { tokens: 300, rows: 8 });
        let mut seen: Vec<usize> = all.concat();
        seen.sort_unstable();
        let expected: Vec<usize> = (0..500).filter(|&i| lengths[i] > 0).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn no_batch_exceeds_its_budget() {
        let lengths: Vec<usize> = (1..400).map(|i| (i * 31) % 64 + 1).collect();
        for batch in batches(&lengths, Budget { tokens: 200, rows: 16 }) {
            let longest = batch.iter().map(|&i| lengths[i]).max().unwrap();
            assert!(batch.len() <= 16 && batch.len() * longest <= 200);
        }
    }

    #[test]
    fn a_text_over_the_budget_runs_alone() {
        assert_eq!(batches(&[3, 900, 4], Budget { tokens: 100, rows: 64 }), vec![vec![1], vec![2, 0]]);
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(batches(&[], Budget::default()).is_empty());
        assert!(batches(&[0, 0], Budget::default()).is_empty());
    }
}
