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

/// [μ_s, ⟨p, w⟩, ⟨v, b²⟩, ‖b‖²] of each row, and Σ w if `N` is 5. On the longest chain lie ⌈D/lanes⌉ + 6 roundings,
/// besides the one in p.
pub(crate) struct Moments<'a, const N: usize> {
    query: Query<'a>,
    rows: Rows<'a>,
}

impl<'a, const N: usize> Moments<'a, N> {
    /// # Panics
    /// Unless query and rows have one dimension.
    pub(crate) fn new(query: Query<'a>, rows: Rows<'a>) -> Self {
        const { assert!(N == 4 || N == 5) };
        let dimension = rows.dimension;
        assert!([query.mean, query.second, query.variance].iter().all(|x| x.len() == dimension), "one dimension");
        assert!(rows.mean.len() == rows.variance.len(), "as many variances as means");
        Self { query, rows }
    }
}

// SAFETY: `new` compared the lengths, and [`Rows::len`] counts whole rows.
unsafe impl<const N: usize> Sums<N, 2> for Moments<'_, N> {
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
            let a = part.load::<S>(self.query.mean.as_ptr().add(d));
            let p = part.load::<S>(self.query.second.as_ptr().add(d));
            let v = part.load::<S>(self.query.variance.as_ptr().add(d));
            for (row, sums) in rows.into_iter().zip(sums) {
                let at = row * dimension + d;
                let (means, variances) = (self.rows.mean.as_ptr().add(at), self.rows.variance.as_ptr().add(at));
                let (b, w) = (part.load::<S>(means), part.load::<S>(variances));
                sums[0] = S::fma(a, b, sums[0]);
                sums[1] = S::fma(p, w, sums[1]);
                sums[2] = S::fma(S::mul(v, b), b, sums[2]);
                sums[3] = S::fma(b, b, sums[3]);
                if N == 5 {
                    sums[4] = S::add(w, sums[4]);
                }
            }
        }
    }
}
