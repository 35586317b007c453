//! The trace sample: what of a few fitting texts is kept so that the scale c and the spread of the trace follow for
//! any λ without the encoder  (method §3, "Scale calibration").
//!
//! Kept are the texts of smallest content hash: which ones does not depend on the order of the texts, nor on how the
//! fit was cut into shards that are merged.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use uec_gaussian::{Error, ErrorCode, Result};

use crate::head::{Head, Text};
use crate::variance::{TailKind, features};

/// How many texts a sample keeps at most.
pub const SAMPLE_CAPACITY: usize = 1024;

/// One kept text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sampled {
    /// h, length I.
    pub(crate) h: Vec<f32>,
    /// μ = z/‖z‖, length D.
    pub(crate) mean: Vec<f32>,
    /// ‖z‖ > 0.
    pub(crate) norm: f64,
}

/// At most [`SAMPLE_CAPACITY`] texts of smallest hash.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSample {
    pub(crate) dimension: usize,
    pub(crate) features: usize,
    pub(crate) tail: TailKind,
    pub(crate) texts: BTreeMap<u64, Sampled>,
}

impl TraceSample {
    /// An empty sample for this head; h is kept in the form that `tail` needs.
    pub fn new(head: &Head, tail: TailKind) -> Self {
        Self { dimension: head.dimension, features: head.features, tail, texts: BTreeMap::new() }
    }

    /// The number of texts kept.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// The form in which h is kept.
    pub fn tail(&self) -> TailKind {
        self.tail
    }

    /// Whether no text is kept.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Whether a text of this hash would be kept; saves the work of computing the others.
    pub fn wants(&self, hash: u64) -> bool {
        let room = self.texts.len() < SAMPLE_CAPACITY;
        !self.texts.contains_key(&hash) && (room || self.texts.last_key_value().is_some_and(|(&last, _)| hash < last))
    }

    /// Offers a text with the hash of its content. Texts of equal hash count once; texts without tokens or with
    /// ‖z‖ = 0 are passed over.
    ///
    /// # Errors
    /// As [`Head::forward`], `InvalidArgument` where h overflows, and `DimensionMismatch` for another head than the sample's.
    pub fn add(&mut self, hash: u64, head: &Head, text: &Text) -> Result<()> {
        if (head.dimension, head.features) != (self.dimension, self.features) {
            return Err(Error::new(ErrorCode::DimensionMismatch, "the trace sample was begun with another head"));
        }
        if !self.wants(hash) {
            return Ok(());
        }
        let forward = head.forward(text)?;
        if forward.norm == 0.0 {
            return Ok(());
        }
        let round = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<_>>();
        let h = round(&features(head, text, &forward, self.tail));
        if h.iter().any(|h| !h.is_finite()) {
            return Err(Error::invalid("a text's activations, divided by the norm's scale, overflow"));
        }
        self.insert(hash, Sampled { h, mean: round(&forward.unit), norm: forward.norm });
        Ok(())
    }

    /// The union of two samples, cut to the capacity. The order does not matter.
    ///
    /// # Errors
    /// `InvalidArgument` where the samples belong to different heads or tails.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if (self.dimension, self.features, self.tail) != (other.dimension, other.features, other.tail) {
            return Err(Error::invalid("trace samples of different heads or tails cannot be merged"));
        }
        for (&hash, text) in &other.texts {
            self.insert(hash, text.clone());
        }
        Ok(())
    }

    /// The same texts with the first `dimension` entries of z alone. Texts of which nothing is left are dropped.
    pub(crate) fn truncate(&mut self, dimension: usize) {
        self.dimension = dimension;
        self.texts.retain(|_, text| {
            text.mean.truncate(dimension);
            let kept = text.mean.iter().map(|&m| f64::from(m).powi(2)).sum::<f64>().sqrt();
            for m in &mut text.mean {
                *m = (f64::from(*m) / kept) as f32;
            }
            text.norm *= kept;
            text.norm > 0.0
        });
    }

    fn insert(&mut self, hash: u64, text: Sampled) {
        match self.texts.get_mut(&hash) {
            // The same text from two shards may differ in the last digits; keep the same one whichever came first.
            Some(kept) if order(&text, kept) == Ordering::Less => *kept = text,
            Some(_) => {}
            None => {
                self.texts.insert(hash, text);
            }
        }
        if self.texts.len() > SAMPLE_CAPACITY {
            self.texts.pop_last();
        }
    }
}

/// An arbitrary total order over contents.
fn order(x: &Sampled, y: &Sampled) -> Ordering {
    let slices = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne());
    x.norm
        .total_cmp(&y.norm)
        .then_with(|| slices(&x.mean, &y.mean).or_else(|| slices(&x.h, &y.h)).unwrap_or(Ordering::Equal))
}
