//! Rows over which the sums of the kernels are as far off as the margins say: terms of half a unit in the last place of
//! the sum so far, each of which rounds away, and products that underflow before a large factor.

use super::*;

const SCORES: [Score; 5] = [Score::Uec, Score::Cosine, Score::ProbCosine, Score::Wasserstein2, Score::Csd];

/// Every bound that there is of one pair: of one query, and of a block.
fn check(what: &str, query: Row<'_>, row: Row<'_>, betas: &[f64]) {
    let dimension = row.mean.len();
    let rows = Rows::new(row.mean, row.variance, dimension).unwrap();
    let queries = Rows::new(query.mean, query.variance, dimension).unwrap();
    for (score, beta) in SCORES.iter().flat_map(|score| betas.iter().map(|beta| (*score, *beta))) {
        let canonical = score_pair(score, beta, query, row).score;
        for level in Level::available() {
            let scan = Scan::with_level(query, score, beta, *level);
            let block = ScanBlock::with_level(*level, queries, score, beta).unwrap();
            // The last is not for all scores.
            let mut bounds = [[f32::INFINITY]; 4];
            let [fused, means, block_means, block_fused] = &mut bounds;
            scan.bounds(rows, fused);
            scan.bounds_from_means(Encoded::Float32(row.mean), means);
            block.bounds_from_means(row.mean, block_means);
            block.bounds(rows, block_fused);
            for ([bound], of) in bounds.into_iter().zip(["fused", "means", "block, means", "block, fused"]) {
                assert!(
                    f64::from(bound) >= canonical,
                    "{what}, {of}, {score:?} {level:?} D={dimension} β={beta}: bound {bound:e} below {canonical:e}"
                );
            }
        }
    }
}

/// How a sum runs over the coordinates.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// In so many lanes, which are then added two by two.
    Lanes(usize),
    /// In chains of so many coordinates, which are then added one after the other.
    Chains(usize),
}

impl Order {
    /// Whether a term at `d` meets the sum that the first coordinate is in, and no other term before.
    fn meets_the_first(self, d: usize) -> bool {
        match self {
            Self::Lanes(lanes) => d.is_multiple_of(lanes) || (d < lanes && d.is_power_of_two()),
            Self::Chains(length) => d < length || d.is_multiple_of(length),
        }
    }
}

/// a with a₀² = (1 + 2⁻¹²)² and a_d² = 2⁻²⁴ where the order says, otherwise 0. a₀² rounds down by 2⁻²⁴, and so does the
/// sum of it and each other square.
fn rounds_away(dimension: usize, order: Order) -> Vec<f32> {
    let small = (-12.0_f32).exp2();
    let number = |d| match d {
        0 => 1.0 + small,
        _ if order.meets_the_first(d) => small,
        _ => 0.0,
    };
    (0..dimension).map(number).collect()
}

#[test]
fn terms_that_round_away_are_within_the_margins() {
    let orders = [4, 8, 16].map(Order::Lanes).into_iter().chain([64, 128].map(Order::Chains));
    for (dimension, order) in
        [8, 16, 32, 64, 130, 384, 1024, 2048, 4096].into_iter().flat_map(|d| orders.clone().map(move |o| (d, o)))
    {
        let a = rounds_away(dimension, order);
        // μ_s against its large term.
        let against: Vec<f32> = a.iter().enumerate().map(|(d, a)| if d == 0 { -a } else { *a }).collect();
        let negative: Vec<f32> = a.iter().map(|a| -a).collect();
        let none = vec![0.0; dimension];
        // Of σ_s² the small terms round away, or each to twice what it is.
        let away = vec![1.0; dimension];
        let up: Vec<f32> = (0..dimension).map(|d| if d == 0 { 1.0 } else { 1.0 + (-10.0_f32).exp2() }).collect();
        for b in [&a, &against, &negative] {
            for (v, w) in [(&none, &none), (&none, &away), (&away, &none), (&none, &up), (&up, &none)] {
                let (query, row) = (Row { mean: &a, variance: v }, Row { mean: b, variance: w });
                check(&format!("{order:?}"), query, row, &[1.0, 1e6]);
            }
        }
    }
}

#[test]
fn products_that_underflow_before_a_large_factor_are_within_the_margins() {
    let least = f32::from_bits(1);
    for dimension in [1, 2, 7, 33, 130, 384] {
        let all = |x: f32| vec![x; dimension];
        for sign in [1.0, -1.0] {
            // v b lies halfway between two multiples of 2⁻¹⁴⁹, below and above; times b that is far more than 2⁻¹⁴⁹.
            for b in [1024.5, 1025.5, 65536.5, 65537.5] {
                let query = (all(1.0), all(least));
                let row = (all(sign * b), all(0.0));
                let query = Row { mean: &query.0, variance: &query.1 };
                check("v b", query, Row { mean: &row.0, variance: &row.1 }, &[1.0, 1e25, 1e45, 1e60]);
            }
            // a² is 0 in float32, a² w is not; then b² and v b² in the same way.
            let (small, other) = (all(2e-23), all(sign * 1e15));
            for size in [1e25, 1e30, 3e35] {
                let (large, none) = (all(size), all(0.0));
                let betas = [1.0, 1e10, 1e16, 1e20, 1e25];
                check("a² w", Row { mean: &small, variance: &none }, Row { mean: &other, variance: &large }, &betas);
                check("v b²", Row { mean: &other, variance: &large }, Row { mean: &small, variance: &none }, &betas);
            }
            // Σ (a² + v) and Σ (b² + w) are normal numbers, their product is none.
            for (size, variance) in [(1e-12, 0.0), (1e-12, 1e-24), (1e-15, 1e-25), (1e-18, 0.0)] {
                let (query, row) = ((all(size), all(variance)), (all(sign * size), all(variance)));
                let query = Row { mean: &query.0, variance: &query.1 };
                check("Σ Σ", query, Row { mean: &row.0, variance: &row.1 }, &[0.0, 1.0, 1e20]);
            }
        }
    }
}
