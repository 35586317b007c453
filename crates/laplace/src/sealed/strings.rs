//! The metadata of a sealed file: strings, numbers in the shortest form that reads back exactly.

use std::collections::BTreeMap;
use std::str::FromStr;

use uec_gaussian::{Error, ErrorCode, Result};

use super::Kind;
use crate::curvature::CurvatureOptions;

/// Typed access with errors that name the key.
pub(crate) struct Strings {
    pub(crate) map: BTreeMap<String, String>,
    name: &'static str,
}

impl Strings {
    pub(super) fn new(name: &'static str) -> Self {
        Self { map: BTreeMap::new(), name }
    }

    /// The error of a file that cannot be believed.
    pub(crate) fn corrupt(&self, what: &str) -> Error {
        Error::new(ErrorCode::FileCorrupt, format!("the {} file is damaged: {what}", self.name))
    }

    pub(crate) fn text(&self, key: &str) -> Result<&str> {
        let text = self.map.get(key).map(String::as_str);
        text.ok_or_else(|| self.corrupt(&format!("its metadata lacks '{key}'")))
    }

    pub(crate) fn parse<T: FromStr>(&self, key: &str) -> Result<T> {
        let text = self.text(key)?;
        text.parse().map_err(|_| self.corrupt(&format!("its metadata has the bad value '{text}' for '{key}'")))
    }

    /// A finite number, > 0 where `positive`, else ≥ 0.
    pub(crate) fn number(&self, key: &str, positive: bool) -> Result<f64> {
        let value: f64 = self.parse(key)?;
        if value.is_finite() && (value > 0.0 || (value == 0.0 && !positive)) {
            return Ok(value);
        }
        Err(self.corrupt(&format!("its metadata has the number {value} for '{key}', which is out of range")))
    }

    /// Another kind of file, or a newer version?
    pub(super) fn check_version(&self, kind: &Kind) -> Result<()> {
        if self.map.get("format").map(String::as_str) != Some(kind.format) {
            return Err(self.corrupt(&format!("it is a safetensors file, but not a {} of uec", self.name)));
        }
        match self.parse::<u32>("version")? {
            0 => Err(self.corrupt("its version is 0")),
            version if version == kind.version => Ok(()),
            newer => Err(Error::new(
                ErrorCode::FileVersion,
                format!(
                    "the {} file has version {newer}, this release reads up to {}; update uec",
                    self.name, kind.version
                ),
            )),
        }
    }

    /// What [`curvature_strings`] wrote.
    pub(crate) fn curvature(&self) -> Result<CurvatureOptions> {
        Ok(CurvatureOptions {
            estimator: self.parse("curvature")?,
            sides: self.parse("sides")?,
            similarity: self.parse("similarity")?,
            temperature: self.number("temperature", true)?,
        })
    }
}

/// The loss and the estimator as metadata.
pub(crate) fn curvature_strings(options: &CurvatureOptions) -> [(&'static str, String); 4] {
    [
        ("curvature", options.estimator.as_str().to_owned()),
        ("sides", options.sides.as_str().to_owned()),
        ("similarity", options.similarity.as_str().to_owned()),
        ("temperature", options.temperature.to_string()),
    ]
}
