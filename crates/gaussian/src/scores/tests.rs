//! Every level against the formulas written out in scalars, to the bit.

use std::f64::consts::PI;

use super::{Score, score_at};
use crate::Row;
use crate::lanes::total;
use crate::simd::Level;

type Term = fn(f64, f64, f64, f64) -> f64;

/// Σ term(a, v, b, w) in the documented order.
fn literal(query: Row<'_>, candidate: Row<'_>, term: Term) -> f64 {
    let mut lanes = [0.0; 8];
    for d in 0..query.mean.len() {
        let [a, v] = [query.mean[d], query.variance[d]].map(f64::from);
        let [b, w] = [candidate.mean[d], candidate.variance[d]].map(f64::from);
        lanes[d % 8] += term(a, v, b, w);
    }
    total(lanes)
}

/// The score, μ_s and σ_s.
fn expected(score: Score, beta: f64, query: Row<'_>, candidate: Row<'_>) -> [f64; 3] {
    let sum = |term: Term| literal(query, candidate, term);
    let similarity = sum(|a, _, b, _| a * b);
    let variance = sum(|a, v, b, w| (a * a * w + v * (b * b)) + v * w);
    let fold = |mean: f64, variance: f64| mean / (1.0 + (PI / 8.0) * beta * variance).sqrt();
    let certain = |x: &[f32]| x.contains(&0.0);
    let undefined = match score {
        Score::Jeffreys | Score::Kl | Score::Bhattacharyya => certain(query.variance) || certain(candidate.variance),
        Score::ExpectedLikelihood => query.variance.iter().zip(candidate.variance).any(|(v, w)| *v == 0.0 && *w == 0.0),
        _ => false,
    };
    let d = query.mean.len() as f64;
    let value = match score {
        _ if undefined => f64::NEG_INFINITY,
        Score::Uec => fold(similarity, variance),
        Score::Cosine => similarity,
        Score::Wasserstein2 => -sum(|a, v, b, w| (a - b) * (a - b) + (v.sqrt() - w.sqrt()) * (v.sqrt() - w.sqrt())),
        Score::Csd => -sum(|a, v, b, w| (a - b) * (a - b) + (v + w)),
        Score::Jeffreys => -0.5 * sum(|a, v, b, w| ((v + (a - b) * (a - b)) / w + (w + (a - b) * (a - b)) / v) - 2.0),
        Score::Kl => -0.5 * sum(|a, v, b, w| ((w / v).ln() + (v + (a - b) * (a - b)) / w) - 1.0),
        Score::Bhattacharyya => -sum(|a, v, b, w| {
            (a - b) * (a - b) / (4.0 * (v + w)) + 0.5 * ((v + w) / (2.0 * (v.sqrt() * w.sqrt()))).ln()
        }),
        Score::ExpectedLikelihood => {
            let sum = sum(|a, v, b, w| (a - b) * (a - b) / (v + w) + (v + w).ln());
            -0.5 * sum - (d / 2.0) * (2.0 * PI).ln()
        }
        Score::ProbCosine => {
            let n = sum(|a, v, _, _| a * a + v) * sum(|_, _, b, w| b * b + w);
            if n == 0.0 { f64::NEG_INFINITY } else { fold(similarity / n.sqrt(), variance / n) }
        }
    };
    [value, similarity, variance.sqrt()]
}

/// Numbers without a pattern, some of them out of `odd`.
fn numbers(length: usize, seed: u64, ordinary: impl Fn(f32) -> f32, odd: &[f32], odd_share: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 20
    };
    (0..length)
        .map(|_| match next() % 100 {
            share if share < odd_share => odd[next() as usize % odd.len()],
            _ => ordinary((next() % 1_000_003) as f32 / 1_000_003.0),
        })
        .collect()
}

#[test]
fn every_level_gives_the_bits_of_the_formulas() {
    const MEANS: &[f32] = &[0.0, -0.0, 1e-45, -1e-38, 1e30, f32::MAX, -f32::MAX];
    const CERTAIN: &[f32] = &[0.0, -0.0, 1e-45, f32::MAX];
    const VARIANCES: &[f32] = &[1e-45, 1e-38, 1e-20, 1e20, f32::MAX];
    let lengths = (0..=130).chain([384, 768, 1024, 1536, 4096]);
    for (length, odd) in lengths.flat_map(|length| [(length, 0), (length, 3), (length, 50)]) {
        // One too many, for rows that start off every alignment.
        let mean = |seed| numbers(length + 1, seed, |x| 2.0 * x - 1.0, MEANS, odd);
        let variance = |seed, odds| numbers(length + 1, seed, |x| 1e-4 + x / 10.0, odds, odd);
        let odds = if length % 2 == 0 { CERTAIN } else { VARIANCES };
        let (a, v) = (mean(1 + length as u64), variance(2 + length as u64, odds));
        let (b, w) = (mean(3 + length as u64), variance(4 + length as u64, odds));
        let query = Row { mean: &a[1..], variance: &v[..length] };
        let candidate = Row { mean: &b[..length], variance: &w[1..] };
        for score in Score::ALL {
            let expected = expected(*score, 1.5, query, candidate);
            for level in Level::available() {
                let got = score_at(*level, *score, 1.5, query, candidate);
                let got = [got.score, got.similarity, got.deviation];
                assert_eq!(got.map(f64::to_bits), expected.map(f64::to_bits), "{score:?} {length} {odd} {level:?}");
            }
        }
    }
}
