//! What is known of an encoder beyond its graph, and how a baked file says it (metadata keys `uec.*`).

use std::collections::BTreeMap;
use std::path::Path;

use uec_gaussian::{Error, ErrorCode, Moments, Result};
use uec_laplace::Posterior;
use uec_onnx::{BakedInfo, BakedPosterior, Graph, NormKind, Tail};

use crate::fingerprint;
use crate::options::Weights;
use crate::settings::entry;

/// The newest layout of outputs and metadata that this code reads.
const VERSION: u32 = 1;

/// Lim et al., Uncertainty-driven Embedding Convolution, ICLR 2026.
const PAPER: &str = "arXiv:2507.20718";

/// No encoder is wider; a file that says so is damaged.
const MOST_DIMENSIONS: usize = 1 << 20;

const FINGERPRINT: &str = "uec.fingerprint";
const IDENTITY: &str = "uec.identity";
const TOKENIZER: &str = "uec.tokenizer_sha256";
const DIMENSION: &str = "uec.dimension";
const WIDTH: &str = "uec.width";
const FEATURES: &str = "uec.features";
const NORM: &str = "uec.norm_kind";
const LINEAR: &str = "uec.linear";
const METHOD: &str = "uec.method";
const WEIGHTS: &str = "uec.weights";
const TAIL: &str = "uec.tail";
const PRIOR: &str = "uec.prior_precision";
const SCALE: &str = "uec.scale";
const TRACE: &str = "uec.trace_moments";
const PRECISION: &str = "uec.precision_moments";

/// What is known of an encoder beyond its graph.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) fingerprint: String,
    /// Of the encoder with its posterior; the fingerprint without one.
    pub(crate) identity: String,
    /// Entries of an embedding.
    pub(crate) dimension: usize,
    /// Outputs of the last layer, of which the first `dimension` are kept.
    pub(crate) width: usize,
    pub(crate) features: usize,
    pub(crate) norm: String,
    pub(crate) linear: String,
    /// Of a baked file: SHA-256 of the tokenizer that it belongs to.
    tokenizer: Option<String>,
    /// Of a baked file.
    pub(crate) trace_moments: Option<Moments>,
    pub(crate) precision_moments: Option<Moments>,
}

impl Description {
    /// Of an encoder that keeps `dimension` entries.
    pub(crate) fn of(tail: &Tail, dimension: usize, fingerprint: String, posterior: Option<&BakedPosterior>) -> Self {
        let kept = Some(dimension).filter(|dimension| *dimension != tail.dimension);
        Self {
            identity: fingerprint::identity(&fingerprint, kept, posterior),
            fingerprint,
            dimension,
            width: tail.dimension,
            features: tail.features,
            norm: norm_name(tail.norm).to_owned(),
            linear: tail.linear.clone(),
            tokenizer: None,
            trace_moments: None,
            precision_moments: None,
        }
    }

    /// # Errors
    /// [`ErrorCode::ModelInvalid`] for metadata that is incomplete or out of range.
    pub(crate) fn from_metadata(metadata: &BTreeMap<String, String>) -> Result<Self> {
        let dimension = entry(metadata, DIMENSION)?;
        let described = Self {
            fingerprint: entry(metadata, FINGERPRINT)?,
            identity: entry(metadata, IDENTITY)?,
            dimension,
            width: if metadata.contains_key(WIDTH) { entry(metadata, WIDTH)? } else { dimension },
            features: entry(metadata, FEATURES)?,
            norm: entry(metadata, NORM)?,
            linear: entry(metadata, LINEAR)?,
            tokenizer: Some(entry(metadata, TOKENIZER)?),
            trace_moments: metadata.get(TRACE).and_then(|text| moments(text)),
            precision_moments: metadata.get(PRECISION).and_then(|text| moments(text)),
        };
        if !(1..=MOST_DIMENSIONS).contains(&described.dimension) || described.width < described.dimension {
            let what = format!(
                "the metadata entries {DIMENSION} and {WIDTH} are {} and {}; bake it again",
                described.dimension, described.width
            );
            return Err(Error::new(ErrorCode::ModelInvalid, what));
        }
        Ok(described)
    }

    /// The metadata of a file with this posterior, whose tokenizer has the SHA-256 `tokenizer`.
    pub(crate) fn to_metadata(&self, tokenizer: String) -> Vec<(String, String)> {
        let entries = [
            (FINGERPRINT, self.fingerprint.clone()),
            (IDENTITY, self.identity.clone()),
            (TOKENIZER, tokenizer),
            (DIMENSION, self.dimension.to_string()),
            (WIDTH, self.width.to_string()),
            (FEATURES, self.features.to_string()),
            (NORM, self.norm.clone()),
            (LINEAR, self.linear.clone()),
        ];
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// # Errors
    /// [`ErrorCode::TokenizerInvalid`] if a baked file lies beside another tokenizer than its own.
    pub(crate) fn check_tokenizer(&self, file: &Path) -> Result<()> {
        if self.tokenizer.as_ref().is_some_and(|expected| fingerprint::of_file(file).as_ref() != Ok(expected)) {
            return Err(Error::new(
                ErrorCode::TokenizerInvalid,
                format!("{} is not the tokenizer that this baked encoder was made with; copy that one", file.display()),
            ));
        }
        Ok(())
    }
}

/// What a baked file says about itself: the entries `uec.*`, and any other that the file has.
///
/// # Errors
/// [`ErrorCode::ModelInvalid`] for a file that cannot be read or is not baked.
pub fn baked_metadata(file: &Path) -> Result<BTreeMap<String, String>> {
    let info = Graph::read(file)?.baked();
    let not_baked = || Error::new(ErrorCode::ModelInvalid, format!("{} is not a baked encoder", file.display()));
    info.map(|info| info.metadata).ok_or_else(not_baked)
}

/// # Errors
/// [`ErrorCode::FileVersion`] for a file of a newer release.
pub(crate) fn check_version(info: &BakedInfo, model: &Path) -> Result<()> {
    if info.version <= VERSION {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::FileVersion,
        format!("{} was baked by a newer release (version {}); update uec", model.display(), info.version),
    ))
}

/// How a baked file stores its posterior.
pub(crate) fn baked_weights(info: &BakedInfo) -> Weights {
    info.metadata.get(WEIGHTS).and_then(|name| name.parse().ok()).unwrap_or_default()
}

/// The name of a norm, as options, posteriors and metadata spell it.
pub(crate) const fn norm_name(norm: NormKind) -> &'static str {
    match norm {
        NormKind::Layer => "layer",
        NormKind::Rms => "rms",
        NormKind::None => "none",
    }
}

/// What a baked file says about its posterior, beside its identity. Computes its moments, in the current rayon pool.
///
/// # Errors
/// [`ErrorCode::InvalidArgument`] where the moments leave the range of numbers.
pub(crate) fn posterior_metadata(posterior: &Posterior, weights: Weights) -> Result<Vec<(String, String)>> {
    let text = |moments: Moments| format!("{} {} {}", moments.count, moments.mean, moments.m2);
    let mut entries = vec![
        (METHOD, PAPER.to_owned()),
        (TAIL, posterior.tail().as_str().to_owned()),
        (PRIOR, posterior.prior_precision().to_string()),
        (SCALE, posterior.scale().to_string()),
        (WEIGHTS, weights.as_str().to_owned()),
        (TRACE, text(posterior.trace_moments()?)),
    ];
    // Without a value where a variance is 0.
    entries.extend(posterior.precision_moments().ok().map(|moments| (PRECISION, text(moments))));
    Ok(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Count, mean and sum of squared deviations.
fn moments(text: &str) -> Option<Moments> {
    let mut words = text.split(' ');
    let moments = Moments {
        count: words.next()?.parse().ok()?,
        mean: words.next()?.parse().ok()?,
        m2: words.next()?.parse().ok()?,
    };
    (words.next().is_none() && moments.mean.is_finite() && moments.m2.is_finite()).then_some(moments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_survive_as_text() {
        let exact = Moments { count: 1024, mean: 1.0 / 3.0, m2: 1e-300 };
        assert_eq!(moments(&format!("{} {} {}", exact.count, exact.mean, exact.m2)), Some(exact));
        assert_eq!(moments("1 2"), None);
        assert_eq!(moments("1 2 NaN"), None);
        assert_eq!(moments("1 2 3 4"), None);
    }
}
