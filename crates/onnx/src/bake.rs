//! Appends the nodes that turn token vectors into a Gaussian (method §3).
//!
//! ```text
//! z = Σ_t w_t y_t        h = Σ_t w_t a_t (plain)  or  Σ_t (w_t/s_t) a_t (first-order)        v_d = Σ_i V_di h_i²
//! mean = z/‖z‖           variance_d = [v_d (1 − 2 μ_d²) + μ_d² Σ_e μ_e² v_e]/‖z‖²            norm = ‖z‖
//! ```
//!
//! γ² of the first-order tail is folded into V. Without normalisation mean = z and variance = v. A row without tokens or
//! with ‖z‖ = 0 gives zeros everywhere.

use std::str::FromStr;

use uec_gaussian::{Error, ErrorCode, Result};

use crate::baked;
use crate::delta::{Delta, Dim};
use crate::graph::Graph;
use crate::norm::NormKind;
use crate::pool::{self, Pooling};
use crate::tail::{Tail, transpose};
use crate::tap::float_tensors;

/// How the posterior variance of W becomes a variance of z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailKind {
    /// The bare formula of the paper: no scale s_t, no γ.
    Plain,
    /// The linearised norm.
    FirstOrder,
}

impl FromStr for TailKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "plain" => Ok(Self::Plain),
            "first-order" => Ok(Self::FirstOrder),
            _ => Err(Error::invalid(format!("tail is 'plain' or 'first-order', not '{name}'"))),
        }
    }
}

/// The fitted part of a baked encoder.
#[derive(Clone, Debug)]
pub struct BakedPosterior {
    /// V, D×I row-major, finite and ≥ 0, with the variance scale c in it.
    pub variance: Vec<f32>,
    /// Which formula carries it through the tail.
    pub kind: TailKind,
}

/// What to bake.
#[derive(Clone, Debug)]
pub struct Bake {
    /// Pooling of the tokens.
    pub pooling: Pooling,
    /// Whether the mean is scaled to length 1.
    pub normalize: bool,
    /// `None`: an encoder without variance; the outputs are mean and norm.
    pub posterior: Option<BakedPosterior>,
    /// Keys and values to store in the file; keys other than `uec.version`, `uec.mean`, `uec.variance`, `uec.norm`.
    pub metadata: Vec<(String, String)>,
}

/// A baked file and the names of its outputs.
#[derive(Clone, Debug)]
pub struct Baked {
    /// The file.
    pub bytes: Vec<u8>,
    /// Output of the mean, (batch, D).
    pub mean: String,
    /// Output of the variance, (batch, D), where a posterior was given.
    pub variance: Option<String>,
    /// Output of ‖z‖, (batch).
    pub norm: String,
}

impl Graph {
    /// The model with the outputs `mean`, `variance` and `norm`, float32.
    ///
    /// External data of the original stays where it is: a copy in another folder needs the same files beside it.
    ///
    /// # Errors
    /// [`ErrorCode::DimensionMismatch`] or [`ErrorCode::InvalidArgument`] for a variance of the wrong size or with negative
    /// or infinite values; [`ErrorCode::ModelUnsupported`] for a file that was baked before, operator sets below 11, or a
    /// result above 2 GiB.
    pub fn bake(&self, tail: &Tail, bake: &Bake) -> Result<Baked> {
        if self.opset < 11 {
            let what = format!("operator set {} is too old, export with 11 or newer", self.opset);
            return Err(self.unsupported(&what));
        }
        let mut delta = Delta::new(self)?;
        let [activations, preactivations, output] = float_tensors(&mut delta, tail);
        let weights = pool::weights(&mut delta, self, bake.pooling, &output);
        let pooled = pool(&mut delta, "z", &weights, &output);
        let Length { norm, safe, valid, zero } = length(&mut delta, &pooled);
        let mean = match bake.normalize {
            true => delta.node("Div", "unit", &[&pooled, &safe]),
            false => pooled,
        };
        let mean = delta.node("Where", "mean", &[&valid, &mean, &zero]);

        let [batch, _] = self.token_dims();
        let vector = [batch.clone(), Dim::Fixed(tail.dimension)];
        let variance = match &bake.posterior {
            None => None,
            Some(posterior) => {
                let weights = match (posterior.kind, tail.norm) {
                    (TailKind::Plain, _) | (_, NormKind::None) => weights,
                    (TailKind::FirstOrder, _) => scaled(&mut delta, tail, &weights, &preactivations),
                };
                let pooled = pool(&mut delta, "h", &weights, &activations);
                let squared = delta.node("Mul", "h/squared", &[&pooled, &pooled]);
                let matrix = delta.floats("V", &[tail.features, tail.dimension], &matrix(tail, posterior)?);
                let mut variance = delta.node("MatMul", "v", &[&squared, &matrix]);
                if bake.normalize {
                    variance = normalized(&mut delta, &variance, &mean, &safe);
                }
                Some(delta.node("Where", "variance", &[&valid, &variance, &zero]))
            }
        };
        let mean = delta.publish("mean", &mean, &vector)?;
        let variance = variance.map(|variance| delta.publish("variance", &variance, &vector)).transpose()?;
        let norm = delta.publish("norm", &norm, &[batch])?;
        delta.metadata = baked::metadata(&bake.metadata, &mean, variance.as_deref(), &norm)?;
        Ok(Baked { bytes: delta.append()?, mean, variance, norm })
    }
}

/// Σ_t w_t x_t: (batch, tokens), (batch, tokens, n) → (batch, n).
fn pool(delta: &mut Delta<'_>, name: &str, weights: &str, values: &str) -> String {
    let row = delta.over_axis("Unsqueeze", &format!("{name}/weights"), weights, 1);
    let product = delta.node("MatMul", &format!("{name}/row"), &[&row, values]);
    delta.over_axis("Squeeze", name, &product, 1)
}

struct Length {
    /// ‖z‖, 0 for invalid rows, (batch).
    norm: String,
    /// ‖z‖, 1 for invalid rows, (batch, 1).
    safe: String,
    /// (batch, 1).
    valid: String,
    zero: String,
}

fn length(delta: &mut Delta<'_>, pooled: &str) -> Length {
    let (zero, one, largest) = (delta.scalar("zero", 0.0), delta.scalar("one", 1.0), delta.scalar("largest", f32::MAX));
    let squared = delta.node("Mul", "z/squared", &[pooled, pooled]);
    let squared = delta.over_axis("ReduceSum", "z/sum", &squared, 1);
    let length = delta.node("Sqrt", "z/length", &[&squared]);
    // Comparisons with NaN are false: such a row is invalid too.
    let positive = delta.node("Greater", "z/positive", &[&length, &zero]);
    let finite = delta.node("Less", "z/finite", &[&length, &largest]);
    let valid = delta.node("And", "valid", &[&positive, &finite]);
    let safe = delta.node("Where", "z/safe", &[&valid, &length, &one]);
    let norm = delta.node("Where", "z/norm", &[&valid, &length, &zero]);
    Length { norm: delta.over_axis("Squeeze", "norm", &norm, 1), safe, valid, zero }
}

/// w_t/s_t with s_t from u_t (method §1).
fn scaled(delta: &mut Delta<'_>, tail: &Tail, weights: &str, preactivations: &str) -> String {
    let share = delta.scalar("s/share", (1.0 / tail.dimension as f64) as f32);
    let average = |delta: &mut Delta<'_>, name: &str, values: &str| {
        let sum = delta.over_axis("ReduceSum", &format!("{name}/sum"), values, 2);
        delta.node("Mul", name, &[&sum, &share])
    };
    let centred = match tail.norm {
        NormKind::Layer => {
            let mean = average(delta, "s/mean", preactivations);
            delta.node("Sub", "s/centred", &[preactivations, &mean])
        }
        _ => preactivations.to_owned(),
    };
    let squared = delta.node("Mul", "s/squared", &[&centred, &centred]);
    let variance = average(delta, "s/variance", &squared);
    let epsilon = delta.scalar("s/epsilon", tail.epsilon.max(f32::MIN_POSITIVE));
    let shifted = delta.node("Add", "s/shifted", &[&variance, &epsilon]);
    let scale = delta.node("Sqrt", "s", &[&shifted]);
    let scale = delta.over_axis("Squeeze", "s/row", &scale, 2);
    delta.node("Div", "weights/scaled", &[weights, &scale])
}

/// v through μ = z/‖z‖; the difference may round below zero, hence the clamp.
fn normalized(delta: &mut Delta<'_>, variance: &str, mean: &str, safe: &str) -> String {
    let one = delta.scalar("one/jacobian", 1.0);
    let squared = delta.node("Mul", "mean/squared", &[mean, mean]);
    let twice = delta.node("Add", "mean/twice", &[&squared, &squared]);
    let share = delta.node("Sub", "jacobian/share", &[&one, &twice]);
    let own = delta.node("Mul", "jacobian/own", &[variance, &share]);
    let weighted = delta.node("Mul", "jacobian/weighted", &[variance, &squared]);
    let total = delta.over_axis("ReduceSum", "jacobian/total", &weighted, 1);
    let others = delta.node("Mul", "jacobian/others", &[&squared, &total]);
    let sum = delta.node("Add", "jacobian/sum", &[&own, &others]);
    let zero = delta.scalar("zero/jacobian", 0.0);
    let sum = delta.node("Max", "jacobian/clamped", &[&sum, &zero]);
    // Twice by ‖z‖: its square may leave the range of float32.
    let once = delta.node("Div", "jacobian/once", &[&sum, safe]);
    delta.node("Div", "jacobian/scaled", &[&once, safe])
}

/// Vᵀ (I×D), with γ² for the first-order tail.
fn matrix(tail: &Tail, posterior: &BakedPosterior) -> Result<Vec<f32>> {
    let (rows, columns) = (tail.dimension, tail.features);
    if posterior.variance.len() != rows * columns {
        let found = posterior.variance.len();
        return Err(Error::new(
            ErrorCode::DimensionMismatch,
            format!("the posterior has {found} variances, the last layer {rows}×{columns} weights"),
        ));
    }
    if let Some(at) = posterior.variance.iter().position(|v| !(v.is_finite() && *v >= 0.0)) {
        let (row, column, value) = (at / columns, at % columns, posterior.variance[at]);
        return Err(Error::invalid(format!("variance[{row}, {column}] is {value}: it must be finite and ≥ 0")));
    }
    let mut matrix = transpose(&posterior.variance, rows, columns);
    if posterior.kind == TailKind::FirstOrder {
        for row in matrix.chunks_exact_mut(rows) {
            for (value, &gamma) in row.iter_mut().zip(&tail.gamma) {
                *value = (f64::from(*value) * f64::from(gamma) * f64::from(gamma)) as f32;
            }
        }
    }
    Ok(matrix)
}
