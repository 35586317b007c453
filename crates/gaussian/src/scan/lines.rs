//! The upper bounds of a block of queries, from the sums of [`crate::kernels::packed`].
//!
//! The formulas are those of [`super::bounds`], in float32. Every bound is moved towards its loose side by what the sums
//! may be off ([`mean_roundings`] …) and by [`ROUNDINGS`] more for the float32 in which it is put together and for the
//! float64 of the canonical routine. [`UNDERFLOW`] stands for all that underflow may have cost: 2⁻¹⁵⁰ for each product,
//! times what a factor of it may be. A bound of anything that overflowed is +∞.

use std::f64::consts::PI;

use super::bounds::effective;
use super::margin::round_up;
use crate::kernels::packed::{
    Bounds, Columns, Errors, Line, Of, PANEL, Panel, Products, ROWS, Rule, UNDERFLOW, mean_roundings, row_roundings,
    variance_roundings,
};
use crate::lanes::dot;
use crate::simd::Level;
use crate::{Rows, Score};

/// More than the roundings of any bound after the sums.
const ROUNDINGS: usize = 12;
/// Of (π/8) β, beyond which nothing is known: within, products with [`UNDERFLOW`] and sums are normal numbers.
const DISCOUNTS: std::ops::RangeInclusive<f64> = 1e-30..=1e30;

/// What the bounds need of the queries.
pub(super) struct Lines {
    score: Score,
    panels: Vec<Panel>,
    /// (π/8) β
    discount: f32,
    errors: Errors,
    /// Of Σ b² and Σ w.
    row_error: f64,
}

/// Relative error, in both directions, of a sum of so many roundings of 2⁻²⁴ and [`ROUNDINGS`] more.
fn error(roundings: usize) -> f64 {
    let errors = (roundings + ROUNDINGS) as f64 / f64::from(1 << 24);
    if errors < 0.25 { errors / (1.0 - 2.0 * errors) } else { f64::NAN }
}

impl Lines {
    pub(super) fn new(queries: Rows<'_>, score: Score, beta: f64) -> Self {
        let score = effective(score, beta);
        let discount = PI / 8.0 * beta;
        let (mean_error, row_error) =
            (error(mean_roundings(queries.dimension)), error(row_roundings(queries.dimension)));
        let mut panels = vec![Panel::default(); queries.len().div_ceil(PANEL)];
        for (index, query) in queries.iter().enumerate() {
            let (panel, lane) = (&mut panels[index / PANEL], index % PANEL);
            let (square, trace) = (dot(query.mean, query.mean), query.trace());
            let second = if score == Score::ProbCosine { square + trace } else { 1.0 };
            panel.error.0[lane] = round_up(mean_error * square.sqrt());
            panel.square.0[lane] = square as f32;
            panel.trace.0[lane] = if score == Score::Csd { trace as f32 } else { 0.0 };
            panel.second.0[lane] = second as f32;
            panel.slack.0[lane] = (f64::from(UNDERFLOW) * (1.0 + discount) * (1.0 + second + trace)) as f32;
        }
        let errors = Errors {
            second: if score == Score::ProbCosine { row_error } else { error(0) } as f32,
            variance: error(variance_roundings(queries.dimension)) as f32,
            bound: error(0) as f32,
        };
        let known = discount == 0.0 || DISCOUNTS.contains(&discount);
        Self { score, panels, discount: if known { discount as f32 } else { f32::NAN }, errors, row_error }
    }

    /// The bound from the means alone.
    pub(super) fn of_means(&self) -> Rule {
        match self.score {
            Score::Cosine => Rule::Dot,
            Score::Uec => Rule::Positive,
            Score::ProbCosine => Rule::Quotient,
            _ => Rule::Distance,
        }
    }

    /// The bound from means and variances, if there is one from products.
    pub(super) fn of_both(&self) -> Option<Rule> {
        match self.score {
            Score::Cosine => Some(Rule::Dot),
            Score::Uec | Score::ProbCosine => Some(Rule::Fused),
            _ => None,
        }
    }

    /// Writes the bounds of all queries with the computed rows: `bounds` are queries × `count`, of which the columns
    /// from `start` on are these rows.
    pub(super) fn write(
        &self,
        level: Level,
        rule: Rule,
        products: &Products,
        start: usize,
        count: usize,
        bounds: &mut [f32],
    ) {
        let height = products.norms().len();
        let mut rows = [Of::default(); ROWS];
        for (row, of) in rows[..height].iter_mut().enumerate() {
            *of = self.row(products, row);
        }
        let (rows, mut lines, mut columns) = (&rows[..height], [Line::default(); ROWS], Columns::default());
        for (index, (panel, bounds)) in self.panels.iter().zip(bounds.chunks_mut(PANEL * count)).enumerate() {
            let (means, variances) = (products.means(index), products.variances(index));
            Bounds { rule, discount: self.discount, errors: self.errors, panel, rows, means, variances }
                .write(level, &mut lines);
            columns.turn(&lines, height);
            for (lane, bounds) in bounds.chunks_exact_mut(count).enumerate() {
                for (to, bound) in bounds[start..start + height].iter_mut().zip(columns.of(lane)) {
                    *to = if *bound < f32::INFINITY { *bound } else { f32::INFINITY };
                }
            }
        }
    }

    fn row(&self, products: &Products, row: usize) -> Of {
        let square = f64::from(products.norms()[row]);
        let trace = products.traces().get(row).copied().map_or(0.0, f64::from);
        let tiny = f64::from(UNDERFLOW);
        Of {
            norm: round_up(((square + tiny) * (1.0 + self.row_error)).sqrt()),
            square: ((square - tiny) * (1.0 - self.row_error)).max(0.0) as f32,
            second: if self.score == Score::ProbCosine { (square + trace) as f32 } else { 1.0 },
            slack: (1.0 + square + trace) as f32,
        }
    }
}
