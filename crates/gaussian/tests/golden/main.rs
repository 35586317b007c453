//! Parity with the golden vectors, which were computed without any code of this project.
#![allow(clippy::unwrap_used)]

mod calibration;
mod coefficients;
mod convolution;
mod scores;

use serde::de::DeserializeOwned;

fn read<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/../../__test__/fixtures/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// max|got − expected| within `tolerance` of max|expected|.
fn assert_close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= tolerance * scale, "{what}: {got} instead of {expected}");
    }
}

fn flat<T: Copy>(rows: &[Vec<T>]) -> Vec<T> {
    rows.concat()
}
