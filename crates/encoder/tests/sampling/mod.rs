//! Sampling W in a real graph: the last layer's weight becomes an input, which ONNX Runtime then takes at each run.

mod wire;

use ort::session::{Session, SessionInputValue};
use ort::value::Tensor;
use uec_encoder::Runtime;
use uec_onnx::{Bake, BakedPosterior, Dense, Graph, Override, Pooling, Tail, TailKind};

/// Variances of the unit embeddings, texts × D.
pub(crate) struct Variances {
    /// What the baked graph says.
    pub(crate) predicted: Vec<f64>,
    /// Of the embeddings under the draws of W.
    pub(crate) sampled: Vec<f64>,
    pub(crate) dimension: usize,
}

impl Variances {
    /// Σ_d of either, per text: (predicted, sampled).
    pub(crate) fn traces(&self) -> Vec<(f64, f64)> {
        let sums = |values: &[f64]| values.chunks(self.dimension).map(|row| row.iter().sum()).collect::<Vec<f64>>();
        sums(&self.predicted).into_iter().zip(sums(&self.sampled)).collect()
    }
}

/// An encoder with W ~ N(Ŵ, diag V).
pub(crate) struct Sampler {
    session: Session,
    names: [String; 2],
    weight: wire::Weight,
    tail: Tail,
    deviation: Vec<f32>,
    inputs: Vec<String>,
}

impl Sampler {
    /// `heads` are the layers behind the graph; `variance` is V, D×I.
    pub(crate) fn new(
        model: &std::path::Path,
        heads: Vec<Dense>,
        variance: Vec<f32>,
        pooling: Pooling,
        threads: usize,
    ) -> Self {
        let graph = Graph::read(model).unwrap();
        let tail = graph.tail(&Override::default()).unwrap().with_heads(heads).unwrap();
        let deviation = variance.iter().map(|v| v.sqrt()).collect();
        let posterior = Some(BakedPosterior { variance, kind: TailKind::FirstOrder, half: false });
        let bake = Bake { pooling, normalize: true, dimensions: None, posterior, metadata: Vec::new() };
        let baked = graph.bake(&tail, &bake).unwrap();
        let (bytes, weight) = wire::expose(&baked.bytes, &tail.weight, tail.features);
        let runtime = Runtime::ensure(&crate::fixture::runtime()).unwrap();
        let builder = Session::builder(runtime.environment()).unwrap().with_intra_threads(threads).unwrap();
        let session = { builder }.commit_from_memory(&bytes).unwrap();
        let inputs = session.inputs().iter().map(|input| input.name().to_owned());
        let inputs = inputs.filter(|name| *name != weight.name).collect();
        Self { session, names: [baked.mean, baked.variance.unwrap()], weight, tail, deviation, inputs }
    }

    /// `batches` are token ids of texts, in order; `normal` gives independent standard normal numbers.
    pub(crate) fn run(
        &mut self,
        batches: &[Vec<Vec<u32>>],
        draws: usize,
        mut normal: impl FnMut() -> f64,
    ) -> Variances {
        let (centre, predicted) = self.embed(batches, None);
        let (mut sum, mut square) = (vec![0.0; centre.len()], vec![0.0; centre.len()]);
        for _ in 0..draws {
            let move_by = |(w, s): (&f32, &f32)| w + s * normal() as f32;
            let drawn: Vec<f32> = self.tail.weight.iter().zip(&self.deviation).map(move_by).collect();
            let (mean, _) = self.embed(batches, Some(drawn));
            for ((x, centre), (sum, square)) in mean.iter().zip(&centre).zip(sum.iter_mut().zip(&mut square)) {
                *sum += x - centre;
                *square += (x - centre) * (x - centre);
            }
        }
        let n = draws as f64;
        let sampled = sum.iter().zip(&square).map(|(sum, square)| (square - sum * sum / n) / (n - 1.0)).collect();
        Variances { predicted, sampled, dimension: self.tail.dimension }
    }

    /// Mean and variance of all texts, under Ŵ or under another W (D×I).
    fn embed(&mut self, batches: &[Vec<Vec<u32>>], weight: Option<Vec<f32>>) -> (Vec<f64>, Vec<f64>) {
        let (rows, columns) = (self.tail.dimension, self.tail.features);
        let weight = weight.map(|weight| match self.weight.transposed {
            true => (vec![columns, rows], wire::transpose(&weight, columns)),
            false => (vec![rows, columns], weight),
        });
        let weight = weight.map(|weight| Tensor::from_array(weight).unwrap());
        let (mut mean, mut variance) = (Vec::new(), Vec::new());
        for batch in batches {
            let mut feeds: Vec<(String, SessionInputValue<'_>)> = Vec::new();
            for name in &self.inputs {
                feeds.push((name.clone(), ids(name, batch).into()));
            }
            if let Some(weight) = &weight {
                feeds.push((self.weight.name.clone(), weight.into()));
            }
            let outputs = self.session.run(feeds).unwrap();
            for (all, name) in [(&mut mean, &self.names[0]), (&mut variance, &self.names[1])] {
                let (_, data) = outputs[name.as_str()].try_extract_tensor::<f32>().unwrap();
                all.extend(data.iter().map(|&x| f64::from(x)));
            }
        }
        (mean, variance)
    }
}

/// Token ids, mask or types of a batch, padded on the right.
fn ids(name: &str, batch: &[Vec<u32>]) -> Tensor<i64> {
    let width = batch.iter().map(Vec::len).max().unwrap();
    let cell = |row: &Vec<u32>, position: usize| match name {
        "input_ids" => row.get(position).map_or(0, |&id| i64::from(id)),
        "attention_mask" => i64::from(position < row.len()),
        _ => 0,
    };
    let cells = batch.iter().flat_map(|row| (0..width).map(move |position| cell(row, position)));
    Tensor::from_array(([batch.len(), width], cells.collect::<Vec<_>>())).unwrap()
}

/// Standard normal numbers: SplitMix64 and Box–Muller.
pub(crate) fn normals(mut seed: u64) -> impl FnMut() -> f64 {
    let mut uniform = move || {
        seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut spare = None;
    move || {
        spare.take().unwrap_or_else(|| {
            let (radius, angle) = ((-2.0 * (1.0 - uniform()).ln()).sqrt(), std::f64::consts::TAU * uniform());
            spare = Some(radius * angle.sin());
            radius * angle.cos()
        })
    }
}
