//! λ, γ_eff, V and the likelihood against curvature.json's marglik[], and on a real encoder's H.
#![allow(clippy::unwrap_used)]

mod support;

use safetensors::SafeTensors;
use support::{assert_close, floats, golden, json, numbers};
use uec_laplace::{
    MIN_PRIOR_PRECISION, Prior, effective_parameters, log_marginal_likelihood, marglik_precision, relative_precision,
};

#[track_caller]
fn assert_relative(got: f64, expected: f64, tolerance: f64, what: &str) {
    let error = ((got - expected) / expected).abs();
    assert!(error <= tolerance, "{what}: {got} for {expected}, off by {error:e}");
}

#[test]
fn every_marginal_likelihood() {
    let file = json("curvature.json");
    for case in file["marglik"].as_array().unwrap() {
        let number = |key: &str| case[key].as_f64().unwrap();
        let name = case["kind"].as_str().unwrap();
        let (h, t_l, norm2, loss) = (floats(&case["H"]), number("T_l"), number("W_norm2"), number("loss_sum"));
        let lambda = marglik_precision(&h, t_l, norm2).unwrap();
        assert_relative(lambda, number("lambda"), 1e-9, name);
        assert_relative(effective_parameters(&h, t_l, lambda), number("gamma_eff"), 1e-9, name);
        let at_best = log_marginal_likelihood(&h, t_l, lambda, loss, norm2);
        assert_relative(at_best, number("log_marglik_at_lambda"), 1e-11, name);
        for pair in case["log_marglik"].as_array().unwrap() {
            let pair = numbers(pair);
            let got = log_marginal_likelihood(&h, t_l, pair[0], loss, norm2);
            assert_relative(got, pair[1], 1e-11, name);
            assert!(got <= at_best + 1e-9 * at_best.abs(), "{name}: λ = {} is better", pair[0]);
        }
        for (lambda, key) in [(lambda, "V"), (1.0, "V_at_lambda_1")] {
            let v: Vec<f64> = h.iter().map(|&h| 1.0 / (f64::from(h) / t_l + lambda)).collect();
            assert_close(&v, &numbers(&case[key]), 1e-9, name);
        }
    }
}

/// H of 64 pairs on all-MiniLM-L6-v2.
fn encoder_curvature() -> Vec<f32> {
    let bytes = std::fs::read(golden("posterior.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let data = file.tensor("H").unwrap().data().to_vec();
    data.chunks_exact(4).map(|word| f32::from_le_bytes(word.try_into().unwrap())).collect()
}

#[test]
fn the_real_encoder() {
    let h = encoder_curvature();
    let fit = &json("encoder.json")["fit"];
    let number = |key: &str| fit[key].as_f64().unwrap();
    let (norm2, loss) = (number("W_norm2"), number("loss_sum"));

    let relative = json("default_path.json");
    assert_relative(relative_precision(&h), relative["lambda_relative"].as_f64().unwrap(), 1e-12, "relative");

    let lambda = marglik_precision(&h, 1.0, norm2).unwrap();
    assert_relative(lambda, number("lambda"), 1e-9, "marglik");
    assert_relative(effective_parameters(&h, 1.0, lambda), number("gamma_eff"), 1e-9, "γ_eff");
    for pair in fit["log_marglik"].as_array().unwrap() {
        let pair = numbers(pair);
        let got = log_marginal_likelihood(&h, 1.0, pair[0], loss, norm2);
        assert_relative(got, pair[1], 1e-9, "log marginal likelihood");
    }
    for (lambda, key) in [(lambda, "V"), (1e-4, "V_lambda_1e-4")] {
        let v = |index: usize| 1.0 / (f64::from(h[index]) + lambda);
        let sum: f64 = (0..h.len()).map(v).sum();
        assert_relative(sum, fit[key]["sum"].as_f64().unwrap(), 1e-9, key);
        for sample in fit[key]["samples"].as_array().unwrap() {
            let sample = numbers(sample);
            assert_relative(v(sample[0] as usize * 1536 + sample[1] as usize), sample[2], 1e-9, key);
        }
    }
}

/// A search on a grid that gets finer, beside the fixed point.
#[test]
fn the_fixed_point_is_the_maximum() {
    let h: Vec<f32> = (0..300_u16).map(|i| (f32::from(i) - 100.0).max(0.0).powi(3) * 1e-5).collect();
    let value = |log: f64| log_marginal_likelihood(&h, 0.7, log.exp(), 12.0, 40.0);
    let (mut low, mut high) = (-25.0, 25.0);
    for _ in 0..200 {
        let (a, b) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if value(a) < value(b) { low = a } else { high = b }
    }
    let lambda = Prior::Marglik.precision(&h, 0.7, 40.0).unwrap();
    // The maximum is flat: a search sees the square root of the rounding.
    assert_relative(lambda, f64::exp((low + high) / 2.0), 1e-6, "search");
    assert_relative(lambda, effective_parameters(&h, 0.7, lambda) / 40.0, 1e-12, "fixed point");
}

#[test]
fn relative_has_a_floor() {
    assert_eq!(Prior::Relative.precision(&[0.0; 8], 1.0, 0.0).unwrap(), MIN_PRIOR_PRECISION);
}
