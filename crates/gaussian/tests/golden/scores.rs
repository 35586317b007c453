//! scores.json: every score at 1e-12 of its scale, undefined ones −∞; the float32 API at 1e-6.

use std::collections::HashMap;

use serde::Deserialize;
use uec_gaussian::{Cancel, Row, Rows, Score, all_pairs, pairwise, score_pair};

#[derive(Deserialize)]
struct File {
    betas: Vec<f64>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: usize,
    kind: String,
    mu_q: Vec<f32>,
    v_q: Vec<f32>,
    mu_c: Vec<f32>,
    v_c: Vec<f32>,
    expect: Expect,
    scale: HashMap<String, Option<f64>>,
}

#[derive(Deserialize)]
struct Expect {
    mu_s: f64,
    sigma2: f64,
    uec: Vec<f64>,
    wasserstein2: Option<f64>,
    jeffreys: Option<f64>,
    kl: Option<f64>,
    bhattacharyya: Option<f64>,
    expected_likelihood: Option<f64>,
    csd: Option<f64>,
    prob_cosine: Option<ProbCosine>,
}

#[derive(Deserialize)]
struct ProbCosine {
    folded: Vec<Option<f64>>,
}

impl Case {
    /// The expected score and the size that its error is measured by.
    fn expected(&self, score: Score, beta: usize) -> (Option<f64>, f64) {
        let scale = |name: &str| self.scale.get(name).copied().flatten().unwrap_or(f64::NAN);
        let e = &self.expect;
        let own = |value: Option<f64>| (value, value.unwrap_or_default().abs());
        match score {
            Score::Uec => (Some(e.uec[beta]), scale("mu_s")),
            Score::Cosine => (Some(e.mu_s), scale("mu_s")),
            Score::Wasserstein2 => own(e.wasserstein2),
            Score::Csd => own(e.csd),
            Score::Jeffreys => (e.jeffreys, scale("jeffreys")),
            Score::Kl => (e.kl, scale("kl")),
            Score::Bhattacharyya => (e.bhattacharyya, scale("bhattacharyya")),
            Score::ExpectedLikelihood => (e.expected_likelihood, scale("expected_likelihood")),
            // E[cos] is a sum of the same cancelling terms as μ_s, divided by √n.
            Score::ProbCosine => {
                let folded = e.prob_cosine.as_ref().and_then(|p| p.folded[beta]);
                (
                    folded,
                    folded
                        .unwrap_or_default()
                        .abs()
                        .max(folded.unwrap_or_default().abs() * scale("mu_s") / e.mu_s.abs()),
                )
            }
        }
    }
}

#[test]
fn every_score_matches() {
    let file: File = super::read("scores.json");
    let (mut compared, mut undefined) = (0, 0);
    for case in &file.cases {
        let query = Row { mean: &case.mu_q, variance: &case.v_q };
        let candidate = Row { mean: &case.mu_c, variance: &case.v_c };
        for (index, beta) in file.betas.iter().enumerate() {
            for score in Score::ALL {
                let what = format!("{} of case {} ({}), beta {beta}", score.name(), case.id, case.kind);
                let got = score_pair(*score, *beta, query, candidate);
                let (expected, scale) = case.expected(*score, index);
                match expected {
                    Some(expected) => {
                        let error = (got.score - expected).abs();
                        assert!(error <= 1e-12 * scale, "{what}: {} instead of {expected}, scale {scale}", got.score);
                        compared += 1;
                    }
                    None => {
                        assert_eq!(got.score, f64::NEG_INFINITY, "{what}");
                        undefined += 1;
                    }
                }
                let mu_scale = case.scale["mu_s"].unwrap();
                assert!((got.similarity - case.expect.mu_s).abs() <= 1e-12 * mu_scale, "{what}: similarity");
                let sigma2 = case.expect.sigma2;
                assert!((got.deviation - sigma2.sqrt()).abs() <= 1e-12 * sigma2.sqrt(), "{what}: deviation");
            }
        }
    }
    assert!(compared > 3000 && undefined > 50, "{compared} compared, {undefined} undefined");
}

#[test]
fn pairwise_is_the_rounded_routine_and_all_pairs_keeps_its_bound() {
    let file: File = super::read("scores.json");
    let cancel = Cancel::default();
    for case in &file.cases {
        let query = Rows::new(&case.mu_q, &case.v_q, case.mu_q.len()).unwrap();
        let candidate = Rows::new(&case.mu_c, &case.v_c, case.mu_c.len()).unwrap();
        for (index, beta) in file.betas.iter().enumerate() {
            for score in Score::ALL {
                let exact = score_pair(*score, *beta, query.row(0), candidate.row(0));
                let pair = pairwise(query, candidate, *score, *beta, &cancel).unwrap();
                assert_eq!(
                    (pair.scores[0], pair.similarities[0], pair.deviations[0]),
                    (exact.score as f32, exact.similarity as f32, exact.deviation as f32)
                );
                let matrix = all_pairs(query, candidate, *score, *beta, &cancel).unwrap();
                let (_, scale) = case.expected(*score, index);
                let (got, want) = (f64::from(matrix.scores[0]), f64::from(pair.scores[0]));
                assert!(
                    got == want || (got - want).abs() <= 1e-5 * scale,
                    "{} of case {}: {got} {want}",
                    score.name(),
                    case.id
                );
                let (got, want) = (f64::from(matrix.deviations[0]), f64::from(pair.deviations[0]));
                assert!(
                    got == want || (got - want).abs() <= 1e-5 * want,
                    "deviation of case {}: {got} {want}",
                    case.id
                );
            }
        }
    }
}
