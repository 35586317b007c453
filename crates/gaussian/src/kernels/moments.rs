//! The moments of the similarity of one query (a, v) and each of many rows (b, w), in one pass over b and w:
//!
//!   μ_s = ⟨a, b⟩,  σ_s² = ⟨p, w⟩ + ⟨v, b²⟩ with p = a² + v  (method §6)

use super::stream::{Part, Sums};
use crate::Rows;
use crate::simd::Simd;

/// A query as this kernel reads it: three vectors of one dimension.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a> {
    pub(crate) mean: &'a [f32],
    /// p = a² + v
    pub(crate) second: &'a [f32],
    pub(crate) variance: &'a [f32],
}

/// [μ_s, σ_s², ‖b‖²] of each row, and Σ w if `N` is 4. On the longest chains lie ⌈D/lanes⌉ + 5 roundings, for σ_s²
/// 2⌈D/lanes⌉ + 6 and the one in p.
pub(crate) struct Moments<'a, const N: usize> {
    query: Query<'a>,
    rows: Rows<'a>,
}

impl<'a, const N: usize> Moments<'a, N> {
    /// # Panics
    /// Unless query and rows have one dimension.
    pub(crate) fn new(query: Query<'a>, rows: Rows<'a>) -> Self {
        const { assert!(N == 3 || N == 4) };
        let dimension = rows.dimension;
        assert!([query.mean, query.second, query.variance].iter().all(|x| x.len() == dimension), "one dimension");
        assert!(rows.mean.len() == rows.variance.len(), "as many variances as means");
        Self { query, rows }
    }
}

// SAFETY: `new` compared the lengths, and [`Rows::len`] counts whole rows.
unsafe impl<const N: usize> Sums<N> for Moments<'_, N> {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn dimension(&self) -> usize {
        self.rows.dimension
    }

    #[inline(always)]
    unsafe fn block<S: Simd, P: Part, const R: usize>(
        &self,
        first: usize,
        d: usize,
        part: P,
        sums: &mut [[S::F32; N]; R],
    ) {
        let dimension = self.rows.dimension;
        // SAFETY: the caller's promise: row and coordinate are within.
        unsafe {
            let a = part.load::<S>(self.query.mean.as_ptr().add(d));
            let p = part.load::<S>(self.query.second.as_ptr().add(d));
            let v = part.load::<S>(self.query.variance.as_ptr().add(d));
            let means = self.rows.mean.as_ptr().add(first * dimension + d);
            let variances = self.rows.variance.as_ptr().add(first * dimension + d);
            for (row, sums) in sums.iter_mut().enumerate() {
                let b = part.load::<S>(means.add(row * dimension));
                let w = part.load::<S>(variances.add(row * dimension));
                sums[0] = S::fma(a, b, sums[0]);
                sums[1] = S::fma(S::mul(v, b), b, S::fma(p, w, sums[1]));
                sums[2] = S::fma(b, b, sums[2]);
                if N == 4 {
                    sums[3] = S::add(w, sums[3]);
                }
            }
        }
    }
}
