//! The steps of the convolution that go coordinate by coordinate, in float64 (method §3, §5): ordinary Rust, compiled for
//! the instructions of each level. The same operations, hence the same bits.

use crate::simd::{Kernel, Level, Simd, dispatch};

/// sum_d += c x_d
pub(crate) fn add_scaled<T: Copy + Into<f64>>(level: Level, sum: &mut [f64], c: f64, x: &[T]) {
    // SAFETY: nothing beyond the instructions of the level; so for the others.
    unsafe { dispatch(level, AddScaled { sum, c, x }) }
}

/// sum_d += c x_d²
pub(crate) fn add_scaled_squares(level: Level, sum: &mut [f64], c: f64, x: &[f32]) {
    // SAFETY: as above.
    unsafe { dispatch(level, AddScaledSquares { sum, c, x }) }
}

/// μ_d² = z_d²/‖z‖²
pub(crate) fn squares(level: Level, mean: &[f64], norm2: f64) -> Vec<f64> {
    let mut squares = vec![0.0; mean.len()];
    // SAFETY: as above.
    unsafe { dispatch(level, Squares { mean, norm2, squares: &mut squares }) };
    squares
}

/// Brings a row to length 1: v_d = [ v_d `length`_d² + μ_d² `spread`_d ]/‖z‖², with the sums over all other coordinates of
/// μ_e² (`lengths`) and of μ_e² v_e (`spreads`).
pub(crate) struct Normalize<'a> {
    pub(crate) norm2: f64,
    pub(crate) mean: &'a mut [f64],
    pub(crate) variance: &'a mut [f64],
    pub(crate) squares: &'a [f64],
    pub(crate) lengths: &'a [f64],
    pub(crate) spreads: &'a [f64],
}

impl Normalize<'_> {
    pub(crate) fn apply(self, level: Level) {
        // SAFETY: as above.
        unsafe { dispatch(level, self) }
    }
}

struct AddScaled<'a, T> {
    sum: &'a mut [f64],
    c: f64,
    x: &'a [T],
}

impl<T: Copy + Into<f64>> Kernel for AddScaled<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for (sum, x) in self.sum.iter_mut().zip(self.x) {
            *sum += self.c * (*x).into();
        }
    }
}

struct AddScaledSquares<'a> {
    sum: &'a mut [f64],
    c: f64,
    x: &'a [f32],
}

impl Kernel for AddScaledSquares<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for (sum, x) in self.sum.iter_mut().zip(self.x) {
            let x = f64::from(*x);
            *sum += x * x * self.c;
        }
    }
}

struct Squares<'a> {
    mean: &'a [f64],
    norm2: f64,
    squares: &'a mut [f64],
}

impl Kernel for Squares<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for (square, z) in self.squares.iter_mut().zip(self.mean) {
            *square = z * z / self.norm2;
        }
    }
}

impl Kernel for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let norm = self.norm2.sqrt();
        let sums = self.squares.iter().zip(self.lengths).zip(self.spreads);
        for ((z, v), ((square, length), spread)) in self.mean.iter_mut().zip(self.variance).zip(sums) {
            *v = (*v * length * length + square * spread) / self.norm2;
            *z /= norm;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_gives_the_bits_of_the_formulas() {
        // Zeros, numbers below the normal ones of both precisions and large ones among others, one off any alignment.
        let extremes = [0.0, -0.0, 5e-324, 1e-310, 1e-45, -1e-40, 3e38, -1e50];
        let numbers = |n: usize, seed: f64| -> Vec<f64> {
            let number = |d: usize| match d % 3 {
                1 => extremes[(d / 3 + (seed * 10.0) as usize) % extremes.len()],
                _ => ((d as f64 + seed) * 12.9898).sin(),
            };
            (0..=n).map(number).collect()
        };
        for (n, level) in (0..=130)
            .chain([384, 768, 1024, 1536, 4096])
            .flat_map(|n| Level::available().iter().map(move |level| (n, *level)))
        {
            let [mean, variance, spreads] = [0.1, 0.2, 0.3].map(|seed| numbers(n, seed));
            let x: Vec<f32> = mean.iter().map(|x| *x as f32).collect();
            let (mut sum, mut square_sum, mut z, mut v) =
                (variance.clone(), variance.clone(), mean.clone(), variance.clone());
            let (x, [mean, variance, spreads]) = (&x[1..], [&mean, &variance, &spreads].map(|x| &x[1..]));
            let [sum, square_sum, z, v] = [&mut sum, &mut square_sum, &mut z, &mut v].map(|x| &mut x[1..]);
            add_scaled(level, sum, 0.7, x);
            add_scaled_squares(level, square_sum, 0.7, x);
            let squares = squares(level, mean, 3.3);
            let lengths = &squares;
            Normalize { norm2: 3.3, mean: z, variance: v, squares: &squares, lengths, spreads }.apply(level);
            for d in 0..n {
                let x = f64::from(x[d]);
                let square = mean[d] * mean[d] / 3.3;
                let got = [sum[d], square_sum[d], squares[d], z[d], v[d]];
                let expected = [
                    variance[d] + 0.7 * x,
                    variance[d] + x * x * 0.7,
                    square,
                    mean[d] / 3.3_f64.sqrt(),
                    (variance[d] * square * square + square * spreads[d]) / 3.3,
                ];
                assert_eq!(got.map(f64::to_bits), expected.map(f64::to_bits), "{level:?} n {n} d {d}");
            }
        }
    }
}
