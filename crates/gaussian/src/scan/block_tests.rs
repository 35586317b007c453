//! Bounds of blocks are bounds, and close to the scores they bound.

use super::ScanBlock;
use crate::simd::Level;
use crate::{Gaussians, Rows, Score, score_pair};

const SCORES: [Score; 5] = [Score::Uec, Score::Cosine, Score::ProbCosine, Score::Wasserstein2, Score::Csd];

struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 24) as f32
    }

    /// Means around the unit sphere, small variances.
    fn ordinary(&mut self, rows: usize, dimension: usize) -> Gaussians {
        let scale = 2.0 / (dimension as f32).sqrt();
        let size = rows * dimension;
        Gaussians {
            mean: (0..size).map(|_| (self.next() - 0.4) * scale).collect(),
            variance: (0..size).map(|_| self.next() * 0.1 / dimension as f32).collect(),
            dimension,
        }
    }

    /// Anything that a valid row may hold, some rows of one magnitude.
    fn extreme(&mut self, rows: usize, dimension: usize) -> Gaussians {
        let numbers = [0.0, 1e-45, 1e-39, 1e-30, 1e-19, 1e-7, 1.0, 1e5, 1e10, 1e19, 1e25, 3e38];
        let mut pick = |row: usize, sign: bool| {
            let index = if row.is_multiple_of(3) { row } else { (self.next() * 12.0) as usize };
            let x = numbers[index % 12] * (0.5 + 0.5 * self.next());
            if sign && self.next() < 0.4 { -x } else { x }
        };
        let mean = (0..rows * dimension).map(|i| pick(i / dimension, true)).collect();
        let variance = (0..rows * dimension).map(|i| pick(i / dimension + i / dimension / 3, false)).collect();
        Gaussians { mean, variance, dimension }
    }
}

/// Calls with each bound, the score, and Σ of the magnitudes of μ_s and of ‖a‖² + ‖b‖² for that pair.
fn each(
    level: Level,
    queries: Rows<'_>,
    rows: Rows<'_>,
    score: Score,
    beta: f64,
    mut check: impl FnMut(f64, f64, f64, bool),
) {
    let block = ScanBlock::with_level(level, queries, score, beta).unwrap();
    let mut bounds = vec![f32::NAN; queries.len() * rows.len()];
    for fused in [false, true] {
        bounds.fill(f32::NAN);
        if !fused {
            block.bounds_from_means(rows.mean, &mut bounds);
        } else if !block.bounds(rows, &mut bounds) {
            assert!(bounds.iter().all(|bound| bound.is_nan()));
            continue;
        }
        for (q, query) in queries.iter().enumerate() {
            for (r, row) in rows.iter().enumerate() {
                let bound = f64::from(bounds[q * rows.len() + r]);
                let canonical = score_pair(score, beta, query, row).score;
                assert!(
                    bound >= canonical,
                    "{} {} fused {fused} D {} β {beta} {q} {r}: {bound} < {canonical}",
                    level.name(),
                    score.name(),
                    rows.dimension
                );
                let norm = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
                check(bound, canonical, (norm(query.mean) * norm(row.mean)).sqrt(), fused);
            }
        }
    }
}

#[test]
fn bounds_lie_above_the_scores_whatever_the_rows() {
    let mut numbers = Numbers(1);
    for dimension in [1, 2, 7, 33, 130] {
        let (queries, rows) = (numbers.extreme(19, dimension), numbers.extreme(61, dimension));
        let (ordinary, more) = (numbers.ordinary(5, dimension), numbers.ordinary(50, dimension));
        for level in Level::available() {
            for score in SCORES {
                for beta in [0.0, 1e-300, 1e-20, 1.0, 1e20, f64::MAX] {
                    each(*level, queries.rows(), rows.rows(), score, beta, |_, _, _, _| {});
                    each(*level, ordinary.rows(), rows.rows(), score, beta, |_, _, _, _| {});
                    each(*level, queries.rows(), more.rows(), score, beta, |_, _, _, _| {});
                }
            }
        }
    }
}

#[test]
fn bounds_of_ordinary_rows_are_close() {
    let mut numbers = Numbers(2);
    for dimension in [1, 100, 384, 2500] {
        let (queries, rows) = (numbers.ordinary(18, dimension), numbers.ordinary(50, dimension));
        for level in Level::available() {
            for score in [Score::Uec, Score::Cosine, Score::ProbCosine] {
                let mut worst: f64 = 0.0;
                each(*level, queries.rows(), rows.rows(), score, 1.0, |bound, canonical, scale, fused| {
                    if fused {
                        // E[cos] divides by lengths of about 1 that grow with the variances.
                        worst = worst.max((bound - canonical) / scale.max(0.2));
                    }
                });
                assert!(worst <= 5e-5, "{} {} D {dimension}: {worst}", level.name(), score.name());
            }
            // The means alone: exactly the score where there is no variance.
            let certain = |all: &Gaussians| Gaussians { variance: vec![0.0; all.variance.len()], ..all.clone() };
            let (queries, rows) = (certain(&queries), certain(&rows));
            for score in SCORES {
                each(*level, queries.rows(), rows.rows(), score, 1.0, |bound, canonical, _, fused| {
                    let expected =
                        if matches!(score, Score::Uec | Score::ProbCosine) { canonical.max(0.0) } else { canonical };
                    assert!(
                        fused || bound - expected <= 5e-5 * 4.0,
                        "{} D {dimension}: {bound} {canonical}",
                        score.name()
                    );
                });
            }
        }
    }
}

#[test]
fn a_bound_does_not_depend_on_the_other_rows_and_queries() {
    let mut numbers = Numbers(3);
    let (queries, rows) = (numbers.ordinary(37, 100), numbers.ordinary(130, 100));
    for level in Level::available() {
        for score in [Score::Uec, Score::ProbCosine, Score::Wasserstein2] {
            let mut all = vec![0.0; 37 * 130];
            let block = ScanBlock::with_level(*level, queries.rows(), score, 1.0).unwrap();
            block.bounds_from_means(&rows.mean, &mut all);
            for (q, query) in queries.rows().iter().enumerate() {
                let one = Rows::new(query.mean, query.variance, 100).unwrap();
                let block = ScanBlock::with_level(*level, one, score, 1.0).unwrap();
                for r in [0, 47, 48, 129] {
                    let mut bound = [0.0];
                    block.bounds_from_means(rows.rows().row(r).mean, &mut bound);
                    assert_eq!(bound[0].to_bits(), all[q * 130 + r].to_bits());
                }
            }
        }
    }
}

#[test]
fn no_rows_and_no_queries_are_no_error() {
    let rows = Numbers(4).ordinary(3, 5);
    let none = Rows::new(&[], &[], 5).unwrap();
    for score in SCORES {
        let (of_none, of_rows) = (ScanBlock::new(none, score, 1.0), ScanBlock::new(rows.rows(), score, 1.0));
        let (of_none, of_rows) = (of_none.unwrap(), of_rows.unwrap());
        of_none.bounds(rows.rows(), &mut []);
        of_none.bounds_from_means(&rows.mean, &mut []);
        of_rows.bounds(none, &mut []);
        of_rows.bounds_from_means(&[], &mut []);
    }
}

#[test]
fn there_are_blocks_for_the_scores_with_products() {
    let rows = Numbers(5).ordinary(3, 5);
    for score in Score::ALL {
        assert_eq!(ScanBlock::new(rows.rows(), *score, 1.0).is_some(), SCORES.contains(score));
    }
}
