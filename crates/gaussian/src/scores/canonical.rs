//! Sums over the coordinates of two rows, in the order of [`crate::lanes`].

use crate::Row;
use crate::lanes::{LANES, total};

/// N sums over the coordinates (a, v, b, w) of query and candidate in one pass.
pub(super) fn sum<const N: usize>(
    query: Row<'_>,
    candidate: Row<'_>,
    term: impl Fn(f64, f64, f64, f64) -> [f64; N],
) -> [f64; N] {
    let (a, a_rest) = query.mean.as_chunks::<LANES>();
    let (v, v_rest) = query.variance.as_chunks::<LANES>();
    let (b, b_rest) = candidate.mean.as_chunks::<LANES>();
    let (w, w_rest) = candidate.variance.as_chunks::<LANES>();
    let mut lanes = [[0.0_f64; LANES]; N];
    let mut add = |j: usize, a: f32, v: f32, b: f32, w: f32| {
        let terms = term(a.into(), v.into(), b.into(), w.into());
        for (lane, term) in lanes.iter_mut().zip(terms) {
            lane[j] += term;
        }
    };
    for (((a, v), b), w) in a.iter().zip(v).zip(b).zip(w) {
        for j in 0..LANES {
            add(j, a[j], v[j], b[j], w[j]);
        }
    }
    for (j, (((a, v), b), w)) in a_rest.iter().zip(v_rest).zip(b_rest).zip(w_rest).enumerate() {
        add(j, *a, *v, *b, *w);
    }
    lanes.map(total)
}

/// One sum over two rows.
pub(super) fn sum1(query: Row<'_>, candidate: Row<'_>, term: impl Fn(f64, f64, f64, f64) -> f64) -> f64 {
    let [sum] = sum(query, candidate, |a, v, b, w| [term(a, v, b, w)]);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::dot;

    #[test]
    fn every_length_sums_in_the_order_of_one_vector() {
        for dimension in 1..=33 {
            let x: Vec<f32> = (0..dimension).map(|d| (d as f32 * 12.9898).sin() * 10_f32.powi(d % 7)).collect();
            let y: Vec<f32> = (0..dimension).map(|d| (d as f32 * 78.233).cos()).collect();
            let (query, candidate) = (Row { mean: &x, variance: &y }, Row { mean: &y, variance: &x });
            assert_eq!(sum(query, candidate, |a, v, b, w| [a * b, v * w]), [dot(&x, &y); 2]);
        }
    }
}
