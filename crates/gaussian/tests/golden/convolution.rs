//! convolution.json: mixture, normalisation and alignment at 1e-12 of the largest entry.

use serde::Deserialize;
use uec_gaussian::{Alignment, Cancel, Row, Rows, convolve, mix_row, normalize_row};

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
    aligned: Vec<Aligned>,
}

#[derive(Deserialize)]
struct Case {
    id: usize,
    mu: Vec<Vec<f32>>,
    v: Vec<Vec<f32>>,
    pi: Vec<f64>,
    #[serde(flatten)]
    expect: Expect,
}

#[derive(Deserialize)]
struct Aligned {
    id: usize,
    #[serde(rename = "A")]
    maps: Vec<Option<Vec<Vec<f32>>>>,
    mu: Vec<Vec<f32>>,
    v: Vec<Vec<f32>>,
    pi: Vec<f64>,
    aligned_mu: Vec<Vec<f64>>,
    aligned_v: Vec<Vec<f64>>,
    #[serde(flatten)]
    expect: Expect,
}

#[derive(Deserialize)]
struct Expect {
    mean: Vec<f64>,
    variance: Vec<f64>,
    norm: f64,
    mean_normalised: Vec<f64>,
    variance_normalised: Vec<f64>,
}

impl Expect {
    fn check(&self, mut mean: Vec<f64>, mut variance: Vec<f64>, what: &str) {
        super::assert_close(&mean, &self.mean, 1e-12, what);
        super::assert_close(&variance, &self.variance, 1e-12, what);
        let norm = normalize_row(&mut mean, &mut variance);
        super::assert_close(&[norm], &[self.norm], 1e-12, what);
        super::assert_close(&mean, &self.mean_normalised, 1e-12, what);
        super::assert_close(&variance, &self.variance_normalised, 1e-12, what);
    }
}

#[test]
fn mixtures_match() {
    let file: File = super::read("convolution.json");
    for case in &file.cases {
        let what = format!("case {}", case.id);
        let members: Vec<_> = case.mu.iter().zip(&case.v).map(|(m, v)| (m.as_slice(), v.as_slice())).collect();
        let (mean, variance) = mix_row(&members, &case.pi);
        case.expect.check(mean, variance, &what);

        let dimension = case.mu[0].len();
        let rows: Vec<_> = members.iter().map(|(m, v)| Rows::new(m, v, dimension).unwrap()).collect();
        let got = convolve(&rows, &case.pi, true, &Cancel::default()).unwrap();
        let wide = |x: &[f32]| x.iter().copied().map(f64::from).collect::<Vec<_>>();
        super::assert_close(&wide(&got.gaussians.mean), &case.expect.mean_normalised, 1e-6, &what);
        super::assert_close(&wide(&got.gaussians.variance), &case.expect.variance_normalised, 1e-6, &what);
        super::assert_close(&got.norm2, &[case.expect.norm * case.expect.norm], 1e-12, &what);
        assert_eq!(got.valid, [1]);
    }
    assert!(file.cases.len() >= 16);
}

/// The tiny component beside a dominating one keeps its own relative precision.
#[test]
fn a_dominating_component_does_not_drown_the_others() {
    let file: File = super::read("convolution.json");
    for case in &file.cases {
        let members: Vec<_> = case.mu.iter().zip(&case.v).map(|(m, v)| (m.as_slice(), v.as_slice())).collect();
        let (mut mean, mut variance) = mix_row(&members, &case.pi);
        normalize_row(&mut mean, &mut variance);
        for (got, expected) in variance.iter().zip(&case.expect.variance_normalised) {
            assert!((got - expected).abs() <= 1e-9 * expected, "case {}: {got} {expected}", case.id);
        }
    }
}

#[test]
fn aligned_mixtures_match() {
    let file: File = super::read("convolution.json");
    for case in &file.aligned {
        let what = format!("aligned case {}", case.id);
        let mapped: Vec<(Vec<f64>, Vec<f64>)> = (0..case.maps.len())
            .map(|k| {
                let row = Row { mean: &case.mu[k], variance: &case.v[k] };
                match &case.maps[k] {
                    Some(a) => Alignment::new(super::flat(a), a.len(), a[0].len()).unwrap().map_row(row),
                    None => (
                        row.mean.iter().copied().map(f64::from).collect(),
                        row.variance.iter().copied().map(f64::from).collect(),
                    ),
                }
            })
            .collect();
        for (k, (mean, variance)) in mapped.iter().enumerate() {
            super::assert_close(mean, &case.aligned_mu[k], 1e-12, &what);
            super::assert_close(variance, &case.aligned_v[k], 1e-12, &what);
        }
        let members: Vec<_> = mapped.iter().map(|(m, v)| (m.as_slice(), v.as_slice())).collect();
        let (mean, variance) = mix_row(&members, &case.pi);
        case.expect.check(mean, variance, &what);
    }
    assert!(file.aligned.iter().any(|case| case.maps.iter().any(Option::is_none)));
}
