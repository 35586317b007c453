//! Writing: the same posterior gives the same bytes, and a crash leaves the old file or the new one.

use std::path::Path;

use uec_gaussian::{Error, ErrorCode, Result};

use super::{POSTERIOR, metadata};
use crate::posterior::Posterior;
use crate::sealed::{Content, Values};

impl Posterior {
    /// Writes the file, atomically: a temporary file beside it, synced, then renamed.
    ///
    /// # Errors
    /// `FileWrite` where the folder is missing, full or not writable; an older file then stays as it was.
    pub fn save(&self, path: &Path) -> Result<()> {
        self.content().save(path)
    }

    /// The content of the file.
    ///
    /// # Errors
    /// `Internal` if the header cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let written = self.content().write(&mut bytes);
        written.map_err(|error| Error::new(ErrorCode::Internal, format!("cannot encode the header: {error}")))?;
        Ok(bytes)
    }

    fn content(&self) -> Content<'_> {
        let evidence = &self.evidence;
        let [hashes, norms, h, means] = evidence.sample.tensors();
        let weight_norm2 = (vec![evidence.dimension], Values::F64((&evidence.weight_norm2).into()));
        let curvature = (vec![evidence.dimension, evidence.features], Values::F32(vec![&evidence.h]));
        let gamma = (vec![evidence.dimension], Values::F32(vec![&evidence.gamma]));
        let tensors = vec![hashes, norms, weight_norm2, curvature, gamma, h, means];
        Content { kind: &POSTERIOR, strings: metadata::to_strings(self), tensors }
    }
}
