//! Appends the nodes that turn token vectors into a Gaussian (method §3).
//!
//! ```text
//! z = Σ_t w_t y_t        mean = z/‖z‖        variance_d = [v_d (1 − 2 μ_d²) + μ_d² Σ_e μ_e² v_e]/‖z‖²        norm = ‖z‖
//! ```
//!
//! Without normalisation mean = z and variance = v; `dimensions` keeps the first entries of z before any of this. A row
//! without tokens, with ‖z‖ = 0, or with a number beyond float32 on the way gives zeros everywhere.

use std::str::FromStr;

use uec_gaussian::{Error, Result};

use crate::baked;
use crate::delta::{Delta, Dim};
use crate::graph::Graph;
use crate::pool::{self, Pooling};
use crate::tail::{Stage, Tail};
use crate::tap::Ends;
use crate::variance;

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
    /// V, d×I row-major, finite and ≥ 0, with the variance scale c in it; d is [`Bake::dimensions`], or D.
    pub variance: Vec<f32>,
    /// Which formula carries it through the tail.
    pub kind: TailKind,
    /// Whether the file holds V as float16, in half the space: every variance stays within a relative error of 2⁻¹¹
    /// (5e-4), as long as the entries of a row of V lie within a factor of 2²⁸ of each other.
    pub half: bool,
}

/// What to bake.
#[derive(Clone, Debug)]
pub struct Bake {
    /// Pooling of the tokens.
    pub pooling: Pooling,
    /// Whether the mean is scaled to length 1.
    pub normalize: bool,
    /// How many of the first entries of z to keep, before normalisation (Matryoshka); `None` for all.
    pub dimensions: Option<usize>,
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
    /// Output of the mean, (batch, d).
    pub mean: String,
    /// Output of the variance, (batch, d), where a posterior was given.
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
    /// [`uec_gaussian::ErrorCode::DimensionMismatch`] or [`uec_gaussian::ErrorCode::InvalidArgument`] for a variance of the wrong size or with negative
    /// or infinite values, and for `dimensions` of 0 or above D; [`uec_gaussian::ErrorCode::ModelUnsupported`] for a file that was baked
    /// before, operator sets below 11, or a result above 2 GiB.
    pub fn bake(&self, tail: &Tail, bake: &Bake) -> Result<Baked> {
        if self.opset < 11 {
            let what = format!("operator set {} is too old, export with 11 or newer", self.opset);
            return Err(self.unsupported(&what));
        }
        let dimension = bake.dimensions.unwrap_or(tail.dimension);
        if dimension == 0 || dimension > tail.dimension {
            return Err(Error::invalid(format!("dimensions is {dimension}: it must be 1 to {}", tail.dimension)));
        }
        let mut delta = Delta::new(self)?;
        let mut ends = Ends::new(&mut delta, self, tail, bake.pooling);
        let present = match tail.stage {
            Stage::Tokens => {
                ends.weights = Some(pool::weights(&mut delta, self, bake.pooling, &ends.output));
                None
            }
            // Without tokens z is not 0 there, but what the bias makes of 0.
            Stage::Pooled => pool::present(&mut delta, self),
        };
        let mut z = pool::pooled(&mut delta, "z", ends.weights.as_deref(), &ends.output);
        if dimension < tail.dimension {
            z = first(&mut delta, &z, dimension);
        }
        let Length { norm, safe, mut valid } = length(&mut delta, &z);
        if let Some(present) = present {
            valid = delta.node("And", "present/valid", &[&valid, &present]);
        }
        let mean = match bake.normalize {
            true => delta.node("Div", "unit", &[&z, &safe]),
            false => z.clone(),
        };
        let mut variance = None;
        if let Some(posterior) = &bake.posterior {
            let mut v = variance::of_output(&mut delta, tail, posterior, dimension, (&ends, &z))?;
            if bake.normalize {
                // Twice by ‖z‖: its square may leave the range of float32.
                v = delta.node("Div", "v/once", &[&v, &safe]);
                v = delta.node("Div", "v/scaled", &[&v, &safe]);
            }
            // The Jacobian makes nothing larger than this sum.
            let trace = delta.over_axis("ReduceSum", "v/trace", &v, 1);
            let finite = finite(&mut delta, "v/finite", &trace);
            valid = delta.node("And", "v/valid", &[&valid, &finite]);
            variance = Some(match bake.normalize {
                true => variance::of_unit_vector(&mut delta, &v, &mean),
                false => v,
            });
        }
        let zero = delta.scalar("invalid", 0.0);
        let mut valid_or_zero = |name: &str, tensor: &str| delta.node("Where", name, &[&valid, tensor, &zero]);
        let (mean, norm) = (valid_or_zero("mean", &mean), valid_or_zero("norm/column", &norm));
        let variance = variance.map(|variance| valid_or_zero("variance", &variance));
        let norm = delta.over_axis("Squeeze", "norm", &norm, 1);

        let [batch, _] = self.token_dims();
        let vector = [batch.clone(), Dim::Fixed(dimension)];
        let mean = delta.publish("mean", &mean, &vector)?;
        let variance = variance.map(|variance| delta.publish("variance", &variance, &vector)).transpose()?;
        let norm = delta.publish("norm", &norm, &[batch])?;
        delta.metadata = baked::metadata(&bake.metadata, &mean, variance.as_deref(), &norm)?;
        Ok(Baked { bytes: delta.append()?, mean, variance, norm })
    }
}

/// The first entries of each row.
fn first(delta: &mut Delta<'_>, rows: &str, count: usize) -> String {
    let ends = [("start", 0), ("end", count as i64), ("axis", 1)];
    let [start, end, axis] = ends.map(|(name, value)| delta.integers(&format!("kept/{name}"), &[value]));
    delta.node("Slice", "kept", &[rows, &start, &end, &axis])
}

/// Each (batch, 1).
struct Length {
    /// ‖z‖.
    norm: String,
    /// ‖z‖, 1 for invalid rows.
    safe: String,
    valid: String,
}

fn length(delta: &mut Delta<'_>, z: &str) -> Length {
    let squared = delta.node("Mul", "z/squared", &[z, z]);
    let squared = delta.over_axis("ReduceSum", "z/sum", &squared, 1);
    let norm = delta.node("Sqrt", "z/length", &[&squared]);
    let (zero, one) = (delta.scalar("zero", 0.0), delta.scalar("one", 1.0));
    let positive = delta.node("Greater", "z/positive", &[&norm, &zero]);
    let finite = finite(delta, "z/finite", &norm);
    let valid = delta.node("And", "z/valid", &[&positive, &finite]);
    let safe = delta.node("Where", "z/safe", &[&valid, &norm, &one]);
    Length { norm, safe, valid }
}

/// Whether a number ≥ 0 is finite. A comparison with NaN is false.
fn finite(delta: &mut Delta<'_>, name: &str, value: &str) -> String {
    let largest = delta.scalar(&format!("{name}/largest"), f32::MAX);
    delta.node("Less", name, &[value, &largest])
}
