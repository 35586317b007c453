//! method §2 against curvature.json (torch autograd, float64): the reference at 1e-9, the fast path at 1e-5 of max H.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{Owned, assert_close, head, json, numbers, texts};
use uec_gaussian::Cancel;
use uec_laplace::{Curvature, CurvatureOptions, Estimator, Head, Sides, Similarity};

const ESTIMATORS: [Estimator; 2] = [Estimator::Ef, Estimator::Ggn];

struct Inputs {
    queries: Vec<Owned>,
    positives: Vec<Owned>,
    negatives: Vec<Vec<Owned>>,
}

impl Inputs {
    fn new(batch: &Value) -> Self {
        let list = |value: &Value| value.as_array().unwrap().iter().map(Owned::from_json).collect::<Vec<_>>();
        let negatives = batch["negatives"].as_array().map(|lists| lists.iter().map(list).collect());
        Self {
            queries: list(&batch["queries"]),
            positives: list(&batch["positives"]),
            negatives: negatives.unwrap_or_default(),
        }
    }

    fn add(&self, curvature: &mut Curvature, head: &Head, fast: bool) -> Vec<f64> {
        let negatives: Vec<_> = self.negatives.iter().map(|list| texts(list)).collect();
        let (queries, positives, cancel) = (texts(&self.queries), texts(&self.positives), Cancel::default());
        let report = if fast {
            curvature.add_batch(head, &queries, &positives, &negatives, &cancel)
        } else {
            curvature.add_batch_reference(head, &queries, &positives, &negatives, &cancel)
        };
        report.unwrap().losses
    }
}

fn options(result: &Value, estimator: Estimator, sides: Sides) -> CurvatureOptions {
    let similarity: Similarity = result["similarity"].as_str().unwrap().parse().unwrap();
    CurvatureOptions { estimator, sides, similarity, temperature: result["tau"].as_f64().unwrap() }
}

#[test]
fn every_batch() {
    let file = json("curvature.json");
    let mut checked = 0;
    for batch in file["batches"].as_array().unwrap() {
        let norm = batch["norm"].as_str().unwrap();
        let head = head(norm, &file["models"][norm], 5, 4);
        let inputs = Inputs::new(batch);
        for result in batch["results"].as_array().unwrap() {
            for estimator in ESTIMATORS {
                for sides in [Sides::Both, Sides::Query] {
                    let expected = numbers(&result["H"][estimator.as_str()][sides.as_str()]);
                    let losses = numbers(&result["losses"]);
                    let name = format!("{} {} {estimator:?} {sides:?}", batch["id"], result["similarity"]);
                    for (fast, tolerance) in [(false, 1e-9), (true, 1e-5)] {
                        let mut curvature = Curvature::new(&head, options(result, estimator, sides)).unwrap();
                        let got = inputs.add(&mut curvature, &head, fast);
                        assert_close(curvature.h(), &expected, tolerance, &format!("{name} fast={fast}"));
                        for (got, expected) in got.iter().zip(&losses) {
                            assert!((got - expected).abs() <= 1e-9, "{name}: loss {got} for {expected}");
                        }
                        checked += 1;
                    }
                }
            }
        }
    }
    assert_eq!(checked, 18 * 4 * 4 * 2);
}

#[test]
fn sums_over_batches() {
    let file = json("curvature.json");
    let batches = file["batches"].as_array().unwrap();
    for case in file["accumulated"].as_array().unwrap() {
        let estimator: Estimator = case["estimator"].as_str().unwrap().parse().unwrap();
        let sides: Sides = case["sides"].as_str().unwrap().parse().unwrap();
        for (fast, tolerance) in [(false, 1e-9), (true, 1e-5)] {
            let mut curvature = None;
            for id in case["batches"].as_array().unwrap() {
                let batch = batches.iter().find(|batch| &batch["id"] == id).unwrap();
                let norm = batch["norm"].as_str().unwrap();
                let head = head(norm, &file["models"][norm], 5, 4);
                let sum =
                    curvature.get_or_insert_with(|| Curvature::new(&head, options(case, estimator, sides)).unwrap());
                Inputs::new(batch).add(sum, &head, fast);
            }
            let curvature = curvature.unwrap();
            assert_close(curvature.h(), &numbers(&case["H"]), tolerance, "accumulated");
            assert!((curvature.loss() - case["loss_sum"].as_f64().unwrap()).abs() <= 1e-9);
        }
    }
}
