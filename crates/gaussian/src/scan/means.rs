//! Bounds from the means alone, in each encoding.
//!
//! float32 and float16: the sums of `kernels::dot` with the margins of [`super::margin`], times the scale of the row.
//!
//! int8: a = t k + r with the query's codes k, a row x = s c + e with ‖e‖ its error, or |e_i| ≤ 2⁻²⁴ |s c_i| where the
//! decoded rows are the rows. ⟨k, c⟩ and ‖c‖² are exact, ‖c‖ ≤ 128 √D, and
//!
//!   ⟨a, x⟩ = s t ⟨k, c⟩ + s ⟨r, c⟩ + ⟨a, e⟩ ≤ s t ⟨k, c⟩ + s ‖r‖ ‖c‖ + ‖a‖ ‖e‖
//!   ‖x‖ ≥ s ‖c‖ − ‖e‖,  ‖a − x‖ ≥ ‖t k − s c‖ − ‖r‖ − ‖e‖

use super::Scan;
use super::bounds::Means;
use super::margin::{known, round_up};
use crate::Score;
use crate::kernels::dot::Dots;
use crate::kernels::int8::Codes;
use crate::kernels::stream::stream;

impl Scan {
    pub(super) fn float32(&self, means: &[f32], bounds: &mut [f32]) {
        assert_eq!(means.len(), bounds.len() * self.mean.len(), "a bound for each row");
        stream(self.level, &Dots::new(&self.mean, means), |row, [dot, square]| {
            let (dot, square) = (f64::from(dot), f64::from(square));
            bounds[row] = known(self.bounds.over_means(self.means(dot, square, 1.0)), dot + square);
        });
    }

    pub(super) fn float16(&self, codes: &[u16], scales: &[f32], bounds: &mut [f32]) {
        assert_eq!(codes.len(), bounds.len() * self.mean.len(), "a bound for each row");
        assert_eq!(scales.len(), bounds.len(), "a scale for each row");
        stream(self.level, &Dots::new(&self.mean, codes), |row, [dot, square]| {
            let (dot, square) = (f64::from(dot), f64::from(square));
            let means = self.means(dot, square, f64::from(scales[row]));
            bounds[row] = known(self.bounds.over_means(means), dot + square);
        });
    }

    /// What sums over codes say of a row that is `scale` times them.
    #[inline(always)]
    pub(super) fn means(&self, dot: f64, square: f64, scale: f64) -> Means {
        let margin = self.margin;
        let error = margin.gamma * self.norm * margin.above(square).sqrt() + margin.tiny;
        Means { similarity: scale * (dot + error), square: scale * scale * margin.below(square) }
    }

    pub(super) fn int8(&self, codes: &[i8], scales: &[f32], errors: Option<&[f32]>, bounds: &mut [f32]) {
        assert_eq!(codes.len(), bounds.len() * self.mean.len(), "a bound for each row");
        assert_eq!(scales.len(), bounds.len(), "a scale for each row");
        assert!(errors.is_none_or(|errors| errors.len() == bounds.len()), "an error for each row");
        let Some(query) = &self.codes else {
            bounds.fill(f32::INFINITY);
            return;
        };
        // Of each decoded number, relative; where the errors say it, only what float64 rounds in the canonical routine
        // and here.
        let loss = if errors.is_some() { 1e-9 } else { (-23.0_f64).exp2() };
        let largest = 128.0 * (self.mean.len() as f64).sqrt();
        let slack = largest * (query.residual + loss * self.norm);
        let error = |row: usize| errors.map_or(0.0, |errors| f64::from(errors[row]) * (1.0 + 1e-9));
        let similarity =
            |row: usize, scale: f64, dot: i32| scale * (query.scale * f64::from(dot) + slack) + self.norm * error(row);
        match self.bounds.score {
            Score::Cosine | Score::Uec => query.stream::<false>(self.level, codes, |row, dot, _| {
                let similarity = similarity(row, f64::from(scales[row]), dot);
                bounds[row] = round_up(self.bounds.over_means(Means { similarity, square: 0.0 }));
            }),
            Score::ProbCosine => query.stream::<true>(self.level, codes, |row, dot, square| {
                let scale = f64::from(scales[row]);
                let norm = scale * f64::from(square).sqrt() * (1.0 - loss) - error(row);
                let means = Means { similarity: similarity(row, scale, dot), square: norm.max(0.0).powi(2) };
                bounds[row] = round_up(self.bounds.over_means(means));
            }),
            _ => query.stream::<true>(self.level, codes, |row, dot, square| {
                let (scale, square) = (f64::from(scales[row]), f64::from(square));
                let distance = code_distance(query, scale, f64::from(dot), square);
                let distance = distance - query.residual - loss * scale * square.sqrt() - error(row);
                bounds[row] = round_up(self.bounds.over_distance(distance.max(0.0).powi(2)));
            }),
        }
    }
}

/// At most ‖t k − s c‖, from ⟨k, c⟩ and ‖c‖².
#[inline(always)]
fn code_distance(query: &Codes, scale: f64, dot: f64, square: f64) -> f64 {
    let squares = query.scale * query.scale * query.square + scale * scale * square;
    let rounding = 16.0 * f64::EPSILON * squares;
    (squares - 2.0 * query.scale * scale * dot - rounding).max(0.0).sqrt()
}
