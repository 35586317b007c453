//! Recognises a baked file by its metadata.

use std::collections::BTreeMap;

use uec_gaussian::{Error, Result};

use crate::graph::Graph;
use crate::proto::StringStringEntryProto;

/// Version of the baked outputs and metadata that this crate writes.
const VERSION: u32 = 1;
const RESERVED: [&str; 4] = ["uec.version", "uec.mean", "uec.variance", "uec.norm"];

/// What a baked file says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BakedInfo {
    /// Version of the writer; newer ones than 1 may mean something else.
    pub version: u32,
    /// Output of the mean, (batch, D).
    pub mean: String,
    /// Output of the variance, (batch, D), unless baked without a posterior.
    pub variance: Option<String>,
    /// Output of ‖z‖, (batch).
    pub norm: String,
    /// The metadata handed to [`Graph::bake`], and any other that the file has.
    pub metadata: BTreeMap<String, String>,
}

impl Graph {
    /// What [`Graph::bake`] wrote into this file; `None` for other files, and where an output that it names is missing.
    pub fn baked(&self) -> Option<BakedInfo> {
        let entries = self.metadata.iter().map(|entry| (entry.key().to_owned(), entry.value().to_owned()));
        let mut metadata: BTreeMap<_, _> = entries.collect();
        let [version, mean, variance, norm] = RESERVED.map(|key| metadata.remove(key));
        let exists = |name: &String| self.graph.output.iter().any(|output| output.name() == name);
        let variance = match variance {
            None => None,
            Some(name) => Some(Some(name).filter(exists)?),
        };
        let (mean, norm) = (mean.filter(exists)?, norm.filter(exists)?);
        Some(BakedInfo { version: version?.parse().ok()?, mean, variance, norm, metadata })
    }
}

/// # Errors
/// Invalid argument for a key of ours or one given twice.
pub(crate) fn metadata(
    given: &[(String, String)],
    mean: &str,
    variance: Option<&str>,
    norm: &str,
) -> Result<Vec<StringStringEntryProto>> {
    let mut seen = BTreeMap::new();
    for (key, value) in given {
        if RESERVED.contains(&key.as_str()) || seen.insert(key, value).is_some() {
            return Err(Error::invalid(format!("metadata key `{key}` is reserved or given twice")));
        }
    }
    let version = VERSION.to_string();
    let own = [Some(version.as_str()), Some(mean), variance, Some(norm)];
    let own = RESERVED.into_iter().zip(own).filter_map(|(key, value)| Some((key, value?)));
    let given = given.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let entry = |(key, value): (&str, &str)| StringStringEntryProto {
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
    };
    Ok(own.chain(given).map(entry).collect())
}
