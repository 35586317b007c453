//! The k best of a stream of scored rows: higher score first, equal scores by lower position.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::Scored;

/// A scored row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Position of the row.
    pub position: u32,
    /// Its score.
    pub scored: Scored,
}

impl Candidate {
    /// Best first: by falling score, then by rising position. Scores are never NaN; −0 equals +0.
    pub fn rank(&self, other: &Self) -> Ordering {
        let by_score = other.scored.score.partial_cmp(&self.scored.score).unwrap_or(Ordering::Equal);
        by_score.then(self.position.cmp(&other.position))
    }
}

/// Heap entry; the greatest is the worst kept.
#[derive(Clone, Copy, Debug)]
struct Worst(Candidate);

impl PartialEq for Worst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Worst {}

impl PartialOrd for Worst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Worst {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.rank(&other.0)
    }
}

/// A bounded heap of the k best candidates. Positions must be distinct; the result does not depend on the order in
/// which they are pushed.
#[derive(Clone, Debug)]
pub struct TopK {
    k: usize,
    heap: BinaryHeap<Worst>,
}

impl TopK {
    /// An empty selection of at most `k`.
    pub fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::new() }
    }

    /// Offers one candidate.
    pub fn push(&mut self, candidate: Candidate) {
        if self.heap.len() < self.k {
            self.heap.push(Worst(candidate));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && candidate.rank(&worst.0) == Ordering::Less
        {
            *worst = Worst(candidate);
        }
    }

    /// The score to reach: the k-th best so far, once there are k.
    pub fn threshold(&self) -> Option<f64> {
        self.heap.peek().filter(|_| self.heap.len() == self.k).map(|worst| worst.0.scored.score)
    }

    /// The k best of both.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        for entry in other.heap {
            self.push(entry.0);
        }
        self
    }

    /// The kept candidates, best first.
    pub fn into_sorted(self) -> Vec<Candidate> {
        self.heap.into_sorted_vec().into_iter().map(|entry| entry.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(position: u32, score: f64) -> Candidate {
        Candidate { position, scored: Scored { score, similarity: 0.0, deviation: 0.0 } }
    }

    proptest! {
        #[test]
        fn equals_sorting_everything_in_any_order_and_partition(
            scores in prop::collection::vec(prop_oneof![-3i32..3, Just(i32::MIN)], 0..60), k in 0usize..12, cut in 0usize..60, reverse: bool,
        ) {
            let mut all: Vec<_> = scores.iter().enumerate().map(|(i, s)| {
                let score = if *s == i32::MIN { f64::NEG_INFINITY } else { f64::from(*s) };
                candidate(i as u32, score)
            }).collect();
            let mut expected = all.clone();
            expected.sort_by(|x, y| y.scored.score.total_cmp(&x.scored.score).then(x.position.cmp(&y.position)));
            expected.truncate(k);
            if reverse { all.reverse(); }
            let (left, right) = all.split_at(cut.min(all.len()));
            let fill = |part: &[Candidate]| part.iter().fold(TopK::new(k), |mut top, c| { top.push(*c); top });
            prop_assert_eq!(fill(left).merge(fill(right)).into_sorted(), expected);
        }
    }

    #[test]
    fn the_threshold_is_the_kth_score() {
        let mut top = TopK::new(2);
        let thresholds = [(0, 3.0, None), (1, 1.0, Some(1.0)), (2, 0.0, Some(1.0)), (3, 2.0, Some(2.0))];
        for (position, score, expected) in thresholds {
            top.push(candidate(position, score));
            assert_eq!(top.threshold(), expected);
        }
        assert_eq!(TopK::new(0).threshold(), None);
    }

    #[test]
    fn negative_zero_ties_with_zero() {
        let mut top = TopK::new(1);
        top.push(candidate(1, 0.0));
        top.push(candidate(0, -0.0));
        assert_eq!(top.into_sorted()[0].position, 0);
    }
}
