//! The rows of a tile that no bound has ruled out for one query.

use std::cmp::Ordering;
use std::ops::Range;

use uec_gaussian::Result;

use super::threshold::as_f32;

/// Bounds that are compared at once.
const GROUP: usize = 16;

/// A row that may be a hit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Survivor {
    /// In its chunk.
    pub(super) row: u32,
    /// Its score is not above.
    pub(super) bound: f32,
}

impl Survivor {
    /// The greatest bound first.
    pub(super) fn rank(&self, other: &Self) -> Ordering {
        other.bound.total_cmp(&self.bound)
    }
}

/// How many of `bounds` reach the threshold.
pub(super) fn count(bounds: &[f32], threshold: f64) -> usize {
    let threshold = as_f32(threshold);
    bounds.iter().filter(|bound| reaches(**bound, threshold)).count()
}

/// Writes the rows from `first` on whose bound reaches the threshold and which the mask, if any, lets through.
pub(super) fn select(
    bounds: &[f32],
    threshold: f64,
    first: usize,
    mask: Option<&[bool]>,
    survivors: &mut Vec<Survivor>,
) {
    let threshold = as_f32(threshold);
    survivors.clear();
    for (group, bounds) in bounds.chunks(GROUP).enumerate() {
        // Without a branch per row: most groups have no survivor.
        if !bounds.iter().fold(false, |any, bound| any | reaches(*bound, threshold)) {
            continue;
        }
        for (row, bound) in (group * GROUP..).zip(bounds) {
            if reaches(*bound, threshold) && mask.is_none_or(|mask| mask[row]) {
                survivors.push(Survivor { row: (first + row) as u32, bound: *bound });
            }
        }
    }
}

/// The `most` survivors with the greatest bounds, by row, and the others.
pub(super) fn split_best(survivors: &mut [Survivor], most: usize) -> (&mut [Survivor], &mut [Survivor]) {
    if most >= survivors.len() {
        return (survivors, &mut []);
    }
    survivors.select_nth_unstable_by(most, Survivor::rank);
    let (best, others) = survivors.split_at_mut(most);
    best.sort_unstable_by_key(|survivor| survivor.row);
    (best, others)
}

/// The survivors that reach the threshold, in the order they were in.
pub(super) fn keep(survivors: &mut [Survivor], threshold: f64) -> &mut [Survivor] {
    let threshold = as_f32(threshold);
    let mut kept = 0;
    for at in 0..survivors.len() {
        if reaches(survivors[at].bound, threshold) {
            survivors[kept] = survivors[at];
            kept += 1;
        }
    }
    &mut survivors[..kept]
}

/// Replaces the bounds of the survivors, which are best in the order of their rows.
///
/// # Errors
/// What `bound` returns, which writes the bounds of some rows.
pub(super) fn bound_again(
    survivors: &mut [Survivor],
    bounds: &mut Vec<f32>,
    mut bound: impl FnMut(Range<usize>, &mut [f32]) -> Result<()>,
) -> Result<()> {
    for run in survivors.chunk_by_mut(|left, right| left.row + 1 == right.row) {
        let first = run[0].row as usize;
        bounds.resize(run.len(), 0.0);
        bound(first..first + run.len(), bounds)?;
        for (survivor, bound) in run.iter_mut().zip(bounds.iter()) {
            survivor.bound = *bound;
        }
    }
    Ok(())
}

/// Not surely below; so for a bound that is no number.
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "a bound that is no number rules nothing out")]
fn reaches(bound: f32, threshold: f32) -> bool {
    !(bound < threshold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bound_below_the_threshold_rules_out() {
        for threshold in [0.5, f64::from(-f32::MAX), -1e50] {
            let equal = as_f32(threshold);
            let bounds = [equal, equal.next_down(), equal.next_up(), f32::NAN, f32::INFINITY];
            let mut survivors = Vec::new();
            select(&bounds, threshold, 100, None, &mut survivors);
            assert_eq!(survivors.iter().map(|survivor| survivor.row).collect::<Vec<_>>(), [100, 102, 103, 104]);
            assert_eq!(count(&bounds, threshold), 4);
            survivors[1].bound = equal.next_down();
            let kept = keep(&mut survivors, threshold);
            assert_eq!(kept.iter().map(|survivor| survivor.row).collect::<Vec<_>>(), [100, 103, 104]);
        }
    }
}
