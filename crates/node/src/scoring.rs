//! Scores, convolution and calibration over borrowed typed arrays, on the compute pool.

use std::sync::Arc;

use napi::bindgen_prelude::{ClassInstance, Float32Array, Float64Array, Object, Uint8Array};
use napi::{Env, Result};
use napi_derive::napi;
use uec_gaussian::{
    Alignment, Calibration, CalibrationPairs, Cancel, Coefficients, Error, Gaussians, Moments, Rows, Score,
};

use crate::alignment::NativeAlignment;
use crate::error::to_js;
use crate::job::{Job, promise};
use crate::threads::on_pool;

/// n×D Gaussians whose memory JavaScript cannot take away while we hold them.
pub(crate) struct Batch {
    mean: Float32Array,
    variance: Float32Array,
    dimension: usize,
}

impl Batch {
    pub(crate) fn new(mean: Float32Array, variance: Float32Array, dimension: u32) -> Self {
        Self { mean, variance, dimension: dimension as usize }
    }

    pub(crate) fn rows(&self) -> uec_gaussian::Result<Rows<'_>> {
        Rows::new(&self.mean, &self.variance, self.dimension)
    }
}

/// n Gaussians of dimension D, row-major.
#[napi(object, object_to_js = false)]
pub struct NativeRows {
    /// n×D.
    pub mean: Float32Array,
    /// n×D.
    pub variance: Float32Array,
    /// D.
    pub dimension: u32,
}

impl From<NativeRows> for Batch {
    fn from(rows: NativeRows) -> Self {
        Self::new(rows.mean, rows.variance, rows.dimension)
    }
}

/// Scores of pairs.
#[napi(object, object_from_js = false)]
pub struct NativeScores {
    /// The chosen score.
    pub scores: Float32Array,
    /// μ_s.
    pub similarities: Float32Array,
    /// σ_s.
    pub deviations: Float32Array,
}

type Compare = fn(Rows<'_>, Rows<'_>, Score, f64, &Cancel) -> uec_gaussian::Result<uec_gaussian::Scores>;

fn compare<'env>(
    env: &'env Env,
    job: &Job,
    (queries, candidates): (NativeRows, NativeRows),
    (score, beta): (String, f64),
    routine: Compare,
) -> Result<Object<'env>> {
    let (queries, candidates) = (Batch::from(queries), Batch::from(candidates));
    promise(
        env,
        job,
        on_pool,
        move |job| routine(queries.rows()?, candidates.rows()?, score.parse()?, beta, &job.cancel),
        |_, found| {
            Ok(NativeScores {
                scores: found.scores.into(),
                similarities: found.similarities.into(),
                deviations: found.deviations.into(),
            })
        },
    )
}

/// Row i against row i by the canonical routine.
#[napi(catch_unwind, ts_return_type = "Promise<NativeScores>")]
pub fn pairwise<'env>(
    env: &'env Env,
    job: &Job,
    queries: NativeRows,
    candidates: NativeRows,
    score: String,
    beta: f64,
) -> Result<Object<'env>> {
    compare(env, job, (queries, candidates), (score, beta), uec_gaussian::pairwise)
}

/// Every query against every candidate, queries×candidates.
#[napi(catch_unwind, ts_return_type = "Promise<NativeScores>")]
pub fn all_pairs<'env>(
    env: &'env Env,
    job: &Job,
    queries: NativeRows,
    candidates: NativeRows,
    score: String,
    beta: f64,
) -> Result<Object<'env>> {
    compare(env, job, (queries, candidates), (score, beta), uec_gaussian::all_pairs)
}

/// A checked coefficient rule as flat data; fields that the rule does not use are empty or 1.
#[napi(object, object_to_js = false)]
pub struct NativeCoefficients {
    /// A named rule, `power`, `fixed` or `calibrated`.
    pub rule: String,
    /// T of the softmax rules.
    pub temperature: f64,
    /// p of `power`.
    pub power: f64,
    /// Weights of `fixed`, biases of `calibrated`, K each.
    pub weights: Float64Array,
    /// Powers of `calibrated`, J.
    pub powers: Float64Array,
    /// Sources of `calibrated`, J.
    pub sources: Vec<String>,
    /// n×K×J of `calibrated`.
    pub uncertainties: Option<Float32Array>,
}

impl NativeCoefficients {
    fn calibration(&self) -> Calibration {
        Calibration {
            sources: self.sources.clone(),
            bias: self.weights.to_vec(),
            power: self.powers.to_vec(),
            loss: 0.0,
            pairs: 0,
        }
    }

    fn compute(&self, members: &[Rows<'_>], cancel: &Cancel) -> uec_gaussian::Result<Vec<f64>> {
        let calibration = self.calibration();
        let rule = match self.rule.as_str() {
            "softmax-trace" => Coefficients::SoftmaxTrace,
            "inverse-variance" => Coefficients::InverseVariance,
            "softmax-precision" => Coefficients::SoftmaxPrecision,
            "uniform" => Coefficients::Uniform,
            "power" => Coefficients::Power(self.power),
            "fixed" => Coefficients::Fixed(&self.weights),
            "calibrated" => Coefficients::Calibrated(&calibration),
            other => return Err(Error::invalid(format!("unknown coefficient rule '{other}'"))),
        };
        uec_gaussian::coefficients(rule, self.temperature, members, self.uncertainties.as_deref(), cancel)
    }
}

/// Mixed Gaussians.
#[napi(object, object_from_js = false)]
pub struct NativeMixture {
    /// n×D.
    pub mean: Float32Array,
    /// n×D.
    pub variance: Float32Array,
    /// n×K.
    pub coefficients: Float32Array,
    /// ‖Σ π μ‖², n.
    pub squared_norms: Float64Array,
    /// n.
    pub valid: Uint8Array,
}

/// K members of n rows to their mixture. `alignments` holds the map of each member, or nothing at all; the coefficients come
/// from the members as they are.
#[napi(catch_unwind, ts_return_type = "Promise<NativeMixture>")]
pub fn convolve<'env>(
    env: &'env Env,
    job: &Job,
    members: Vec<NativeRows>,
    plan: NativeCoefficients,
    normalize: bool,
    alignments: Option<Vec<Option<ClassInstance<'env, NativeAlignment>>>>,
) -> Result<Object<'env>> {
    let members: Vec<Batch> = members.into_iter().map(Batch::from).collect();
    let maps: Vec<Option<Arc<Alignment>>> =
        alignments.into_iter().flatten().map(|map| map.map(|map| Arc::clone(&map.inner))).collect();
    promise(
        env,
        job,
        on_pool,
        move |job| {
            let rows = members.iter().map(Batch::rows).collect::<uec_gaussian::Result<Vec<_>>>()?;
            let coefficients = plan.compute(&rows, &job.cancel)?;
            let mut aligned = Vec::with_capacity(rows.len());
            for (k, rows) in rows.iter().enumerate() {
                let map = maps.get(k).and_then(Option::as_ref);
                aligned.push(map.map(|map| map.map(*rows, &job.cancel)).transpose()?);
            }
            let rows: Vec<Rows<'_>> = rows
                .iter()
                .zip(&aligned)
                .map(|(rows, aligned)| aligned.as_ref().map_or(*rows, Gaussians::rows))
                .collect();
            let mixed = uec_gaussian::convolve(&rows, &coefficients, normalize, &job.cancel)?;
            Ok((mixed, coefficients.iter().map(|c| *c as f32).collect::<Vec<_>>()))
        },
        |_, (mixed, coefficients)| {
            Ok(NativeMixture {
                mean: mixed.gaussians.mean.into(),
                variance: mixed.gaussians.variance.into(),
                coefficients: coefficients.into(),
                squared_norms: mixed.norm2.into(),
                valid: mixed.valid.into(),
            })
        },
    )
}

/// What coefficients are learned from: N pairs seen by K members.
#[napi(object, object_to_js = false)]
pub struct NativeCalibrationPairs {
    /// D.
    pub dimension: u32,
    /// J names.
    pub sources: Vec<String>,
    /// K arrays of N×D.
    pub query_means: Vec<Float32Array>,
    /// K arrays of N×D.
    pub document_means: Vec<Float32Array>,
    /// N×K×J.
    pub query_uncertainties: Float32Array,
    /// N×K×J.
    pub document_uncertainties: Float32Array,
}

/// Learned coefficients, plain data.
#[napi(object, object_from_js = false)]
pub struct NativeCalibration {
    /// J names.
    pub sources: Vec<String>,
    /// a, K.
    pub bias: Vec<f64>,
    /// p, J.
    pub power: Vec<f64>,
    /// Held-out loss.
    pub loss: f64,
    /// N.
    pub pairs: u32,
}

/// Learns log-linear coefficients and chooses their sources by cross-validated loss.
#[napi(catch_unwind, ts_return_type = "Promise<NativeCalibration>")]
pub fn calibrate<'env>(env: &'env Env, job: &Job, data: NativeCalibrationPairs) -> Result<Object<'env>> {
    promise(
        env,
        job,
        on_pool,
        move |job| {
            let pairs = CalibrationPairs {
                query_means: &data.query_means.iter().map(|means| &**means).collect::<Vec<_>>(),
                document_means: &data.document_means.iter().map(|means| &**means).collect::<Vec<_>>(),
                query_uncertainties: &data.query_uncertainties,
                document_uncertainties: &data.document_uncertainties,
                sources: &data.sources.iter().map(String::as_str).collect::<Vec<_>>(),
                dimension: data.dimension as usize,
            };
            uec_gaussian::choose_calibration(&pairs, &job.cancel)
        },
        |_, learned| {
            Ok(NativeCalibration {
                sources: learned.sources,
                bias: learned.bias,
                power: learned.power,
                loss: learned.loss,
                pairs: learned.pairs as u32,
            })
        },
    )
}

/// T 'auto' from traces: the population standard deviation, all encoders pooled; 1 if it is 0.
#[napi(catch_unwind)]
pub fn auto_temperature(traces: Vec<Float64Array>) -> f64 {
    let slices: Vec<&[f64]> = traces.iter().map(|trace| &**trace).collect();
    uec_gaussian::auto_temperature(&slices)
}

/// Count, mean and Σ(x − mean)² of a sample.
#[napi(object)]
pub struct NativeMoments {
    /// Number of texts.
    pub count: f64,
    /// Mean.
    pub mean: f64,
    /// Σ (x − mean)².
    pub m2: f64,
}

impl From<Moments> for NativeMoments {
    fn from(moments: Moments) -> Self {
        Self { count: moments.count as f64, mean: moments.mean, m2: moments.m2 }
    }
}

/// T 'auto' from stored moments, one set per encoder.
#[napi(catch_unwind)]
pub fn temperature_from_moments(env: Env, moments: Vec<NativeMoments>) -> Result<f64> {
    if moments.is_empty() {
        return Err(to_js(env, Error::invalid("no member to take a temperature from")));
    }
    let moments: Vec<Moments> =
        moments.into_iter().map(|m| Moments { count: m.count as usize, mean: m.mean, m2: m.m2 }).collect();
    Ok(uec_gaussian::auto_temperature_from_moments(&moments))
}
