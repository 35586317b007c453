//! Sums over D in the one order that every backend shares.
//!
//! Lane j of eight sums the terms of d ≡ j (mod 8) in ascending d from +0; the total is
//! ((l0+l4)+(l2+l6))+((l1+l5)+(l3+l7)). All in float64, no fused multiply-add. Eight independent chains fit every
//! width of vector registers without changing a single bit ([`crate::kernels::canonical`]).

use crate::kernels::canonical::{Terms, sum};
use crate::simd::{Level, WIDE, Wide};

pub(crate) fn total(l: [f64; WIDE]) -> f64 {
    ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
}

/// Σ x_d.
pub(crate) fn trace(x: &[f32]) -> f64 {
    let [trace] = sum(Level::detect(), Identity, [x]);
    trace
}

/// Σ 1/x_d. −0 counts as 0.
pub(crate) fn reciprocals(x: &[f32]) -> f64 {
    let [sum] = sum(Level::detect(), Reciprocal, [x]);
    sum
}

/// ⟨x, y⟩.
pub(crate) fn dot(x: &[f32], y: &[f32]) -> f64 {
    let [dot] = sum(Level::detect(), Product, [x, y]);
    dot
}

struct Identity;

impl Terms<1, 1> for Identity {
    #[inline(always)]
    fn terms<W: Wide>([x]: [W; 1]) -> [W; 1] {
        [x]
    }
}

struct Reciprocal;

impl Terms<1, 1> for Reciprocal {
    #[inline(always)]
    fn terms<W: Wide>([x]: [W; 1]) -> [W; 1] {
        // −0 + 0 is +0: a variance of −0 is valid, and its reciprocal must not be −∞.
        [(x + 0.0).recip()]
    }
}

struct Product;

impl Terms<2, 1> for Product {
    #[inline(always)]
    fn terms<W: Wide>([x, y]: [W; 2]) -> [W; 1] {
        [x * y]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order as the documentation words it, term by term.
    fn literal(terms: &[f64]) -> f64 {
        let mut lanes = [0.0; WIDE];
        for (d, term) in terms.iter().enumerate() {
            lanes[d % WIDE] += term;
        }
        total(lanes)
    }

    #[test]
    fn every_length_sums_in_the_documented_order() {
        let extremes = [0.0, -0.0, 1e-45, -1e-39, 3e38, -3e38, 1.0];
        for dimension in (0..=130).chain([384, 768, 1024, 1536, 4096]) {
            // One off any alignment.
            let ordinary: Vec<f32> =
                (0..=dimension).map(|d| (d as f32 * 12.9898).sin() * 10_f32.powi(d as i32 % 7)).collect();
            let extreme: Vec<f32> = (0..=dimension).map(|d| extremes[d % extremes.len()]).collect();
            let y: Vec<f32> = (0..=dimension).map(|d| (d as f32 * 78.233).cos()).collect();
            let wide = |x: &[f32]| x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
            for (x, level) in
                [&ordinary, &extreme].into_iter().flat_map(|x| Level::available().iter().map(move |l| (x, *l)))
            {
                let (x, y) = (&x[1..], &y[1..]);
                let products: Vec<f64> = wide(x).iter().zip(wide(y)).map(|(x, y)| x * y).collect();
                let z: Vec<f32> = x.iter().map(|x| x.abs()).collect();
                let inverses: Vec<f64> = wide(&z).iter().map(|z| 1.0 / z).collect();
                let got = [sum(level, Product, [x, y]), sum(level, Identity, [x]), sum(level, Reciprocal, [&z])];
                let expected = [&products, &wide(x), &inverses].map(|terms| [literal(terms)]);
                assert_eq!(got, expected, "{level:?} D={dimension}");
            }
        }
        assert_eq!((dot(&[2.0], &[3.0]), trace(&[2.0]), reciprocals(&[-0.0, 2.0])), (6.0, 2.0, f64::INFINITY));
    }
}
