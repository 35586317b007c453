//! A sum that was stored, to go on from.

use super::{Curvature, CurvatureOptions};

impl Curvature {
    /// The sum whose parts were read back: H has the shape D×I, finite and ≥ 0.
    pub(crate) fn restored(
        options: CurvatureOptions,
        (dimension, features): (usize, usize),
        h: Vec<f64>,
        loss: f64,
        pairs: usize,
        correct: usize,
    ) -> Self {
        Self { options, dimension, features, h, loss, pairs, correct, whole: true }
    }

    /// Takes H out, for whoever needs nothing else any more.
    pub(crate) fn into_h(self) -> Vec<f64> {
        self.h
    }
}
