//! Text → token ids, with the counts from which the uncertainty "tokens per word" is made.
//!
//! ```text
//! tokens per word = (tokens + 4·unknown tokens) / max(1, words)
//! ```
//!
//! Tokens are counted without the special ones; words by the word boundaries of Unicode (UAX #29); both over the span of
//! the text that survived truncation. Truncation is ours: the limits and the padding written in `tokenizer.json` are those
//! of whoever saved the file, not of the model.

use std::panic::catch_unwind;
use std::path::Path;

use serde::Deserialize;
use tokenizers::{PostProcessor, Tokenizer};
use uec_gaussian::{Error, ErrorCode, Result};
use unicode_segmentation::UnicodeSegmentation;

/// What an unknown token weighs in tokens per word, beyond being a token.
const UNKNOWN_WEIGHT: f32 = 4.0;

/// One tokenised text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// What is fed to the encoder: at most the tokenizer's limit, special tokens included.
    pub ids: Vec<u32>,
    /// Tokens without the special ones.
    pub count: u32,
    /// Unknown tokens among these.
    pub unknown: u32,
    /// Words of the span that these tokens cover.
    pub words: u32,
    /// Whether the end of the text was cut off.
    pub truncated: bool,
}

impl Tokens {
    /// (tokens + 4·unknown tokens) / max(1, words).
    pub fn per_word(&self) -> f32 {
        (self.count as f32 + UNKNOWN_WEIGHT * self.unknown as f32) / self.words.max(1) as f32
    }
}

/// A `tokenizer.json` with the limits of its model.
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    /// Special tokens that are added to every text.
    specials: usize,
    max_tokens: usize,
    unknown: Option<u32>,
    padding: Option<u32>,
    lower_case: bool,
}

/// The parts of `tokenizer.json` that the crate does not hand out.
#[derive(Deserialize)]
struct Extract {
    model: ModelExtract,
    padding: Option<PaddingExtract>,
}

#[derive(Deserialize)]
struct ModelExtract {
    unk_token: Option<String>,
    unk_id: Option<u32>,
}

#[derive(Deserialize)]
struct PaddingExtract {
    pad_id: Option<u32>,
}

impl TextTokenizer {
    /// Reads a `tokenizer.json`. `lower_case`: lower the text first, as some models ask beside their tokenizer.
    ///
    /// # Errors
    /// [`ErrorCode::TokenizerInvalid`] if the file is missing or damaged, [`ErrorCode::InvalidArgument`] if `max_tokens`
    /// leaves no room beside the special tokens.
    pub fn read(file: &Path, max_tokens: usize, lower_case: bool) -> Result<Self> {
        let invalid = |what: String| Error::new(ErrorCode::TokenizerInvalid, what);
        let bytes = std::fs::read(file).map_err(|error| {
            invalid(format!(
                "the tokenizer {} cannot be read ({error}); an encoder needs its tokenizer.json",
                file.display()
            ))
        })?;
        let unsound =
            |why: &dyn std::fmt::Display| invalid(format!("{} is not a sound tokenizer.json: {why}", file.display()));
        // Before the crate reads it: some of its readers panic where the JSON ends early.
        let extract: Extract = serde_json::from_slice(&bytes).map_err(|error| unsound(&error))?;
        let mut tokenizer = catch_unwind(|| Tokenizer::from_bytes(&bytes))
            .map_err(|_| unsound(&"its content cannot be read"))?
            .map_err(|error| unsound(&error))?;
        let unknown = extract
            .model
            .unk_id
            .or_else(|| extract.model.unk_token.as_deref().and_then(|token| tokenizer.token_to_id(token)));
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| unsound(&error))?;
        let specials = tokenizer.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        if max_tokens <= specials {
            return Err(Error::invalid(format!(
                "maxTokens is {max_tokens}, but this tokenizer adds {specials} special tokens to every text: it must be \
                 at least {}",
                specials + 1
            )));
        }
        let padding = extract.padding.and_then(|padding| padding.pad_id);
        Ok(Self { tokenizer, specials, max_tokens, unknown, padding, lower_case })
    }

    /// The most tokens a text keeps, special ones included.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// The padding token of `tokenizer.json`, if it names one.
    pub fn padding(&self) -> Option<u32> {
        self.padding
    }

    /// The id of a token of the vocabulary.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// Tokenises `prefix` followed by `text`.
    ///
    /// # Errors
    /// [`ErrorCode::TokenizerInvalid`] if the tokenizer fails on this text.
    pub fn encode(&self, prefix: &str, text: &str) -> Result<Tokens> {
        let whole = match (prefix.is_empty(), self.lower_case) {
            (true, false) => std::borrow::Cow::Borrowed(text),
            (false, false) => format!("{prefix}{text}").into(),
            (_, true) => format!("{prefix}{text}").to_lowercase().into(),
        };
        let room = self.max_tokens - self.specials;
        // A long text is tokenised from its beginning only, as far as is needed. The first `room` tokens of the whole text
        // and of a beginning of it agree if the beginning ends between two words and has so many more tokens that its end
        // cannot reach back to them.
        let enough = room.saturating_mul(2).saturating_add(64);
        let mut length = enough.saturating_mul(16);
        while let Some(start) = beginning(&whole, length) {
            let tokens = self.encode_whole(start, true)?;
            if tokens.1 >= enough {
                return Ok(tokens.0);
            }
            length = length.saturating_mul(4);
        }
        Ok(self.encode_whole(&whole, false)?.0)
    }

    /// The tokens of `text`, and how many there were before truncation.
    fn encode_whole(&self, text: &str, more_follows: bool) -> Result<(Tokens, usize)> {
        let encoding = self.tokenizer.encode(text, true).map_err(|error| {
            let start: String = text.chars().take(40).collect();
            Error::new(ErrorCode::TokenizerInvalid, format!("the tokenizer failed on the text {start:?}…: {error}"))
        })?;
        let room = self.max_tokens - self.specials;
        let special = encoding.get_special_tokens_mask();
        let total = special.iter().filter(|&&mark| mark == 0).count();
        let (mut ids, mut unknown, mut count, mut end) = (Vec::new(), 0, 0, 0);
        for ((&id, &mark), offsets) in encoding.get_ids().iter().zip(special).zip(encoding.get_offsets()) {
            if mark == 0 {
                if count == room {
                    continue;
                }
                count += 1;
                unknown += u32::from(Some(id) == self.unknown);
                end = end.max(offsets.1);
            }
            ids.push(id);
        }
        let truncated = more_follows || total > room;
        let span = if truncated { text.get(..end).unwrap_or(text) } else { text };
        let words = span.unicode_words().count() as u32;
        Ok((Tokens { ids, count: count as u32, unknown, words, truncated }, total))
    }
}

/// At least `length` bytes from the beginning of a text that is longer than twice that, up to the end of a word (white
/// space follows); `None` if the text is shorter, or has no white space between `length` and its end.
fn beginning(text: &str, length: usize) -> Option<&str> {
    if text.len() / 2 <= length {
        return None;
    }
    let from = text.ceil_char_boundary(length);
    let rest = text.get(from..)?;
    rest.find(char::is_whitespace).and_then(|space| text.get(..from + space))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny(max_tokens: usize) -> TextTokenizer {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/models/bert-ts17/tokenizer.json");
        TextTokenizer::read(&file, max_tokens, false).unwrap()
    }

    #[test]
    fn an_empty_text_is_its_special_tokens() {
        let tokens = tiny(32).encode("", "").unwrap();
        assert_eq!(tokens, Tokens { ids: vec![2, 3], count: 0, unknown: 0, words: 0, truncated: false });
        assert_eq!(tokens.per_word(), 0.0);
    }

    #[test]
    fn counts_are_of_the_span_that_survives_truncation() {
        let text = "the dog and the man and the dog";
        let whole = tiny(32).encode("", text).unwrap();
        assert_eq!((whole.words, whole.truncated), (8, false));
        let cut = tiny(5).encode("", text).unwrap();
        assert_eq!((cut.ids.len(), cut.count, cut.truncated), (5, 3, true));
        assert_eq!(cut.ids[..4], whole.ids[..4]);
        assert_eq!(cut.ids[4], 3, "the last special token stays");
        assert!(cut.words <= 3 && cut.words >= 1);
    }

    #[test]
    fn an_unknown_token_weighs_five() {
        let tokens = tiny(32).encode("", "漢").unwrap();
        assert_eq!((tokens.count, tokens.unknown, tokens.words), (1, 1, 1));
        assert_eq!(tokens.per_word(), 5.0);
    }

    #[test]
    fn the_prefix_is_tokenised_with_the_text() {
        let both = tiny(32).encode("the dog: ", "and the man").unwrap();
        assert_eq!(both, tiny(32).encode("", "the dog: and the man").unwrap());
    }

    #[test]
    fn a_long_text_gives_the_tokens_of_the_whole() {
        let tokenizer = tiny(32);
        let long: String = (0..40_000).map(|i| if i % 3 == 0 { "dog " } else { "walking, " }).collect();
        let fast = tokenizer.encode("", &long).unwrap();
        let (slow, total) = tokenizer.encode_whole(&long, false).unwrap();
        assert!(total > 40_000);
        assert_eq!(fast, slow);
        assert!(fast.truncated);
    }

    #[test]
    fn a_long_text_of_one_word_is_tokenised_whole() {
        let tokens = tiny(32).encode("", &"a".repeat(1 << 20)).unwrap();
        assert_eq!((tokens.count, tokens.unknown, tokens.truncated), (1, 1, false));
        let spaced = format!("{} dog", "a".repeat(1 << 18));
        let tokens = tiny(32).encode("", &spaced).unwrap();
        assert_eq!((tokens.count, tokens.truncated), (2, false));
    }

    #[test]
    fn no_limit_at_all_is_no_overflow() {
        let long = "dog ".repeat(40_000);
        let tokens = tiny(usize::MAX).encode("", &long).unwrap();
        assert_eq!((tokens.count, tokens.words, tokens.truncated), (40_000, 40_000, false));
    }

    #[test]
    fn room_for_special_tokens_alone_is_refused() {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/models/bert-ts17/tokenizer.json");
        assert_eq!(TextTokenizer::read(&file, 2, false).err().unwrap().code, ErrorCode::InvalidArgument);
    }

    /// Ends within the decoder, where the crate's own reader panics.
    const CUT: &str = "{\"version\":\"1.0\",\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",";

    #[test]
    fn a_missing_or_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokenizer.json");
        for content in [None, Some("{"), Some("{\"model\":{}}"), Some(CUT)] {
            if let Some(content) = content {
                std::fs::write(&file, content).unwrap();
            }
            let error = TextTokenizer::read(&file, 32, false).err().unwrap();
            assert_eq!(error.code, ErrorCode::TokenizerInvalid);
            assert!(error.message.contains("tokenizer.json"));
        }
    }

    #[test]
    fn every_cut_is_a_prefix_between_words() {
        let text = "ä b ".repeat(100);
        let start = beginning(&text, 31).unwrap();
        assert!(start.len() >= 31 && text.starts_with(start) && text[start.len()..].starts_with(' '));
        assert!(beginning("short", 31).is_none());
    }
}
