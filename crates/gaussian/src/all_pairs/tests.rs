//! Every instruction set against the canonical routine.

use super::{CANDIDATES, QUERIES, at};
use crate::simd::Level;
use crate::{Cancel, Gaussians, Score, score_pair};

fn gaussians(rows: usize, dimension: usize, seed: usize) -> Gaussians {
    let number = |i: usize| ((i * 7919 + seed * 104_729) % 10_007) as f32 / 10_007.0;
    Gaussians {
        mean: (0..rows * dimension).map(|i| number(i) - 0.4).collect(),
        variance: (0..rows * dimension).map(|i| number(i + 13) * 0.01).collect(),
        dimension,
    }
}

#[test]
fn every_level_keeps_the_bound_across_tiles() {
    for (rows, columns, dimension) in
        [(1, 1, 1), (QUERIES + 3, CANDIDATES + 50, 3), (5, 49, 130), (3, 2, 4096), (2, 3, 20_000)]
    {
        let (queries, mut candidates) = (gaussians(rows, dimension, 1), gaussians(columns, dimension, 2));
        // One row out of the range of the fast sums.
        candidates.mean[..dimension].fill(1e-25);
        for level in Level::available() {
            for score in Score::ALL {
                let (queries, candidates) = (queries.rows(), candidates.rows());
                let got = at(*level, queries, candidates, *score, 1.0, &Cancel::default()).unwrap();
                for (q, query) in queries.iter().enumerate() {
                    for (c, candidate) in candidates.iter().enumerate() {
                        let exact = score_pair(*score, 1.0, query, candidate);
                        let terms = |x: fn(f64, f64) -> f64| {
                            query
                                .mean
                                .iter()
                                .zip(candidate.mean)
                                .map(|(a, b)| x(f64::from(*a), f64::from(*b)))
                                .sum::<f64>()
                        };
                        let what = format!("{} {} D {dimension} {q} {c}", level.name(), score.name());
                        let cell = q * columns + c;
                        let scale = terms(|a, b| (a * b).abs());
                        let error = (f64::from(got.similarities[cell]) - exact.similarity).abs();
                        assert!(error <= 1e-5 * scale, "{what}: μ_s {error}");
                        let error = (f64::from(got.deviations[cell]) - exact.deviation).abs();
                        assert!(error <= 1e-5 * exact.deviation, "{what}: σ_s {error}");
                        let score = f64::from(got.scores[cell]);
                        let close = (score - exact.score).abs() <= 2e-5 * (scale + exact.score.abs());
                        assert!(close || score == exact.score, "{what}: score {score} {}", exact.score);
                    }
                }
            }
        }
    }
}
