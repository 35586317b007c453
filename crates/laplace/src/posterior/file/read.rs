//! Reading: nothing in the file is believed before it is checked, and no claimed size is allocated.

use std::path::Path;

use uec_gaussian::{Error, Result};

use super::{POSTERIOR, metadata};
use crate::activation::Activation;
use crate::posterior::{Evidence, Posterior};
use crate::sealed::Sealed;

impl Posterior {
    /// Reads a file written by [`Posterior::save`].
    ///
    /// # Errors
    /// `FileNotFound`; `FileCorrupt` for a file that is cut off, damaged or of another kind; `FileVersion` for one
    /// written by a newer release; `OutOfMemory`.
    pub fn load(path: &Path) -> Result<Self> {
        let bytes = uec_files::read(path, "posterior")?;
        Self::from_bytes(&bytes)
            .map_err(|error| Error::new(error.code, format!("{}: {}", path.display(), error.message)))
    }

    /// Reads the content of such a file.
    ///
    /// # Errors
    /// `FileCorrupt` and `FileVersion`, as [`Posterior::load`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let file = Sealed::open(bytes, &POSTERIOR)?;
        let strings = &file.strings;
        let options = metadata::options(strings)?;
        let [dimension, features] = file.shape("H")?;
        let sample = file.sample(dimension, features, options.tail)?;
        let norm = strings.text("norm")?.to_owned();
        if !["layer", "rms", "none"].contains(&norm.as_str()) {
            return Err(strings.corrupt(&format!("it names the unknown norm '{norm}'")));
        }
        let evidence = Evidence {
            dimension,
            features,
            compared: strings.parse("compared")?,
            norm,
            gamma: file.floats("gamma", &[dimension])?,
            fingerprint: strings.text("fingerprint")?.to_owned(),
            activation: strings.parse("activation")?,
            weight_norm2: file.doubles("weight_norm2", &[dimension])?,
            curvature: strings.curvature()?,
            h: file.floats("H", &[dimension, features])?,
            loss: strings.number("loss_sum", false)?,
            pairs: strings.parse("pairs")?,
            correct: strings.parse("correct")?,
            sample,
        };
        if evidence.pairs == 0 || evidence.h.iter().any(|h| *h < 0.0) {
            return Err(strings.corrupt("it has no pairs, or a negative curvature"));
        }
        if evidence.activation != Activation::Identity && evidence.norm != "none" {
            return Err(strings.corrupt("it has an activation behind a norm"));
        }
        if evidence.compared < dimension {
            let found = format!("it keeps {dimension} dimensions of {} compared ones", evidence.compared);
            return Err(strings.corrupt(&found));
        }
        if evidence.weight_norm2.iter().any(|norm2| *norm2 < 0.0) {
            return Err(strings.corrupt("the tensor 'weight_norm2' has a value that is not finite and >= 0"));
        }
        let (prior_precision, scale) = (strings.number("prior_precision", true)?, strings.number("scale", true)?);
        let posterior = Self::assemble(evidence, options, prior_precision, scale);
        let posterior = posterior.and_then(|posterior| posterior.check_range().map(|()| posterior));
        posterior.map_err(|error| strings.corrupt(&error.message))
    }
}
