//! Weights of more than 2 GiB beside a small graph: they are mapped, never copied, so that a process needs a fraction of
//! their size. Runs where `UEC_LONG` is set: the fingerprint alone reads the file several times.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout, missing_docs, dead_code)]

mod fixture;

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use fixture::{distance, embed, fitter, load, load_with, pool, runs, tiny};
use uec_encoder::{FitOptions, FitPair, Progress};
use uec_gaussian::{Cancel, ErrorCode};

/// Rows of the embedding table, of 32 numbers: 2.25 GiB.
const ROWS: u64 = 9 << 21;
const TABLE: u64 = ROWS * 128;
const FOLDER: &str = "UEC_LARGE_FOLDER";

/// A field of a protobuf message that holds bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let tag = u32::from(number) << 3 | 2;
    [varint(u64::from(tag)), varint(content.len() as u64), content.to_vec()].concat()
}

fn number(number: u8, value: u64) -> Vec<u8> {
    [varint(u64::from(number) << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push((value as u8 & 127) | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A float32 tensor in `weights`, the file beside the model.
fn external(name: &str, dims: [u64; 2], offset: u64) -> Vec<u8> {
    let entry = |key: &str, value: &str| field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat());
    let length = (dims[0] * dims[1] * 4).to_string();
    [
        dims.map(|dim| number(1, dim)).concat(),
        number(2, 1),
        field(8, name.as_bytes()),
        entry("location", "weights"),
        entry("offset", &offset.to_string()),
        entry("length", &length),
        number(14, 1),
    ]
    .concat()
}

/// (batch, sequence) and, for the output, a width.
fn value(name: &str, kind: u64, width: Option<u64>) -> Vec<u8> {
    let named = ["batch", "sequence"].map(|name| field(1, &field(2, name.as_bytes()))).concat();
    let shape = [named, width.map(|width| field(1, &number(1, width))).unwrap_or_default()].concat();
    let tensor = [number(1, kind), field(2, &shape)].concat();
    [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
}

fn node(operator: &str, inputs: [&str; 2], output: &str) -> Vec<u8> {
    let inputs = inputs.map(|input| field(1, input.as_bytes())).concat();
    [inputs, field(2, output.as_bytes()), field(4, operator.as_bytes())].concat()
}

/// `last_hidden_state = table[input_ids]·W`, table and W outside.
fn model() -> Vec<u8> {
    let graph = [
        field(1, &node("Gather", ["table", "input_ids"], "x")),
        field(1, &node("MatMul", ["x", "W"], "last_hidden_state")),
        field(2, b"large"),
        field(5, &external("table", [ROWS, 32], 0)),
        field(5, &external("W", [32, 4], TABLE)),
        field(11, &value("input_ids", 7, None)),
        field(12, &value("last_hidden_state", 1, Some(4))),
    ]
    .concat();
    [number(1, 8), field(7, &graph), field(8, &[field(1, b""), number(2, 17)].concat())].concat()
}

/// Entry (token, i) of the table, for the tokens of the tokenizer; 0 for the others, which nobody asks for.
fn table(token: u64, i: u64) -> f32 {
    ((token * 31 + i * 17) % 23) as f32 / 23.0 - 0.4
}

fn weight(i: u64, d: u64) -> f32 {
    ((i * 7 + d * 11) % 13) as f32 / 13.0 - 0.5
}

/// Writes the files of the model, the large one with a hole in it.
fn write(folder: &Path, model_name: &str, weights_name: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(model_name), model()).unwrap();
    let mut file = File::create(folder.join(weights_name)).unwrap();
    let cells = (0..300).flat_map(|token| (0..32).flat_map(move |i| table(token, i).to_le_bytes()));
    file.write_all(&cells.collect::<Vec<_>>()).unwrap();
    file.seek(SeekFrom::Start(TABLE)).unwrap();
    let cells = (0..32).flat_map(|i| (0..4).flat_map(move |d| weight(i, d).to_le_bytes()));
    file.write_all(&cells.collect::<Vec<_>>()).unwrap();
}

/// The most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// The child: load, embed, fit, bake, load again; prints the peak of its memory.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let model = folder.join("model.onnx");
    let encoder = load(&model);
    let embedded = embed(&encoder, &["a boat at dawn"]);
    let tokens = uec_encoder::TextTokenizer::read(&folder.join("tokenizer.json"), 32, false).unwrap();
    let ids = tokens.encode("", "a boat at dawn").unwrap().ids;
    let output = |d| -> f64 {
        let product =
            |id: &u32| (0..32).map(|i| f64::from(table(u64::from(*id), i)) * f64::from(weight(i, d))).sum::<f64>();
        ids.iter().map(product).sum::<f64>() / ids.len() as f64
    };
    let z: Vec<f64> = (0..4).map(output).collect();
    let length = z.iter().map(|z| z * z).sum::<f64>().sqrt();
    let unit: Vec<f64> = z.iter().map(|z| z / length).collect();
    assert!(distance(&embedded.gaussians.mean, &unit) < 1e-5);

    let (cancel, progress) = (Cancel::default(), Progress::default());
    let pair = |query: &str, positive: &str| FitPair {
        query: query.to_owned(),
        positive: positive.to_owned(),
        negatives: Vec::new(),
    };
    let mut fit = fitter(&encoder, FitOptions::default());
    fit.push(vec![pair("a boat at dawn", "the boat"), pair("green water", "the lake")], &cancel, &progress).unwrap();
    let posterior = fit.finish(&cancel, &progress).unwrap();
    let file = folder.join("baked.onnx");
    let baked = encoder.bake(&file, Some(&posterior), None, &pool(), &progress);
    if model.is_symlink() {
        assert_eq!(
            baked.unwrap_err().code,
            ErrorCode::InvalidArgument,
            "a file beside links to its weights is not read"
        );
    } else {
        baked.unwrap();
        let texts = ["the boat", "green water"];
        assert_eq!(embed(&load(&file), &texts), embed(&load_with(&model, &posterior), &texts));
    }
    println!("peak {}", peak());
}

#[test]
fn weights_above_2_gib_are_never_held_in_memory() {
    let name = "weights_above_2_gib_are_never_held_in_memory";
    if std::env::var_os("UEC_LONG").is_none() {
        eprintln!("skipped: {name} (UEC_LONG not set)");
        return;
    }
    if !runs(name) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (plain, snapshot) = (folder.path().join("plain"), folder.path().join("snapshot"));
    let blobs = folder.path().join("blobs");
    write(&plain, "model.onnx", "weights");
    write(&blobs, "1a", "2b");
    fs::create_dir(&snapshot).unwrap();
    symlink(blobs.join("1a"), snapshot.join("model.onnx")).unwrap();
    symlink(blobs.join("2b"), snapshot.join("weights")).unwrap();
    for model in [plain, snapshot] {
        fs::copy(tiny("bert-ts17/tokenizer.json"), model.join("tokenizer.json")).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", "child", "--nocapture"]).env(FOLDER, &model).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}{text}{}", model.display(), String::from_utf8_lossy(&output.stderr));
        let peak: u64 = text.split("peak ").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
        eprintln!("{}: {} MB of memory for weights of {} MB", model.display(), peak >> 20, TABLE >> 20);
        assert!(peak < TABLE / 4, "{}: {peak} bytes of memory for {TABLE} of weights", model.display());
    }
}
