//! All sums of a block of rows.

use std::cell::Cell;

use super::rows::{self, BLOCK};
use super::{DEPTH, FLUSH, HALF, Line, PANEL, Queries, RUN};
use crate::kernels::ahead::Ahead;
use crate::kernels::tile::{Block, TALL};
use crate::simd::{Kernel, Level, Simd, dispatch};

/// Rows of a block: a multiple of the rows of every tile, few enough that they stay in the second-level cache.
pub(crate) const ROWS: usize = 4 * TALL;

thread_local! {
    static PRODUCTS: Cell<Products> = Cell::default();
}

/// The sums of a block of rows with all queries, and the room to compute them in.
#[derive(Default)]
pub(crate) struct Products {
    means: Sums,
    variances: Sums,
    norms: Vec<f32>,
    traces: Vec<f32>,
}

/// One of the two matrix products.
#[derive(Default)]
struct Sums {
    /// Rows, see [`rows`]: `RUN` coordinates.
    rows: Vec<Line>,
    /// [panel][`ROWS`]
    sums: Vec<Line>,
    /// What moved on to float64, in the same order. Empty unless D is above [`FLUSH`].
    totals: Vec<f64>,
}

impl Products {
    /// Lends this thread's room, which is kept, so that no search allocates.
    pub(crate) fn with<R>(work: impl FnOnce(&mut Self) -> R) -> R {
        PRODUCTS.with(|cell| {
            let mut products = cell.take();
            let result = work(&mut products);
            cell.set(products);
            result
        })
    }

    /// Computes all sums of at most [`ROWS`] rows: `b`, and `w` unless only the means are asked for (for which alone
    /// `queries` may be packed). The numbers of both are rows × D.
    pub(crate) fn compute(&mut self, level: Level, queries: &Queries, b: &[f32], w: Option<&[f32]>) {
        let dimension = queries.dimension();
        let count = b.len() / dimension;
        assert!(count <= ROWS && b.len() == count * dimension && w.is_none_or(|w| w.len() == b.len()));
        assert!(w.is_none() || queries.variances().len() == 2 * queries.means().len());
        let long = dimension > FLUSH;
        self.means.start(queries.panels(), RUN / DEPTH, long);
        self.norms.clear();
        self.norms.resize(count, 0.0);
        self.traces.clear();
        self.variances.sums.clear();
        if w.is_some() {
            self.variances.start(queries.panels(), RUN / HALF, long);
            self.traces.resize(count, 0.0);
        }
        for start in (0..dimension).step_by(RUN) {
            let len = RUN.min(dimension - start);
            // SAFETY: the shapes were checked, and room made for all panels.
            unsafe { dispatch(level, Run { products: self, queries, b, w, start, len }) };
            let end = start + len;
            if long && (end.is_multiple_of(FLUSH) || end == dimension) {
                self.means.flush(end == dimension);
                if w.is_some() {
                    self.variances.flush(end == dimension);
                }
            }
        }
    }

    /// ⟨a, b⟩ of the computed rows with the queries of a panel; anything beyond these rows.
    pub(crate) fn means(&self, panel: usize) -> &[Line; ROWS] {
        &self.means.sums.as_chunks().0[panel]
    }

    /// Σ (a² + v) w + v b², likewise; zeros where only the means were asked for.
    pub(crate) fn variances(&self, panel: usize) -> &[Line; ROWS] {
        const ZEROS: &[Line; ROWS] = &[Line([0.0; PANEL]); ROWS];
        self.variances.sums.as_chunks().0.get(panel).unwrap_or(ZEROS)
    }

    /// Σ b² of each computed row, in float32.
    pub(crate) fn norms(&self) -> &[f32] {
        &self.norms
    }

    /// Σ w of each computed row, in float32.
    pub(crate) fn traces(&self) -> &[f32] {
        &self.traces
    }
}

impl Sums {
    fn start(&mut self, panels: usize, blocks: usize, long: bool) {
        // What an earlier block left in the rows is multiplied too, where a tile is not full, and never looked at.
        self.rows.resize(blocks * BLOCK / PANEL, Line::default());
        self.sums.clear();
        self.sums.resize(panels * ROWS, Line::default());
        self.totals.clear();
        if long {
            self.totals.resize(panels * ROWS * PANEL, 0.0);
        }
    }

    /// Moves the sums on to float64, and at the end back.
    fn flush(&mut self, end: bool) {
        for (sum, total) in self.sums.as_mut_slice().iter_mut().flat_map(|line| &mut line.0).zip(&mut self.totals) {
            *total += f64::from(*sum);
            *sum = if end { *total as f32 } else { 0.0 };
        }
    }
}

/// The products over `len` ≤ [`RUN`] coordinates from `start` on.
struct Run<'a> {
    products: &'a mut Products,
    queries: &'a Queries,
    b: &'a [f32],
    w: Option<&'a [f32]>,
    start: usize,
    len: usize,
}

impl Kernel for Run<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { products: Products { means, variances, norms, traces }, queries, b, w, start, len } = self;
        let dimension = queries.dimension();
        // SAFETY: `start + len` is at most D, and b, w, norms and traces have as many rows; the room was made.
        unsafe {
            for (row, norm) in norms.iter_mut().enumerate() {
                let b = b.as_ptr().add(row * dimension + start);
                *norm += rows::means::<S>(b, len, means.rows.as_mut_ptr().cast::<f32>().add(row * DEPTH));
                if let Some(w) = w {
                    let w = w.as_ptr().add(row * dimension + start);
                    let to = variances.rows.as_mut_ptr().cast::<f32>().add(row * DEPTH);
                    traces[row] += rows::variances::<S>(b, w, len, to);
                }
            }
            let part = Part { count: queries.len(), height: norms.len(), start, len, dimension };
            part.multiply::<S>(means, queries.means(), 1, b);
            if let Some(w) = w {
                part.multiply::<S>(variances, queries.variances(), 2, w);
            }
        }
    }
}

/// A part of the coordinates of a block of rows.
struct Part {
    count: usize,
    height: usize,
    start: usize,
    len: usize,
    dimension: usize,
}

impl Part {
    /// Adds this part's products, of `per` steps a coordinate. Meanwhile the part of `source` that is next is fetched.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(&self, sums: &mut Sums, queries: &[Line], per: usize, source: &[f32]) {
        let panels = self.count.div_ceil(PANEL);
        let (first, end) = (per * self.start, per * (self.start + self.len));
        let times = (per * self.len).div_ceil(DEPTH) * panels * (self.height / 6).max(1);
        let mut ahead = self.ahead(source, times);
        for step in (first..end).step_by(DEPTH) {
            let steps = DEPTH.min(end - step);
            // SAFETY: the rows of this part are packed; blocks of queries of DEPTH steps precede this one.
            unsafe {
                let block = Block::<DEPTH> {
                    queries: &queries[panels * step..][..panels * steps],
                    count: self.count,
                    rows: sums.rows.as_ptr().cast::<f32>().add((step - first) / DEPTH * BLOCK),
                    height: self.height,
                    steps,
                    sums: sums.sums.as_mut_ptr(),
                    stride: ROWS,
                };
                block.multiply::<S>(&mut ahead);
            }
        }
    }

    /// The same rows further on, or the rows that would follow them.
    fn ahead(&self, source: &[f32], times: usize) -> Ahead {
        let next = self.start + self.len;
        let (from, left) =
            if next < self.dimension { (next, self.dimension - next) } else { (source.len(), self.dimension) };
        Ahead::new(source.as_ptr().wrapping_add(from), self.dimension, left.min(RUN), self.height, times)
    }
}
