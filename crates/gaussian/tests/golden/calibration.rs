//! calibration.json: the optimum of the calibration at 1e-8 in the objective and 1e-3 in its numbers.

use serde::Deserialize;
use uec_gaussian::{
    Calibration, CalibrationPairs, Cancel, Coefficients, Gaussians, choose_calibration, coefficients, fit_calibration,
};

/// Names for the columns of the file.
const SOURCES: [&str; 3] = ["trace", "inverse-norm", "tokens-per-word"];

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    n: usize,
    d: usize,
    tau: f64,
    ridge: f64,
    query_means: Vec<Vec<Vec<f32>>>,
    document_means: Vec<Vec<Vec<f32>>>,
    query_u: Vec<Vec<Vec<f32>>>,
    document_u: Vec<Vec<Vec<f32>>>,
    bias: Vec<f64>,
    power: Vec<f64>,
    objective: f64,
    loss: f64,
    loss_uniform: f64,
    query_coefficients_first4: Vec<Vec<f64>>,
}

/// The case's arrays, flat.
struct Flat {
    query: Vec<Vec<f32>>,
    document: Vec<Vec<f32>>,
    query_u: Vec<f32>,
    document_u: Vec<f32>,
}

impl Flat {
    fn of(case: &Case) -> Self {
        let means = |members: &[Vec<Vec<f32>>]| members.iter().map(|member| super::flat(member)).collect();
        let uncertainties = |rows: &[Vec<Vec<f32>>]| rows.iter().flat_map(|row| super::flat(row)).collect();
        Self {
            query: means(&case.query_means),
            document: means(&case.document_means),
            query_u: uncertainties(&case.query_u),
            document_u: uncertainties(&case.document_u),
        }
    }

    fn with<R>(&self, case: &Case, work: impl FnOnce(&CalibrationPairs<'_>) -> R) -> R {
        let query: Vec<&[f32]> = self.query.iter().map(Vec::as_slice).collect();
        let document: Vec<&[f32]> = self.document.iter().map(Vec::as_slice).collect();
        work(&CalibrationPairs {
            dimension: case.d,
            query_means: &query,
            document_means: &document,
            query_uncertainties: &self.query_u,
            document_uncertainties: &self.document_u,
            sources: &SOURCES[..case.power.len()],
        })
    }
}

#[test]
fn the_optimum_matches() {
    let file: File = super::read("calibration.json");
    for case in &file.cases {
        assert_eq!((case.tau, case.ridge), (0.05, 1e-3));
        let flat = Flat::of(case);
        let got = flat.with(case, |pairs| fit_calibration(pairs, &Cancel::default())).unwrap();
        let squares: f64 = got.bias.iter().chain(&got.power).map(|x| x * x).sum();
        let objective = got.loss + 0.5 * case.ridge * squares;
        assert!((objective - case.objective).abs() < 1e-8, "objective {objective} instead of {}", case.objective);
        assert!(got.loss < case.loss_uniform);
        assert!((got.loss - case.loss).abs() < 1e-6, "loss {} instead of {}", got.loss, case.loss);
        for (got, expected) in got.bias.iter().chain(&got.power).zip(case.bias.iter().chain(&case.power)) {
            assert!((got - expected).abs() < 1e-3, "{got} instead of {expected}");
        }
        assert_eq!(got.pairs, case.n);
        assert!(got.bias.iter().sum::<f64>().abs() < 1e-5);
        assert_eq!(got.sources, SOURCES[..case.power.len()]);

        let members: Vec<_> = flat
            .query
            .iter()
            .map(|mean| Gaussians { mean: mean.clone(), variance: vec![0.0; mean.len()], dimension: case.d })
            .collect();
        let rows: Vec<_> = members.iter().map(Gaussians::rows).collect();
        let pi =
            coefficients(Coefficients::Calibrated(&got), 1.0, &rows, Some(&flat.query_u), &Cancel::default()).unwrap();
        for (got, expected) in pi.iter().zip(case.query_coefficients_first4.iter().flatten()) {
            assert!((got - expected).abs() < 1e-3, "{got} instead of {expected}");
        }
    }
    assert_eq!(file.cases.len(), 4);
}

#[test]
fn a_calibration_does_not_depend_on_threads() {
    let file: File = super::read("calibration.json");
    let case = &file.cases[2];
    let run = |threads: usize| -> Calibration {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Flat::of(case).with(case, |pairs| choose_calibration(pairs, &Cancel::default()))).unwrap()
    };
    assert_eq!(run(1), run(4));
}
