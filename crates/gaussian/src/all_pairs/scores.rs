//! From the two sums of a pair to its score.

use std::f64::consts::PI;

use super::Line;
use crate::kernels::packed::{self, PANEL, Products};
use crate::lanes::dot;
use crate::scores::Pair;
use crate::simd::{Level, vectorize};
use crate::{Row, Rows, Score, score_pair};

/// Products of three numbers of this range, and sums of 10⁸ of them, are normal float32 numbers.
const SAFE: std::ops::RangeInclusive<f32> = 1e-12..=1e10;
/// The largest (π/8) β whose product with a variance of such numbers is finite in float32.
const DISCOUNT: f64 = 1e3;

/// A score and how it follows from the sums.
#[derive(Clone, Copy)]
pub(super) struct Formula {
    score: Score,
    beta: f64,
    /// (π/8) β of μ / √(1 + (π/8) β σ²), both divided by lengths for prob-cosine. None: in float64, as the score says.
    discount: Option<f32>,
}

/// Some rows, and what the formula needs of each.
pub(super) struct Side<'a> {
    rows: Rows<'a>,
    /// Whether the fast sums hold.
    safe: Vec<bool>,
    /// 1/√Σ(x² + variance) for prob-cosine, otherwise 1: what μ_s is multiplied with, and its square for σ_s².
    roots: Vec<f32>,
    squares: Vec<f32>,
}

impl Formula {
    pub(super) fn new(score: Score, beta: f64) -> Self {
        let discount = PI / 8.0 * beta;
        let discount = match score {
            Score::Cosine => Some(0.0),
            Score::Uec | Score::ProbCosine if discount <= DISCOUNT => Some(discount as f32),
            _ => None,
        };
        Self { score, beta, discount }
    }

    pub(super) fn of<'a>(self, rows: Rows<'a>) -> Side<'a> {
        let divided = self.score == Score::ProbCosine && self.discount.is_some();
        let seconds: Vec<f64> =
            rows.iter().map(|row| if divided { dot(row.mean, row.mean) + row.trace() } else { 1.0 }).collect();
        Side {
            rows,
            safe: rows.iter().zip(&seconds).map(|(row, second)| is_safe(row) && *second > 0.0).collect(),
            roots: seconds.iter().map(|second| (1.0 / second.sqrt()) as f32).collect(),
            squares: seconds.iter().map(|second| (1.0 / second) as f32).collect(),
        }
    }

    /// Scores query `index` of `products`, which is `query` of its side, with the computed candidates, the first of
    /// which is `start`.
    pub(super) fn score(
        self,
        level: Level,
        products: &Products,
        index: usize,
        (queries, query): (&Side<'_>, usize),
        (candidates, start): (&Side<'_>, usize),
        line: Line<'_>,
    ) {
        let Line { scores, similarities, deviations } = line;
        let range = start..start + scores.len();
        let pairs = || range.clone().map(|candidate| (queries.rows.row(query), candidates.rows.row(candidate)));
        let safe = || candidates.safe[range.clone()].iter().map(|safe| *safe && queries.safe[query]);
        vectorize(level, || {
            let (panel, lane) = (index / PANEL, index % PANEL);
            column(products.means(panel), lane, similarities);
            column(products.variances(panel), lane, deviations);
            if let Some(discount) = self.discount {
                let (root, square) = (queries.roots[query], queries.squares[query]);
                let roots = candidates.roots[range.clone()].iter().zip(&candidates.squares[range.clone()]);
                let sums = similarities.iter().zip(&*deviations);
                for ((score, (mean, variance)), (of_mean, of_variance)) in scores.iter_mut().zip(sums).zip(roots) {
                    *score = mean * root * of_mean / (1.0 + discount * (variance * square * of_variance)).sqrt();
                }
            }
        });
        if self.discount.is_none() {
            let sums = similarities.iter().zip(&*deviations);
            for (((score, (mean, variance)), (query, candidate)), safe) in
                scores.iter_mut().zip(sums).zip(pairs()).zip(safe())
            {
                if safe {
                    let (similarity, variance) = (f64::from(*mean), f64::from(*variance));
                    *score = self.score.of(&Pair { query, candidate, beta: self.beta, similarity, variance }) as f32;
                }
            }
        }
        vectorize(level, || deviations.iter_mut().for_each(|deviation| *deviation = deviation.sqrt()));
        for (cell, ((query, candidate), _)) in pairs().zip(safe()).enumerate().filter(|(_, (_, safe))| !safe) {
            let scored = score_pair(self.score, self.beta, query, candidate);
            scores[cell] = scored.score as f32;
            similarities[cell] = scored.similarity as f32;
            deviations[cell] = scored.deviation as f32;
        }
    }
}

#[inline(always)]
fn column(lines: &[packed::Line], lane: usize, to: &mut [f32]) {
    for (x, line) in to.iter_mut().zip(lines) {
        *x = line.0[lane];
    }
}

fn is_safe(row: Row<'_>) -> bool {
    row.mean.iter().chain(row.variance).fold(true, |safe, x| safe & (*x == 0.0 || SAFE.contains(&x.abs())))
}
