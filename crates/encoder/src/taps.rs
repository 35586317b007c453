//! What the last linear layer sees of a text: a_t and u_t of its tokens, without the padding. A layer behind the pooling
//! sees one vector.

use rayon::ThreadPool;
use rayon::prelude::*;
use uec_gaussian::{Cancel, Error, ErrorCode, Result};
use uec_laplace::{Text, pooling_weights};
use uec_onnx::{Graph, Pooling, Stage, Tail};

use crate::batch::{Budget, batches};
use crate::encoder::Inner;
use crate::external::ExternalWeights;
use crate::session::{Outputs, TokenSession};
use crate::tokenize::TextTokenizer;

/// Texts of one run. A contrastive batch is so few texts that padding them all to the longest is a third of the work; runs
/// of 16 neighbours in length spare most of that and still fill the processors.
const RUN_ROWS: usize = 16;

/// A session whose outputs include a and u.
pub(crate) struct Taps {
    session: TokenSession,
    activations: String,
    preactivations: String,
    features: usize,
    /// Length of u_t.
    width: usize,
    stage: Stage,
    pooling: uec_laplace::Pooling,
    budget: Budget,
}

/// One text.
#[derive(Default)]
pub(crate) struct Tapped {
    /// T×I.
    a: Vec<f32>,
    /// T×width.
    u: Vec<f32>,
    /// T.
    weights: Vec<f64>,
}

impl Tapped {
    pub(crate) fn text(&self) -> Text<'_> {
        Text { a: &self.a, u: &self.u, weights: &self.weights }
    }
}

impl Taps {
    /// Opens `graph`, the model of `encoder` read again, with a and u as outputs.
    ///
    /// # Errors
    /// Those of [`Graph::tapped`] and of opening a session.
    pub(crate) fn open(encoder: &Inner, graph: &Graph, tail: &Tail) -> Result<Self> {
        let tapped = graph.tapped(tail, encoder.settings.pooling)?;
        let weights = ExternalWeights::of(graph, &encoder.source.model)?;
        let padding = encoder.settings.pad_id.unwrap_or(0);
        Ok(Self {
            session: TokenSession::open(encoder.runtime, &tapped.bytes, weights, encoder.threads, padding)?,
            activations: tapped.activations,
            preactivations: tapped.preactivations,
            features: tail.features,
            width: tail.dimension,
            stage: tail.stage,
            pooling: match encoder.settings.pooling {
                Pooling::Mean => uec_laplace::Pooling::Mean,
                Pooling::Cls => uec_laplace::Pooling::Cls,
                Pooling::Last => uec_laplace::Pooling::Last,
            },
            budget: encoder.budget,
        })
    }

    /// Runs texts, each behind `prefix`, in the order given; they are cut into tokens in `pool`, before ONNX Runtime needs the processors.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for a text without any token, naming it; [`ErrorCode::Aborted`].
    pub(crate) fn run(
        &self,
        tokenizer: &TextTokenizer,
        prefix: &str,
        texts: &[&str],
        pool: &ThreadPool,
        cancel: &Cancel,
    ) -> Result<Vec<Tapped>> {
        let encode = |text: &&str| {
            cancel.check()?;
            let tokens = tokenizer.encode(prefix, text)?.ids;
            if tokens.is_empty() { Err(unusable(text, "it has no tokens")) } else { Ok(tokens) }
        };
        // Collected first, so that the error reported is the first one, whatever the threads did.
        let ids: Vec<Result<Vec<u32>>> = pool.install(|| texts.par_iter().map(encode).collect());
        let ids = ids.into_iter().collect::<Result<Vec<_>>>()?;
        let lengths: Vec<usize> = ids.iter().map(Vec::len).collect();
        let mut tapped: Vec<Tapped> = std::iter::repeat_with(Tapped::default).take(texts.len()).collect();
        let budget = Budget { rows: self.budget.rows.min(RUN_ROWS), ..self.budget };
        for batch in batches(&lengths, budget) {
            let rows: Vec<&[u32]> = batch.iter().map(|&position| ids[position].as_slice()).collect();
            self.session.run(&rows, cancel, |outputs| self.gather(outputs, &batch, &lengths, &mut tapped))?;
        }
        Ok(tapped)
    }

    /// Copies the unpadded rows of one run, whose padding is on the right.
    fn gather(&self, outputs: &Outputs<'_>, batch: &[usize], lengths: &[usize], tapped: &mut [Tapped]) -> Result<()> {
        let padded = match self.stage {
            Stage::Tokens => batch.iter().map(|&position| lengths[position]).max().unwrap_or(0),
            Stage::Pooled => 1,
        };
        let shape = |size: usize| match self.stage {
            Stage::Tokens => vec![batch.len(), padded, size],
            Stage::Pooled => vec![batch.len(), size],
        };
        let a = tensor(outputs, &self.activations, &shape(self.features))?;
        let u = tensor(outputs, &self.preactivations, &shape(self.width))?;
        for (row, &position) in batch.iter().enumerate() {
            let tokens = lengths[position].min(padded);
            let slice = |data: &[f32], size: usize| data[row * padded * size..(row * padded + tokens) * size].to_vec();
            tapped[position] = Tapped {
                a: slice(a, self.features),
                u: slice(u, self.width),
                weights: match self.stage {
                    Stage::Tokens => pooling_weights(self.pooling, &vec![true; tokens]),
                    Stage::Pooled => vec![1.0],
                },
            };
        }
        Ok(())
    }
}

/// The error of a text that cannot be fitted on.
pub(crate) fn unusable(text: &str, why: &str) -> Error {
    let start: String = text.chars().take(60).collect();
    Error::invalid(format!("the text {start:?} cannot be fitted on: {why}"))
}

fn tensor<'a>(outputs: &'a Outputs<'_>, name: &str, expected: &[usize]) -> Result<&'a [f32]> {
    let (shape, data) = outputs.floats(name)?;
    if shape == expected {
        return Ok(data);
    }
    Err(Error::new(
        ErrorCode::ModelUnsupported,
        format!("the tensor {name} has shape {shape:?} where {expected:?} was expected"),
    ))
}
