//! How texts become token ids and token vectors one vector: from the model directory and the options, or from the
//! metadata of a baked file, which must say it all because such a file may stand alone.

use std::collections::BTreeMap;

use uec_gaussian::{Error, ErrorCode, Result};
use uec_onnx::Pooling;

use crate::directory::Directory;
use crate::options::{EncoderOptions, pooling_name};

/// The settled settings of an encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) pooling: Pooling,
    pub(crate) normalize: bool,
    pub(crate) max_tokens: usize,
    pub(crate) lower_case: bool,
    /// The padding token's id, once it is known.
    pub(crate) pad_id: Option<u32>,
    pub(crate) prompts: BTreeMap<String, String>,
    pub(crate) default_prompt: Option<String>,
}

const POOLING: &str = "uec.pooling";
const NORMALIZE: &str = "uec.normalize";
const MAX_TOKENS: &str = "uec.max_tokens";
const LOWER_CASE: &str = "uec.lower_case";
const PAD_ID: &str = "uec.pad_id";
const PROMPTS: &str = "uec.prompts";
const DEFAULT_PROMPT: &str = "uec.default_prompt";

impl Settings {
    /// What the directory says, unless the options say otherwise; `graph` is how the graph itself pools.
    ///
    /// # Errors
    /// [`ErrorCode::ModelUnsupported`] for a pooling that cannot be honoured, [`ErrorCode::InvalidArgument`] for more
    /// tokens than the model has positions.
    pub(crate) fn from_directory(
        directory: &Directory,
        options: &EncoderOptions,
        graph: Option<Pooling>,
    ) -> Result<Self> {
        let max_tokens = options.max_tokens.unwrap_or(directory.max_tokens);
        if let Some(limit) = directory.position_limit.filter(|limit| max_tokens > *limit) {
            return Err(Error::invalid(format!(
                "maxTokens is {max_tokens}, but the model has positions for {limit} tokens"
            )));
        }
        let settings = Self {
            pooling: options.pooling.map_or_else(|| pooling(directory, graph), Ok)?,
            normalize: options.normalize.unwrap_or(directory.normalize),
            max_tokens,
            lower_case: directory.lower_case,
            pad_id: None,
            prompts: merged(&directory.prompts, options),
            default_prompt: directory.default_prompt.clone(),
        };
        settings.prefix(None)?;
        Ok(settings)
    }

    /// What a baked file says. Pooling and normalisation are part of its graph and cannot be changed.
    ///
    /// # Errors
    /// [`ErrorCode::ModelInvalid`] for metadata that is incomplete, [`ErrorCode::InvalidArgument`] for options that
    /// contradict the graph or exceed its length.
    pub(crate) fn from_metadata(metadata: &BTreeMap<String, String>, options: &EncoderOptions) -> Result<Self> {
        let baked = Self {
            pooling: entry(metadata, POOLING)?,
            normalize: entry(metadata, NORMALIZE)?,
            max_tokens: entry(metadata, MAX_TOKENS)?,
            lower_case: entry(metadata, LOWER_CASE)?,
            pad_id: metadata.contains_key(PAD_ID).then(|| entry(metadata, PAD_ID)).transpose()?,
            prompts: match metadata.get(PROMPTS) {
                None => BTreeMap::new(),
                Some(text) => serde_json::from_str(text).map_err(|_| damaged(PROMPTS))?,
            },
            default_prompt: metadata.get(DEFAULT_PROMPT).cloned(),
        };
        let fixed = |name: &str, wanted: String, has: String| {
            Err(Error::invalid(format!(
                "the option `{name}` is {wanted}, but this file was baked with {has}; load the original encoder instead"
            )))
        };
        match (options.pooling, options.normalize, options.max_tokens) {
            (Some(pooling), ..) if pooling != baked.pooling => {
                fixed("pooling", pooling_name(pooling).to_owned(), pooling_name(baked.pooling).to_owned())
            }
            (_, Some(normalize), _) if normalize != baked.normalize => {
                fixed("normalize", normalize.to_string(), baked.normalize.to_string())
            }
            (.., Some(tokens)) if tokens > baked.max_tokens => {
                fixed("maxTokens", tokens.to_string(), baked.max_tokens.to_string())
            }
            _ => {
                let prompts = merged(&baked.prompts, options);
                Ok(Self { max_tokens: options.max_tokens.unwrap_or(baked.max_tokens), prompts, ..baked })
            }
        }
    }

    /// The metadata from which [`Settings::from_metadata`] reads the same settings.
    pub(crate) fn to_metadata(&self) -> Vec<(String, String)> {
        let mut entries = vec![
            (POOLING, pooling_name(self.pooling).to_owned()),
            (NORMALIZE, self.normalize.to_string()),
            (MAX_TOKENS, self.max_tokens.to_string()),
            (LOWER_CASE, self.lower_case.to_string()),
        ];
        entries.extend(self.pad_id.map(|id| (PAD_ID, id.to_string())));
        if !self.prompts.is_empty() {
            entries.push((PROMPTS, serde_json::json!(self.prompts).to_string()));
        }
        entries.extend(self.default_prompt.clone().map(|name| (DEFAULT_PROMPT, name)));
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// What is put before a text: the named prompt, or the default one, or nothing.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidArgument`] for a name that the encoder does not have.
    pub(crate) fn prefix(&self, name: Option<&str>) -> Result<&str> {
        let Some(name) = name.or(self.default_prompt.as_deref()) else { return Ok("") };
        self.prompts.get(name).map(String::as_str).ok_or_else(|| {
            let known: Vec<String> = self.prompts.keys().map(|name| format!("'{name}'")).collect();
            let known = if known.is_empty() { "no prompts".to_owned() } else { known.join(", ") };
            Error::invalid(format!(
                "unknown prompt '{name}': this encoder has {known}; add it with the option `prompts`"
            ))
        })
    }
}

/// What the graph and the directory say; the mean if neither does.
///
/// # Errors
/// [`ErrorCode::ModelUnsupported`] if they contradict each other.
fn pooling(directory: &Directory, graph: Option<Pooling>) -> Result<Pooling> {
    match (directory.pooling.clone()?, graph) {
        (Some(said), Some(done)) if said != done => {
            let (said, done) = (pooling_name(said), pooling_name(done));
            let what = format!(
                "modules.json asks for the pooling '{said}', but {} itself pools by '{done}'; choose one with the option \
                 `pooling`",
                directory.model.display()
            );
            Err(Error::new(ErrorCode::ModelUnsupported, what))
        }
        (said, done) => Ok(said.or(done).unwrap_or(Pooling::Mean)),
    }
}

fn merged(prompts: &BTreeMap<String, String>, options: &EncoderOptions) -> BTreeMap<String, String> {
    prompts.iter().chain(&options.prompts).map(|(name, prefix)| (name.clone(), prefix.clone())).collect()
}

/// A parsed entry of a baked file's metadata.
///
/// # Errors
/// [`ErrorCode::ModelInvalid`] if it is missing or not of its type.
pub(crate) fn entry<T: std::str::FromStr>(metadata: &BTreeMap<String, String>, key: &str) -> Result<T> {
    metadata.get(key).and_then(|text| text.parse().ok()).ok_or_else(|| damaged(key))
}

fn damaged(key: &str) -> Error {
    Error::new(
        ErrorCode::ModelInvalid,
        format!(
            "the file says that it is a baked encoder, but its metadata entry {key} is missing or damaged; bake it again"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            pooling: Pooling::Cls,
            normalize: false,
            max_tokens: 77,
            lower_case: true,
            pad_id: Some(1),
            prompts: BTreeMap::from([("query".to_owned(), "\"quoted\" é: ".to_owned())]),
            default_prompt: Some("query".to_owned()),
        }
    }

    fn read_back(settings: &Settings, options: &EncoderOptions) -> Result<Settings> {
        Settings::from_metadata(&settings.to_metadata().into_iter().collect(), options)
    }

    #[test]
    fn metadata_says_it_all() {
        assert_eq!(read_back(&settings(), &EncoderOptions::default()), Ok(settings()));
        let bare = Settings { pad_id: None, prompts: BTreeMap::new(), default_prompt: None, ..settings() };
        assert_eq!(read_back(&bare, &EncoderOptions::default()), Ok(bare));
    }

    #[test]
    fn what_is_baked_cannot_be_changed() {
        for options in [
            EncoderOptions { pooling: Some(Pooling::Mean), ..EncoderOptions::default() },
            EncoderOptions { normalize: Some(true), ..EncoderOptions::default() },
            EncoderOptions { max_tokens: Some(78), ..EncoderOptions::default() },
        ] {
            assert_eq!(read_back(&settings(), &options).unwrap_err().code, ErrorCode::InvalidArgument);
        }
        let shorter = EncoderOptions { max_tokens: Some(16), ..EncoderOptions::default() };
        assert_eq!(read_back(&settings(), &shorter).unwrap().max_tokens, 16);
    }

    #[test]
    fn missing_metadata_is_named() {
        let error = Settings::from_metadata(&BTreeMap::new(), &EncoderOptions::default()).unwrap_err();
        assert_eq!(error.code, ErrorCode::ModelInvalid);
        assert!(error.message.contains(POOLING), "{error}");
    }

    #[test]
    fn the_graph_says_how_it_pools_where_no_file_does() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.onnx"), "").unwrap();
        let open = |said| Directory { pooling: said, ..Directory::open(folder.path(), None).unwrap() };
        for (said, done, pooled) in [
            (None, None, Pooling::Mean),
            (None, Some(Pooling::Cls), Pooling::Cls),
            (Some(Pooling::Last), None, Pooling::Last),
            (Some(Pooling::Cls), Some(Pooling::Cls), Pooling::Cls),
        ] {
            assert_eq!(pooling(&open(Ok(said)), done), Ok(pooled));
        }
        let error = pooling(&open(Ok(Some(Pooling::Last))), Some(Pooling::Cls)).unwrap_err();
        assert_eq!(error.code, ErrorCode::ModelUnsupported);
    }

    #[test]
    fn a_prompt_is_looked_up_by_name() {
        let settings = settings();
        assert_eq!(settings.prefix(None).unwrap(), "\"quoted\" é: ");
        assert_eq!(settings.prefix(Some("query")).unwrap(), "\"quoted\" é: ");
        let error = settings.prefix(Some("passage")).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert!(error.message.contains("'query'"), "{error}");
    }
}
