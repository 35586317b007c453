//! Writing: the same posterior gives the same bytes, and a crash leaves the old file or the new one.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use safetensors::tensor::TensorInfo;
use serde_json::json;
use uec_gaussian::{Error, ErrorCode, Result};

use super::{CHECKSUM, TENSORS, checksum, metadata};
use crate::posterior::Posterior;

impl Posterior {
    /// Writes the file, atomically: a temporary file beside it, synced, then renamed.
    ///
    /// # Errors
    /// `FileWrite` where the folder is missing, full or not writable; an older file then stays as it was.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = self.to_bytes()?;
        uec_files::replace(path, |file| file.write_all(&bytes))
    }

    /// The content of the file.
    ///
    /// # Errors
    /// `Internal` if the header cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let (evidence, sample) = (&self.evidence, &self.evidence.sample);
        let texts = || sample.texts.values();
        let count = sample.len();
        let tensors: [(Vec<usize>, Vec<u8>); TENSORS.len()] = [
            (vec![count], bytes(sample.texts.keys().map(|hash| hash.to_le_bytes()))),
            (vec![count], bytes(texts().map(|text| text.norm.to_le_bytes()))),
            (vec![evidence.dimension], bytes(evidence.weight_norm2.iter().map(|norm2| norm2.to_le_bytes()))),
            (vec![evidence.dimension, evidence.features], floats(evidence.h.iter())),
            (vec![evidence.dimension], floats(evidence.gamma.iter())),
            (vec![count, evidence.features], floats(texts().flat_map(|text| &text.h))),
            (vec![count, evidence.dimension], floats(texts().flat_map(|text| &text.mean))),
        ];
        let mut strings = metadata::to_strings(self);
        let sum = checksum(
            strings.iter().map(|(key, value)| (key.as_str(), value.as_str())),
            tensors.iter().map(|(shape, data)| (shape.as_slice(), data.as_slice())),
        );
        strings.insert(CHECKSUM.to_owned(), sum);

        // The crate's own writer keeps metadata in a hash map, whose order differs from run to run.
        let mut header = BTreeMap::from([("__metadata__", json!(strings))]);
        let mut offset = 0;
        for ((name, dtype), (shape, data)) in TENSORS.into_iter().zip(&tensors) {
            let info = TensorInfo { dtype, shape: shape.clone(), data_offsets: (offset, offset + data.len()) };
            header.insert(name, json!(info));
            offset += data.len();
        }
        let mut header = serde_json::to_vec(&header)
            .map_err(|error| Error::new(ErrorCode::Internal, format!("cannot encode the header: {error}")))?;
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.append(&mut header);
        for (_, mut data) in tensors {
            file.append(&mut data);
        }
        Ok(file)
    }
}

fn bytes<const N: usize>(values: impl Iterator<Item = [u8; N]>) -> Vec<u8> {
    values.flatten().collect()
}

fn floats<'a>(values: impl Iterator<Item = &'a f32>) -> Vec<u8> {
    bytes(values.map(|value| value.to_le_bytes()))
}
