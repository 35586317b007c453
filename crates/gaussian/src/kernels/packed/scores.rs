//! From the sums of one query with some rows to μ/√(1 + (π/8) β σ²) and σ.

use super::rows::load;
use crate::simd::{Kernel, Level, Simd, dispatch};

/// The score from μ_s and σ_s² of some rows, each times a factor of the query and one of the row.
pub(crate) struct Fold<'a> {
    /// (π/8) β
    pub(crate) discount: f32,
    pub(crate) means: &'a [f32],
    pub(crate) variances: &'a [f32],
    pub(crate) scores: &'a mut [f32],
    /// σ_s
    pub(crate) deviations: &'a mut [f32],
    /// For μ_s and σ_s².
    pub(crate) query: [f32; 2],
    pub(crate) rows: [&'a [f32]; 2],
}

impl Fold<'_> {
    pub(crate) fn write(self, level: Level) {
        let n = self.means.len();
        assert!(
            self.variances.len() == n
                && self.scores.len() == n
                && self.deviations.len() == n
                && self.rows.iter().all(|row| row.len() == n)
        );
        // SAFETY: the lengths are equal.
        unsafe { dispatch(level, self) }
    }
}

impl Kernel for Fold<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let n = self.means.len();
        let (scores, deviations) = (self.scores.as_mut_ptr(), self.deviations.as_mut_ptr());
        // SAFETY: the lengths are equal.
        unsafe {
            let (discount, one) = (S::splat(self.discount), S::splat(1.0));
            let query = [S::splat(self.query[0]), S::splat(self.query[1])];
            for start in (0..n).step_by(S::LANES) {
                let left = n - start;
                let mean = S::mul(load::<S>(self.means.as_ptr().add(start), left), query[0]);
                let mean = S::mul(mean, load::<S>(self.rows[0].as_ptr().add(start), left));
                let total = load::<S>(self.variances.as_ptr().add(start), left);
                let variance = S::mul(S::mul(total, query[1]), load::<S>(self.rows[1].as_ptr().add(start), left));
                let root = S::sqrt(S::fma(discount, variance, one));
                store::<S>(scores.add(start), S::div(mean, root), left);
                store::<S>(deviations.add(start), S::sqrt(total), left);
            }
        }
    }
}

/// # Safety
/// `to` has `n` numbers, of which the first LANES are written.
#[inline(always)]
unsafe fn store<S: Simd>(to: *mut f32, x: S::F32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe { if n >= S::LANES { S::store(to, x) } else { S::store_partial(to, x, n) } }
}
