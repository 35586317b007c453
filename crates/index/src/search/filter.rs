//! The rows that a filter leaves.

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;

use crate::Snapshot;

impl Snapshot {
    /// The positions of these ids, rising; unknown ids are ignored.
    pub(super) fn picked(&self, filter: &HashSet<Arc<str>>) -> Vec<u32> {
        let mut positions: Vec<u32> = filter.par_iter().filter_map(|id| self.position(id)).collect();
        positions.par_sort_unstable();
        positions
    }
}
