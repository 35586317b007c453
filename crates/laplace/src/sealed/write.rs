//! Writing: the same content gives the same bytes, and a crash leaves the old file or the new one.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use safetensors::tensor::TensorInfo;
use serde_json::json;
use uec_gaussian::Result;

use sha2::Digest;

use super::{CHECKSUM, Checksum, Kind, Values};

/// What goes into a sealed file.
pub(crate) struct Content<'a> {
    pub(crate) kind: &'static Kind,
    /// Without format, version and checksum.
    pub(crate) strings: BTreeMap<String, String>,
    /// In the order of the kind.
    pub(crate) tensors: Vec<(Vec<usize>, Values<'a>)>,
}

impl Content<'_> {
    /// Replaces the file atomically: a temporary file beside it, synced, then renamed.
    ///
    /// # Errors
    /// `FileWrite` where the folder is missing, full or not writable; an older file then stays as it was.
    pub(crate) fn save(self, path: &Path) -> Result<()> {
        uec_files::replace(path, |file| self.write(file))
    }

    /// Writes the file's bytes.
    ///
    /// # Errors
    /// Those of `file`.
    pub(crate) fn write(mut self, file: &mut impl Write) -> io::Result<()> {
        self.strings.insert("format".to_owned(), self.kind.format.to_owned());
        self.strings.insert("version".to_owned(), self.kind.version.to_string());
        let sum = self.checksum()?;
        self.strings.insert(CHECKSUM.to_owned(), sum);

        // The crate's own writer keeps metadata in a hash map, whose order differs from run to run.
        let mut header = BTreeMap::from([("__metadata__", json!(self.strings))]);
        let mut offset = 0;
        for (&(name, dtype), (shape, values)) in self.kind.tensors.iter().zip(&self.tensors) {
            let info = TensorInfo { dtype, shape: shape.clone(), data_offsets: (offset, offset + values.size()) };
            header.insert(name, json!(info));
            offset += values.size();
        }
        let mut header = serde_json::to_vec(&header)?;
        header.resize(header.len().next_multiple_of(8), b' ');
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        self.tensors.iter().try_for_each(|(_, values)| values.pieces(|piece| file.write_all(piece)))
    }

    fn checksum(&self) -> io::Result<String> {
        let mut sum = Checksum::of_metadata(self.strings.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        for (shape, values) in &self.tensors {
            sum.shape(shape);
            sum.length(values.size());
            values.pieces(|piece| {
                sum.0.update(piece);
                Ok(())
            })?;
        }
        Ok(sum.end())
    }
}
