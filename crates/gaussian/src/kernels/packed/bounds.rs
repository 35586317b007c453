//! Upper bounds of sixteen queries with a row at once, from their sums. What the numbers mean: `scan/lines.rs`.

use super::products::ROWS;
use super::{Line, PANEL};
use crate::simd::{Kernel, Level, Simd, dispatch};

/// What stands for all that underflow may have cost: more than D·2⁻¹⁵⁰ for all D.
pub(crate) const UNDERFLOW: f32 = 1e-30;

/// The formula of an upper bound. x is at least μ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// x
    Dot,
    /// max(x, 0)
    Positive,
    /// max(x, 0)/√(`second` · `square`)
    Quotient,
    /// −max(`square` + `square` − 2 x, 0) − `trace`
    Distance,
    /// x/√(`second` · `second` + `discount` σ²)
    Fused,
}

/// Of the queries of a panel.
#[derive(Clone, Default)]
pub(crate) struct Panel {
    /// Times the norm of a row: how far μ may be off.
    pub(crate) error: Line,
    /// ‖a‖²
    pub(crate) square: Line,
    /// What a distance has beside ‖a − b‖².
    pub(crate) trace: Line,
    pub(crate) second: Line,
    /// Times that of the row: what underflow may change under the root.
    pub(crate) slack: Line,
}

/// Of a row.
#[derive(Clone, Copy, Default)]
pub(crate) struct Of {
    /// At least ‖b‖.
    pub(crate) norm: f32,
    /// At most ‖b‖².
    pub(crate) square: f32,
    pub(crate) second: f32,
    pub(crate) slack: f32,
}

/// How far the parts of a bound may be off, relatively.
#[derive(Clone, Copy)]
pub(crate) struct Errors {
    /// `second` · `second`, or `second` · `square`.
    pub(crate) second: f32,
    /// `discount` σ²
    pub(crate) variance: f32,
    /// What the bound is put together with.
    pub(crate) bound: f32,
}

/// The bounds of a panel with some rows.
pub(crate) struct Bounds<'a> {
    pub(crate) rule: Rule,
    /// (π/8) β
    pub(crate) discount: f32,
    pub(crate) errors: Errors,
    pub(crate) panel: &'a Panel,
    pub(crate) rows: &'a [Of],
    pub(crate) means: &'a [Line; ROWS],
    pub(crate) variances: &'a [Line; ROWS],
}

impl Bounds<'_> {
    /// One line for each of `rows`. Not a number where something overflowed.
    pub(crate) fn write(self, level: Level, to: &mut [Line; ROWS]) {
        // SAFETY: nothing is asked for.
        unsafe { dispatch(level, Write { bounds: self, to }) };
    }
}

struct Write<'a, 'b> {
    bounds: Bounds<'a>,
    to: &'b mut [Line; ROWS],
}

impl Kernel for Write<'_, '_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: lines are whole vectors.
        unsafe {
            match self.bounds.rule {
                Rule::Dot => self.each::<S, { Rule::Dot as u8 }>(),
                Rule::Positive => self.each::<S, { Rule::Positive as u8 }>(),
                Rule::Quotient => self.each::<S, { Rule::Quotient as u8 }>(),
                Rule::Distance => self.each::<S, { Rule::Distance as u8 }>(),
                Rule::Fused => self.each::<S, { Rule::Fused as u8 }>(),
            }
        }
    }
}

impl Write<'_, '_> {
    #[inline(always)]
    unsafe fn each<S: Simd, const RULE: u8>(self) {
        let Self { bounds, to } = self;
        for (row, (to, of)) in to.iter_mut().zip(bounds.rows).enumerate() {
            for lane in (0..PANEL).step_by(S::LANES) {
                // SAFETY: LANES divides PANEL.
                unsafe {
                    let (bound, finite) = bounds.of::<S, RULE>(row, of, lane);
                    let size = S::max(bound, S::sub(S::zero(), bound));
                    let bound = S::add(bound, S::fma(size, S::splat(bounds.errors.bound), S::splat(UNDERFLOW)));
                    // Times 0 what is not finite is not a number, and neither is then the sum.
                    S::store(to.0.as_mut_ptr().add(lane), S::fma(finite, S::zero(), bound));
                }
            }
        }
    }
}

impl Bounds<'_> {
    /// The bound before its own roundings, and a number that is finite if everything was.
    #[inline(always)]
    unsafe fn of<S: Simd, const RULE: u8>(&self, row: usize, of: &Of, lane: usize) -> (S::F32, S::F32) {
        // SAFETY: the caller's lane begins a vector of a line.
        unsafe {
            let mean = load::<S>(&self.means[row], lane);
            let x = S::add(mean, S::fma(load::<S>(&self.panel.error, lane), S::splat(of.norm), S::splat(UNDERFLOW)));
            if RULE == Rule::Dot as u8 {
                (x, x)
            } else if RULE == Rule::Positive as u8 {
                (S::max(x, S::zero()), x)
            } else if RULE == Rule::Distance as u8 {
                let squares = S::add(load::<S>(&self.panel.square, lane), S::splat(of.square));
                let below = S::mul(squares, S::splat(1.0 - self.errors.bound));
                let distance = S::max(S::sub(below, S::add(x, x)), S::zero());
                let trace = S::mul(load::<S>(&self.panel.trace, lane), S::splat(1.0 - self.errors.bound));
                (S::sub(S::sub(S::zero(), distance), trace), S::add(x, squares))
            } else {
                let slack = S::mul(load::<S>(&self.panel.slack, lane), S::splat(of.slack));
                let fused = RULE == Rule::Fused as u8;
                let x = if fused { x } else { S::max(x, S::zero()) };
                let second =
                    S::mul(load::<S>(&self.panel.second, lane), S::splat(if fused { of.second } else { of.square }));
                let variance = if fused {
                    S::mul(load::<S>(&self.variances[row], lane), S::splat(self.discount))
                } else {
                    S::zero()
                };
                let error = S::fma(second, S::splat(self.errors.second), slack);
                let error = S::fma(variance, S::splat(self.errors.variance), error);
                // Below 0 a larger root bounds from above. The smallest x that is not 0 is about UNDERFLOW·2⁻²⁴.
                let sign = S::max(S::min(S::mul(x, S::splat(f32::MAX)), S::splat(1.0)), S::splat(-1.0));
                let root = S::add(second, variance);
                let bounded = S::max(S::sub(root, S::mul(sign, error)), S::zero());
                (S::div(x, S::sqrt(bounded)), S::add(S::add(mean, x), root))
            }
        }
    }
}

/// # Safety
/// The CPU has the instructions of `S`; `lane` begins a vector.
#[inline(always)]
unsafe fn load<S: Simd>(line: &Line, lane: usize) -> S::F32 {
    // SAFETY: the caller's promise.
    unsafe { S::load(line.0.as_ptr().add(lane)) }
}
