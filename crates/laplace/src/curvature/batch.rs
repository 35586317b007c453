//! A contrastive batch after the tail: pooled vectors, softmax, and the gradients of s_ij with respect to z.

use rayon::prelude::*;
use uec_gaussian::{Error, ErrorCode, Result};

use super::options::CurvatureOptions;
use crate::activation::Activation;
use crate::contrast::{Contrast, Similarity};
use crate::gradient::{dot, project};
use crate::head::{Forward, Head, Text};

/// One text and what the tail made of it.
pub(crate) struct Member<'a> {
    pub(crate) text: Text<'a>,
    pub(crate) forward: Forward,
}

pub(crate) struct Batch<'a> {
    similarity: Similarity,
    activation: Activation,
    temperature: f64,
    pub(crate) queries: Vec<Member<'a>>,
    pub(crate) positives: Vec<Member<'a>>,
    /// One list per query, or none at all.
    negatives: Vec<Vec<Member<'a>>>,
    pub(crate) contrasts: Vec<Contrast>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(
        head: &Head,
        options: &CurvatureOptions,
        queries: &[Text<'a>],
        positives: &[Text<'a>],
        negatives: &[Vec<Text<'a>>],
    ) -> Result<Self> {
        if queries.len() != positives.len() {
            return Err(Error::invalid(format!("{} queries have {} positives", queries.len(), positives.len())));
        }
        if !negatives.is_empty() && negatives.len() != queries.len() {
            return Err(Error::invalid(format!(
                "{} queries have {} lists of negatives; give one per query, or none",
                queries.len(),
                negatives.len()
            )));
        }
        let members = |kind: &str, texts: &[Text<'a>]| members(head, options.similarity, kind, texts);
        let mut batch = Self {
            similarity: options.similarity,
            activation: head.activation,
            temperature: options.temperature,
            queries: members("query", queries)?,
            positives: members("positive", positives)?,
            negatives: negatives.iter().map(|texts| members("negative", texts)).collect::<Result<_>>()?,
            contrasts: Vec::new(),
        };
        batch.contrasts = (0..queries.len()).into_par_iter().map(|i| batch.contrast(i)).collect();
        if batch.contrasts.iter().any(|c| !c.loss.is_finite()) {
            return Err(Error::invalid("the similarities overflow; raise the temperature"));
        }
        Ok(batch)
    }

    fn contrast(&self, query: usize) -> Contrast {
        let vector = self.similarity.vector(&self.queries[query].forward);
        let scores: Vec<f64> = self
            .candidates(query)
            .map(|candidate| dot(vector, self.similarity.vector(&candidate.forward)) / self.temperature)
            .collect();
        Contrast::new(&scores, query)
    }

    /// The query's own hard negatives.
    pub(crate) fn negatives(&self, query: usize) -> &[Member<'a>] {
        self.negatives.get(query).map_or(&[], Vec::as_slice)
    }

    /// All positives of the batch in order, then the query's own negatives.
    pub(crate) fn candidates(&self, query: usize) -> impl Iterator<Item = &Member<'a>> {
        self.positives.iter().chain(self.negatives(query))
    }

    /// Σ_j k_j ∂s_ij/∂z_i, before an activation f: f′(u_i) ∘ that.
    pub(crate) fn query_gradient(&self, query: usize, coefficients: impl Iterator<Item = f64>) -> Vec<f64> {
        let forward = &self.queries[query].forward;
        let mut gradient = vec![0.0; forward.pooled.len()];
        for (k, candidate) in coefficients.zip(self.candidates(query)).filter(|(k, _)| *k != 0.0) {
            for (g, x) in gradient.iter_mut().zip(self.similarity.vector(&candidate.forward)) {
                *g += k / self.temperature * x;
            }
        }
        project(self.similarity, self.activation, forward, &mut gradient);
        gradient
    }

    /// k ∂s_ij/∂z'_j of one candidate, before an activation f: f′(u_j) ∘ that.
    pub(crate) fn candidate_gradient(&self, query: usize, candidate: &Member, k: f64) -> Vec<f64> {
        let vector = self.similarity.vector(&self.queries[query].forward);
        let mut gradient: Vec<f64> = vector.iter().map(|x| k / self.temperature * x).collect();
        project(self.similarity, self.activation, &candidate.forward, &mut gradient);
        gradient
    }
}

fn members<'a>(head: &Head, similarity: Similarity, kind: &str, texts: &[Text<'a>]) -> Result<Vec<Member<'a>>> {
    let member = |(row, text): (usize, &Text<'a>)| {
        let named = |error: Error| Error::new(error.code, format!("{kind} {row} of the batch: {}", error.message));
        let forward = head.forward(text).map_err(named)?;
        if forward.tokens.is_empty() {
            return Err(named(Error::invalid("it has no tokens")));
        }
        if !forward.norm.is_finite() {
            return Err(named(Error::new(ErrorCode::InvalidArgument, "its embedding overflows")));
        }
        if similarity == Similarity::Cosine && forward.norm == 0.0 {
            return Err(named(Error::invalid("its embedding is zero, which has no direction")));
        }
        Ok(Member { text: *text, forward })
    };
    // Collected first, so that the error reported is the first one, whatever the threads did.
    let members: Vec<Result<Member>> = texts.par_iter().enumerate().map(member).collect();
    members.into_iter().collect()
}
