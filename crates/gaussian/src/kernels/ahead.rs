//! Asks for rows that are wanted next, a few cache lines with each tile: while a block is multiplied, the next one comes.

use crate::simd::Simd;

const LINE: usize = 64;

/// Parts of consecutive rows, still to be asked for; none by default.
pub(super) struct Ahead {
    row: *const u8,
    /// From one row to the next, in bytes.
    stride: usize,
    /// Bytes of a row that are wanted, and those asked for of the current one.
    width: usize,
    done: usize,
    rows: usize,
    /// Lines at a time.
    lines: usize,
}

impl Default for Ahead {
    fn default() -> Self {
        Self::new(std::ptr::null(), 0, 0, 0, 0)
    }
}

impl Ahead {
    /// The first `width` numbers of `rows` rows of `stride` numbers, spread over `times` calls. They may lie outside
    /// every object.
    pub(super) fn new(from: *const f32, stride: usize, width: usize, rows: usize, times: usize) -> Self {
        let number = size_of::<f32>();
        let lines = (rows * (width * number).div_ceil(LINE)).div_ceil(times.max(1));
        Self { row: from.cast(), stride: stride * number, width: width * number, done: 0, rows, lines }
    }

    /// # Safety
    /// The CPU has the instructions of `S`.
    #[inline(always)]
    pub(super) unsafe fn fetch<S: Simd>(&mut self) {
        for _ in 0..self.lines {
            if self.rows == 0 {
                return;
            }
            // SAFETY: the caller's promise; any address may be asked for.
            unsafe { S::prefetch(self.row.wrapping_add(self.done)) };
            self.done += LINE;
            if self.done >= self.width {
                self.done = 0;
                self.rows -= 1;
                self.row = self.row.wrapping_add(self.stride);
            }
        }
    }
}
