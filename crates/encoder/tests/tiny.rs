//! Tiny encoders in every export style that this version reads, against values of an independent computation
//! (`reference.json`: ONNX Runtime in Python, one text at a time).
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, dead_code)]

mod fixture;

use fixture::{ENCODERS, distance, embed, embedding_before_norm, json, load, numbers, options, runs, texts, tiny};
use uec_encoder::{Encoder, EncoderOptions, Pooling, Progress, TextTokenizer};
use uec_gaussian::Cancel;

/// Quantised with one scale for the whole batch.
const DYNAMIC: [&str; 3] = ["bert-int8", "bert-int8-u8", "bert-int8-ortsaved"];

#[test]
fn token_ids_are_those_of_the_reference() {
    for name in ENCODERS {
        let reference = json(&tiny(name).join("reference.json"));
        let limit = reference["max_seq_length"].as_u64().unwrap() as usize;
        let tokenizer = TextTokenizer::read(&tiny(name).join("tokenizer.json"), limit, false).unwrap();
        for text in reference["texts"].as_array().unwrap() {
            let tokens = tokenizer.encode("", text["text"].as_str().unwrap()).unwrap();
            let ids: Vec<f64> = tokens.ids.iter().map(|&id| f64::from(id)).collect();
            assert_eq!(ids, numbers(&text["input_ids"]), "{name}: {}", text["text"]);
        }
    }
}

#[test]
fn embeddings_are_those_of_the_reference() {
    if !runs("embeddings_are_those_of_the_reference") {
        return;
    }
    for name in ENCODERS {
        let reference = json(&tiny(name).join("reference.json"));
        let encoder = load(&tiny(name));
        assert_eq!(encoder.dimension() as u64, reference["D"].as_u64().unwrap());
        assert_eq!(encoder.features() as u64, reference["I"].as_u64().unwrap());
        let embedded = embed(&encoder, &texts(&reference));
        let tolerance = reference["tolerance"].as_f64().unwrap();
        for (row, text) in reference["texts"].as_array().unwrap().iter().enumerate() {
            let mean = &embedded.gaussians.mean[row * encoder.dimension()..][..encoder.dimension()];
            assert!(distance(mean, &numbers(&text["embedding"])) < tolerance, "{name}, text {row}");
            let pooled = embedding_before_norm(text);
            let length = pooled.iter().map(|z| z * z).sum::<f64>().sqrt();
            assert!((f64::from(embedded.norms[row]) - length).abs() < tolerance * length, "{name}, text {row}");
        }
        assert!(embedded.valid.iter().all(|&valid| valid == 1), "{name}: an empty text is a valid text");
        assert!(embedded.gaussians.variance.iter().all(|&v| v == 0.0), "{name}: not fitted, so no variance");
        assert!(!encoder.fitted());
        assert_eq!(embedded.truncated, [0, 0, 0, 0, 0, 1], "{name}: the last text is longer than 32");
        let info = encoder.info();
        assert_eq!(
            (info.pooling.as_str(), info.normalize),
            (word(&reference["pooling"]), reference["normalize"] == true)
        );
        let norm = match word(&reference["norm"]["type"]) {
            "LayerNorm" => "layer",
            "RMSNorm" => "rms",
            _ => "none",
        };
        assert_eq!(info.norm, norm, "{name}");
    }
}

fn word(value: &serde_json::Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn a_batch_gives_what_its_texts_give_alone() {
    if !runs("a_batch_gives_what_its_texts_give_alone") {
        return;
    }
    for name in ENCODERS {
        let encoder = load(&tiny(name));
        let mut texts = texts(&json(&tiny(name).join("reference.json")));
        for copy in 0..150 {
            texts.push(format!("{} {}", texts[copy % 6], "boat ".repeat(copy % 9)));
        }
        let together = embed(&encoder, &texts);
        for (row, text) in texts.iter().enumerate() {
            let alone = embed(&encoder, &[text]);
            let expected: Vec<f64> = alone.gaussians.mean.iter().map(|&x| f64::from(x)).collect();
            let mean = &together.gaussians.mean[row * encoder.dimension()..][..encoder.dimension()];
            // Other shapes round otherwise: by one step where values are rounded to few bits.
            let tolerance = match name {
                _ if DYNAMIC.contains(&name) => 0.0,
                "bert-qdq" => 5e-2,
                "bert-fp16" => 5e-3,
                _ => 1e-5,
            };
            assert!(distance(mean, &expected) <= tolerance, "{name}, text {row}: {}", distance(mean, &expected));
            assert_eq!(together.tokens[row], alone.tokens[0]);
            assert_eq!(together.tokens_per_word[row], alone.tokens_per_word[0]);
        }
    }
}

#[test]
fn nothing_gives_no_rows() {
    if !runs("nothing_gives_no_rows") {
        return;
    }
    let embedded = embed(&load(&tiny("bert-ts17")), &[] as &[&str]);
    assert!(embedded.gaussians.mean.is_empty() && embedded.norms.is_empty() && embedded.valid.is_empty());
}

#[test]
fn a_text_without_any_token_is_invalid_and_its_neighbours_are_not() {
    if !runs("a_text_without_any_token_is_invalid_and_its_neighbours_are_not") {
        return;
    }
    // The tiny encoder with a tokenizer that adds no special tokens.
    let folder = copy("bert-ts17");
    let mut tokenizer = json(&folder.path().join("tokenizer.json"));
    tokenizer["post_processor"] = serde_json::Value::Null;
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let embedded = embed(&load(folder.path()), &["a boat", "", "a dog"]);
    assert_eq!(embedded.valid, [1, 0, 1]);
    assert_eq!(embedded.tokens[1], 0);
    assert!(embedded.gaussians.mean[32..64].iter().all(|&x| x == 0.0));
    assert!(embedded.norms[1] == 0.0 && embedded.norms[0] > 0.0);
}

#[test]
fn a_megabyte_of_text_is_cut_and_flagged() {
    if !runs("a_megabyte_of_text_is_cut_and_flagged") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let long = "the small boat crosses the lake ".repeat(1 << 15);
    let start = &long[..4000];
    let embedded = embed(&encoder, &[long.as_str(), start, &"a".repeat(1 << 20)]);
    assert_eq!(embedded.truncated, [1, 1, 0]);
    assert_eq!(embedded.tokens[..2], [30, 30]);
    assert_eq!(embedded.gaussians.mean[..32], embedded.gaussians.mean[32..64]);
}

#[test]
fn options_override_the_directory() {
    if !runs("options_override_the_directory") {
        return;
    }
    let path = tiny("bert-ts17");
    let encoder = Encoder::load(
        &path,
        &EncoderOptions {
            pooling: Some(Pooling::Cls),
            normalize: Some(false),
            max_tokens: Some(8),
            prompts: [("query".to_owned(), "boat: ".to_owned())].into(),
            ..options()
        },
    )
    .unwrap();
    let info = encoder.info();
    assert_eq!((info.pooling.as_str(), info.normalize, info.max_tokens, info.threads), ("cls", false, 8, 1));
    assert_eq!((info.norm.as_str(), info.device.as_str()), ("layer", "cpu"));
    assert!(info.runtime.contains("1."), "{}", info.runtime);
    assert_ne!(encoder.fingerprint(), load(&path).fingerprint(), "pooling and normalisation are part of the encoder");
    let prompted = encoder.embed(&["dawn"], Some("query"), &Cancel::default(), &Progress::default()).unwrap();
    let written = embed(&encoder, &["boat: dawn"]);
    assert_eq!(prompted.gaussians, written.gaussians);
    let length = written.gaussians.mean.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    assert!((length / f64::from(written.norms[0]) - 1.0).abs() < 1e-6, "not normalised");
}

/// A copy of a tiny encoder's folder that may be changed.
fn copy(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in
        ["tokenizer.json", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json", "onnx/model.onnx"]
    {
        let target = folder.path().join(file);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(tiny(name).join(file), target).unwrap();
    }
    folder
}
