//! What the last linear layer sees of a text: a_t and u_t of its tokens, without the padding.

use rayon::ThreadPool;
use rayon::prelude::*;
use uec_gaussian::{Cancel, Error, ErrorCode, Result};
use uec_laplace::{Text, pooling_weights};
use uec_onnx::{Pooling, Tail};

use crate::batch::{Budget, batches};
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
    dimension: usize,
    pooling: uec_laplace::Pooling,
}

/// One text.
#[derive(Default)]
pub(crate) struct Tapped {
    /// T×I.
    a: Vec<f32>,
    /// T×D.
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
    pub(crate) fn new(session: TokenSession, tapped: &uec_onnx::Tapped, tail: &Tail, pooling: Pooling) -> Self {
        let pooling = match pooling {
            Pooling::Mean => uec_laplace::Pooling::Mean,
            Pooling::Cls => uec_laplace::Pooling::Cls,
            Pooling::Last => uec_laplace::Pooling::Last,
        };
        Self {
            session,
            activations: tapped.activations.clone(),
            preactivations: tapped.preactivations.clone(),
            features: tail.features,
            dimension: tail.dimension,
            pooling,
        }
    }

    /// Runs texts, in the order given; they are cut into tokens in `pool`, before ONNX Runtime needs the processors.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for a text without any token, naming it; [`ErrorCode::Aborted`].
    pub(crate) fn run(
        &self,
        tokenizer: &TextTokenizer,
        texts: &[&str],
        pool: &ThreadPool,
        cancel: &Cancel,
    ) -> Result<Vec<Tapped>> {
        let encode = |text: &&str| {
            cancel.check()?;
            let tokens = tokenizer.encode("", text)?.ids;
            if tokens.is_empty() { Err(unusable(text, "it has no tokens")) } else { Ok(tokens) }
        };
        // Collected first, so that the error reported is the first one, whatever the threads did.
        let ids: Vec<Result<Vec<u32>>> = pool.install(|| texts.par_iter().map(encode).collect());
        let ids = ids.into_iter().collect::<Result<Vec<_>>>()?;
        let lengths: Vec<usize> = ids.iter().map(Vec::len).collect();
        let mut tapped: Vec<Tapped> = std::iter::repeat_with(Tapped::default).take(texts.len()).collect();
        for batch in batches(&lengths, Budget { rows: RUN_ROWS, ..Budget::default() }) {
            let rows: Vec<&[u32]> = batch.iter().map(|&position| ids[position].as_slice()).collect();
            self.session.run(&rows, cancel, |outputs| self.gather(outputs, &batch, &lengths, &mut tapped))?;
        }
        Ok(tapped)
    }

    /// Copies the unpadded rows of one run, whose padding is on the right.
    fn gather(&self, outputs: &Outputs<'_>, batch: &[usize], lengths: &[usize], tapped: &mut [Tapped]) -> Result<()> {
        let width = batch.iter().map(|&position| lengths[position]).max().unwrap_or(0);
        let a = tensor(outputs, &self.activations, [batch.len(), width, self.features])?;
        let u = tensor(outputs, &self.preactivations, [batch.len(), width, self.dimension])?;
        for (row, &position) in batch.iter().enumerate() {
            let tokens = lengths[position];
            let slice = |data: &[f32], size: usize| data[row * width * size..(row * width + tokens) * size].to_vec();
            tapped[position] = Tapped {
                a: slice(a, self.features),
                u: slice(u, self.dimension),
                weights: pooling_weights(self.pooling, &vec![true; tokens]),
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

fn tensor<'a>(outputs: &'a Outputs<'_>, name: &str, expected: [usize; 3]) -> Result<&'a [f32]> {
    let (shape, data) = outputs.floats(name)?;
    if shape == expected {
        return Ok(data);
    }
    Err(Error::new(
        ErrorCode::ModelUnsupported,
        format!("the tensor {name} has shape {shape:?} where {expected:?} (texts, tokens, width) was expected"),
    ))
}
