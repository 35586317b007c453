//! Word dropout: two disturbed copies of one text make a fitting pair where no labelled pairs exist.
//!
//! Each word (split at white space) is dropped with probability p by a generator that is seeded from
//! (seed, copy, text) alone, so a text's copies depend neither on its neighbours nor on its position.

use sha2::{Digest, Sha256};

/// SplitMix64 (Steele, Lea, Flood 2014), seeded with a hash: small, exactly reproducible, good enough to drop words.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform on [0, 1).
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The first eight bytes of the SHA-256 of `parts`, each preceded by its length.
fn seed_of(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    leading(&hash.finalize())
}

/// A content hash of one text: the first eight bytes (big-endian) of its SHA-256.
pub(crate) fn content_hash(text: &str) -> u64 {
    leading(&Sha256::digest(text.as_bytes()))
}

fn leading(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// Copy number `copy` of `text`, in which each word is missing with probability `dropout` (0 ≤ dropout < 1), the words
/// joined by single spaces. At least one word stays. A text without words is returned as it is.
pub fn word_dropped(text: &str, dropout: f64, seed: u64, copy: u32) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() {
        return text.to_owned();
    }
    let mut random = SplitMix64(seed_of(&[&seed.to_le_bytes(), &copy.to_le_bytes(), text.as_bytes()]));
    let mut kept: Vec<&str> = words.iter().copied().filter(|_| random.uniform() >= dropout).collect();
    if kept.is_empty() {
        let one = (random.next() % words.len() as u64) as usize;
        kept.extend(words.get(one));
    }
    kept.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "the old lighthouse keeper counts seven ships before the evening fog closes over the bay";

    #[test]
    fn depends_on_seed_copy_and_text_alone() {
        let once = word_dropped(TEXT, 0.3, 0, 0);
        assert_eq!(once, word_dropped(TEXT, 0.3, 0, 0));
        let others = [word_dropped(TEXT, 0.3, 0, 1), word_dropped(TEXT, 0.3, 1, 0)];
        assert!(others.iter().all(|other| *other != once));
    }

    #[test]
    fn keeps_the_order_of_the_words_that_stay() {
        for seed in 0..50 {
            let copy = word_dropped(TEXT, 0.5, seed, 0);
            let mut rest = TEXT.split_whitespace();
            assert!(copy.split_whitespace().all(|word| rest.any(|other| other == word)));
        }
    }

    #[test]
    fn never_drops_every_word() {
        for seed in 0..200 {
            assert!(!word_dropped("one two", 0.999, seed, 0).is_empty());
        }
        assert_eq!(word_dropped("alone", 0.3, 5, 0), "alone");
    }

    #[test]
    fn a_text_without_words_stays_as_it_is() {
        assert_eq!(word_dropped("", 0.3, 0, 0), "");
        assert_eq!(word_dropped(" \n", 0.3, 0, 1), " \n");
    }

    /// 20 000 Bernoulli draws: three standard deviations are 0.01.
    #[test]
    fn drops_the_asked_share() {
        let words: usize = TEXT.split_whitespace().count();
        let kept: usize = (0..1400).map(|seed| word_dropped(TEXT, 0.3, seed, 0).split_whitespace().count()).sum();
        let share = 1.0 - kept as f64 / (1400 * words) as f64;
        assert!((share - 0.3).abs() < 0.01, "{share}");
    }

    /// sha256("abc") = ba7816bf 8f01cfea … (FIPS 180-2, appendix B.1).
    #[test]
    fn the_content_hash_is_the_head_of_sha256() {
        assert_eq!(content_hash("abc"), 0xba78_16bf_8f01_cfea);
    }
}
