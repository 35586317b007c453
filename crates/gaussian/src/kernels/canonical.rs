//! Sums over the coordinates of rows in float64, in the one order of [`crate::lanes`] at every level.

use std::marker::PhantomData;

use crate::lanes::total;
use crate::simd::{Kernel, Level, Simd, WIDE, Wide, dispatch};

/// The terms of `N` sums as functions of one coordinate of `K` rows.
pub(crate) trait Terms<const K: usize, const N: usize> {
    /// Implementations are `#[inline(always)]`.
    fn terms<W: Wide>(rows: [W; K]) -> [W; N];
}

/// Σ of each term over rows of one length.
pub(crate) fn sum<T: Terms<K, N>, const K: usize, const N: usize>(
    level: Level,
    _terms: T,
    rows: [&[f32]; K],
) -> [f64; N] {
    // SAFETY: nothing beyond the instructions of the level.
    unsafe { dispatch(level, Sum::<T, K, N> { rows, terms: PhantomData }) }
}

struct Sum<'a, T, const K: usize, const N: usize> {
    rows: [&'a [f32]; K],
    terms: PhantomData<T>,
}

impl<T: Terms<K, N>, const K: usize, const N: usize> Kernel for Sum<'_, T, K, N> {
    type Output = [f64; N];

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> [f64; N] {
        let length = self.rows.iter().map(|row| row.len()).min().unwrap_or(0);
        let chunks = self.rows.map(|row| row[..length].as_chunks::<WIDE>().0);
        // SAFETY: the caller has been promised the instructions, here and below.
        let mut lanes = [unsafe { S::Wide::splat(0.0) }; N];
        for i in 0..length / WIDE {
            // SAFETY: as above.
            let terms = T::terms(chunks.map(|row| unsafe { S::Wide::load(&row[i]) }));
            for (lane, term) in lanes.iter_mut().zip(terms) {
                *lane = *lane + term;
            }
        }
        let mut lanes = lanes.map(Wide::to_array);
        let rest = length % WIDE;
        if rest > 0 {
            let tail = self.rows.map(|row| {
                // What fills the other lanes is not added.
                let mut tail = [1.0; WIDE];
                tail[..rest].copy_from_slice(&row[length - rest..length]);
                // SAFETY: as above.
                unsafe { S::Wide::load(&tail) }
            });
            for (lanes, terms) in lanes.iter_mut().zip(T::terms(tail)) {
                for (lane, term) in lanes.iter_mut().zip(terms.to_array()).take(rest) {
                    *lane += term;
                }
            }
        }
        lanes.map(total)
    }
}
