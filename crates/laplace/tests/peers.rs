//! The curvature and the posterior against other people's programs: torch's automatic differentiation and laplace-torch
//! (python/requirements.txt), which are run by the Python that UEC_PYTHON names.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{Owned, Problem, Shape, every_option, fit, outputs, plain_head};
use uec_laplace::{
    Activation, CurvatureOptions, Norm, Posterior, PosteriorOptions, Prior, Scale, Sides, Similarity, TailKind,
    TraceSample, features, propagate,
};

/// Runs a script of python/ on problems; says so where it cannot.
fn run(test: &str, script: &str, problems: &[Value]) {
    let python = std::env::var("UEC_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script);
    let mut command = Command::new(python);
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.env("PYTHONDONTWRITEBYTECODE", "1").spawn() else {
        eprintln!("skipped: {test} (no python3; set UEC_PYTHON)");
        return;
    };
    let mut input = child.stdin.take().unwrap();
    // A script without its packages ends before it has read anything.
    let _ = input.write_all(&serde_json::to_vec(problems).unwrap());
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if output.status.code() == Some(77) {
        let why = said.lines().find_map(|line| line.strip_prefix("skipped: ")).unwrap_or("packages are missing");
        eprintln!("skipped: {test} ({why}; set UEC_PYTHON)");
        return;
    }
    assert!(output.status.success(), "{said}");
    eprintln!("{said}");
}

fn describe(problem: &Problem, options: CurvatureOptions, name: String, results: Value) -> Value {
    let head = &problem.head;
    let (beta, epsilon) = match &head.norm {
        Norm::Layer { beta, epsilon, .. } => (beta.clone(), *epsilon),
        Norm::Rms { epsilon, .. } => (Vec::new(), *epsilon),
        Norm::None => (Vec::new(), 0.0),
    };
    let text = |text: &Owned| json!({ "a": text.a, "u": text.u, "weights": text.weights });
    let list = |texts: &[Owned]| texts.iter().map(text).collect::<Vec<_>>();
    json!({
        "name": name,
        "head": {
            "width": head.width, "dimension": head.dimension, "features": head.features, "norm": head.norm.name(),
            "gamma": head.norm.gamma().unwrap_or_default(), "beta": beta, "epsilon": epsilon,
            "activation": head.activation.as_str(),
        },
        "weight": problem.weight,
        "queries": list(&problem.queries),
        "positives": list(&problem.positives),
        "negatives": problem.negatives.iter().map(|texts| list(texts)).collect::<Vec<_>>(),
        "options": {
            "estimator": options.estimator.as_str(), "sides": options.sides.as_str(),
            "similarity": options.similarity.as_str(), "temperature": options.temperature,
        },
        "results": results,
    })
}

/// Every norm and activation × all outputs or the first ones × estimator × sides × similarity × hard negatives.
#[test]
fn curvature_is_that_of_automatic_differentiation() {
    let mut problems = Vec::new();
    let heads = [
        ("layer", Activation::Identity),
        ("rms", Activation::Identity),
        ("none", Activation::Identity),
        ("none", Activation::Tanh),
        ("none", Activation::Relu),
        ("none", Activation::Sigmoid),
    ];
    for (seed, (norm, activation)) in heads.into_iter().enumerate() {
        for (dimension, negatives) in [(12, 0), (12, 2), (8, 2)] {
            let tokens = if activation == Activation::Identity { 4 } else { 1 };
            let shape = Shape { dimension: 12, features: 7, batch: 4, tokens, negatives };
            let mut problem = Problem::new(41 + seed as u64, norm, shape);
            problem.head.dimension = dimension;
            problem.head.activation = activation;
            for options in every_option(0.1) {
                let (slow, fast) = (fit(&problem, options, false), fit(&problem, options, true));
                let results = json!({ "H": slow.h(), "H_fast": fast.h(), "losses": losses(&problem, options) });
                let name = format!("{norm} {activation:?} {dimension} of 12, negatives {negatives}, {options:?}");
                problems.push(describe(&problem, options, name, results));
            }
        }
    }
    run("curvature_is_that_of_automatic_differentiation", "check_curvature.py", &problems);
}

fn losses(problem: &Problem, options: CurvatureOptions) -> Vec<f64> {
    let mut curvature = uec_laplace::Curvature::new(&problem.head, options).unwrap();
    let (queries, positives) = (support::texts(&problem.queries), support::texts(&problem.positives));
    let cancel = uec_gaussian::Cancel::default();
    curvature.add_batch(&problem.head, &queries, &positives, &problem.negatives(), &cancel).unwrap().losses
}

/// The same posterior in laplace-torch: H, V, the evidence, its maximiser, and the variance of the logits.
#[test]
fn posterior_is_that_of_laplace_torch() {
    let mut problems = Vec::new();
    for estimator in ["ef", "ggn"] {
        let options = CurvatureOptions {
            estimator: estimator.parse().unwrap(),
            sides: Sides::Query,
            similarity: Similarity::Dot,
            temperature: 1.0,
        };
        problems.push(posterior(&softmax_regression(), options, "last_layer"));
        for (norm, sides, similarity) in [
            ("none", Sides::Query, Similarity::Dot),
            ("none", Sides::Both, Similarity::Dot),
            ("layer", Sides::Query, Similarity::Cosine),
            ("layer", Sides::Both, Similarity::Cosine),
        ] {
            let shape = Shape { dimension: 6, features: 5, batch: 8, tokens: 4, negatives: 0 };
            let options = CurvatureOptions { sides, similarity, temperature: 0.25, ..options };
            problems.push(posterior(&Problem::new(51, norm, shape), options, "whole"));
        }
    }
    run("posterior_is_that_of_laplace_torch", "check_laplace.py", &problems);
}

/// One passage per class, the unit vectors, so that s_ij = (W h_i)_j. Small dyadic numbers: u = W a has no rounding.
fn softmax_regression() -> Problem {
    let shape = Shape { dimension: 6, features: 5, batch: 6, tokens: 3, negatives: 0 };
    let mut problem = Problem::new(50, "none", shape);
    problem.head = plain_head(6, 5, Norm::None);
    problem.weight.iter_mut().for_each(|w| *w = (*w * 64.0).round() / 64.0);
    for text in &mut problem.queries {
        text.a.iter_mut().for_each(|a| *a = (*a * 32.0).round() / 16.0);
        text.u = outputs(&problem.weight, &text.a, &vec![0.0; text.u.len()], 5);
    }
    let unit = |class: usize| (0..6).map(|d| f32::from(u8::from(d == class))).collect();
    problem.positives = (0..6).map(|class| Owned::new(vec![0.0; 5], unit(class), 1)).collect();
    problem
}

fn posterior(problem: &Problem, curvature: CurvatureOptions, subset: &str) -> Value {
    let fitted = fit(problem, curvature, false);
    let (h, loss) = (fitted.h().to_vec(), fitted.loss());
    let (lambda, laplace_temperature) = (0.3, 2.5);
    let sample = TraceSample::new(&problem.head, TailKind::Plain);
    let options = PosteriorOptions {
        prior: Prior::Value(lambda),
        laplace_temperature,
        scale: Scale::None,
        ..PosteriorOptions::default()
    };
    let norm2 = problem.weight_norm2();
    let posterior = Posterior::fit(fitted, &problem.head, &norm2, sample, options, String::new()).unwrap();
    let marglik = Prior::Marglik.precision(posterior.curvature(), laplace_temperature, norm2.iter().sum()).unwrap();
    let v: Vec<f64> = posterior.variance().iter().map(|&v| f64::from(v)).collect();
    let variance = problem.queries.iter().flat_map(|text| {
        let forward = problem.head.forward(&text.text()).unwrap();
        propagate(&v, &features(&problem.head, &text.text(), &forward, TailKind::Plain), None)
    });
    let results = json!({
        "H": h, "loss": loss, "lambda": lambda, "laplace_temperature": laplace_temperature,
        "V": v, "evidence": posterior.log_marginal_likelihood(), "marglik_lambda": marglik,
        "logit_variance": variance.collect::<Vec<_>>(),
    });
    let mut described =
        describe(problem, curvature, format!("{subset} {} {curvature:?}", problem.head.norm.name()), results);
    described["subset"] = json!(subset);
    described
}
