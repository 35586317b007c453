//! The English default encoder against float64 references computed from the same weights (`golden/README.md` says how, and
//! where the tolerances come from).
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, dead_code)]

mod fixture;

use std::path::PathBuf;

use fixture::{distance, embed, fitter, json, load, load_with, numbers, relative, root, runs, strings, sts};
use serde_json::Value;
use uec_encoder::{Embedded, FitOptions, FitPair, Progress, TextTokenizer};
use uec_gaussian::Cancel;
use uec_laplace::{Changes, Posterior, Prior, Scale, TailKind};

const DIMENSION: usize = 384;
const FEATURES: usize = 1536;

fn model() -> PathBuf {
    root().join("models/minilm-l6-en")
}

fn golden(name: &str) -> Value {
    json(&root().join("__test__/fixtures/golden").join(name))
}

#[test]
fn token_ids_are_those_of_the_original_tokenizer() {
    let tokenizer = TextTokenizer::read(&model().join("tokenizer.json"), 256, false).unwrap();
    for text in golden("encoder.json")["texts"].as_array().unwrap() {
        let tokens = tokenizer.encode("", text["text"].as_str().unwrap()).unwrap();
        let ids: Vec<f64> = tokens.ids.iter().map(|&id| f64::from(id)).collect();
        assert_eq!(ids, numbers(&text["token_ids"]), "{}", text["text"]);
    }
}

#[test]
fn means_are_those_of_the_original_weights() {
    if !runs("means_are_those_of_the_original_weights") {
        return;
    }
    let golden = golden("encoder.json");
    let encoder = load(&model());
    assert_eq!((encoder.dimension(), encoder.features(), encoder.info().max_tokens), (DIMENSION, FEATURES, 256));
    let embedded = embed(&encoder, &strings(&golden["texts"], "text"));
    for (row, text) in golden["texts"].as_array().unwrap().iter().enumerate() {
        let mean = &embedded.gaussians.mean[row * DIMENSION..(row + 1) * DIMENSION];
        assert!(distance(mean, &numbers(&text["mu"])) < 1e-5, "text {row}");
        let length = text["z_norm"].as_f64().unwrap();
        assert!((f64::from(embedded.norms[row]) / length - 1.0).abs() < 1e-5, "text {row}");
    }
}

/// 64 STS pairs: H, λ and the variance of the 24 texts at three λ and both tails.
#[test]
fn a_fit_is_that_of_float64() {
    let name = "a_fit_is_that_of_float64";
    if !runs(name) {
        return;
    }
    let Some(shared) = std::env::var_os("UEC_SHARED").map(PathBuf::from) else {
        eprintln!("skipped: {name} (UEC_SHARED not set)");
        return;
    };
    let golden = golden("encoder.json");
    let plain = fit(sts::pairs(&shared), TailKind::Plain);
    check_curvature(&golden["fit"], &plain);
    let first_order = fit(sts::pairs(&shared), TailKind::FirstOrder);
    assert_eq!(plain.curvature(), first_order.curvature(), "the tail does not enter the curvature");

    let texts = strings(&golden["texts"], "text");
    let at = |posterior: &Posterior, prior| {
        let changes = Changes { prior: Some(prior), scale: Some(Scale::None), laplace_temperature: None };
        embed(&load_with(&model(), &posterior.with(&changes).unwrap()), &texts)
    };
    let marglik = first_order.with(&Changes { prior: Some(Prior::Marglik), ..Changes::default() }).unwrap();
    near(marglik.prior_precision(), &golden["fit"]["lambda"], 1e-5);
    near(marglik.effective_parameters(), &golden["fit"]["gamma_eff"], 1e-4);
    let wide = at(&first_order, Prior::Marglik);
    let narrow = at(&first_order, Prior::Value(1e-4));
    for (row, text) in golden["texts"].as_array().unwrap().iter().enumerate() {
        check_variance(&wide, row, text);
        check_variance(&narrow, row, &text["at_lambda_1e-4"]);
    }
    let defaults = self::golden("default_path.json");
    near(plain.prior_precision(), &defaults["lambda_relative"], 1e-4);
    for (posterior, tail) in [(&plain, "plain"), (&first_order, "first-order")] {
        let embedded = at(posterior, Prior::Relative);
        for (row, text) in defaults["texts"].as_array().unwrap().iter().enumerate() {
            near(f64::from(embedded.norms[row]), &text["norm"], 1e-5);
            check_variance(&embedded, row, &text[tail]);
        }
        // The same λ as the reference, so that only the variance is compared.
        let given = Prior::Value(defaults["lambda_relative"].as_f64().unwrap());
        let embedded = at(posterior, given);
        for (row, text) in defaults["texts"].as_array().unwrap().iter().enumerate() {
            check_variance(&embedded, row, &text[tail]);
        }
    }
}

fn fit(pairs: Vec<FitPair>, tail: TailKind) -> Posterior {
    let (cancel, progress) = (Cancel::default(), Progress::default());
    let mut fitter = fitter(&load(&model()), FitOptions { tail, ..FitOptions::default() });
    fitter.push(pairs, &cancel, &progress).unwrap();
    fitter.finish(&cancel, &progress).unwrap()
}

fn check_curvature(expected: &Value, posterior: &Posterior) {
    let h = posterior.curvature();
    let expected_h = &expected["H_ef"];
    near(h.iter().map(|&h| f64::from(h)).sum(), &expected_h["sum"], 1e-5);
    near(h.iter().copied().fold(0.0, f32::max).into(), &expected_h["max"], 1e-4);
    let largest = expected_h["max"].as_f64().unwrap();
    for sample in expected_h["samples"].as_array().unwrap() {
        let sample = numbers(sample);
        let found = f64::from(h[sample[0] as usize * FEATURES + sample[1] as usize]);
        assert!((found - sample[2]).abs() < 1e-4 * largest, "{sample:?}: {found}");
    }
    let random = random(DIMENSION.max(FEATURES));
    let dot: f64 =
        h.iter().enumerate().map(|(at, &h)| random[at / FEATURES] * f64::from(h) * random[at % FEATURES]).sum();
    assert!((dot - expected_h["dot"].as_f64().unwrap()).abs() < 1e-4 * expected_h["sum"].as_f64().unwrap());
    near(posterior.loss() * posterior.pairs() as f64, &expected["loss_sum"], 1e-4);
}

fn check_variance(embedded: &Embedded, row: usize, expected: &Value) {
    let variance = &embedded.gaussians.variance[row * DIMENSION..(row + 1) * DIMENSION];
    near(variance.iter().map(|&v| f64::from(v)).sum(), &expected["trace"], 1e-5);
    let error = relative(&variance[..8], &numbers(&expected["v_mu_first8"]));
    assert!(error < 1e-4, "text {row}: {error}");
    if let Some(dot) = expected["v_mu_dot"].as_f64() {
        let found: f64 = variance.iter().zip(random(DIMENSION)).map(|(&v, r)| f64::from(v) * r).sum();
        assert!((found - dot).abs() < 1e-5 * expected["trace"].as_f64().unwrap(), "text {row}: {found}");
    }
}

fn near(found: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    assert!((found / expected - 1.0).abs() < tolerance, "{found} instead of {expected}");
}

/// r_0, r_1, … of the references' inner products.
fn random(count: usize) -> Vec<f64> {
    let mut x = 12345_u32;
    std::iter::repeat_with(|| {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(x) / 2f64.powi(32) - 0.5
    })
    .take(count)
    .collect()
}
