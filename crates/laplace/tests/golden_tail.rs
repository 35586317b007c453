//! method §1 and §3 against tail.json (torch, float64).
#![allow(clippy::unwrap_used)]

mod support;

use support::{assert_close, floats, head, json, numbers, plain_head};
use uec_laplace::{
    Activation, Head, Norm, Pooling, TailKind, Text, features, normalized_trace, normalized_variance, pooling_weights,
    propagate,
};

#[test]
fn every_case_of_the_tail() {
    let file = json("tail.json");
    let (d, i, t) = (6, 5, 4);
    for case in file["cases"].as_array().unwrap() {
        let name = format!("case {}", case["id"]);
        let norm = case["norm"].as_str().unwrap();
        let model = &file["models"][norm];
        let head = head(norm, model, d, i);
        let inputs = &model["inputs"][case["padding"].as_str().unwrap()];
        let (a, u, mask) = (floats(&inputs["a"]), floats(&inputs["u"]), numbers(&inputs["mask"]));
        let variance = numbers(&model["V"]);
        let pooling: Pooling = case["pooling"].as_str().unwrap().parse().unwrap();
        let tail = match case["tail"].as_str().unwrap() {
            "plain" => TailKind::Plain,
            _ => TailKind::FirstOrder,
        };
        for row in 0..3 {
            let mask: Vec<bool> = mask[row * t..(row + 1) * t].iter().map(|&m| m == 1.0).collect();
            let weights = pooling_weights(pooling, &mask);
            let text = Text { a: &a[row * t * i..][..t * i], u: &u[row * t * d..][..t * d], weights: &weights };
            let forward = head.forward(&text).unwrap();
            let h = features(&head, &text, &forward, tail);
            let gamma = if tail == TailKind::FirstOrder { head.norm.gamma() } else { None };
            let v = propagate(&variance, &h, gamma);
            let check = |got: &[f64], key: &str| {
                assert_close(got, &numbers(&case[key][row]), 1e-12, &format!("{name} {key}"));
            };
            check(&weights, "w");
            check(&h, "h");
            check(&forward.pooled, "z");
            check(&v, "v");
            if case["normalize"].as_bool().unwrap() {
                let v_mu = normalized_variance(&v, &forward.unit, forward.norm);
                check(&forward.unit, "mu");
                check(&v_mu, "v_mu");
                check(&v_mu, "variance");
                let trace = normalized_trace(&v, &forward.unit, forward.norm);
                assert!((v_mu.iter().sum::<f64>() / trace - 1.0).abs() < 1e-12);
            } else {
                check(&forward.pooled, "mean");
                check(&v, "variance");
            }
        }
    }
}

#[test]
fn a_dense_head_is_one_token_and_an_activation() {
    let file = &json("tail.json")["dense_head"];
    let (d, i) = (6, 5);
    let (weight, bias) = (floats(&file["W"]), floats(&file["b"]));
    let (a, variance) = (floats(&file["a"]), numbers(&file["V"]));
    for case in file["cases"].as_array().unwrap() {
        let activation = match case["activation"].as_str().unwrap() {
            "tanh" => Activation::Tanh,
            _ => Activation::Identity,
        };
        let head = Head { activation, ..plain_head(d, i, Norm::None) };
        for row in 0..3 {
            let a = &a[row * i..(row + 1) * i];
            let u = support::outputs(&weight, a, &bias, i);
            let text = Text { a, u: &u, weights: &[1.0] };
            let forward = head.forward(&text).unwrap();
            let mut v = propagate(&variance, &features(&head, &text, &forward, TailKind::FirstOrder), None);
            activation.carry(&forward.pooled, &mut v);
            let v_mu = normalized_variance(&v, &forward.unit, forward.norm);
            for (got, key) in [(&forward.pooled, "z"), (&v, "v"), (&forward.unit, "mu"), (&v_mu, "v_mu")] {
                assert_close(got, &numbers(&case[key][row]), 1e-12, key);
            }
        }
    }
}

#[test]
fn a_masked_text_is_zero_and_never_reads_its_padding() {
    let head = plain_head(2, 1, Norm::None);
    let nan = f32::NAN;
    let weights = pooling_weights(Pooling::Mean, &[false, false]);
    let forward = head.forward(&Text { a: &[nan; 2], u: &[nan; 4], weights: &weights }).unwrap();
    assert_eq!((forward.norm, forward.unit), (0.0, vec![0.0; 2]));
}
