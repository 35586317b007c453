//! C += L·R for a right operand that is packed once and rows of L that are made as they are needed, and Σ C² of it.
//!
//! R is packed in panels of [`PANEL`] columns, a block of [`DEPTH`] of its rows after the other. The rows of L over one
//! block are made in place, beside each other, and meet every panel while they are in the caches; C is a line for each
//! row and panel, so that a tile's sums are neighbours. A sum is one float32 chain per block, the blocks' chains are added
//! in their order.

use std::ops::Range;

use super::ahead::Ahead;
use super::tile::{Block, Line, PANEL, TALL};
use crate::simd::{Kernel, Level, Simd, WIDE, Wide, dispatch};

/// Steps of a chain: a panel over so many rows of R takes half of a first-level cache.
const DEPTH: usize = 256;

/// The right operand R of products, packed.
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    depth: usize,
    width: usize,
    /// Per block, per panel, a line for each row.
    lines: Vec<Line>,
}

impl PackedMatrix {
    /// Packs rows of `width` numbers each.
    ///
    /// # Panics
    /// If a row has another length.
    pub fn new<'a>(rows: impl ExactSizeIterator<Item = &'a [f32]>, width: usize) -> Self {
        let (depth, panels) = (rows.len(), width.div_ceil(PANEL));
        let mut lines = vec![Line::default(); depth * panels];
        for (index, row) in rows.enumerate() {
            assert!(row.len() == width, "{} numbers in a row of {width}", row.len());
            let block = index - index % DEPTH;
            let steps = DEPTH.min(depth - block);
            let lines = lines[block * panels + index % DEPTH..].iter_mut().step_by(steps).take(panels);
            let (whole, rest) = row.as_chunks::<PANEL>();
            for (panel, line) in lines.enumerate() {
                match whole.get(panel) {
                    Some(numbers) => line.0 = *numbers,
                    None => line.0[..rest.len()].copy_from_slice(rest),
                }
            }
        }
        Self { depth, width, lines }
    }

    /// The number of rows.
    pub fn depth(&self) -> usize {
        self.depth
    }
}

/// Products C of one width, in stacks of equally many rows. Keeps its memory from one use to the next.
#[derive(Debug)]
pub struct MatrixProduct {
    level: Level,
    stacks: usize,
    height: usize,
    width: usize,
    /// The rows of L over one block: [`DEPTH`] numbers for each row.
    left: Vec<f32>,
    /// By panel, stack and row; the rows of a stack filled up to whole tiles.
    sums: Vec<Line>,
}

impl Default for MatrixProduct {
    fn default() -> Self {
        Self { level: Level::detect(), stacks: 0, height: 0, width: 0, left: Vec::new(), sums: Vec::new() }
    }
}

impl MatrixProduct {
    /// Rows of a stack are computed in multiples of this many: a height that is one wastes nothing.
    pub const TILE: usize = TALL;
    /// Numbers of a row's pieces, of which the last may have fewer.
    pub const PIECE: usize = PANEL;

    /// Begins anew with zeros: `stacks` stacks of `height` rows of `width` numbers.
    pub fn start(&mut self, stacks: usize, height: usize, width: usize) {
        (self.stacks, self.height, self.width) = (stacks, height, width);
        let rows = self.rows();
        self.left.resize((rows * DEPTH).max(self.left.len()), 0.0);
        self.sums.clear();
        self.sums.resize(rows * width.div_ceil(PANEL), Line::default());
    }

    /// Lines of a stack.
    fn stride(&self) -> usize {
        self.height.next_multiple_of(TALL)
    }

    fn rows(&self) -> usize {
        self.stacks * self.stride()
    }

    /// Adds L·R to some of the stacks. `fill(stack, row, range, to)` writes that row's numbers of L for a range of the
    /// rows of R.
    ///
    /// # Panics
    /// If R has another width, or there are not so many stacks.
    pub fn add(
        &mut self,
        right: &PackedMatrix,
        stacks: Range<usize>,
        mut fill: impl FnMut(usize, usize, Range<usize>, &mut [f32]),
    ) {
        assert!(right.width == self.width && stacks.end <= self.stacks, "a product of other operands");
        let (rows, stride) = (self.rows(), self.stride());
        let panels = self.width.div_ceil(PANEL);
        for start in (0..right.depth).step_by(DEPTH) {
            let range = start..right.depth.min(start + DEPTH);
            for (index, stack) in stacks.clone().enumerate() {
                let rows = self.left[index * stride * DEPTH..].chunks_exact_mut(DEPTH).take(self.height);
                for (row, to) in rows.enumerate() {
                    fill(stack, row, range.clone(), &mut to[..range.len()]);
                }
            }
            let add = Add(Block {
                queries: &right.lines[start * panels..range.end * panels],
                count: self.width,
                rows: self.left.as_ptr(),
                height: stacks.len() * stride,
                steps: range.len(),
                sums: self.sums[stacks.start * stride..].as_mut_ptr(),
                stride: rows,
            });
            // SAFETY: `left` and `sums` have room for whole tiles of these stacks, the latter in every panel.
            unsafe { dispatch(self.level, add) };
        }
    }

    /// to += Σ over the stacks of (scale·C)² in float64, in their order. `to` is one stack: height × width.
    ///
    /// # Panics
    /// If there are not as many scales as stacks, or `to` has another size.
    pub fn add_squares(&self, scales: &[f64], to: &mut [f64]) {
        assert!(scales.len() == self.stacks && to.len() == self.height * self.width, "squares of another shape");
        // SAFETY: nothing beyond the instructions.
        unsafe { dispatch(self.level, Squares { product: self, scales, to }) };
    }

    /// One row of C, in pieces of [`Self::PIECE`] numbers.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, stack: usize, row: usize) -> impl Iterator<Item = &[f32]> {
        assert!(stack < self.stacks && row < self.height, "no such row");
        let lines = self.sums[stack * self.stride() + row..].iter().step_by(self.rows());
        lines.enumerate().map(|(panel, line)| &line.0[..PANEL.min(self.width - panel * PANEL)])
    }
}

struct Add<'a>(Block<'a, DEPTH>);

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller's promise.
        unsafe { self.0.multiply::<S>(&mut Ahead::default()) }
    }
}

struct Squares<'a> {
    product: &'a MatrixProduct,
    scales: &'a [f64],
    to: &'a mut [f64],
}

impl Kernel for Squares<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { product, scales, to } = self;
        let (stride, width) = (product.stride(), product.width);
        for (panel, lines) in product.sums.chunks_exact(product.rows().max(1)).enumerate() {
            let columns = panel * PANEL..width.min((panel + 1) * PANEL);
            for (row, to) in to.chunks_exact_mut(width).enumerate() {
                let lines = || lines[row..].iter().step_by(stride).zip(scales);
                let (parts, rest) = to[columns.clone()].as_chunks_mut::<WIDE>();
                let whole = parts.len() * WIDE;
                for (part, to) in parts.iter_mut().enumerate() {
                    // SAFETY: the caller's promise.
                    let mut sums = unsafe { S::Wide::from_array(*to) };
                    for (line, scale) in lines() {
                        // SAFETY: as above.
                        let c = unsafe { S::Wide::load(&line.0.as_chunks().0[part]) };
                        sums = sums + c * c * (scale * scale);
                    }
                    *to = sums.to_array();
                }
                for (column, to) in rest.iter_mut().enumerate() {
                    for (line, scale) in lines() {
                        let c = f64::from(line.0[whole + column]);
                        *to += c * c * (scale * scale);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
