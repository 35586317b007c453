//! Every broken file is refused quickly, with the right code and a sentence that says what is wrong.
#![allow(clippy::unwrap_used)]

mod models;

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use models::{fixtures, json, onnx, tail};
use serde::Deserialize;
use uec_gaussian::ErrorCode::{self, ModelInvalid, ModelNotFound, ModelUnsupported};
use uec_onnx::{Bake, BakedPosterior, Graph, Override, Pooling, TailKind};

/// Folder, code, and what the message must mention.
const BROKEN: [(&str, ErrorCode, &str); 11] = [
    ("no-linear", ModelUnsupported, "no linear layer"),
    ("two-outputs-unrelated", ModelUnsupported, "ambiguous"),
    ("truncated", ModelInvalid, "truncated"),
    ("bad-external", ModelInvalid, "leaves the folder"),
    ("bad-external-missing", ModelInvalid, "`model.onnx_data`, which is missing"),
    ("huge-dim-claim", ModelInvalid, "does not match its dimensions [1048576, 1048576]"),
    ("cyclic", ModelInvalid, "cycle"),
    ("wrong-typed", ModelUnsupported, "INT64, is not supported"),
    ("not-a-protobuf", ModelInvalid, "not an ONNX file"),
    ("empty-file", ModelInvalid, "no graph"),
    ("lfs-pointer", ModelInvalid, "Git LFS pointer"),
];

#[test]
fn broken_files_are_refused() {
    #[derive(Deserialize)]
    struct Expected {
        cases: Vec<Case>,
    }
    #[derive(Deserialize)]
    struct Case {
        name: String,
    }
    let expected: Expected = json(&fixtures().join("broken/expected.json"));
    let listed: Vec<_> = expected.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(listed, BROKEN.map(|(name, ..)| name));
    for (name, code, mention) in BROKEN {
        let start = Instant::now();
        let error = tail(&fixtures().join("broken").join(name)).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(1), "{name}");
        assert_eq!(error.code, code, "{name}: {error}");
        assert!(error.message.contains(mention), "{name}: {error}");
    }
}

#[test]
fn missing_files_and_folders_are_named() {
    let missing = Graph::read(Path::new("no/such/model.onnx")).unwrap_err();
    assert_eq!(missing.code, ModelNotFound);
    assert!(missing.message.contains("no/such/model.onnx"));
    assert_eq!(Graph::read(&fixtures()).unwrap_err().code, ModelInvalid);
}

/// xorshift64*: the same mutations on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

fn try_everything(bytes: Vec<u8>, path: &Path) {
    let start = Instant::now();
    if let Ok(graph) = Graph::parse(Bytes::from(bytes), path)
        && let Ok(tail) = graph.tail(&Override::default())
    {
        assert!(tail.weight.iter().all(|weight| weight.is_finite()));
        let variance = vec![1.0; tail.weight.len()];
        let posterior = Some(BakedPosterior { variance, kind: TailKind::FirstOrder, half: false });
        let bake = Bake { pooling: Pooling::Mean, normalize: true, dimensions: None, posterior, metadata: Vec::new() };
        let _ = (graph.tapped(&tail, Pooling::Mean), graph.bake(&tail, &bake), graph.baked());
    }
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn mutations_never_panic() {
    for name in ["bert-ts17", "bert-ts14", "bert-int8", "bert-nbits", "bert-qdq", "bert-dense-ingraph", "llama-fused"] {
        let path = onnx(&fixtures().join(name));
        let original = std::fs::read(&path).unwrap();
        let mut random = Random(17);
        for _ in 0..100 {
            try_everything(original[..random.below(original.len())].to_vec(), &path);
        }
        for round in 0..200 {
            let mut bytes = original.clone();
            for _ in 0..1 + round % 16 {
                let at = random.below(bytes.len());
                bytes[at] = random.below(256) as u8;
            }
            try_everything(bytes, &path);
        }
        // The weights take most of the bytes: hit the nodes too.
        let nodes = 0..original.len().min(30_000);
        for _ in 0..200 {
            let mut bytes = original.clone();
            let at = random.below(nodes.len());
            bytes[at] ^= 1 << random.below(8);
            try_everything(bytes, &path);
        }
    }
}
