//! The upper bounds of sixteen queries with a row at once, in float32, from the sums of [`crate::kernels::packed`].
//!
//! The formulas are those of [`super::bounds`]. Every bound is moved up, towards its loose side, by what the sums may be
//! off ([`mean_roundings`] …) and by [`ROUNDINGS`] more for the float32 in which it is put together and for the float64
//! of the canonical routine. [`TINY`] stands for all that underflow may have cost: 2⁻¹⁵⁰ for each product, times a factor
//! of the row or the query. A bound of anything that overflowed is +∞.

use std::f64::consts::PI;

use super::margin::round_up;
use crate::kernels::packed::{Line, PANEL, Products, ROWS, mean_roundings, row_roundings, variance_roundings};
use crate::{Rows, Score};

/// More than the roundings of any bound here.
const ROUNDINGS: usize = 12;
/// 2⁻²⁴ of [`ROUNDINGS`].
const LOOSE: f32 = ROUNDINGS as f32 / (1 << 24) as f32;
/// More than D·2⁻¹⁵⁰ for all D.
const TINY: f32 = 1e-30;
/// Of (π/8) β, beyond which nothing is known: within, products with [`TINY`] and sums are normal numbers.
const DISCOUNTS: std::ops::RangeInclusive<f64> = 1e-30..=1e30;

/// A formula, in the notation of [`super::bounds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// μ
    Dot,
    /// max(μ, 0)
    Positive,
    /// max(μ, 0)/√(Σ(a² + v) ‖b‖²)
    Quotient,
    /// −‖a − b‖² − what the query adds
    Distance,
    /// μ/√(N + (π/8) β σ²), N = 1 or Σ(a² + v) Σ(b² + w)
    Fused,
}

/// What the bounds need of the queries.
pub(super) struct Lines {
    score: Score,
    panels: Vec<Panel>,
    /// (π/8) β
    discount: f32,
    /// Relative errors.
    gamma_variance: f32,
    gamma_row: f64,
}

/// Of the queries of a panel.
#[derive(Clone, Default)]
struct Panel {
    /// γ‖a‖: with ‖b‖ the error of μ.
    error: Line,
    /// At most ‖a‖².
    square: Line,
    /// What a distance has beside ‖a − b‖², at most.
    trace: Line,
    /// Σ(a² + v) where rows are normalised by it, otherwise 1.
    second: Line,
    /// With that of the row, what underflow may change under the root.
    slack: Line,
}

/// Of a row.
struct Of {
    /// At least ‖b‖.
    norm: f32,
    /// At most ‖b‖².
    square: f32,
    second: f32,
    slack: f32,
}

/// (1 + γ) − 1 of so many roundings of 2⁻²⁴.
fn gamma(roundings: usize) -> f64 {
    let errors = roundings as f64 / f64::from(1 << 24);
    if errors < 0.25 { errors / (1.0 - errors) } else { f64::NAN }
}

impl Lines {
    pub(super) fn new(queries: Rows<'_>, score: Score, beta: f64) -> Self {
        // Without a discount ŝ is μ_s.
        let score = if score == Score::Uec && beta == 0.0 { Score::Cosine } else { score };
        let discount = PI / 8.0 * beta;
        let gamma_mean = gamma(mean_roundings(queries.dimension) + ROUNDINGS);
        let mut panels = vec![Panel::default(); queries.len().div_ceil(PANEL)];
        for (index, query) in queries.iter().enumerate() {
            let (panel, lane) = (&mut panels[index / PANEL], index % PANEL);
            let square: f64 = query.mean.iter().map(|a| f64::from(*a) * f64::from(*a)).sum();
            let trace = query.trace();
            let second = if score == Score::ProbCosine { square + trace } else { 1.0 };
            panel.error.0[lane] = round_up(gamma_mean * square.sqrt());
            panel.square.0[lane] = square as f32;
            panel.trace.0[lane] = if score == Score::Csd { trace as f32 } else { 0.0 };
            panel.second.0[lane] = second as f32;
            panel.slack.0[lane] = (f64::from(TINY) * (1.0 + discount) * (1.0 + second + trace)) as f32;
        }
        Self {
            score,
            panels,
            discount: if discount == 0.0 || DISCOUNTS.contains(&discount) { discount as f32 } else { f32::NAN },
            gamma_variance: gamma(
                variance_roundings(queries.dimension).max(row_roundings(queries.dimension)) + ROUNDINGS,
            ) as f32,
            gamma_row: gamma(row_roundings(queries.dimension) + ROUNDINGS),
        }
    }

    /// The bound from the means alone.
    pub(super) fn of_means(&self) -> Form {
        match self.score {
            Score::Cosine => Form::Dot,
            Score::Uec => Form::Positive,
            Score::ProbCosine => Form::Quotient,
            _ => Form::Distance,
        }
    }

    /// The bound from means and variances.
    pub(super) fn of_both(&self) -> Form {
        if self.score == Score::Cosine { Form::Dot } else { Form::Fused }
    }

    /// Writes the bounds of a panel with the computed rows: `bounds` are its queries × `count`, of which the columns
    /// from `start` on are these rows.
    #[inline(always)]
    pub(super) fn write(
        &self,
        form: Form,
        products: &Products,
        panel: usize,
        start: usize,
        count: usize,
        bounds: &mut [f32],
    ) {
        let mut lines = [Line::default(); ROWS];
        let of_panel = &self.panels[panel];
        for (row, (line, mean)) in lines.iter_mut().zip(products.means(panel)).enumerate() {
            let of = self.row(products, row);
            let variance = products.variances(panel).get(row).copied().unwrap_or_default();
            for lane in 0..PANEL {
                line.0[lane] = self.bound(form, of_panel, lane, &of, mean.0[lane], variance.0[lane]);
            }
        }
        let rows = products.means(panel).len();
        for (lane, bounds) in bounds.chunks_exact_mut(count).enumerate() {
            for (bound, line) in bounds[start..start + rows].iter_mut().zip(&lines) {
                *bound = line.0[lane];
            }
        }
    }

    #[inline(always)]
    fn row(&self, products: &Products, row: usize) -> Of {
        let square = f64::from(products.norms()[row]);
        let trace = products.traces().get(row).copied().map_or(0.0, f64::from);
        let tiny = f64::from(TINY);
        let below = ((square - tiny) * (1.0 - self.gamma_row)).max(0.0);
        Of {
            norm: round_up(((square + tiny) * (1.0 + 2.0 * self.gamma_row)).sqrt()),
            square: below as f32,
            second: if self.score == Score::ProbCosine { (square + trace) as f32 } else { 1.0 },
            slack: (1.0 + square + trace) as f32,
        }
    }

    #[inline(always)]
    fn bound(&self, form: Form, query: &Panel, lane: usize, row: &Of, mean: f32, variance: f32) -> f32 {
        let similarity = mean + (query.error.0[lane] * row.norm + TINY);
        let positive = if similarity >= 0.0 { similarity } else { 0.0 };
        let (bound, finite) = match form {
            Form::Dot => (similarity, mean),
            Form::Positive => (positive, mean),
            Form::Quotient => {
                let root = query.second.0[lane] * row.square;
                (positive / below(root, LOOSE, query.slack.0[lane] * row.slack).sqrt(), mean + root)
            }
            Form::Distance => {
                let squares = query.square.0[lane] + row.square;
                let distance = squares * (1.0 - LOOSE) - 2.0 * similarity;
                let distance = if distance >= 0.0 { distance } else { 0.0 };
                (-distance - query.trace.0[lane] * (1.0 - LOOSE), mean + squares)
            }
            Form::Fused => {
                let root = query.second.0[lane] * row.second + self.discount * variance;
                let slack = query.slack.0[lane] * row.slack;
                let below = below(root, self.gamma_variance, slack);
                let above = root * (1.0 + 2.0 * self.gamma_variance) + slack;
                (similarity / (if similarity >= 0.0 { below } else { above }).sqrt(), mean + root)
            }
        };
        // Times 0 what is not finite is not a number, and neither is then the sum.
        let bound = bound + (bound.abs() * LOOSE + TINY) + finite * 0.0;
        if bound < f32::INFINITY { bound } else { f32::INFINITY }
    }
}

#[inline(always)]
fn below(x: f32, gamma: f32, slack: f32) -> f32 {
    let below = x * (1.0 - gamma) - slack;
    if below >= 0.0 { below } else { 0.0 }
}
