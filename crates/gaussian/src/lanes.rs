//! Sums over D in the one order that every backend shares.
//!
//! Lane j of eight sums the terms of d ≡ j (mod 8) in ascending d from +0; the total is
//! ((l0+l4)+(l2+l6))+((l1+l5)+(l3+l7)). All in float64, no fused multiply-add. Eight independent chains let the
//! compiler use vector registers without changing a single bit.

pub(crate) const LANES: usize = 8;

pub(crate) fn total(l: [f64; LANES]) -> f64 {
    ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
}

/// Σ term(x_d) over one vector.
pub(crate) fn lane_sum(x: &[f32], term: impl Fn(f32) -> f64) -> f64 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for j in 0..LANES {
            lanes[j] += term(chunk[j]);
        }
    }
    for (j, x) in rest.iter().enumerate() {
        lanes[j] += term(*x);
    }
    total(lanes)
}

/// ⟨x, y⟩.
pub(crate) fn dot(x: &[f32], y: &[f32]) -> f64 {
    let (x_chunks, x_rest) = x.as_chunks::<LANES>();
    let (y_chunks, y_rest) = y.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for j in 0..LANES {
            lanes[j] += f64::from(x[j]) * f64::from(y[j]);
        }
    }
    for (j, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
        lanes[j] += f64::from(*x) * f64::from(*y);
    }
    total(lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The order as the documentation words it, term by term.
    fn literal(terms: &[f64]) -> f64 {
        let mut lanes = [0.0; LANES];
        for (d, term) in terms.iter().enumerate() {
            lanes[d % LANES] += term;
        }
        total(lanes)
    }

    #[test]
    fn every_length_sums_in_the_documented_order() {
        for dimension in 1..=33 {
            let x: Vec<f32> = (0..dimension).map(|d| (d as f32 * 12.9898).sin() * 10_f32.powi(d % 7)).collect();
            let y: Vec<f32> = (0..dimension).map(|d| (d as f32 * 78.233).cos()).collect();
            let products: Vec<f64> = x.iter().zip(&y).map(|(x, y)| f64::from(*x) * f64::from(*y)).collect();
            assert_eq!(dot(&x, &y), literal(&products));
            assert_eq!(lane_sum(&x, f64::from), literal(&x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>()));
        }
    }
}
