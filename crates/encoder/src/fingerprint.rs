//! What a posterior belongs to: the SHA-256 of everything that determines the embedding of a text.
//!
//! Hashed are, each with its name and length before it: the model file, its external data, `tokenizer.json`, the pooling,
//! the normalisation, the names of the tail where the caller chose them, and the linear layers behind the graph. How many
//! entries of an embedding are kept (Matryoshka) belongs to the posterior, not to what it was fitted on.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};
use uec_gaussian::{Error, ErrorCode, Result};
use uec_onnx::{BakedPosterior, Graph};

use crate::dense;
use crate::options::pooling_name;
use crate::settings::Settings;
use crate::source::Source;

/// The fingerprint of an encoder.
///
/// # Errors
/// [`ErrorCode::ModelInvalid`] if a file cannot be read.
pub(crate) fn of(graph: &Graph, source: &Source, settings: &Settings) -> Result<String> {
    let mut fingerprint = Fingerprint::default();
    fingerprint.bytes("model", graph.bytes());
    for file in graph.external_files() {
        fingerprint.file("external", file)?;
    }
    fingerprint.file("tokenizer", &source.tokenizer)?;
    fingerprint.bytes("pooling", pooling_name(settings.pooling).as_bytes());
    fingerprint.bytes("normalize", settings.normalize.to_string().as_bytes());
    for (name, chosen) in [("linear", &source.tail.linear), ("norm", &source.tail.norm)] {
        if let Some(chosen) = chosen {
            fingerprint.bytes(name, chosen.as_bytes());
        }
    }
    for folder in &source.dense {
        fingerprint.file("dense", &folder.join(dense::CONFIG))?;
        fingerprint.file("dense", &folder.join(dense::WEIGHTS))?;
    }
    Ok(fingerprint.finish())
}

/// The fingerprint of an encoder together with what else makes its Gaussians, so that equal ones give equal Gaussians:
/// the entries that are kept, where that is not all of them, and the posterior.
pub(crate) fn identity(encoder: &str, kept: Option<usize>, posterior: Option<&BakedPosterior>) -> String {
    if kept.is_none() && posterior.is_none() {
        return encoder.to_owned();
    }
    let mut fingerprint = Fingerprint::default();
    fingerprint.bytes("encoder", encoder.as_bytes());
    if let Some(dimensions) = kept {
        fingerprint.bytes("dimensions", dimensions.to_string().as_bytes());
    }
    if let Some(posterior) = posterior {
        fingerprint.bytes("tail", format!("{:?}", posterior.kind).as_bytes());
        let variance: Vec<u8> = posterior.variance.iter().flat_map(|v| v.to_le_bytes()).collect();
        fingerprint.bytes("variance", &variance);
        if posterior.half {
            fingerprint.bytes("weights", b"float16");
        }
    }
    fingerprint.finish()
}

/// The plain SHA-256 of a file, 64 hexadecimal digits.
///
/// # Errors
/// [`ErrorCode::ModelInvalid`] if it cannot be read.
pub(crate) fn of_file(path: &Path) -> Result<String> {
    let mut hash = Fingerprint::default();
    hash.content(path, |_, _| {})?;
    Ok(hash.finish())
}

/// The hash under construction.
#[derive(Default)]
struct Fingerprint(Sha256);

impl Fingerprint {
    fn bytes(&mut self, name: &str, value: &[u8]) {
        self.head(name, value.len() as u64);
        self.0.update(value);
    }

    fn file(&mut self, name: &str, path: &Path) -> Result<()> {
        self.content(path, |hash, length| hash.head(name, length))
    }

    /// Adds the content of a file in portions, after whatever `head` adds for its length.
    fn content(&mut self, path: &Path, head: impl FnOnce(&mut Self, u64)) -> Result<()> {
        let unreadable = |error: std::io::Error| {
            Error::new(ErrorCode::ModelInvalid, format!("{} cannot be read: {error}", path.display()))
        };
        let mut file = File::open(path).map_err(unreadable)?;
        head(self, file.metadata().map_err(unreadable)?.len());
        let mut portion = vec![0; 1 << 20];
        loop {
            match file.read(&mut portion) {
                Ok(0) => return Ok(()),
                Ok(length) => self.0.update(&portion[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
    }

    fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn head(&mut self, name: &str, length: u64) {
        self.0.update((name.len() as u64).to_le_bytes());
        self.0.update(name.as_bytes());
        self.0.update(length.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts_and_none_runs_into_the_next() {
        let print = |parts: &[(&str, &str)]| {
            let mut fingerprint = Fingerprint::default();
            parts.iter().for_each(|(name, value)| fingerprint.bytes(name, value.as_bytes()));
            fingerprint.finish()
        };
        let one = print(&[("pooling", "mean"), ("normalize", "true")]);
        assert_eq!(one.len(), 64);
        assert_eq!(one, print(&[("pooling", "mean"), ("normalize", "true")]));
        assert_ne!(one, print(&[("pooling", "mean"), ("normalize", "false")]));
        assert_ne!(print(&[("a", "bc")]), print(&[("ab", "c")]));
        assert_ne!(print(&[("a", "b"), ("c", "d")]), print(&[("a", "bc"), ("", "d")]));
    }

    #[test]
    fn a_file_counts_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let print = |content: &[u8]| {
            let path = folder.path().join("model");
            std::fs::write(&path, content).unwrap();
            let mut fingerprint = Fingerprint::default();
            fingerprint.file("model", &path).unwrap();
            fingerprint.finish()
        };
        assert_eq!(print(&[7; 3_000_000]), print(&[7; 3_000_000]));
        assert_ne!(print(&[7; 3_000_000]), print(&[7; 3_000_001]));
        assert_eq!(of_file(&folder.path().join("none")).unwrap_err().code, ErrorCode::ModelInvalid);
    }

    /// sha256("abc"), FIPS 180-2, appendix B.1.
    #[test]
    fn a_file_alone_is_its_plain_sha256() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_file(&path).unwrap(), expected);
    }
}
