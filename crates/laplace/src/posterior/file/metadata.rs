//! The metadata of the file: strings, numbers in the shortest form that reads back exactly.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use uec_gaussian::{Error, ErrorCode, Result};

use super::{FORMAT, RECORD, VERSION};
use crate::curvature::CurvatureOptions;
use crate::posterior::{Posterior, PosteriorOptions, Scale};
use crate::prior::Prior;

/// Everything but the tensors and the checksum.
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
        ("format", FORMAT.to_owned()),
        ("version", VERSION.to_string()),
        ("fingerprint", evidence.fingerprint.clone()),
        ("norm", evidence.norm.clone()),
        ("activation", evidence.activation.as_str().to_owned()),
        ("compared", evidence.compared.to_string()),
        ("curvature", evidence.curvature.estimator.as_str().to_owned()),
        ("sides", evidence.curvature.sides.as_str().to_owned()),
        ("similarity", evidence.curvature.similarity.as_str().to_owned()),
        ("temperature", evidence.curvature.temperature.to_string()),
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
    let record = options.record.iter().map(|(key, value)| (format!("{RECORD}{key}"), value.clone()));
    fixed.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(record).collect()
}

/// Typed access with errors that name the key.
pub(super) struct Strings<'a>(pub(super) &'a HashMap<String, String>);

impl Strings<'_> {
    pub(super) fn text(&self, key: &str) -> Result<&str> {
        self.0.get(key).map(String::as_str).ok_or_else(|| corrupt(format!("its metadata lacks '{key}'")))
    }

    pub(super) fn parse<T: FromStr>(&self, key: &str) -> Result<T> {
        let text = self.text(key)?;
        text.parse().map_err(|_| corrupt(format!("its metadata has the bad value '{text}' for '{key}'")))
    }

    /// A finite number, > 0 where `positive`, else ≥ 0.
    pub(super) fn number(&self, key: &str, positive: bool) -> Result<f64> {
        let value: f64 = self.parse(key)?;
        if value.is_finite() && (value > 0.0 || (value == 0.0 && !positive)) {
            return Ok(value);
        }
        Err(corrupt(format!("its metadata has the number {value} for '{key}', which is out of range")))
    }

    /// Not a posterior, or one of a newer version?
    pub(super) fn check_version(&self) -> Result<()> {
        if self.0.get("format").map(String::as_str) != Some(FORMAT) {
            return Err(corrupt("it is a safetensors file, but not a posterior of uec".to_owned()));
        }
        match self.parse::<u32>("version")? {
            VERSION => Ok(()),
            0 => Err(corrupt("its version is 0".to_owned())),
            newer => Err(Error::new(
                ErrorCode::FileVersion,
                format!("the posterior file has version {newer}, this release reads up to {VERSION}; update uec"),
            )),
        }
    }

    pub(super) fn curvature(&self) -> Result<CurvatureOptions> {
        Ok(CurvatureOptions {
            estimator: self.parse("curvature")?,
            sides: self.parse("sides")?,
            similarity: self.parse("similarity")?,
            temperature: self.number("temperature", true)?,
        })
    }

    pub(super) fn options(&self) -> Result<PosteriorOptions> {
        Ok(PosteriorOptions {
            prior: match self.text("prior_option")? {
                "relative" => Prior::Relative,
                "marglik" => Prior::Marglik,
                _ => Prior::Value(self.number("prior_option", true)?),
            },
            laplace_temperature: self.number("laplace_temperature", true)?,
            scale: match self.text("scale_option")? {
                "trace" => Scale::Trace,
                "none" => Scale::None,
                _ => Scale::Value(self.number("scale_option", true)?),
            },
            tail: self.parse("tail")?,
            normalize: self.parse("normalize")?,
            record: self
                .0
                .iter()
                .filter_map(|(key, value)| Some((key.strip_prefix(RECORD)?.to_owned(), value.clone())))
                .collect(),
        })
    }
}

pub(super) fn corrupt(what: String) -> Error {
    Error::new(ErrorCode::FileCorrupt, format!("the posterior file is damaged: {what}"))
}
