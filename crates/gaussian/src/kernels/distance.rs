//! Squared distances of one query (a, v) and each of many rows (b, w), in one pass over b and w (method §6).
//!
//! The differences are squared term by term: nothing cancels where a row lies close to the query.

use super::stream::{Part, Sums};
use crate::Rows;
use crate::simd::Simd;

/// [‖a − b‖², Σ w] of each row, and Σ (√v − √w)² if `N` is 3. On the longest chain lie ⌈D/lanes⌉ + 7 roundings, besides
/// those of the roots.
pub(crate) struct Distances<'a, const N: usize> {
    mean: &'a [f32],
    /// √v
    deviation: &'a [f32],
    rows: Rows<'a>,
}

impl<'a, const N: usize> Distances<'a, N> {
    /// # Panics
    /// Unless query and rows have one dimension.
    pub(crate) fn new(mean: &'a [f32], deviation: &'a [f32], rows: Rows<'a>) -> Self {
        const { assert!(N == 2 || N == 3) };
        assert!(mean.len() == rows.dimension && deviation.len() == rows.dimension, "one dimension");
        assert!(rows.mean.len() == rows.variance.len(), "as many variances as means");
        Self { mean, deviation, rows }
    }
}

// SAFETY: `new` compared the lengths, and [`Rows::len`] counts whole rows.
unsafe impl<const N: usize> Sums<N, 2> for Distances<'_, N> {
    const LINE: usize = 16;

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn dimension(&self) -> usize {
        self.rows.dimension
    }

    #[inline(always)]
    unsafe fn block<S: Simd, P: Part, const K: usize>(
        &self,
        rows: [usize; K],
        d: usize,
        part: P,
        sums: &mut [[S::F32; N]; K],
    ) {
        let dimension = self.rows.dimension;
        // SAFETY: the caller's promise: row and coordinate are within.
        unsafe {
            let a = part.load::<S>(self.mean.as_ptr().add(d));
            let root = part.load::<S>(self.deviation.as_ptr().add(d));
            for (row, sums) in rows.into_iter().zip(sums) {
                let at = row * dimension + d;
                let (means, variances) = (self.rows.mean.as_ptr().add(at), self.rows.variance.as_ptr().add(at));
                let (difference, w) = (S::sub(a, part.load::<S>(means)), part.load::<S>(variances));
                sums[0] = S::fma(difference, difference, sums[0]);
                sums[1] = S::add(w, sums[1]);
                if N == 3 {
                    let difference = S::sub(root, S::sqrt(w));
                    sums[2] = S::fma(difference, difference, sums[2]);
                }
            }
        }
    }
}
