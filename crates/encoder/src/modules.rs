//! `modules.json`: which steps follow the graph, in both spellings of their types (`sentence_transformers.models.Dense`,
//! `sentence_transformers.base.modules.dense.Dense`). The order Transformer, Pooling, Dense…, Normalize is the one that is
//! carried out; any other is an error.

use std::path::{Path, PathBuf};

use serde_json::Value;
use uec_gaussian::Result;
use uec_onnx::Pooling;

use crate::config_file::{inside, invalid, read, unsupported};
use crate::pooling_config;

/// What follows the graph.
pub(crate) struct Modules {
    /// How token vectors become one, if any file says so, or why that cannot be done here.
    pub(crate) pooling: Result<Option<Pooling>>,
    /// Folders of the `Dense` modules, in their order.
    pub(crate) dense: Vec<PathBuf>,
    /// Whether the embedding is brought to unit length.
    pub(crate) normalize: bool,
}

impl Default for Modules {
    /// Without a `modules.json`: normalised.
    fn default() -> Self {
        Self { pooling: Ok(None), dense: Vec::new(), normalize: true }
    }
}

#[derive(serde::Deserialize)]
struct Module {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    path: String,
}

impl Modules {
    /// # Errors
    /// `ModelInvalid` for damaged files and paths that lead out of `folder`, `ModelUnsupported` for modules of other types
    /// or in another order.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let file = folder.join("modules.json");
        let Some(modules) = read::<Vec<Module>>(&file)? else { return Ok(Self::default()) };
        let place = |module: &Module| inside(folder, &module.path).map_err(|error| invalid(&file, &error.message));
        let (mut pooling, mut dense, mut normalize) = (None, Vec::new(), false);
        for module in &modules {
            match module.kind.rsplit('.').next().unwrap_or_default() {
                "Transformer" if pooling.is_none() && dense.is_empty() && !normalize => {}
                "Pooling" if pooling.is_none() && dense.is_empty() && !normalize => {
                    pooling = Some(pooling_mode(&place(module)?)?);
                }
                "Dense" if pooling.is_some() && !normalize => dense.push(place(module)?),
                "Dense" if normalize => return Err(unsupported(&file, "a Dense module follows a Normalize module")),
                "Dense" => return Err(unsupported(&file, "a Dense module precedes the pooling: it works on tokens")),
                "Normalize" if pooling.is_some() => normalize = true,
                known @ ("Transformer" | "Pooling" | "Normalize") => {
                    return Err(unsupported(&file, &format!("the module {known} is out of order")));
                }
                other => return Err(unsupported(&file, &format!("it has a module of type {other}"))),
            }
        }
        let none = || Err(unsupported(&file, "it has no Pooling module; choose one with the option `pooling`"));
        Ok(Self { pooling: pooling.unwrap_or_else(none).map(Some), dense, normalize })
    }
}

fn pooling_mode(folder: &Path) -> Result<Result<Pooling>> {
    let file = folder.join("config.json");
    let Some(config) = read::<Value>(&file)? else {
        return Err(invalid(&file, "modules.json names this file, but it is missing"));
    };
    Ok(pooling_config::parse(&config).map_err(|why| unsupported(&file, &why)))
}
