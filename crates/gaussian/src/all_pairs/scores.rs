//! From the two sums of a pair to its score.

use std::f64::consts::PI;

use super::Line;
use crate::kernels::packed::Fold;
use crate::lanes::dot;
use crate::scores::Pair;
use crate::simd::Level;
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
    /// (π/8) β of μ / √(1 + (π/8) β σ²), where that is the score, μ and σ² divided by lengths for prob-cosine. None: in
    /// float64, as the score says.
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

    /// Scores `query` with the candidates from `start` on, whose μ_s and σ_s² with it are `means` and `variances`.
    pub(super) fn score(
        self,
        level: Level,
        [means, variances]: [&[f32]; 2],
        (queries, query): (&Side<'_>, usize),
        (candidates, start): (&Side<'_>, usize),
        line: Line<'_>,
    ) {
        let Line { scores, similarities, deviations } = line;
        let range = start..start + scores.len();
        let (means, variances) = (&means[..scores.len()], &variances[..scores.len()]);
        let pairs = || range.clone().map(|candidate| (queries.rows.row(query), candidates.rows.row(candidate)));
        let safe = || candidates.safe[range.clone()].iter().map(|safe| *safe && queries.safe[query]);
        similarities.copy_from_slice(means);
        let discount = self.discount.unwrap_or(0.0);
        let of_query = [queries.roots[query], queries.squares[query]];
        let of_rows = [&candidates.roots[range.clone()], &candidates.squares[range.clone()]];
        Fold { discount, means, variances, scores, deviations, query: of_query, rows: of_rows }.write(level);
        if self.discount.is_none() {
            let sums = means.iter().zip(variances);
            for (cell, ((sums, (query, candidate)), _)) in
                sums.zip(pairs()).zip(safe()).enumerate().filter(|(_, (_, safe))| *safe)
            {
                let (similarity, variance) = (f64::from(*sums.0), f64::from(*sums.1));
                let pair = Pair { query, candidate, beta: self.beta, similarity, variance };
                scores[cell] = self.score.of(&pair) as f32;
            }
        }
        for (cell, ((query, candidate), _)) in pairs().zip(safe()).enumerate().filter(|(_, (_, safe))| !safe) {
            let scored = score_pair(self.score, self.beta, query, candidate);
            scores[cell] = scored.score as f32;
            similarities[cell] = scored.similarity as f32;
            deviations[cell] = scored.deviation as f32;
        }
    }
}

fn is_safe(row: Row<'_>) -> bool {
    row.mean.iter().chain(row.variance).fold(true, |safe, x| safe & (*x == 0.0 || SAFE.contains(&x.abs())))
}
