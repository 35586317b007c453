//! From the sums of a few rows to their bounds: for every row the same operations, without branches, so that the compiler
//! does them in vectors. One row at a time they take as long as a quarter of the sums over 384 coordinates.

use std::array::from_fn;
use std::ops::Range;

use crate::kernels::stream::{BLOCK, Finish, ask};
use crate::simd::Simd;

/// Rows ahead whose scales and errors are asked for.
const AHEAD: usize = 32;

/// A bound from the sums of a row.
pub(super) trait ToBound<T, const N: usize> {
    /// `scale` and `error` as in [`super::Encoded`]; 1 and 0 where there are none. `#[inline(always)]`.
    fn bound(&self, sums: [T; N], scale: f64, error: f64) -> f32;
}

/// Writes the bounds of all rows.
pub(super) struct Write<'a, F> {
    pub(super) to_bound: F,
    /// None: 1.
    pub(super) scales: Option<&'a [f32]>,
    /// None: 0.
    pub(super) errors: Option<&'a [f32]>,
    pub(super) bounds: &'a mut [f32],
}

impl<T: Copy, F: ToBound<T, N>, const N: usize> Finish<T, N> for Write<'_, F> {
    #[inline(always)]
    fn begin<S: Simd>(&self, row: usize) {
        for of in [self.scales, self.errors].into_iter().flatten() {
            ask::<S, _>(of.as_ptr().wrapping_add(row), AHEAD);
        }
    }

    #[inline(always)]
    fn finish<S: Simd>(&mut self, rows: Range<usize>, sums: &[[T; BLOCK]; N]) {
        for of in [self.scales, self.errors].into_iter().flatten() {
            ask::<S, _>(of.as_ptr().wrapping_add(rows.start + AHEAD), 1);
        }
        let (scales, errors) = (block(self.scales, &rows, 1.0), block(self.errors, &rows, 0.0));
        let mut bounds = [0.0; BLOCK];
        for (i, bound) in bounds.iter_mut().enumerate() {
            *bound = self.to_bound.bound(from_fn(|n| sums[n][i]), f64::from(scales[i]), f64::from(errors[i]));
        }
        match self.bounds[rows.clone()].as_chunks_mut() {
            ([whole], _) => *whole = bounds,
            (_, part) => part.copy_from_slice(&bounds[..rows.len()]),
        }
    }
}

/// The numbers of `rows`; anything after them.
#[inline(always)]
fn block(of: Option<&[f32]>, rows: &Range<usize>, or: f32) -> [f32; BLOCK] {
    let mut block = [or; BLOCK];
    if let Some(of) = of {
        let of = &of[rows.start..];
        match of.first_chunk() {
            Some(whole) => block = *whole,
            None => block[..of.len()].copy_from_slice(of),
        }
    }
    block
}
