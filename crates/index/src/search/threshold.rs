//! The best k of one query, shared by the threads that look for them, and the score to reach.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use uec_gaussian::{Candidate, TopK};

/// The lock is held to offer one row, and few rows get that far.
#[derive(Debug)]
pub(super) struct Best {
    heap: Mutex<TopK>,
    /// Bits of the score to reach; only rises.
    threshold: AtomicU64,
}

impl Best {
    /// The best k of those with a score of `min_score` and more.
    pub(super) fn new(k: usize, min_score: f64) -> Self {
        Self { heap: Mutex::new(TopK::new(k)), threshold: AtomicU64::new(min_score.to_bits()) }
    }

    /// A row whose score is strictly below is no hit. One that reaches it may be.
    pub(super) fn threshold(&self) -> f64 {
        f64::from_bits(self.threshold.load(Ordering::Relaxed))
    }

    pub(super) fn offer(&self, candidate: Candidate) {
        if candidate.scored.score < self.threshold() {
            return;
        }
        // A heap is sound after every step, so that a panic elsewhere is no reason to refuse it.
        let mut heap = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
        heap.push(candidate);
        if let Some(kth) = heap.threshold().filter(|kth| *kth > self.threshold()) {
            self.threshold.store(kth.to_bits(), Ordering::Relaxed);
        }
    }

    /// Best first.
    pub(super) fn into_sorted(self) -> Vec<Candidate> {
        self.heap.into_inner().unwrap_or_else(PoisonError::into_inner).into_sorted()
    }
}

/// The least float32 that is not below `threshold`: a float32 is below the one exactly if it is below the other.
pub(super) fn as_f32(threshold: f64) -> f32 {
    let nearest = threshold as f32;
    if f64::from(nearest) < threshold { nearest.next_up() } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uec_gaussian::Scored;

    fn offer(best: &Best, position: u32, score: f64) {
        best.offer(Candidate { position, scored: Scored { score, similarity: 0.0, deviation: 0.0 } });
    }

    #[test]
    fn it_rises_from_the_minimum_to_the_kth_score() {
        let best = Best::new(2, -1.0);
        for (position, score, expected) in
            [(0, -2.0, -1.0), (1, -1.0, -1.0), (2, 5.0, -1.0), (3, 3.0, 3.0), (4, 2.0, 3.0)]
        {
            offer(&best, position, score);
            assert_eq!(best.threshold(), expected);
        }
        // Equal to the k-th: kept if it lies before.
        offer(&best, 0, 3.0);
        assert_eq!(best.into_sorted().iter().map(|hit| hit.position).collect::<Vec<_>>(), [2, 0]);
    }

    proptest! {
        #[test]
        fn rounding_the_threshold_up_changes_no_comparison(threshold: f64, bits: u32, near in -2i32..3) {
            prop_assume!(!threshold.is_nan());
            let close = f32::from_bits((threshold as f32).to_bits().wrapping_add_signed(near));
            for bound in [f32::from_bits(bits), close, f32::INFINITY, f32::NEG_INFINITY] {
                prop_assert_eq!(bound < as_f32(threshold), f64::from(bound) < threshold);
            }
        }
    }
}
