//! The variance of z as ONNX nodes (method §3).
//!
//! ```text
//! h = Σ_t w_t a_t (plain)  or  Σ_t (w_t/s_t) a_t (first-order)        v_d = f′(u_d)² Σ_i V_di h_i²
//! ```
//!
//! γ² of the first-order tail is folded into V. With an activation f the layer runs on pooled texts, and f′ follows from
//! the value z_d = f(u_d) itself: tanh 1 − z², sigmoid z (1 − z), ReLU 1 where z > 0.

use half::f16;
use uec_gaussian::{Error, ErrorCode, Result};

use crate::bake::{BakedPosterior, TailKind};
use crate::delta::Delta;
use crate::dense::Activation;
use crate::linear::transpose;
use crate::norm::NormKind;
use crate::pool;
use crate::proto::DataType;
use crate::tail::Tail;
use crate::tap::Ends;

/// v, (batch, d); `z` are its d outputs.
///
/// # Errors
/// Dimension mismatch or invalid argument for V.
pub(crate) fn of_output(
    delta: &mut Delta<'_>,
    tail: &Tail,
    posterior: &BakedPosterior,
    dimension: usize,
    (ends, z): (&Ends, &str),
) -> Result<String> {
    let matrix = matrix(tail, posterior, dimension)?;
    let features = features(delta, tail, posterior.kind, ends);
    let squared = delta.node("Mul", "h/squared", &[&features, &features]);
    let shape = [tail.features, dimension];
    let product = if posterior.half {
        let (halves, scale) = halves(&matrix, dimension);
        let matrix = delta.halves("V", &shape, &halves);
        let matrix = delta.cast("V/float", &matrix, DataType::Float);
        let scale = delta.floats("V/scale", &[dimension], &scale);
        let product = delta.node("MatMul", "v/halves", &[&squared, &matrix]);
        delta.node("Mul", "v", &[&product, &scale])
    } else {
        let matrix = delta.floats("V", &shape, &matrix);
        delta.node("MatMul", "v", &[&squared, &matrix])
    };
    Ok(match slope(delta, tail.activation, z) {
        None => product,
        Some(slope) => {
            let once = delta.node("Mul", "v/slope", &[&product, &slope]);
            delta.node("Mul", "v/slope/squared", &[&once, &slope])
        }
    })
}

/// v through μ = z/‖z‖, already divided by ‖z‖²; the difference may round below zero, hence the clamp.
pub(crate) fn of_unit_vector(delta: &mut Delta<'_>, variance: &str, mean: &str) -> String {
    let squared = delta.node("Mul", "mean/squared", &[mean, mean]);
    let weighted = delta.node("Mul", "jacobian/weighted", &[variance, &squared]);
    let total = delta.over_axis("ReduceSum", "jacobian/total", &weighted, 1);
    let twice = delta.node("Add", "jacobian/twice", &[&weighted, &weighted]);
    let own = delta.node("Sub", "jacobian/own", &[variance, &twice]);
    let others = delta.node("Mul", "jacobian/others", &[&squared, &total]);
    let sum = delta.node("Add", "jacobian/sum", &[&own, &others]);
    let zero = delta.scalar("jacobian/zero", 0.0);
    delta.node("Max", "jacobian/clamped", &[&sum, &zero])
}

/// h, (batch, I).
fn features(delta: &mut Delta<'_>, tail: &Tail, kind: TailKind, ends: &Ends) -> String {
    let weights = ends.weights.as_deref();
    if kind == TailKind::Plain || tail.norm == NormKind::None {
        return pool::pooled(delta, "h", weights, &ends.activations);
    }
    let scale = scale(delta, tail, &ends.preactivations);
    let Some(weights) = weights else { return delta.node("Div", "h", &[&ends.activations, &scale]) };
    let scale = delta.over_axis("Squeeze", "s/row", &scale, 2);
    let weights = delta.node("Div", "weights/scaled", &[weights, &scale]);
    pool::pooled(delta, "h", Some(&weights), &ends.activations)
}

/// s of u (method §1), over the last axis, which becomes 1.
fn scale(delta: &mut Delta<'_>, tail: &Tail, preactivations: &str) -> String {
    let share = delta.scalar("s/share", (1.0 / tail.dimension as f64) as f32);
    let average = |delta: &mut Delta<'_>, name: &str, values: &str| {
        let sum = delta.over_axis("ReduceSum", &format!("{name}/sum"), values, -1);
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
    delta.node("Sqrt", "s", &[&shifted])
}

/// f′ by the value of f; `None` where it is 1.
fn slope(delta: &mut Delta<'_>, activation: Activation, value: &str) -> Option<String> {
    let mut one = || delta.scalar("slope/one", 1.0);
    match activation {
        Activation::Identity => None,
        Activation::Tanh => {
            let one = one();
            let squared = delta.node("Mul", "slope/squared", &[value, value]);
            Some(delta.node("Sub", "slope", &[&one, &squared]))
        }
        Activation::Sigmoid => {
            let one = one();
            let rest = delta.node("Sub", "slope/rest", &[&one, value]);
            Some(delta.node("Mul", "slope", &[value, &rest]))
        }
        Activation::Relu => Some(delta.node("Sign", "slope", &[value])),
    }
}

/// Vᵀ (I×d), with γ² for the first-order tail.
fn matrix(tail: &Tail, posterior: &BakedPosterior, rows: usize) -> Result<Vec<f32>> {
    let columns = tail.features;
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

/// Vᵀ as float16, each column times the power of two that brings its largest entry to 2¹⁴…2¹⁵, and the factors that undo
/// it. The smallest normal float16 is 2⁻¹⁴.
fn halves(matrix: &[f32], columns: usize) -> (Vec<f16>, Vec<f32>) {
    let mut largest = vec![0.0f32; columns];
    for row in matrix.chunks_exact(columns) {
        for (largest, &value) in largest.iter_mut().zip(row) {
            *largest = largest.max(value);
        }
    }
    // Within ±126, where 2ᵏ and its inverse are normal float32.
    let exponents = largest.iter().map(|&value| if value > 0.0 { 14 - value.log2().floor() as i32 } else { 0 });
    let exponents: Vec<i32> = exponents.map(|exponent| exponent.clamp(-126, 126)).collect();
    let powers: Vec<f64> = exponents.iter().map(|&exponent| f64::from(exponent).exp2()).collect();
    let scaled = matrix.chunks_exact(columns).flat_map(|row| row.iter().zip(&powers));
    let halves = scaled.map(|(&value, power)| f16::from_f64(f64::from(value) * power)).collect();
    (halves, powers.iter().map(|power| (1.0 / power) as f32).collect())
}
