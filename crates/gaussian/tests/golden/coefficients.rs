//! coefficients.json: every rule and temperature, at the file's own tolerances; the 'auto' temperature.

use serde::Deserialize;
use uec_gaussian::{
    Cancel, Coefficients, Moments, Row, Rows, auto_temperature, auto_temperature_from_moments, coefficients,
};

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
    calibration: Vec<Sample>,
}

#[derive(Deserialize)]
struct Case {
    id: usize,
    variances: Vec<Vec<f32>>,
    traces: Vec<f64>,
    inverse_variance: Option<Vec<f64>>,
    uniform: Vec<f64>,
    #[serde(rename = "by_T")]
    by_temperature: Vec<AtTemperature>,
}

#[derive(Deserialize)]
struct AtTemperature {
    #[serde(rename = "T")]
    temperature: f64,
    softmax_trace: Vec<f64>,
    softmax_trace_atol: f64,
    softmax_precision: Option<Vec<f64>>,
    softmax_precision_atol: Option<f64>,
}

#[derive(Deserialize)]
struct Sample {
    traces: Vec<Vec<f64>>,
    c: Vec<f64>,
    std_all_population: f64,
}

impl Case {
    fn get(&self, rule: Coefficients<'_>, temperature: f64) -> Vec<f64> {
        let mean = [0.5, -0.5, 0.5, -0.5];
        let members: Vec<_> = self.variances.iter().map(|v| Rows::new(&mean, v, 4).unwrap()).collect();
        coefficients(rule, temperature, &members, None, &Cancel::default()).unwrap()
    }
}

fn assert_within(got: &[f64], expected: &[f64], atol: f64, what: &str) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= atol, "{what}: {got} instead of {expected}");
    }
}

#[test]
fn every_rule_matches() {
    let file: File = super::read("coefficients.json");
    let mut limits = 0;
    for case in &file.cases {
        let what = |rule: &str| format!("{rule}, case {}", case.id);
        for (variance, trace) in case.variances.iter().zip(&case.traces) {
            assert_eq!(Row { mean: &[0.0; 4], variance }.trace(), *trace);
        }
        assert_within(&case.get(Coefficients::Uniform, 1.0), &case.uniform, 1e-12, &what("uniform"));
        let (inverse, power) = (case.get(Coefficients::InverseVariance, 1.0), case.get(Coefficients::Power(1.0), 1.0));
        assert_within(&inverse, &power, 1e-15, &what("power 1"));
        if let Some(expected) = &case.inverse_variance {
            for (got, expected) in inverse.iter().zip(expected) {
                assert!(
                    (got - expected).abs() <= 1e-12 * expected.max(1e-300),
                    "{}: {got} {expected}",
                    what("inverse")
                );
            }
        } else {
            limits += 1;
            assert_certain_share(&inverse, |k| case.traces[k] == 0.0);
        }
        for at in &case.by_temperature {
            let trace = case.get(Coefficients::SoftmaxTrace, at.temperature);
            assert_within(&trace, &at.softmax_trace, at.softmax_trace_atol, &what("softmax-trace"));
            let precision = case.get(Coefficients::SoftmaxPrecision, at.temperature);
            match (&at.softmax_precision, at.softmax_precision_atol) {
                (Some(expected), Some(atol)) => assert_within(&precision, expected, atol, &what("softmax-precision")),
                _ => assert_certain_share(&precision, |k| case.variances[k].contains(&0.0)),
            }
        }
    }
    assert!(limits > 0);
}

/// Certain members share the weight equally, the others get none.
fn assert_certain_share(got: &[f64], certain: impl Fn(usize) -> bool) {
    let count = (0..got.len()).filter(|k| certain(*k)).count();
    assert!(count > 0);
    for (k, got) in got.iter().enumerate() {
        assert_eq!(*got, if certain(k) { 1.0 / count as f64 } else { 0.0 });
    }
}

#[test]
fn auto_temperature_is_the_pooled_population_deviation() {
    let file: File = super::read("coefficients.json");
    for sample in &file.calibration {
        let scaled: Vec<Vec<f64>> =
            sample.traces.iter().zip(&sample.c).map(|(t, c)| t.iter().map(|t| t * c).collect()).collect();
        let slices: Vec<&[f64]> = scaled.iter().map(Vec::as_slice).collect();
        let moments: Vec<_> = slices.iter().map(|sample| Moments::of(sample)).collect();
        for got in [auto_temperature(&slices), auto_temperature_from_moments(&moments)] {
            assert!((got - sample.std_all_population).abs() <= 1e-12 * sample.std_all_population, "{got}");
        }
    }
    assert!(!file.calibration.is_empty());
}
