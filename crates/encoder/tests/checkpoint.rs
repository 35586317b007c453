//! Fits that stop and go on: the posterior is bit for bit that of a fit without a break.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, dead_code)]

mod fixture;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fixture::{load, options, pool, runs, tiny};
use uec_encoder::{CheckpointOptions, Encoder, EncoderOptions, FitOptions, FitPair, Fitter, Pooling, Progress};
use uec_gaussian::{Cancel, Error, ErrorCode};
use uec_laplace::{Estimator, Posterior, Prior, TailKind};

const WORDS: [&str; 12] =
    ["boat", "dawn", "market", "water", "the dog", "a man", "morning", "green", "small", "walks", "lake", "bread"];

fn sentence(i: usize) -> String {
    (0..6).map(|k| WORDS[(i * 7 + k * 5 + i / 12 * k) % WORDS.len()]).collect::<Vec<_>>().join(" ")
}

/// Every third pair has hard negatives.
fn pairs(count: usize) -> Vec<FitPair> {
    let negatives = |i: usize| (0..i % 3).map(|k| sentence(900 + 2 * i + k)).collect();
    (0..count)
        .map(|i| FitPair { query: sentence(2 * i), positive: sentence(2 * i + 1), negatives: negatives(i) })
        .collect()
}

fn saved_in(file: &Path) -> FitOptions {
    let checkpoint = CheckpointOptions { file: file.to_owned(), interval: Duration::ZERO };
    FitOptions { batch_size: 8, checkpoint: Some(checkpoint), ..FitOptions::default() }
}

fn begin(encoder: &Encoder, options: FitOptions) -> Result<Fitter, Error> {
    Fitter::new(encoder, options, pool())
}

fn push(fitter: &mut Fitter, pairs: &[FitPair]) -> Result<(), Error> {
    fitter.push(pairs.to_vec(), &Cancel::default(), &Progress::default())
}

fn end(fitter: Fitter) -> Result<Posterior, Error> {
    fitter.finish(&Cancel::default(), &Progress::default())
}

/// A fit of all that stops nowhere.
fn whole(encoder: &Encoder, all: &[FitPair], options: FitOptions) -> Posterior {
    let mut fitter = begin(encoder, FitOptions { checkpoint: None, ..options }).unwrap();
    push(&mut fitter, all).unwrap();
    end(fitter).unwrap()
}

/// A fit that ends without a word after `count` pairs, as one that is killed.
fn broken_off(encoder: &Encoder, all: &[FitPair], count: usize, options: FitOptions) {
    push(&mut begin(encoder, options).unwrap(), &all[..count]).unwrap();
}

#[test]
fn goes_on_bit_for_bit_wherever_it_stopped() {
    if !runs("goes_on_bit_for_bit_wherever_it_stopped") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let folder = tempfile::tempdir().unwrap();
    let all = pairs(33);
    for (number, estimator) in [Estimator::Ef, Estimator::Ggn].into_iter().enumerate() {
        for count in [0, 9, 10, 17, 25, 26, 33] {
            let mut options = saved_in(&folder.path().join(format!("{number}-{count}")));
            options.curvature.estimator = estimator;
            options.tail = TailKind::FirstOrder;
            broken_off(&encoder, &all, count, options.clone());
            let mut fitter = begin(&encoder, options.clone()).unwrap();
            // A batch runs as soon as two more pairs are there.
            assert_eq!(fitter.resumed(), count.saturating_sub(2) / 8 * 8, "{count}");
            for portion in all.chunks(5) {
                push(&mut fitter, portion).unwrap();
            }
            let resumed = end(fitter).unwrap();
            assert_eq!(resumed.to_bytes().unwrap(), whole(&encoder, &all, options).to_bytes().unwrap(), "{count}");
        }
    }
}

#[test]
fn plain_texts_go_on_too_and_with_another_number_of_threads() {
    if !runs("plain_texts_go_on_too_and_with_another_number_of_threads") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let texts: Vec<String> = (0..40).map(sentence).collect();
    let (cancel, progress) = (Cancel::default(), Progress::default());
    let options = saved_in(&folder.path().join("checkpoint"));
    let fit = |threads: usize, count: usize, options: &FitOptions| {
        let encoder_options = EncoderOptions { threads: Some(threads), ..fixture::options() };
        let encoder = Encoder::load(&tiny("bert-ts17"), &encoder_options).unwrap();
        let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
        let mut fitter = Fitter::new(&encoder, options.clone(), pool).unwrap();
        fitter.push_texts(texts[..count].to_vec(), &cancel, &progress).unwrap();
        fitter
    };
    drop(fit(1, 25, &options));
    let resumed = fit(3, 40, &options);
    assert_eq!(resumed.resumed(), 16);
    let resumed = resumed.finish(&cancel, &progress).unwrap();
    let direct = fit(2, 40, &FitOptions { checkpoint: None, ..options }).finish(&cancel, &progress).unwrap();
    assert_eq!(resumed.to_bytes().unwrap(), direct.to_bytes().unwrap());
}

#[test]
fn a_finished_fit_takes_another_prior_or_more_data_from_its_checkpoint() {
    if !runs("a_finished_fit_takes_another_prior_or_more_data_from_its_checkpoint") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let folder = tempfile::tempdir().unwrap();
    let all = pairs(40);
    let options = saved_in(&folder.path().join("checkpoint"));
    let fit = |count: usize, options: &FitOptions| {
        let mut fitter = begin(&encoder, options.clone()).unwrap();
        push(&mut fitter, &all[..count]).unwrap();
        (fitter.resumed(), end(fitter).unwrap())
    };
    assert_eq!(fit(24, &options), (0, whole(&encoder, &all[..24], options.clone())));
    let other = FitOptions { prior: Prior::Value(0.5), ..options.clone() };
    assert_eq!(fit(24, &other), (16, whole(&encoder, &all[..24], other)));
    // More data; and the very data of the sum.
    assert_eq!(fit(40, &options), (16, whole(&encoder, &all, options.clone())));
    assert_eq!(fit(32, &options), (32, whole(&encoder, &all[..32], options)));
}

#[test]
fn other_data_are_noticed_and_the_file_stays() {
    if !runs("other_data_are_noticed_and_the_file_stays") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint");
    let all = pairs(40);
    broken_off(&encoder, &all, 20, saved_in(&file));
    let before = std::fs::read(&file).unwrap();
    let refused = |data: &[FitPair]| {
        let mut fitter = begin(&encoder, saved_in(&file)).unwrap();
        let error = push(&mut fitter, data).err().unwrap_or_else(|| end(fitter).unwrap_err());
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert!(error.message.contains("belongs to other data, at item 16"), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), before);
    };
    let mut other = all.clone();
    other.swap(2, 3);
    refused(&other);
    other = all.clone();
    other[4].negatives.clear();
    refused(&other);
    other = all.clone();
    other[0].query.push('!');
    refused(&other);
    refused(&all[..10]);
    refused(&[]);
    refused(&all[..17]);
    let mut fitter = begin(&encoder, saved_in(&file)).unwrap();
    let texts = (0..20).map(sentence).collect();
    let error = fitter.push_texts(texts, &Cancel::default(), &Progress::default()).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidArgument);
}

#[test]
fn what_cannot_be_gone_on_from_is_refused_and_stays() {
    if !runs("what_cannot_be_gone_on_from_is_refused_and_stays") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint");
    let all = pairs(20);
    broken_off(&encoder, &all, 20, saved_in(&file));
    let good = std::fs::read(&file).unwrap();
    let refused = |encoder: &Encoder, options: FitOptions, content: &[u8], code: ErrorCode, what: &str| {
        std::fs::write(&file, content).unwrap();
        let error = begin(encoder, options).err().unwrap();
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(what) && error.message.contains(file.to_str().unwrap()), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), content);
    };
    let here = || saved_in(&file);
    refused(&load(&tiny("bert-ts14")), here(), &good, ErrorCode::PosteriorMismatch, "another encoder");
    let cls = Encoder::load(&tiny("bert-ts17"), &EncoderOptions { pooling: Some(Pooling::Cls), ..options() }).unwrap();
    refused(&cls, here(), &good, ErrorCode::PosteriorMismatch, "another encoder");

    let invalid = |options, what: &str| refused(&encoder, options, &good, ErrorCode::InvalidArgument, what);
    invalid(FitOptions { batch_size: 9, ..here() }, "batchSize 8, this fit has 9");
    invalid(FitOptions { seed: 1, ..here() }, "seed 0, this fit has 1");
    invalid(FitOptions { word_dropout: 0.5, ..here() }, "wordDropout");
    invalid(FitOptions { tail: TailKind::FirstOrder, ..here() }, "tail plain, this fit has first-order");
    let mut ggn = here();
    ggn.curvature.estimator = Estimator::Ggn;
    invalid(ggn, "curvature ef, this fit has ggn");
    let mut warmer = here();
    warmer.curvature.temperature = 0.1;
    invalid(warmer, "temperature 0.05, this fit has 0.1");

    let shorter = Encoder::load(&tiny("bert-ts17"), &EncoderOptions { max_tokens: Some(5), ..options() }).unwrap();
    refused(&shorter, here(), &good, ErrorCode::InvalidArgument, "this fit has 5");
    let fewer = Encoder::load(&tiny("bert-ts17"), &EncoderOptions { dimensions: Some(16), ..options() }).unwrap();
    refused(&fewer, here(), &good, ErrorCode::PosteriorMismatch, "32×64 weights, the encoder has 16×64");

    let corrupt = |content: &[u8]| refused(&encoder, here(), content, ErrorCode::FileCorrupt, "delete this one");
    for part in 0..40 {
        corrupt(&good[..good.len() * part / 40]);
    }
    for byte in (0..good.len()).step_by(good.len() / 97) {
        let mut damaged = good.clone();
        damaged[byte] ^= 1;
        std::fs::write(&file, &damaged).unwrap();
        let error = begin(&encoder, here()).err().unwrap_or_else(|| panic!("byte {byte} does not matter"));
        assert!([ErrorCode::FileCorrupt, ErrorCode::FileVersion].contains(&error.code), "{error}");
    }
    corrupt(b"query\tpositive\n");
    corrupt(&whole(&encoder, &all, here()).to_bytes().unwrap());
    let version = good.windows(13).position(|bytes| bytes == b"\"version\":\"1\"").unwrap();
    let mut newer = good.clone();
    newer[version + 11] = b'2';
    refused(&encoder, here(), &newer, ErrorCode::FileVersion, "update uec");
}

#[test]
fn a_place_that_cannot_be_written_is_an_error_before_any_work() {
    if !runs("a_place_that_cannot_be_written_is_an_error_before_any_work") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let folder = tempfile::tempdir().unwrap();
    let error = begin(&encoder, saved_in(&folder.path().join("none/checkpoint"))).err().unwrap();
    assert_eq!(error.code, ErrorCode::FileWrite);
    assert_eq!(begin(&encoder, saved_in(folder.path())).err().unwrap().code, ErrorCode::FileCorrupt);
    begin(&encoder, saved_in(&folder.path().join("fine"))).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_abort_and_data_that_break_off_leave_what_was_done() {
    if !runs("an_abort_and_data_that_break_off_leave_what_was_done") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let folder = tempfile::tempdir().unwrap();
    let all = pairs(40);
    for (name, aborted) in [("aborted", true), ("broken off", false)] {
        let mut options = saved_in(&folder.path().join(name));
        // Nothing is saved before it is due.
        options.checkpoint.as_mut().unwrap().interval = Duration::from_secs(3600);
        let mut fitter = begin(&encoder, options.clone()).unwrap();
        push(&mut fitter, &all[..18]).unwrap();
        assert!(!folder.path().join(name).exists());
        if aborted {
            let cancel = Cancel::default();
            cancel.cancel();
            let error = fitter.push(all[18..].to_vec(), &cancel, &Progress::default()).unwrap_err();
            assert_eq!(error.code, ErrorCode::Aborted);
            assert_eq!(push(&mut fitter, &all).unwrap_err().code, ErrorCode::InvalidArgument, "it cannot go on");
        } else {
            fitter.save().unwrap();
        }
        let mut again = begin(&encoder, options.clone()).unwrap();
        assert_eq!(again.resumed(), 16);
        push(&mut again, &all).unwrap();
        assert_eq!(end(again).unwrap(), whole(&encoder, &all, options));
    }
}
