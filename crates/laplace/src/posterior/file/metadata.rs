//! The metadata of the posterior file.

use std::collections::BTreeMap;

use uec_gaussian::Result;

use super::RECORD;
use crate::posterior::{Posterior, PosteriorOptions, Scale};
use crate::prior::Prior;
use crate::sealed::{Strings, curvature_strings};

/// Everything but the tensors, format, version and checksum.
pub(super) fn to_strings(posterior: &Posterior) -> BTreeMap<String, String> {
    let (evidence, options) = (&posterior.evidence, &posterior.options);
    let prior = match options.prior {
        Prior::Value(value) => value.to_string(),
        Prior::Relative => "relative".to_owned(),
        Prior::Marglik => "marglik".to_owned(),
    };
    let scale = match options.scale {
        Scale::Value(value) => value.to_string(),
        Scale::Trace => "trace".to_owned(),
        Scale::None => "none".to_owned(),
    };
    let fixed = [
        ("fingerprint", evidence.fingerprint.clone()),
        ("norm", evidence.norm.clone()),
        ("activation", evidence.activation.as_str().to_owned()),
        ("compared", evidence.compared.to_string()),
        ("pairs", evidence.pairs.to_string()),
        ("correct", evidence.correct.to_string()),
        ("loss_sum", evidence.loss.to_string()),
        ("prior_option", prior),
        ("prior_precision", posterior.prior_precision.to_string()),
        ("laplace_temperature", options.laplace_temperature.to_string()),
        ("scale_option", scale),
        ("scale", posterior.scale.to_string()),
        ("tail", options.tail.as_str().to_owned()),
        ("normalize", options.normalize.to_string()),
    ];
    let named = fixed.into_iter().chain(curvature_strings(&evidence.curvature));
    let record = options.record.iter().map(|(key, value)| (format!("{RECORD}{key}"), value.clone()));
    named.map(|(key, value)| (key.to_owned(), value)).chain(record).collect()
}

/// The options that the posterior was made with.
pub(super) fn options(strings: &Strings) -> Result<PosteriorOptions> {
    Ok(PosteriorOptions {
        prior: match strings.text("prior_option")? {
            "relative" => Prior::Relative,
            "marglik" => Prior::Marglik,
            _ => Prior::Value(strings.number("prior_option", true)?),
        },
        laplace_temperature: strings.number("laplace_temperature", true)?,
        scale: match strings.text("scale_option")? {
            "trace" => Scale::Trace,
            "none" => Scale::None,
            _ => Scale::Value(strings.number("scale_option", true)?),
        },
        tail: strings.parse("tail")?,
        normalize: strings.parse("normalize")?,
        record: strings
            .map
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(RECORD)?.to_owned(), value.clone())))
            .collect(),
    })
}
