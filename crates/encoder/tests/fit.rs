//! Fitting and baking on a tiny encoder: the whole way from texts to variances, against direct computations.
#![allow(clippy::unwrap_used, clippy::print_stderr, missing_docs, dead_code)]

mod fixture;

use std::collections::HashMap;

use fixture::{distance, embed, fitter, json, load, load_with, numbers, options, pool, relative, runs, texts, tiny};
use uec_encoder::{Encoder, EncoderOptions, FitOptions, FitPair, Phase, Progress};
use uec_gaussian::{Cancel, ErrorCode};
use uec_laplace::{Head, Norm, Posterior, Prior, Scale, TailKind, Text};

const WORDS: [&str; 12] =
    ["boat", "dawn", "market", "water", "the dog", "a man", "morning", "green", "small", "walks", "lake", "bread"];

/// Deterministic sentences of six words.
fn sentences(count: usize) -> Vec<String> {
    let word = |i: usize, k: usize| WORDS[(i * 7 + k * 5 + i / 12 * k) % WORDS.len()];
    (0..count).map(|i| (0..6).map(|k| word(i, k)).collect::<Vec<_>>().join(" ")).collect()
}

fn pairs(count: usize) -> Vec<FitPair> {
    let texts = sentences(2 * count);
    let pair = |two: &[String]| FitPair { query: two[0].clone(), positive: two[1].clone(), negatives: Vec::new() };
    texts.chunks_exact(2).map(pair).collect()
}

fn fit(encoder: &Encoder, portions: &[&[FitPair]], options: FitOptions) -> Posterior {
    let (cancel, progress) = (Cancel::default(), Progress::default());
    let mut fitter = fitter(encoder, options);
    for portion in portions {
        fitter.push(portion.to_vec(), &cancel, &progress).unwrap();
    }
    fitter.finish(&cancel, &progress).unwrap()
}

fn small_batches() -> FitOptions {
    FitOptions { batch_size: 8, ..FitOptions::default() }
}

#[test]
fn the_result_does_not_depend_on_the_portions() {
    if !runs("the_result_does_not_depend_on_the_portions") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let all = pairs(29);
    let whole = fit(&encoder, &[&all], small_batches());
    let portions: Vec<&[FitPair]> = all.chunks(3).collect();
    assert_eq!(whole, fit(&encoder, &portions, small_batches()));
    assert_eq!(whole.pairs(), 29);
    assert_eq!(whole.fingerprint(), encoder.fingerprint());
}

#[test]
fn the_default_prompt_is_fitted_with_as_it_is_embedded_with() {
    if !runs("the_default_prompt_is_fitted_with_as_it_is_embedded_with") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for file in ["tokenizer.json", "modules.json", "1_Pooling/config.json", "onnx/model.onnx"] {
        let target = folder.path().join(file);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(tiny("bert-ts17").join(file), target).unwrap();
    }
    let plain = load(folder.path());
    let config = r#"{"prompts": {"query": "boat: "}, "default_prompt_name": "query"}"#;
    std::fs::write(folder.path().join("config_sentence_transformers.json"), config).unwrap();
    let bare = pairs(8);
    let written = |pair: &FitPair| FitPair {
        query: format!("boat: {}", pair.query),
        positive: format!("boat: {}", pair.positive),
        negatives: Vec::new(),
    };
    let by_hand: Vec<FitPair> = bare.iter().map(written).collect();
    let prompted = fit(&load(folder.path()), &[&bare], small_batches());
    assert_eq!(prompted.curvature(), fit(&plain, &[&by_hand], small_batches()).curvature());
    assert_ne!(prompted.curvature(), fit(&plain, &[&bare], small_batches()).curvature());
}

#[test]
fn a_last_pair_alone_joins_the_batch_before() {
    if !runs("a_last_pair_alone_joins_the_batch_before") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let all = pairs(17);
    let by_rule = fit(&encoder, &[&all], small_batches());
    let first = fit(&encoder, &[&all[..8]], small_batches());
    let last = fit(&encoder, &[&all[8..]], FitOptions { batch_size: 9, ..FitOptions::default() });
    for ((whole, first), last) in by_rule.curvature().iter().zip(first.curvature()).zip(last.curvature()) {
        assert!((whole - first - last).abs() <= 1e-6 * (first + last), "H is the sum of its batches");
    }
}

/// H of the fit against H of the same texts' a and u as listed in `reference.json`, without any run of ours.
#[test]
fn curvature_is_that_of_the_reference_activations() {
    if !runs("curvature_is_that_of_the_reference_activations") {
        return;
    }
    for (name, cls) in [("bert-ts17", false), ("bert-ts14", false), ("bert-dynamo20", false), ("bert-cls", true)] {
        let reference = json(&tiny(name).join("reference.json"));
        let listed = reference["texts"].as_array().unwrap();
        let texts = texts(&reference);
        let pair = |q: usize, p: usize, n: &[usize]| FitPair {
            query: texts[q].clone(),
            positive: texts[p].clone(),
            negatives: n.iter().map(|&n| texts[n].clone()).collect(),
        };
        let fitted =
            fit(&load(&tiny(name)), &[&[pair(0, 1, &[3]), pair(3, 4, &[]), pair(5, 2, &[0, 1])]], small_batches());

        let f32s = |value| numbers(value).into_iter().map(|x| x as f32).collect::<Vec<f32>>();
        let norm = &reference["norm"];
        let epsilon = norm["eps"].as_f64().unwrap() as f32;
        let norm = Norm::Layer { gamma: f32s(&norm["gamma"]), beta: f32s(&norm["beta"]), epsilon };
        let activation = uec_laplace::Activation::Identity;
        let head = Head { width: 32, dimension: 32, features: 64, norm, activation };
        let seen: Vec<(Vec<f32>, Vec<f32>, Vec<f64>)> = listed
            .iter()
            .map(|text| {
                let (a, u) = (f32s(&text["a"]), f32s(&text["u"]));
                let tokens = u.len() / 32;
                let mean = vec![1.0 / tokens as f64; tokens];
                let first = (0..tokens).map(|t| f64::from(u8::from(t == 0))).collect();
                (a, u, if cls { first } else { mean })
            })
            .collect();
        let text = |i: usize| Text { a: &seen[i].0, u: &seen[i].1, weights: &seen[i].2 };
        let mut expected = uec_laplace::Curvature::new(&head, FitOptions::default().curvature).unwrap();
        let negatives = [vec![text(3)], vec![], vec![text(0), text(1)]];
        let (queries, positives) = ([text(0), text(3), text(5)], [text(1), text(4), text(2)]);
        expected.add_batch_reference(&head, &queries, &positives, &negatives, &Cancel::default()).unwrap();
        let error = relative(fitted.curvature(), expected.h());
        assert!(error < 1e-4, "{name}: {error}");
    }
}

/// Dynamic quantisation takes one scale for a run: what the layer sees of a text would depend on its neighbours.
#[test]
fn a_dynamically_quantised_graph_sees_each_text_alone() {
    if !runs("a_dynamically_quantised_graph_sees_each_text_alone") {
        return;
    }
    for name in ["bert-int8", "bert-int8-u8", "bert-int8-ortsaved"] {
        let encoder = load(&tiny(name));
        let all = pairs(9);
        let sampled = |others: &[FitPair]| {
            let posterior = fit(&encoder, &[&[&all[..1], others].concat()], small_batches());
            let bytes = posterior.to_bytes().unwrap();
            let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            let [hashes, h] = ["sample_hash", "sample_h"].map(|name| file.tensor(name).unwrap());
            let rows = h.data().chunks_exact(4 * posterior.features()).map(<[u8]>::to_vec);
            hashes.data().chunks_exact(8).map(<[u8]>::to_vec).zip(rows).collect::<HashMap<_, _>>()
        };
        let (few, many) = (sampled(&all[1..3]), sampled(&all[3..]));
        let common: Vec<_> = few.iter().filter(|(hash, _)| many.contains_key(*hash)).collect();
        assert!(common.len() >= 2, "{name}: {} texts in both", common.len());
        assert!(common.iter().all(|(hash, h)| many[*hash] == **h), "{name}");
    }
}

/// v^μ of method §3 in float64 from the listed a and u and the posterior's V.
#[test]
fn variances_are_those_of_a_direct_computation() {
    if !runs("variances_are_those_of_a_direct_computation") {
        return;
    }
    for tail in [TailKind::Plain, TailKind::FirstOrder] {
        for name in ["bert-ts17", "bert-dynamo20", "bert-fp16-weights"] {
            let reference = json(&tiny(name).join("reference.json"));
            let posterior = fit(&load(&tiny(name)), &[&pairs(20)], FitOptions { tail, ..small_batches() });
            let encoder = load_with(&tiny(name), &posterior);
            let embedded = embed(&encoder, &texts(&reference));
            for (row, text) in reference["texts"].as_array().unwrap().iter().enumerate() {
                let expected = direct_variance(&reference, text, &posterior);
                let error = relative(&embedded.gaussians.variance[row * 32..(row + 1) * 32], &expected);
                assert!(error < 1e-4, "{name}, {tail:?}, text {row}: {error}");
            }
        }
    }
}

fn direct_variance(reference: &serde_json::Value, text: &serde_json::Value, posterior: &Posterior) -> Vec<f64> {
    let (a, u) = (numbers(&text["a"]), numbers(&text["u"]));
    let (gamma, epsilon) = (numbers(&reference["norm"]["gamma"]), reference["norm"]["eps"].as_f64().unwrap());
    let first_order = posterior.tail() == TailKind::FirstOrder;
    let tokens = u.len() / 32;
    let mut h = vec![0.0; 64];
    for (a, u) in a.chunks_exact(64).zip(u.chunks_exact(32)) {
        let mean = u.iter().sum::<f64>() / 32.0;
        let scale = (u.iter().map(|u| (u - mean).powi(2)).sum::<f64>() / 32.0 + epsilon).sqrt();
        let weight = if first_order { 1.0 / scale } else { 1.0 } / tokens as f64;
        h.iter_mut().zip(a).for_each(|(h, a)| *h += weight * a);
    }
    let v: Vec<f64> = posterior
        .variance()
        .chunks_exact(64)
        .zip(&gamma)
        .map(|(row, gamma)| {
            let sum: f64 = row.iter().zip(&h).map(|(v, h)| f64::from(*v) * h * h).sum();
            if first_order { gamma * gamma * sum } else { sum }
        })
        .collect();
    let z = numbers(&text["pooled"]);
    let norm2: f64 = z.iter().map(|z| z * z).sum();
    let total: f64 = z.iter().zip(&v).map(|(z, v)| z * z / norm2 * v).sum();
    z.iter().zip(&v).map(|(z, v)| (v * (1.0 - 2.0 * z * z / norm2) + z * z / norm2 * total) / norm2).collect()
}

#[test]
fn the_scale_brings_the_mean_trace_of_the_fitting_texts_to_one() {
    if !runs("the_scale_brings_the_mean_trace_of_the_fitting_texts_to_one") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let pairs = pairs(20);
    let mut texts: Vec<&str> = pairs.iter().flat_map(|pair| [pair.query.as_str(), &pair.positive]).collect();
    texts.sort_unstable();
    texts.dedup();
    let fitted = load_with(&tiny("bert-ts17"), &fit(&encoder, &[&pairs], small_batches()));
    let embedded = embed(&fitted, &texts);
    let mean = embedded.gaussians.variance.iter().map(|&v| f64::from(v)).sum::<f64>() / texts.len() as f64;
    assert!((mean - 1.0).abs() < 1e-4, "{mean}");
    let moments = fitted.trace_moments().unwrap();
    assert_eq!(moments.count, texts.len());
    assert!((moments.mean - 1.0).abs() < 1e-9);
    assert!(fitted.precision_moments().unwrap().mean > 0.0);
}

/// A thread of the pool that waits for parts of its work takes up other work meanwhile: the same question, for one.
#[test]
fn moments_may_be_asked_for_by_every_thread_of_one_pool_at_once() {
    if !runs("moments_may_be_asked_for_by_every_thread_of_one_pool_at_once") {
        return;
    }
    let posterior = fit(&load(&tiny("bert-ts17")), &[&pairs(200)], FitOptions::default());
    assert!(posterior.sample().len() > 64, "enough for several parts");
    let pool = pool();
    for _ in 0..20 {
        let encoder = load_with(&tiny("bert-ts17"), &posterior);
        let (sender, receiver) = std::sync::mpsc::channel();
        for _ in 0..8 {
            let (encoder, sender) = (encoder.clone(), sender.clone());
            pool.spawn(move || sender.send(encoder.trace_moments().unwrap()).unwrap());
        }
        for _ in 0..8 {
            let moments = receiver.recv_timeout(std::time::Duration::from_secs(20)).expect("nobody waits for itself");
            assert_eq!(moments, posterior.trace_moments().unwrap());
        }
    }
}

#[test]
fn texts_are_fitted_by_their_word_dropped_copies() {
    if !runs("texts_are_fitted_by_their_word_dropped_copies") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let (cancel, progress) = (Cancel::default(), Progress::default());
    let fit_texts = |texts: Vec<String>, seed| {
        let mut fitter = fitter(&encoder, FitOptions { seed, ..small_batches() });
        fitter.push_texts(texts, &cancel, &progress).unwrap();
        fitter.finish(&cancel, &progress).unwrap()
    };
    let posterior = fit_texts(sentences(24), 0);
    assert_eq!(posterior, fit_texts(sentences(24), 0));
    assert_ne!(posterior.curvature(), fit_texts(sentences(24), 1).curvature());
    assert_eq!((posterior.pairs(), progress.snapshot().phase), (24, Phase::Posterior));
    assert_eq!(posterior.options().record["seed"], "0");
}

#[test]
fn a_baked_file_is_the_fitted_encoder() {
    if !runs("a_baked_file_is_the_fitted_encoder") {
        return;
    }
    let plain = load(&tiny("bert-ts14"));
    let posterior = fit(&plain, &[&pairs(20)], small_batches());
    let fitted = load_with(&tiny("bert-ts14"), &posterior);
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(tiny("bert-ts14").join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
    let texts = sentences(10);
    let expected = embed(&fitted, &texts);
    for (name, encoder, given) in [("own", &fitted, None), ("given", &plain, Some(&posterior))] {
        let file = folder.path().join(format!("{name}.onnx"));
        encoder.bake(&file, given, None, &pool(), &Progress::default()).unwrap();
        let baked = load(&file);
        assert_eq!(embed(&baked, &texts), expected, "bit for bit: it is the same graph");
        assert!(baked.fitted());
        assert_eq!(baked.fingerprint(), plain.fingerprint());
        assert_eq!(baked.identity(), fitted.identity());
        assert_eq!(baked.trace_moments().unwrap(), fitted.trace_moments().unwrap());
        assert_eq!(baked.precision_moments().unwrap(), fitted.precision_moments().unwrap());
        let (mut info, original) = (baked.info(), fitted.info());
        info.runtime.clone_from(&original.runtime);
        assert_eq!(info, original, "a baked file says about itself what its original says");
    }
    let copy = folder.path().join("copy.onnx");
    load(&folder.path().join("own.onnx")).bake(&copy, None, None, &pool(), &Progress::default()).unwrap();
    assert_eq!(std::fs::read(copy).unwrap(), std::fs::read(folder.path().join("own.onnx")).unwrap());
}

#[test]
fn disturbing_the_curvature_changes_the_variance_and_nothing_else() {
    if !runs("disturbing_the_curvature_changes_the_variance_and_nothing_else") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let options = FitOptions { prior: Prior::Value(1e-6), scale: Scale::None, ..small_batches() };
    let one = fit(&encoder, &[&pairs(16)], options.clone());
    let other = fit(&encoder, &[&pairs(32)[16..]], options);
    let texts = sentences(6);
    let (one, other) = (load_with(&tiny("bert-ts17"), &one), load_with(&tiny("bert-ts17"), &other));
    assert_ne!(one.identity(), other.identity());
    let (one, other) = (embed(&one, &texts), embed(&other, &texts));
    assert_eq!(one.gaussians.mean, other.gaussians.mean);
    let v: Vec<f64> = other.gaussians.variance.iter().map(|&v| f64::from(v)).collect();
    assert!(distance(&one.gaussians.variance, &v) > 0.01 * v.iter().fold(0.0, |most: f64, v| most.max(*v)));
}

#[test]
fn too_few_pairs_are_an_error() {
    if !runs("too_few_pairs_are_an_error") {
        return;
    }
    let encoder = load(&tiny("bert-ts17"));
    let (cancel, progress) = (Cancel::default(), Progress::default());
    for count in [0, 1] {
        let mut fitter = fitter(&encoder, FitOptions::default());
        fitter.push(pairs(count), &cancel, &progress).unwrap();
        assert_eq!(fitter.finish(&cancel, &progress).unwrap_err().code, ErrorCode::InvalidArgument);
    }
    assert_eq!(fit(&encoder, &[&pairs(2)], FitOptions::default()).pairs(), 2);
}

#[test]
fn a_posterior_of_another_encoder_is_refused() {
    if !runs("a_posterior_of_another_encoder_is_refused") {
        return;
    }
    let posterior = fit(&load(&tiny("bert-ts17")), &[&pairs(8)], small_batches());
    let given = || EncoderOptions { posterior: Some(posterior.clone().into()), ..options() };
    let other_pooling = EncoderOptions { pooling: Some(uec_encoder::Pooling::Cls), ..given() };
    for (name, options) in [("bert-ts14", given()), ("bert-ts17", other_pooling)] {
        let error = Encoder::load(&tiny(name), &options).err().unwrap();
        assert_eq!(error.code, ErrorCode::PosteriorMismatch, "{name}: same shapes, another encoder");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mixed.onnx");
    let error =
        load(&tiny("bert-ts14")).bake(&file, Some(&posterior), None, &pool(), &Progress::default()).unwrap_err();
    assert_eq!((error.code, file.exists()), (ErrorCode::PosteriorMismatch, false));
}

#[test]
fn baking_without_a_posterior_is_an_error() {
    if !runs("baking_without_a_posterior_is_an_error") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.onnx");
    let encoder = load(&tiny("bert-ts17"));
    assert_eq!(encoder.bake(&file, None, None, &pool(), &Progress::default()).unwrap_err().code, ErrorCode::NotFitted);
    assert_eq!(encoder.trace_moments().unwrap_err().code, ErrorCode::NotFitted);
    assert!(!file.exists());
}
