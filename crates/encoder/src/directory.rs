//! A model directory in the layout of sentence-transformers, or a single `.onnx` file with its `tokenizer.json` beside it.
//!
//! Read are `modules.json` (types by their last part: `Transformer`, `Pooling`, `Dense`, `Normalize`; spellings of all
//! versions), the `config.json` of each module, `sentence_bert_config.json`, `tokenizer_config.json`, `config.json` and
//! `config_sentence_transformers.json`. A setting that cannot be honoured is an error, never ignored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use uec_gaussian::{Error, ErrorCode, Result};
use uec_onnx::Pooling;

use crate::config_file::{inside, read, unsupported};
use crate::modules::Modules;

/// The longest text where no file says anything.
const DEFAULT_MAX_TOKENS: usize = 512;

/// What the files beside a model say.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The `.onnx` file.
    pub model: PathBuf,
    /// The `tokenizer.json`.
    pub tokenizer: PathBuf,
    /// How token vectors become one, if any file says so, or why that cannot be done here.
    pub pooling: Result<Option<Pooling>>,
    /// Folders of linear layers behind the pooling (`Dense` modules), in their order; a graph may have them inside.
    pub dense: Vec<PathBuf>,
    /// Whether the embedding is brought to unit length.
    pub normalize: bool,
    /// The longest text in tokens, special ones included.
    pub max_tokens: usize,
    /// The longest text that the position embeddings allow, if known.
    pub position_limit: Option<usize>,
    /// Whether texts are lower-cased before they are tokenised.
    pub lower_case: bool,
    /// The padding token, if named.
    pub pad_token: Option<String>,
    /// The padding token's id, if given.
    pub pad_id: Option<u32>,
    /// Prefixes of texts by name.
    pub prompts: BTreeMap<String, String>,
    /// The prompt of texts for which none is named.
    pub default_prompt: Option<String>,
}

impl Directory {
    /// Reads the layout at `path`, a directory or an `.onnx` file. `file` chooses the `.onnx` file inside a directory.
    ///
    /// # Errors
    /// [`ErrorCode::ModelNotFound`] if there is no model, [`ErrorCode::ModelInvalid`] for damaged configuration files,
    /// [`ErrorCode::ModelUnsupported`] for modules and settings that this version cannot honour,
    /// [`ErrorCode::InvalidArgument`] for `hf:` references and a `file` outside the directory.
    pub fn open(path: &Path, file: Option<&str>) -> Result<Self> {
        if path.to_str().is_some_and(|text| text.starts_with("hf:")) {
            return Err(Error::invalid(format!(
                "{}: this version loads local models only; download the repository and pass its directory",
                path.display()
            )));
        }
        if path.is_dir() {
            return Self::open_folder(path, model_file(path, file)?);
        }
        if !path.is_file() {
            return Err(Error::new(
                ErrorCode::ModelNotFound,
                format!("there is no model at {}: neither a directory nor a file", path.display()),
            ));
        }
        if file.is_some() {
            return Err(Error::invalid(format!(
                "{} is a file, so the option `file` has nothing to choose from",
                path.display()
            )));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        Ok(Self { model: path.to_owned(), tokenizer: folder.join("tokenizer.json"), ..Self::limits(folder)? })
    }

    fn open_folder(folder: &Path, model: PathBuf) -> Result<Self> {
        let Modules { pooling, dense, normalize } = Modules::read(folder)?;
        let sentence: Value = read(&folder.join("config_sentence_transformers.json"))?.unwrap_or_default();
        let prompts: BTreeMap<String, String> = sentence
            .get("prompts")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(name, prefix)| Some((name.clone(), prefix.as_str()?.to_owned())))
            .collect();
        let default_prompt = sentence.get("default_prompt_name").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { model, pooling, dense, normalize, prompts, default_prompt, ..Self::limits(folder)? })
    }

    /// Lengths, case and padding, which stand in files of their own; the rest is left at its defaults.
    fn limits(folder: &Path) -> Result<Self> {
        let sentence: Value = read(&folder.join("sentence_bert_config.json"))?.unwrap_or_default();
        let tokenizer: Value = read(&folder.join("tokenizer_config.json"))?.unwrap_or_default();
        let config: Value = read(&folder.join("config.json"))?.unwrap_or_default();
        if tokenizer.get("truncation_side").and_then(Value::as_str) == Some("left") {
            return Err(unsupported(folder, "texts are to be cut at their beginning (truncation_side: left)"));
        }
        let position_limit = position_limit(&config);
        let max_tokens = positive(sentence.get("max_seq_length"))
            .or_else(|| positive(tokenizer.get("model_max_length")))
            .or(position_limit)
            .unwrap_or(DEFAULT_MAX_TOKENS);
        let text = |token: &Value| token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned);
        Ok(Self {
            model: PathBuf::new(),
            tokenizer: folder.join("tokenizer.json"),
            pooling: Ok(None),
            dense: Vec::new(),
            normalize: true,
            max_tokens: position_limit.map_or(max_tokens, |limit| max_tokens.min(limit)),
            position_limit,
            lower_case: sentence.get("do_lower_case").and_then(Value::as_bool).unwrap_or(false),
            pad_token: tokenizer.get("pad_token").and_then(text),
            pad_id: config.get("pad_token_id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()),
            prompts: BTreeMap::new(),
            default_prompt: None,
        })
    }
}

/// `max_position_embeddings`; the RoBERTa family begins to count after the padding token.
fn position_limit(config: &Value) -> Option<usize> {
    let positions = positive(config.get("max_position_embeddings"))?;
    let kind = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let offset = match kind {
        "roberta" | "xlm-roberta" | "camembert" | "mpnet" | "longformer" | "data2vec-text" => {
            let padding = config.get("pad_token_id").and_then(Value::as_u64).unwrap_or(1);
            usize::try_from(padding).unwrap_or(usize::MAX).saturating_add(1)
        }
        _ => 0,
    };
    positions.checked_sub(offset).filter(|limit| *limit > 0)
}

/// A sensible positive integer. Some tokenizers write 1e30 for "no limit": that says nothing.
fn positive(value: Option<&Value>) -> Option<usize> {
    value?.as_f64().filter(|number| (1.0..1e7).contains(number)).map(|number| number as usize)
}

fn model_file(folder: &Path, file: Option<&str>) -> Result<PathBuf> {
    if let Some(file) = file {
        let path = inside(folder, file)?;
        return if path.is_file() { Ok(path) } else { Err(no_model(folder, &format!("there is no {file}"))) };
    }
    ["onnx/model.onnx", "model.onnx"]
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| no_model(folder, "there is neither onnx/model.onnx nor model.onnx"))
}

fn no_model(folder: &Path, what: &str) -> Error {
    let mut others: Vec<String> = ["", "onnx"]
        .iter()
        .filter_map(|sub| std::fs::read_dir(folder.join(sub)).ok().map(|entries| (sub, entries)))
        .flat_map(|(sub, entries)| {
            entries
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .map(move |name| if sub.is_empty() { name } else { format!("{sub}/{name}") })
        })
        .filter(|name| name.ends_with(".onnx"))
        .collect();
    others.sort();
    let hint = if others.is_empty() {
        "an encoder needs its graph in the ONNX format".to_owned()
    } else {
        format!("choose one of {} with the option `file`", others.join(", "))
    };
    Error::new(ErrorCode::ModelNotFound, format!("{}: {what}; {hint}", folder.display()))
}

/// The folder of a file; the current one for a bare name.
pub(crate) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
