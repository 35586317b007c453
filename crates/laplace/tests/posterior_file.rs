//! The posterior file: exact round trips, and a clear error for everything that is not one.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;
use support::{Problem, Shape, forged, golden, texts};
use uec_gaussian::{Cancel, ErrorCode};
use uec_laplace::{Curvature, CurvatureOptions, Posterior, PosteriorOptions, Prior, Scale, TailKind, TraceSample};

fn posterior(norm: &str, options: PosteriorOptions) -> Posterior {
    let shape = Shape { dimension: 7, features: 5, batch: 4, tokens: 3, negatives: 0 };
    let problem = Problem::new(13, norm, shape);
    let mut curvature = Curvature::new(&problem.head, CurvatureOptions::default()).unwrap();
    let (queries, positives) = (texts(&problem.queries), texts(&problem.positives));
    curvature.add_batch(&problem.head, &queries, &positives, &[], &Cancel::default()).unwrap();
    let mut sample = TraceSample::new(&problem.head, options.tail);
    for (index, text) in queries.iter().enumerate() {
        sample.add(u64::MAX - index as u64, &problem.head, text).unwrap();
    }
    Posterior::fit(curvature, &problem.head, &[3.7; 7], sample, options, "sha256:äöü \"quoted\"".to_owned()).unwrap()
}

fn plain() -> Posterior {
    let record = [("seed", "0"), ("word_dropout", "0.3")];
    let record = record.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    posterior("layer", PosteriorOptions { record, ..PosteriorOptions::default() })
}

#[test]
fn a_loaded_posterior_is_the_saved_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("posterior.safetensors");
    for norm in ["layer", "rms", "none"] {
        for (prior, scale, tail) in [
            (Prior::Relative, Scale::Trace, TailKind::Plain),
            (Prior::Marglik, Scale::None, TailKind::FirstOrder),
            (Prior::Value(1.0 / 3.0), Scale::Value(0.1 + 0.2), TailKind::Plain),
        ] {
            let options = PosteriorOptions {
                prior,
                scale,
                tail,
                laplace_temperature: 0.7,
                normalize: norm != "none",
                ..PosteriorOptions::default()
            };
            let saved = posterior(norm, options);
            saved.save(&file).unwrap();
            let loaded = Posterior::load(&file).unwrap();
            assert_eq!(loaded, saved);
            assert_eq!(loaded.variance(), saved.variance());
            assert_eq!(loaded.to_bytes().unwrap(), std::fs::read(&file).unwrap());
        }
    }
    // Nothing but the file is left in the folder.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn other_programs_can_read_it() {
    let bytes = plain().to_bytes().unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().as_ref().unwrap();
    assert_eq!((metadata["format"].as_str(), metadata["version"].as_str()), ("uec-posterior", "1"));
    assert_eq!(metadata["fit.word_dropout"], "0.3");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("H").unwrap().shape(), [7, 5]);
    // Rewritten by another writer, with the keys in another order, it is still the same posterior.
    let rewritten = safetensors::serialize(file.tensors(), Some(metadata.clone())).unwrap();
    assert_eq!(Posterior::from_bytes(&rewritten).unwrap(), plain());
}

#[test]
fn a_missing_file_is_not_found() {
    let error = Posterior::load(Path::new("/nowhere/posterior.safetensors")).unwrap_err();
    assert_eq!(error.code, ErrorCode::FileNotFound);
    assert!(error.message.contains("/nowhere/posterior.safetensors"));
    assert_eq!(Posterior::load(Path::new("/")).unwrap_err().code, ErrorCode::FileCorrupt);
}

#[test]
fn a_folder_that_cannot_be_written_leaves_the_old_file() {
    let error = plain().save(Path::new("/nowhere/posterior.safetensors")).unwrap_err();
    assert_eq!(error.code, ErrorCode::FileWrite);
    // The target is a folder: the rename fails after everything was written, and the temporary file goes away.
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("posterior");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("kept"), "kept").unwrap();
    assert_eq!(plain().save(&target).unwrap_err().code, ErrorCode::FileWrite);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(target.join("kept").exists());
}

#[test]
fn a_file_cut_off_anywhere_is_corrupt() {
    let bytes = plain().to_bytes().unwrap();
    for part in 0..50 {
        let cut = &bytes[..bytes.len() * part / 50];
        assert_eq!(Posterior::from_bytes(cut).unwrap_err().code, ErrorCode::FileCorrupt, "{part}/50");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Posterior::from_bytes(&longer).unwrap_err().code, ErrorCode::FileCorrupt);
}

/// Every byte, with one bit or all bits turned: an error, or (spaces of the header) the same posterior.
#[test]
fn a_flipped_byte_never_passes() {
    let bytes = plain().to_bytes().unwrap();
    for index in 0..bytes.len() {
        for mask in [0x01, 0x10, 0x80, 0xFF] {
            let mut damaged = bytes.clone();
            damaged[index] ^= mask;
            match Posterior::from_bytes(&damaged) {
                Ok(read) => assert_eq!(read, plain(), "byte {index}"),
                Err(error) => {
                    let version = error.code == ErrorCode::FileVersion;
                    assert!(version || error.code == ErrorCode::FileCorrupt, "byte {index}: {error}");
                }
            }
        }
    }
}

#[test]
fn other_files_are_corrupt() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n";
    let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    // A tensor that claims 2^60 values in a file of 100 bytes.
    let claim = br#"{"H":{"dtype":"F32","shape":[1073741824,1073741824],"data_offsets":[0,4611686018427387904]}}"#;
    let claim = [&(claim.len() as u64).to_le_bytes()[..], claim, &[0; 100]].concat();
    for bytes in [&b""[..], b"<!DOCTYPE html>", pointer, &huge, &claim] {
        assert_eq!(Posterior::from_bytes(bytes).unwrap_err().code, ErrorCode::FileCorrupt);
    }
    // A sound safetensors file of another kind.
    let error = Posterior::load(&golden("posterior.safetensors")).unwrap_err();
    assert_eq!(error.code, ErrorCode::FileCorrupt);
    assert!(error.message.contains("not a posterior"), "{error}");
}

#[test]
fn a_newer_version_says_so() {
    let bytes = plain().to_bytes().unwrap();
    let key = br#""version":"1""#;
    let at = bytes.windows(key.len()).position(|window| window == key).unwrap() + key.len() - 2;
    let mut newer = bytes;
    newer[at] = b'2';
    let error = Posterior::from_bytes(&newer).unwrap_err();
    assert_eq!(error.code, ErrorCode::FileVersion);
    assert!(error.message.contains("version 2"), "{error}");
}

const TENSORS: [&str; 7] = ["sample_hash", "sample_norm", "weight_norm2", "H", "gamma", "sample_h", "sample_mean"];

fn forge(good: &[u8], change: impl FnOnce(&mut HashMap<String, String>)) -> Vec<u8> {
    forged::forge(good, &TENSORS, |content| change(&mut content.metadata))
}

/// Files with a right checksum and wrong content: what a faulty writer could make.
#[test]
fn content_that_contradicts_itself_is_corrupt() {
    let good = plain().to_bytes().unwrap();
    assert_eq!(Posterior::from_bytes(&forge(&good, |_| {})).unwrap(), plain(), "the forged checksum is the right one");
    for (key, value, why) in [
        ("prior_precision", "NaN", "prior_precision"),
        ("prior_precision", "0", "prior_precision"),
        ("scale", "1e300", "range"),
        ("scale", "inf", "scale"),
        ("loss_sum", "-1", "loss_sum"),
        ("pairs", "-3", "pairs"),
        ("pairs", "0", "pairs"),
        ("correct", "5", "loss"),
        ("norm", "batch", "norm"),
        ("tail", "head", "tail"),
        ("activation", "gelu", "activation"),
        ("activation", "tanh", "behind a norm"),
        ("compared", "6", "compared"),
        ("temperature", "0", "temperature"),
        ("laplace_temperature", "-1", "laplace_temperature"),
        ("format", "other", "not a posterior"),
        ("checksum", "0", "checksum"),
    ] {
        let forged = forge(&good, |metadata| drop(metadata.insert(key.to_owned(), value.to_owned())));
        let error = Posterior::from_bytes(&forged).unwrap_err();
        assert_eq!(error.code, ErrorCode::FileCorrupt, "{key}");
        assert!(error.message.contains(why), "{key} {value}: {error}");
    }
    let file = SafeTensors::deserialize(&good).unwrap();
    let (_, header) = SafeTensors::read_metadata(&good).unwrap();
    let metadata = header.metadata().clone().unwrap();
    for key in metadata.keys().filter(|key| !key.starts_with("fit.") && *key != "checksum") {
        let forged = forge(&good, |metadata| drop(metadata.remove(key)));
        let error = Posterior::from_bytes(&forged).unwrap_err();
        assert_eq!(error.code, ErrorCode::FileCorrupt, "without {key}");
        assert!(key == "format" || error.message.contains(key.as_str()), "without {key}: {error}");
    }
    for name in file.names() {
        let tensors = file.tensors().into_iter().filter(|(other, _)| other != name);
        let bytes = safetensors::serialize(tensors, Some(metadata.clone())).unwrap();
        assert_eq!(Posterior::from_bytes(&bytes).unwrap_err().code, ErrorCode::FileCorrupt, "without {name}");
    }
}

#[test]
fn tensors_that_no_writer_makes_are_corrupt() {
    let good = plain().to_bytes().unwrap();
    for (index, (why, change)) in forged::broken_tensors().into_iter().enumerate() {
        let error = Posterior::from_bytes(&forged::forge(&good, &TENSORS, change)).unwrap_err();
        assert_eq!(error.code, ErrorCode::FileCorrupt, "{index}: {error}");
        assert!(error.message.contains(why), "{index}, {why}: {error}");
    }
}

#[test]
fn claimed_pairs_beyond_all_numbers_do_not_merge() {
    let forged = forge(&plain().to_bytes().unwrap(), |metadata| {
        metadata.insert("pairs".to_owned(), usize::MAX.to_string());
    });
    let claimed = Posterior::from_bytes(&forged).unwrap();
    let error = Posterior::merge(&[claimed, plain()]).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidArgument);
    assert!(error.message.contains("more pairs"), "{error}");
}
