//! Lines of a panel, turned into columns: what one query has with each row.

use super::products::ROWS;
use super::{Line, PANEL};

/// Rows that are turned at a time.
const STEP: usize = 4;

/// Of each query of a panel, [`ROWS`] numbers.
pub(crate) struct Columns([[f32; ROWS]; PANEL]);

impl Default for Columns {
    fn default() -> Self {
        Self([[0.0; ROWS]; PANEL])
    }
}

impl Columns {
    /// Turns the first `height` lines, and a few more.
    pub(crate) fn turn(&mut self, lines: &[Line; ROWS], height: usize) {
        const { assert!(ROWS.is_multiple_of(STEP) && PANEL.is_multiple_of(STEP)) };
        let (blocks, _) = lines.as_chunks::<STEP>();
        for (block, lines) in blocks[..height.div_ceil(STEP)].iter().enumerate() {
            for (quarter, columns) in self.0.as_chunks_mut::<STEP>().0.iter_mut().enumerate() {
                let square = lines.each_ref().map(|line| line.0.as_chunks::<STEP>().0[quarter]);
                for (column, numbers) in columns.iter_mut().zip(transposed(square)) {
                    column.as_chunks_mut::<STEP>().0[block] = numbers;
                }
            }
        }
    }

    pub(crate) fn of(&self, lane: usize) -> &[f32; ROWS] {
        &self.0[lane]
    }
}

/// The compiler does this number by number, which took longer than the scores. SSE is part of x86-64.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn transposed(square: [[f32; STEP]; STEP]) -> [[f32; STEP]; STEP] {
    use std::arch::x86_64::{__m128, _MM_TRANSPOSE4_PS};
    // SAFETY: four float32 each, and the instructions of every CPU of the target.
    unsafe {
        let [mut a, mut b, mut c, mut d] = std::mem::transmute::<[[f32; STEP]; STEP], [__m128; STEP]>(square);
        _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
        std::mem::transmute::<[__m128; STEP], [[f32; STEP]; STEP]>([a, b, c, d])
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn transposed(square: [[f32; STEP]; STEP]) -> [[f32; STEP]; STEP] {
    std::array::from_fn(|column| square.map(|row| row[column]))
}
