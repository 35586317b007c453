//! The register tile of a matrix product: rows × queries, over a block of coordinates.

use super::ahead::Ahead;
use crate::simd::Simd;

/// Queries beside each other.
pub(crate) const PANEL: usize = 16;
/// A multiple of the rows of every tile.
pub(super) const TALL: usize = 12;

/// One number for each query of a panel, in its own cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [f32; PANEL]);

/// At most `DEPTH` coordinates of all panels and rows, whose products are added to `sums`.
pub(super) struct Block<'a, const DEPTH: usize> {
    /// Panel after panel, `steps` lines each.
    pub(super) queries: &'a [Line],
    /// Queries of all panels.
    pub(super) count: usize,
    /// Rows of `DEPTH` numbers, of which `height` rows and `steps` steps are filled.
    pub(super) rows: *const f32,
    pub(super) height: usize,
    pub(super) steps: usize,
    /// `stride` lines for each panel.
    pub(super) sums: *mut Line,
    pub(super) stride: usize,
}

impl<const DEPTH: usize> Block<'_, DEPTH> {
    /// In tiles whose sums fit the registers, beside one step of the queries and one number of a row.
    ///
    /// # Safety
    /// The CPU has the instructions of `S`; the lengths are as the fields say. Rows up to the next multiple of a tile's
    /// height, which [`TALL`] is one of, are read and their sums written.
    #[inline(always)]
    pub(super) unsafe fn multiply<S: Simd>(&self, ahead: &mut Ahead) {
        let panels = self.count.div_ceil(PANEL);
        debug_assert!(self.queries.len() == panels * self.steps && self.height <= self.stride && self.steps <= DEPTH);
        // SAFETY: the caller's promise.
        unsafe {
            match (S::LANES, S::REGISTERS) {
                (16, 32..) => {
                    for panel in (0..panels - panels % 2).step_by(2) {
                        self.panel::<S, 12, 2>(panel, 0, ahead);
                    }
                    if panels % 2 == 1 {
                        self.panel::<S, 12, 1>(panels - 1, 0, ahead);
                    }
                }
                (8, 16..) => {
                    for panel in 0..panels {
                        if self.count - panel * PANEL > S::LANES {
                            self.panel::<S, 6, 2>(panel, 0, ahead);
                        } else {
                            self.panel::<S, 12, 1>(panel, 0, ahead);
                        }
                    }
                }
                (4, 32..) => {
                    for panel in 0..panels {
                        if self.count - panel * PANEL > 2 * S::LANES {
                            self.panel::<S, 6, 4>(panel, 0, ahead);
                        } else {
                            self.panel::<S, 12, 2>(panel, 0, ahead);
                        }
                    }
                }
                _ => {
                    for first in (0..self.count).step_by(S::LANES) {
                        self.panel::<S, 4, 1>(first / PANEL, first % PANEL, ahead);
                    }
                }
            }
        }
    }

    /// All rows against VECTORS vectors of queries, from `lane` of `panel` on.
    #[inline(always)]
    unsafe fn panel<S: Simd, const HEIGHT: usize, const VECTORS: usize>(
        &self,
        panel: usize,
        lane: usize,
        ahead: &mut Ahead,
    ) {
        const { assert!(TALL.is_multiple_of(HEIGHT)) };
        // From a vector of queries to the next, and from its sums to the next's: in the next panel if one fills a line.
        let across = if S::LANES == PANEL { [self.steps * PANEL, self.stride * PANEL] } else { [S::LANES; 2] };
        // SAFETY: the caller's promise.
        unsafe {
            let queries = self.queries.as_ptr().add(panel * self.steps).cast::<f32>().add(lane);
            let sums = self.sums.add(panel * self.stride).cast::<f32>().add(lane);
            for row in (0..self.height).step_by(HEIGHT) {
                ahead.fetch::<S>();
                let rows = self.rows.add(row * DEPTH);
                tile::<S, HEIGHT, VECTORS, DEPTH>(queries, rows, self.steps, sums.add(row * PANEL), across);
            }
        }
    }
}

/// sums += queries · rows, in one chain of `steps` for each pair.
///
/// # Safety
/// The CPU has the instructions of `S`; the pointers are good for HEIGHT rows and VECTORS vectors.
#[inline(always)]
unsafe fn tile<S: Simd, const HEIGHT: usize, const VECTORS: usize, const DEPTH: usize>(
    queries: *const f32,
    rows: *const f32,
    steps: usize,
    sums: *mut f32,
    across: [usize; 2],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut chains = [[S::zero(); VECTORS]; HEIGHT];
        for step in 0..steps {
            let mut query = [S::zero(); VECTORS];
            for (vector, query) in query.iter_mut().enumerate() {
                *query = S::load(queries.add(step * PANEL + vector * across[0]));
            }
            for (row, chains) in chains.iter_mut().enumerate() {
                let number = S::splat(*rows.add(row * DEPTH + step));
                for (chain, query) in chains.iter_mut().zip(query) {
                    *chain = S::fma(number, query, *chain);
                }
            }
        }
        for (row, chains) in chains.into_iter().enumerate() {
            for (vector, chain) in chains.into_iter().enumerate() {
                let sum = sums.add(row * PANEL + vector * across[1]);
                S::store(sum, S::add(S::load(sum), chain));
            }
        }
    }
}
