//! The trace sample in a sealed file: tensors `sample_hash`, `sample_norm`, `sample_h` and `sample_mean`.

use std::collections::BTreeMap;

use uec_gaussian::Result;

use super::{Sealed, Values};
use crate::sample::{SAMPLE_CAPACITY, Sampled, TraceSample};
use crate::variance::TailKind;

impl TraceSample {
    /// The four tensors, in the order above.
    pub(crate) fn tensors(&self) -> [(Vec<usize>, Values<'_>); 4] {
        let texts = || self.texts.values();
        let count = self.len();
        let norms: Vec<f64> = texts().map(|text| text.norm).collect();
        [
            (vec![count], Values::U64(self.texts.keys().copied().collect())),
            (vec![count], Values::F64(norms.into())),
            (vec![count, self.features], Values::F32(texts().map(|text| text.h.as_slice()).collect())),
            (vec![count, self.dimension], Values::F32(texts().map(|text| text.mean.as_slice()).collect())),
        ]
    }
}

impl Sealed<'_> {
    /// The sample of an encoder of this shape.
    pub(crate) fn sample(&self, dimension: usize, features: usize, tail: TailKind) -> Result<TraceSample> {
        let [count] = self.shape("sample_hash")?;
        if dimension == 0 || features == 0 || count > SAMPLE_CAPACITY {
            let found = format!("it has the shape {dimension}×{features} and {count} sampled texts");
            return Err(self.strings.corrupt(&found));
        }
        let hashes = self.integers("sample_hash", &[count])?;
        let norms = self.doubles("sample_norm", &[count])?;
        let (h, mean) =
            (self.floats("sample_h", &[count, features])?, self.floats("sample_mean", &[count, dimension])?);
        if norms.iter().any(|norm| *norm <= 0.0) {
            return Err(self.strings.corrupt("a sampled text has no length"));
        }
        let rows = h.chunks_exact(features).zip(mean.chunks_exact(dimension));
        let texts: BTreeMap<u64, Sampled> = hashes
            .into_iter()
            .zip(norms)
            .zip(rows)
            .map(|((hash, norm), (h, mean))| (hash, Sampled { h: h.to_vec(), mean: mean.to_vec(), norm }))
            .collect();
        if texts.len() != count {
            return Err(self.strings.corrupt("a sampled text is there twice"));
        }
        Ok(TraceSample { dimension, features, tail, texts })
    }
}
