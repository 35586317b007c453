//! The checkpoint file: a sum goes on from it bit for bit, and content that contradicts itself is refused.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::ops::Range;

use support::{Problem, Shape, forged, texts};
use uec_gaussian::{Cancel, Error, ErrorCode};
use uec_laplace::{CurvatureOptions, RunningSum, TailKind};

const TENSORS: [&str; 5] = ["sample_hash", "sample_norm", "H", "sample_h", "sample_mean"];

fn problem() -> Problem {
    Problem::new(17, "layer", Shape { dimension: 7, features: 5, batch: 4, tokens: 3, negatives: 0 })
}

fn empty(problem: &Problem) -> RunningSum {
    RunningSum::new(&problem.head, CurvatureOptions::default(), TailKind::FirstOrder).unwrap()
}

/// Adds some pairs, of which the queries are sampled.
fn add(sum: &mut RunningSum, problem: &Problem, range: Range<usize>) {
    let (queries, positives) = (texts(&problem.queries[range.clone()]), texts(&problem.positives[range.clone()]));
    sum.curvature.add_batch(&problem.head, &queries, &positives, &[], &Cancel::default()).unwrap();
    for (index, text) in range.zip(&queries) {
        sum.sample.add(u64::MAX - index as u64, &problem.head, text).unwrap();
    }
}

fn notes() -> BTreeMap<String, String> {
    BTreeMap::from([("seed".to_owned(), "0".to_owned()), ("of".to_owned(), "\"ä\"".to_owned())])
}

/// Writes a sum and gives back the file.
fn saved(sum: &RunningSum) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint");
    sum.save(&file, &notes()).unwrap();
    std::fs::read(&file).unwrap()
}

fn load(bytes: &[u8]) -> Result<(RunningSum, BTreeMap<String, String>), Error> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint");
    std::fs::write(&file, bytes).unwrap();
    RunningSum::load(&file)
}

#[test]
fn a_sum_goes_on_bit_for_bit() {
    let problem = problem();
    let mut whole = empty(&problem);
    assert_eq!(saved(&load(&saved(&whole)).unwrap().0), saved(&whole), "nothing at all is a sum, too");
    add(&mut whole, &problem, 0..2);
    let (mut resumed, read) = load(&saved(&whole)).unwrap();
    assert_eq!(read, notes());
    for sum in [&mut whole, &mut resumed] {
        add(sum, &problem, 2..4);
    }
    assert_eq!(resumed.curvature.h(), whole.curvature.h());
    assert_eq!(resumed.curvature.loss().to_bits(), whole.curvature.loss().to_bits());
    assert_eq!(saved(&resumed), saved(&whole));
}

#[test]
fn content_that_contradicts_itself_is_corrupt() {
    let problem = problem();
    let mut sum = empty(&problem);
    add(&mut sum, &problem, 0..4);
    let good = saved(&sum);
    assert_eq!(saved(&load(&forged::forge(&good, &TENSORS, |_| {})).unwrap().0), good, "the forged checksum is right");
    let refused = |bytes: &[u8], why: &str| {
        let error = load(bytes).unwrap_err();
        assert_eq!(error.code, ErrorCode::FileCorrupt, "{why}: {error}");
        assert!(error.message.contains(why), "{why}: {error}");
    };
    for (key, value, why) in [
        ("pairs", "-1", "pairs"),
        ("pairs", "3", "more correct pairs"),
        ("correct", "1e3", "correct"),
        ("loss_sum", "NaN", "loss_sum"),
        ("loss_sum", "-0.5", "loss_sum"),
        ("tail", "head", "tail"),
        ("curvature", "hessian", "curvature"),
        ("sides", "none", "sides"),
        ("temperature", "0", "temperature"),
        ("temperature", "inf", "temperature"),
        ("version", "0", "version"),
        ("format", "uec-posterior", "not a checkpoint"),
    ] {
        let change = |content: &mut forged::Content| {
            content.metadata.insert("correct".to_owned(), "4".to_owned());
            content.metadata.insert(key.to_owned(), value.to_owned());
        };
        refused(&forged::forge(&good, &TENSORS, change), why);
    }
    for (why, change) in forged::broken_tensors() {
        refused(&forged::forge(&good, &TENSORS, change), why);
    }
}
